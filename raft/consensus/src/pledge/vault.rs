//! Where a node keeps its pledge and what it remembers of its peers: two small files beside the
//! log, each replaced as a whole and synced.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use minicbor::{Decode, Encode};

use crate::log::mark::Mark;

/// A thing that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Word {
    /// [`super::Own`].
    Own,
    /// [`super::Memory`].
    Peers,
}

/// Where words are kept: on disk, or in memory for simulation.
pub(crate) trait Vault: Send + Sync + 'static {
    /// What was kept last, if anything.
    fn load(&self, word: Word) -> io::Result<Option<Vec<u8>>>;

    /// Keeps something in place of what was there; it is on disk when this returns. Blocks.
    fn save(&self, word: Word, octets: &[u8]) -> io::Result<()>;

    /// How far the log has been on disk.
    fn end(&self) -> u64;

    /// Whether saving waits for a disk.
    fn blocks(&self) -> bool;

    /// What the file system gives this directory and does not give a copy of it.
    fn place(&self) -> io::Result<Vec<u8>>;
}

/// Reads a word; a word that cannot be read is damage.
pub(crate) fn load<T: for<'b> Decode<'b, ()>>(
    vault: &dyn Vault,
    word: Word,
) -> io::Result<Option<T>> {
    let damaged =
        || io::Error::new(io::ErrorKind::InvalidData, format!("{} cannot be read", name(word)));
    let Some(octets) = vault.load(word)? else { return Ok(None) };
    let (body, check) = octets.split_last_chunk::<4>().ok_or_else(damaged)?;
    if crc32fast::hash(body).to_be_bytes() != *check {
        return Err(damaged());
    }
    minicbor::decode(body).map(Some).map_err(|_| damaged())
}

/// Writes a word.
pub(crate) fn save(vault: &dyn Vault, word: Word, value: &impl Encode<()>) -> io::Result<()> {
    let mut octets = minicbor::to_vec(value).expect("a vector takes every octet");
    let check = crc32fast::hash(&octets).to_be_bytes();
    octets.extend_from_slice(&check);
    vault.save(word, &octets)
}

const fn name(word: Word) -> &'static str {
    match word {
        Word::Own => "pledge",
        Word::Peers => "peers",
    }
}

/// The files in a node's directory.
pub(crate) struct Files {
    directory: PathBuf,
    mark_path: PathBuf,
    mark: Mark,
}

impl Files {
    /// The words beside a log.
    pub(crate) fn beside(directory: &Path, mark_path: PathBuf, mark: Mark) -> Self {
        Self { directory: directory.to_owned(), mark_path, mark }
    }
}

/// Where a node's own word lies.
pub(crate) fn own_path(directory: &Path) -> PathBuf {
    directory.join(name(Word::Own))
}

/// What the file system gives a file for its life: its number and the moment of its birth. The
/// device is left out, as it may get another number at each start of the machine.
pub(crate) fn place_of(path: &Path) -> io::Result<Vec<u8>> {
    let metadata = fs::metadata(path)?;
    // Not every file system knows when a file was born.
    let born = metadata.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let mut place = metadata.ino().to_be_bytes().to_vec();
    place.extend_from_slice(&born.unwrap_or_default().as_nanos().to_be_bytes());
    Ok(place)
}

impl Vault for Files {
    fn load(&self, word: Word) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.directory.join(name(word))) {
            Ok(octets) => Ok(Some(octets)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn save(&self, word: Word, octets: &[u8]) -> io::Result<()> {
        let path = self.directory.join(name(word));
        let fresh = path.with_extension("new");
        let mut file = File::create(&fresh)?;
        file.write_all(octets)?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        File::open(&self.directory)?.sync_all()
    }

    fn end(&self) -> u64 {
        self.mark.end()
    }

    fn blocks(&self) -> bool {
        true
    }

    fn place(&self) -> io::Result<Vec<u8>> {
        // The mark is made once with the log and written in place ever after.
        place_of(&self.mark_path)
    }
}
