//! The search for what should be gone: every octet of every file under a directory.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE},
};

/// How much of a file is looked at in one go.
const BLOCK: usize = 1 << 20;
/// Zeros are passed over in stretches of this size.
const STRETCH: usize = 4096;
static ZEROS: [u8; STRETCH + 1] = [0; STRETCH + 1];
/// How deep directories may lie: ours lie three deep.
const DEPTH_MAX: usize = 16;

/// A place where something was found that should not be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The file.
    pub file: PathBuf,
    /// Which of the things searched for.
    pub what: String,
    /// Where in the file.
    pub at: u64,
}

/// The forms in which octets may have been left behind: as they are, in hexadecimal, and in
/// base64 at each of its three alignments.
pub fn forms_of(name: &str, octets: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut forms = vec![
        (format!("{name}, plain"), octets.to_vec()),
        (format!("{name}, hex"), hex::encode(octets).into_bytes()),
        (format!("{name}, HEX"), hex::encode_upper(octets).into_bytes()),
    ];
    for skip in 0..3 {
        // Whole groups of three octets encode to the same four characters wherever they stand.
        let whole = &octets[skip.min(octets.len())..];
        let whole = &whole[..whole.len() / 3 * 3];
        if whole.len() >= 9 {
            forms.push((format!("{name}, base64 at {skip}"), STANDARD.encode(whole).into_bytes()));
            forms.push((
                format!("{name}, base64url at {skip}"),
                URL_SAFE.encode(whole).into_bytes(),
            ));
        }
    }
    // Numbers in a list, as a careless `{:?}` of octets prints them.
    let list: Vec<String> = octets.iter().take(12).map(u8::to_string).collect();
    forms.push((format!("{name}, as numbers"), list.join(", ").into_bytes()));
    forms
}

/// What a search has seen.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Searched {
    /// Where something was found.
    pub found: Vec<Found>,
    /// How many files were read.
    pub files: u64,
    /// How many octets: a search of nothing must not pass for a search without a find.
    pub octets: u64,
}

impl Searched {
    /// The files in which something was found, each once.
    pub fn found_in(&self) -> Vec<PathBuf> {
        let files: BTreeSet<_> = self.found.iter().map(|found| found.file.clone()).collect();
        files.into_iter().collect()
    }

    /// This search and another one as one.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.found.extend(other.found);
        Self { files: self.files + other.files, octets: self.octets + other.octets, ..self }
    }
}

/// Searches all files under a directory for octets, each with a name for what they are. A single octet is not
/// looked for: it is everywhere.
///
/// # Errors
/// The directory is not there, or what is in it cannot be read; what went away meanwhile is none.
pub fn search(root: &Path, needles: &[(String, Vec<u8>)]) -> io::Result<Searched> {
    let search = Search::new(needles);
    let mut searched = Searched::default();
    let mut open = vec![(root.to_path_buf(), 0)];
    while let Some((path, depth)) = open.pop() {
        match look(&search, &path, depth, &mut open, &mut searched) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && depth > 0 => {}
            looked => looked.map_err(|error| at(&path, &error))?,
        }
    }
    Ok(searched)
}

/// Looks at one path: a directory's are noted, a file is searched.
fn look(
    search: &Search<'_>,
    path: &Path,
    depth: usize,
    open: &mut Vec<(PathBuf, usize)>,
    searched: &mut Searched,
) -> io::Result<()> {
    let kind = fs::symlink_metadata(path)?;
    if kind.is_dir() && depth < DEPTH_MAX {
        for entry in fs::read_dir(path)? {
            open.push((entry?.path(), depth + 1));
        }
    } else if kind.is_file() {
        search.file(path, searched)?;
    }
    Ok(())
}

/// An error of the system with the path that it is about.
fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// The needles by their first two octets, so that most places are dismissed by one look.
struct Search<'a> {
    by_start: BTreeMap<Vec<u8>, Vec<&'a (String, Vec<u8>)>>,
    starts: Vec<bool>,
    overlap: usize,
}

impl<'a> Search<'a> {
    fn new(needles: &'a [(String, Vec<u8>)]) -> Self {
        let mut by_start: BTreeMap<Vec<u8>, Vec<_>> = BTreeMap::new();
        let mut starts = vec![false; 1 << 16];
        for needle in needles.iter().filter(|(_, octets)| octets.len() >= 2) {
            let start = [needle.1[0], needle.1[1]];
            starts[usize::from(u16::from_be_bytes(start))] = true;
            by_start.entry(start.to_vec()).or_default().push(needle);
        }
        let longest = needles.iter().map(|(_, octets)| octets.len()).max().unwrap_or(2);
        Self { by_start, starts, overlap: longest.saturating_sub(1) }
    }

    fn file(&self, path: &Path, searched: &mut Searched) -> io::Result<()> {
        let mut file = File::open(path)?;
        searched.files += 1;
        let mut window = Vec::with_capacity(BLOCK + self.overlap);
        let mut base = 0;
        loop {
            let read = (&mut file).take(BLOCK as u64).read_to_end(&mut window)?;
            searched.octets += read as u64;
            let last = read == 0;
            // What begins in the overlap is looked at with the next block, when it is whole.
            let end = if last { window.len() } else { window.len().saturating_sub(self.overlap) };
            self.window(&window, end, base, path, &mut searched.found);
            if last {
                return Ok(());
            }
            base += end as u64;
            window.drain(..end);
        }
    }

    fn window(&self, window: &[u8], end: usize, base: u64, path: &Path, found: &mut Vec<Found>) {
        let zeros = self.starts[0];
        for from in (0..end).step_by(STRETCH) {
            let to = (from + STRETCH).min(end);
            // Most of a preallocated file is zeros, and no needle begins with them; the one octet
            // more is for a needle that begins with the stretch's last.
            let stretch = &window[from..(to + 1).min(window.len())];
            if !zeros && stretch == &ZEROS[..stretch.len()] {
                continue;
            }
            for at in from..to {
                let [first, second, ..] = window[at..] else { break };
                if self.starts[usize::from(u16::from_be_bytes([first, second]))] {
                    self.place(&window[at..], base + at as u64, path, found);
                }
            }
        }
    }

    /// Compares a place with the needles that begin like it.
    fn place(&self, here: &[u8], at: u64, path: &Path, found: &mut Vec<Found>) {
        for (what, octets) in self.by_start.get(&here[..2]).into_iter().flatten() {
            if here.starts_with(octets) {
                found.push(Found { file: path.to_owned(), what: what.clone(), at });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_found_in_every_form_and_across_blocks() {
        let canary = b"chim hoang yen 7f3a9c51d2e84b06";
        let dir = tempfile::tempdir().expect("a directory");
        let mut octets = vec![b'.'; BLOCK - 7];
        octets.extend_from_slice(canary);
        fs::write(dir.path().join("a"), &octets).expect("written");
        fs::create_dir(dir.path().join("sub")).expect("made");
        for (index, shift) in ["", "x", "xy"].into_iter().enumerate() {
            let text = STANDARD.encode([shift.as_bytes(), canary].concat());
            fs::write(dir.path().join(format!("sub/{index}")), text).expect("written");
        }
        fs::write(dir.path().join("sub/h"), hex::encode(canary)).expect("written");
        let searched = search(dir.path(), &forms_of("canary", canary)).expect("searched");
        let found = &searched.found;
        assert!(searched.octets > BLOCK as u64 && searched.files == 5);
        assert_eq!(searched.found_in().len(), 5);
        for file in ["a", "sub/0", "sub/1", "sub/2", "sub/h"] {
            let path = dir.path().join(file);
            assert!(found.iter().any(|f| f.file == path), "{file} in {found:?}");
        }
        let plain = found.iter().find(|f| f.what.ends_with("plain")).expect("found");
        assert_eq!(plain.at, (BLOCK - 7) as u64);
        let other = forms_of("other", b"con chim khac 123456");
        let searched = search(dir.path(), &other).expect("searched");
        assert!(searched.found.is_empty() && searched.files == 5, "{searched:?}");
        let missing = search(&dir.path().join("missing"), &other).expect_err("not there");
        assert!(
            missing.kind() == io::ErrorKind::NotFound && missing.to_string().contains("missing")
        );
    }
}
