//! One node, one life: each start of a node has a number, and a directory that was copied, or a
//! machine that was restored, is recognised when it starts (D22).
//!
//! What cannot be recognised here, such as a disk that was copied as a whole, the peers notice: they
//! meet two lives of one node.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use serde::{Deserialize, Serialize};

use super::{greeting::LifeId, outcast::Outcast};

/// The version of the file.
const FORMAT: u32 = 1;
/// Where Linux shows the generation id that a hypervisor gives a machine anew whenever it is cloned,
/// restored or rolled back. The kernel keeps it to root, and shows it for some hypervisors alone.
const GENERATION: &str = "/sys/firmware/qemu_fw_cfg/by_name/etc/vmgenid_guid/raw";
/// Where Linux keeps what tells a machine apart from others.
const MACHINE: &str = "/etc/machine-id";
/// The longest generation id: it has 16 octets.
const GENERATION_MAX: u64 = 64;

/// Whose life this process leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// The life.
    pub id: LifeId,
    /// How often the node was started in it.
    pub start: u64,
}

/// The file: the life, and the marks by which a copy of the file is recognised.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Written {
    format: u32,
    life: LifeId,
    start: u64,
    marks: Marks,
}

/// What a copy does not carry over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Marks {
    /// The number that the file system gave the file; it counts where there is no birth time.
    inode: u64,
    /// When the file was made, in nanoseconds; none where the file system does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    born: Option<String>,
    /// Where the file lies, and on which machine. A copy in the same place is a directory that was put
    /// back from a copy: its original is gone, and what it has forgotten is for consensus to see.
    place: PathBuf,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    machine: Option<String>,
    /// The machine's generation id; none where it cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    generation: Option<String>,
}

/// The life in a directory, begun once more: the number of this start is on disk when it returns.
///
/// A copied directory is refused unless the operator says that the node was `moved`: then this is
/// the node, under a new life.
pub(super) fn begin(path: &Path, moved: bool) -> anyhow::Result<Life> {
    begin_on(path, moved, Path::new(GENERATION))
}

fn begin_on(path: &Path, moved: bool, generation: &Path) -> anyhow::Result<Life> {
    let generation = generation_of(generation);
    let before = match fs::read_to_string(path) {
        Ok(text) => Some(read(path, &text)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(failed(path, source)),
    };
    let life = match before {
        Some(before) if !moved => {
            let metadata = fs::metadata(path).map_err(|source| failed(path, source))?;
            let now = Marks { generation: generation.clone(), ..marks_of(path, &metadata) };
            if let Some(mark) = copied(&before.marks, &now) {
                return Err(Outcast::Copied { path: path.to_owned(), mark }.into());
            }
            Life { id: before.life, start: before.start + 1 }
        }
        // The new life goes on counting: its starts are later than those before.
        Some(before) => Life { id: fresh(), start: before.start + 1 },
        None => Life { id: fresh(), start: 1 },
    };
    write(path, life, generation)?;
    Ok(life)
}

/// Raises the number of this start beyond one that a peer has met: a copy was there while this one
/// was not, and has ended.
pub(super) fn outlive(path: &Path, life: Life, start: u64) -> anyhow::Result<Life> {
    let life = Life { start: start.saturating_add(1).max(life.start), ..life };
    write(path, life, generation_of(Path::new(GENERATION)))?;
    Ok(life)
}

/// Whether the machine's generation id can be read here.
pub(super) fn machine_is_known() -> bool {
    generation_of(Path::new(GENERATION)).is_some()
}

/// Which mark shows that a file is a copy.
fn copied(before: &Marks, now: &Marks) -> Option<&'static str> {
    let elsewhere = before.place != now.place || before.machine != now.machine;
    let mark = match (&before.born, &now.born) {
        // No tool can carry it over, and it is exact; some network file systems change the numbers.
        (Some(before), Some(now)) => (before != now).then_some("birth time"),
        _ => (before.inode != now.inode).then_some("inode"),
    };
    if mark.is_some() && elsewhere {
        return mark;
    }
    match (&before.generation, &now.generation) {
        (Some(before), Some(now)) if before != now => Some("generation"),
        _ => None,
    }
}

fn fresh() -> LifeId {
    let mut octets = [0; 16];
    certs::system_random(&mut octets);
    LifeId(octets)
}

fn generation_of(path: &Path) -> Option<String> {
    let mut octets = Vec::new();
    File::open(path).ok()?.take(GENERATION_MAX).read_to_end(&mut octets).ok()?;
    // A hypervisor that gives none shows zeros.
    octets.iter().any(|octet| *octet != 0).then(|| hex::encode(octets))
}

/// The machine's own name for itself, hashed: it is not to be shown to others.
fn machine() -> Option<String> {
    let id = fs::read(MACHINE).ok()?;
    Some(hex::encode(&certs::sha256(id.trim_ascii())[..16]))
}

fn marks_of(path: &Path, metadata: &fs::Metadata) -> Marks {
    let born = metadata.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    Marks {
        inode: metadata.ino(),
        born: born.map(|at| at.as_nanos().to_string()),
        // A path that cannot be resolved is compared as it was given.
        place: path.parent().map_or_else(PathBuf::new, |parent| {
            fs::canonicalize(parent).unwrap_or_else(|_| parent.to_owned())
        }),
        machine: machine(),
        generation: None,
    }
}

fn read(path: &Path, text: &str) -> anyhow::Result<Written> {
    let damaged = |source| super::DirectoryError::Damaged { path: path.to_owned(), source };
    let written: Written = toml::from_str(text).map_err(damaged)?;
    if written.format > FORMAT {
        let path = path.to_owned();
        return Err(super::DirectoryError::Newer { path, found: written.format }.into());
    }
    Ok(written)
}

/// Writes the file anew, whole or not at all. The new file's own marks stand in it, so they are known
/// only once it is there.
fn write(path: &Path, life: Life, generation: Option<String>) -> anyhow::Result<()> {
    let fresh = path.with_extension("toml.new");
    let written = (|| {
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&fresh)?;
        let marks = Marks { generation, ..marks_of(path, &file.metadata()?) };
        let written = Written { format: FORMAT, life: life.id, start: life.start, marks };
        let text = toml::to_string(&written).expect("a life is made of numbers and texts");
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        let directory = path.parent().map_or_else(PathBuf::new, Path::to_owned);
        File::open(directory)?.sync_all()
    })();
    written.map_err(|source| failed(path, source))
}

fn failed(path: &Path, source: io::Error) -> anyhow::Error {
    super::DirectoryError::Io { path: path.to_owned(), source }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("life.toml");
        (directory, path)
    }

    fn mark_of(error: &anyhow::Error) -> &'static str {
        match error.downcast_ref() {
            Some(Outcast::Copied { mark, .. }) => mark,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_start_has_a_later_number_in_one_life() {
        let (_directory, path) = place();
        let first = begin(&path, false).expect("a first start");
        let second = begin(&path, false).expect("a second one");
        assert_eq!((first.start, second), (1, Life { start: 2, ..first }));
        let later = outlive(&path, second, 9).expect("written");
        assert_eq!(later.start, 10);
        assert_eq!(begin(&path, false).expect("a third one"), Life { start: 11, ..first });
    }

    #[test]
    fn a_copy_is_refused_and_its_original_goes_on() {
        let (directory, path) = place();
        let first = begin(&path, false).expect("a start");
        let elsewhere = directory.path().join("copy");
        fs::create_dir(&elsewhere).expect("made");
        let copy = elsewhere.join("life.toml");
        fs::copy(&path, &copy).expect("copied");
        for _ in 0..2 {
            let refused = begin(&copy, false).expect_err("a copy");
            assert!(["birth time", "inode"].contains(&mark_of(&refused)));
        }
        assert_eq!(begin(&path, false).expect("the original"), Life { start: 2, ..first });
        // The operator's word makes the copy the node, with a life of its own.
        let moved = begin(&copy, true).expect("moved");
        assert_ne!(moved.id, first.id);
        assert_eq!(begin(&copy, false).expect("from now on"), Life { start: 3, ..moved });
        // A rename within a file system is no copy.
        let renamed = directory.path().join("renamed");
        fs::rename(&elsewhere, &renamed).expect("renamed");
        let path = renamed.join("life.toml");
        begin(&path, false).expect("the same file");
        // Nor is one that was put back in its own place a second one: it is older, which is told by
        // other means.
        let kept = directory.path().join("kept");
        fs::copy(&path, &kept).expect("copied");
        fs::remove_file(&path).expect("removed");
        fs::copy(&kept, &path).expect("put back");
        assert_eq!(begin(&path, false).expect("the same place").id, moved.id);
    }

    #[test]
    fn the_birth_time_decides_and_the_inode_where_there_is_none() {
        let marks = |inode, born: Option<&str>, place: &str| Marks {
            inode,
            born: born.map(str::to_owned),
            place: place.into(),
            machine: None,
            generation: None,
        };
        for (before, now, expected) in [
            ((1, Some("5")), (1, Some("5")), None),
            ((1, Some("5")), (1, Some("6")), Some("birth time")),
            ((1, Some("5")), (2, Some("5")), None),
            ((1, None), (2, None), Some("inode")),
            ((1, Some("5")), (2, None), Some("inode")),
            ((1, Some("5")), (1, None), None),
        ] {
            let (before, elsewhere) = (marks(before.0, before.1, "/a"), marks(now.0, now.1, "/b"));
            assert_eq!(copied(&before, &elsewhere), expected, "{before:?} {elsewhere:?}");
            assert_eq!(copied(&before, &Marks { place: "/a".into(), ..elsewhere }), None);
        }
    }

    #[test]
    fn a_restored_machine_is_told_by_its_generation() {
        let (directory, path) = place();
        let generation = directory.path().join("generation");
        let begin = || begin_on(&path, false, &generation);
        begin().expect("no generation is known");
        fs::write(&generation, [1; 16]).expect("written");
        begin().expect("it is known from now on");
        begin().expect("the same machine");
        fs::write(&generation, [2; 16]).expect("written");
        assert_eq!(mark_of(&begin().expect_err("a restored machine")), "generation");
        fs::write(&generation, [0; 16]).expect("written");
        begin().expect("zeros are none");
    }
}
