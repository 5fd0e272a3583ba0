//! The search for the canary: every octet of every file under some directories.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// What a search has seen.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Searched {
    /// The files that were read.
    pub files: u64,
    /// Their octets.
    pub octets: u64,
    /// The files in which it was found.
    pub found: Vec<PathBuf>,
}

/// How much is read at once.
const BUFFER: usize = 1 << 20;

/// Searches for a text in every file under a directory. A file that goes away in between has
/// nothing to be found in.
pub fn search(directory: &Path, needle: &[u8], searched: &mut Searched) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        let result = if kind.is_dir() {
            search(&path, needle, searched)
        } else if kind.is_file() {
            search_file(&path, needle, searched)
        } else {
            Ok(())
        };
        match result {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    Ok(())
}

fn search_file(path: &Path, needle: &[u8], searched: &mut Searched) -> io::Result<()> {
    let mut file = File::open(path)?;
    searched.files += 1;
    let mut window: Vec<u8> = Vec::with_capacity(BUFFER + needle.len());
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        searched.octets += read as u64;
        window.extend_from_slice(&buffer[..read]);
        if contains(&window, needle) {
            searched.found.push(path.to_owned());
            return Ok(());
        }
        // The end of this piece may be the beginning of the needle.
        let keep = window.len().min(needle.len().saturating_sub(1));
        window.drain(..window.len() - keep);
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else { return false };
    let mut rest = haystack;
    while let Some(at) = rest.iter().position(|octet| octet == first) {
        rest = &rest[at..];
        if rest.starts_with(needle) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_is_found_across_pieces_and_in_depth() {
        let directory = tempfile::tempdir().expect("a directory");
        let deep = directory.path().join("a/b");
        std::fs::create_dir_all(&deep).expect("made");
        let mut octets = vec![b'C'; BUFFER - 3];
        octets.extend_from_slice(b"CANARY");
        std::fs::write(deep.join("split"), &octets).expect("written");
        std::fs::write(directory.path().join("clean"), b"CANARCANAR").expect("written");
        let mut searched = Searched::default();
        search(directory.path(), b"CANARY", &mut searched).expect("searched");
        assert_eq!((searched.files, searched.found), (2, vec![deep.join("split")]));
    }
}
