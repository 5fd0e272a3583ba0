//! Files of keys and certificates: whole or not at all, and synced before anybody relies on them.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use model::lengths::in_memory;

use crate::Error;

/// A key, a chain or a key ring is a few KiB; a larger file is not one of ours.
const FILE_MAX: u64 = 1024 * 1024;

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Only the owner (0600).
    Secret,
    /// Everybody (0644).
    Public,
}

/// Writes a file so that it is there whole, after a power cut too, or as it was before.
pub fn write_file(path: &Path, octets: &[u8], access: Access) -> Result<(), Error> {
    let temporary = beside(path);
    let result = replace(path, &temporary, octets, access);
    if result.is_err() {
        // What was half written may be a secret; if it cannot be removed, the first error matters more.
        fs::remove_file(&temporary).ok();
    }
    result.map_err(|source| Error::File { action: "write", path: path.to_owned(), source })
}

/// Writes a secret's file like [`write_file`], and then overwrites on the disk what the file held
/// before: a secret that is replaced is to be gone.
pub(crate) fn replace_secret(path: &Path, octets: &[u8]) -> Result<(), Error> {
    let fail = |source| Error::File { action: "replace", path: path.to_owned(), source };
    let old = named(path, ".old");
    destroy_left_over(path)?;
    match fs::hard_link(path, &old) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
        _ => {}
    }
    write_file(path, octets, Access::Secret)?;
    destroy(&old).map_err(fail)
}

/// Overwrites and removes what a crash in the midst of [`replace_secret`] left beside a secret's file.
pub(crate) fn destroy_left_over(path: &Path) -> Result<(), Error> {
    let fail = |source| Error::File { action: "tidy up beside", path: path.to_owned(), source };
    let old = named(path, ".old");
    // Before the new file took its place, the old one had two names: then it is still the good one.
    let same = match (fs::metadata(path), fs::metadata(&old)) {
        (Ok(now), Ok(old)) => (now.dev(), now.ino()) == (old.dev(), old.ino()),
        _ => false,
    };
    if same {
        fs::remove_file(&old).map_err(fail)?;
    } else {
        destroy(&old).map_err(fail)?;
    }
    destroy(&beside(path)).map_err(fail)
}

/// Overwrites a file with zeros, durably, and removes it; one that is not there is gone already.
fn destroy(path: &Path) -> io::Result<()> {
    let mut file = match OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let size = file.metadata()?.len().min(FILE_MAX);
    file.write_all(&vec![0; size as usize])?;
    file.sync_all()?;
    fs::remove_file(path)?;
    sync_directory(path)
}

/// Reads a secret's file; refuses one that others may read.
pub fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let fail = |source| Error::File { action: "read", path: path.to_owned(), source };
    let file = File::open(path).map_err(fail)?;
    let metadata = file.metadata().map_err(fail)?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(Error::Exposed { path: path.to_owned() });
    }
    read_all(file, metadata.len()).map_err(fail)
}

/// Reads a file that anybody may read.
pub(crate) fn read_public(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let fail = |source| Error::File { action: "read", path: path.to_owned(), source };
    let file = File::open(path).map_err(fail)?;
    let size = file.metadata().map_err(fail)?.len();
    read_all(file, size).map_err(fail)
}

fn read_all(file: File, size: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    if size > FILE_MAX {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "larger than a key or certificate",
        ));
    }
    // Room for all of it at once: a vector that grows would leave copies of a secret behind.
    let mut octets = Zeroizing::new(Vec::with_capacity(in_memory(FILE_MAX.min(size + 1))));
    file.take(FILE_MAX).read_to_end(&mut octets)?;
    Ok(octets)
}

fn beside(path: &Path) -> PathBuf {
    named(path, ".new")
}

fn named(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

fn replace(path: &Path, temporary: &Path, octets: &[u8], access: Access) -> io::Result<()> {
    let mode = match access {
        Access::Secret => 0o600,
        Access::Public => 0o644,
    };
    // What an earlier attempt left behind may have another mode.
    match fs::remove_file(temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(temporary)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(octets)?;
    file.sync_all()?;
    fs::rename(temporary, path)?;
    sync_directory(path)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_file_is_for_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        write_file(&path, b"one", Access::Secret).unwrap();
        write_file(&path, b"two", Access::Secret).unwrap();
        assert_eq!(&**read_secret(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read_secret(&path), Err(Error::Exposed { .. })));
    }

    #[test]
    fn a_crash_while_a_secret_is_replaced_leaves_one_good_file_and_no_old_octets() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        let (old, new) = (named(&path, ".old"), beside(&path));
        let files = || fs::read_dir(directory.path()).unwrap().count();
        write_file(&path, b"one", Access::Secret).unwrap();
        // Before the new file took its place.
        fs::hard_link(&path, &old).unwrap();
        fs::write(&new, b"tw").unwrap();
        destroy_left_over(&path).unwrap();
        assert_eq!((&**read_secret(&path).unwrap(), files()), (&b"one"[..], 1));
        // After it did.
        fs::hard_link(&path, &old).unwrap();
        write_file(&path, b"two", Access::Secret).unwrap();
        let mut before = File::open(&old).unwrap();
        destroy_left_over(&path).unwrap();
        assert_eq!((&**read_secret(&path).unwrap(), files()), (&b"two"[..], 1));
        let mut octets = Vec::new();
        before.read_to_end(&mut octets).unwrap();
        assert_eq!(octets, [0; 3]);
        replace_secret(&path, b"three").unwrap();
        assert_eq!((&**read_secret(&path).unwrap(), files()), (&b"three"[..], 1));
    }

    #[test]
    fn a_missing_directory_is_an_error_with_the_path() {
        let directory = tempfile::tempdir().unwrap();
        let error = write_file(&directory.path().join("a/b"), b"", Access::Public).unwrap_err();
        assert!(error.to_string().ends_with("a/b"), "{error}");
    }
}
