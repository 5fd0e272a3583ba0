//! The directory of a node: whose it is, of which format, and whether the node has taken part.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use model::NodeId;

use crate::{
    Clock, Error, Options,
    log::file::FileLog,
    pledge::{greet::Pledges, vault},
    types::draw,
};

/// The format of a node's directory.
const FORMAT: u32 = 1;

/// Checks that a directory is of a known format and belongs to this node, or makes it so.
///
/// A node that has taken part may not vote without its log, which says what it has promised. Whether
/// it has, this answers: a word beside the directory outlives it and says so.
pub(crate) fn claim(directory: &Path, node: NodeId) -> Result<bool, Error> {
    let path = directory.join("format");
    let begun = word_of(directory).exists();
    let open = |source| Error::Open { path: path.clone(), source };
    let malformed = || Error::CorruptState {
        path: path.clone(),
        reason: "it should say `lgsp-consensus`, a version and a node".into(),
    };
    match fs::read_to_string(&path) {
        Ok(text) => {
            let mut words = text.split_whitespace();
            if words.next() != Some("lgsp-consensus") {
                return Err(malformed());
            }
            let found = words.next().and_then(|word| word.parse().ok()).ok_or_else(malformed)?;
            if found > FORMAT {
                let directory = directory.to_owned();
                return Err(Error::NewerFormat { directory, found, known: FORMAT });
            }
            let owner = words.next().and_then(|word| word.parse().ok()).ok_or_else(malformed)?;
            if NodeId(owner) != node {
                let directory = directory.to_owned();
                return Err(Error::OtherNode { directory, found: NodeId(owner), expected: node });
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if begun {
                return Err(Error::LogGone { directory: directory.to_owned() });
            }
            fs::create_dir_all(directory).map_err(open)?;
            write_word(&path, node).map_err(open)?;
        }
        Err(source) => return Err(open(source)),
    }
    Ok(begun)
}

/// Says, once the log is there, that this node may take part with it.
pub(crate) fn begin(directory: &Path, node: NodeId) -> Result<(), Error> {
    let path = word_of(directory);
    write_word(&path, node).map_err(|source| Error::Open { path: path.clone(), source })
}

/// Takes up what a node has promised, beside its log.
pub(crate) fn pledge(
    options: &Options,
    log: &FileLog,
    begun: bool,
    clock: Arc<dyn Clock>,
) -> Result<Pledges, Error> {
    let path = vault::own_path(&options.directory);
    if begun && !path.exists() {
        let reason = "it is missing, and nothing else says what this node has promised".into();
        return Err(Error::CorruptLog { file: path, reason });
    }
    let files = log.vault(&options.directory);
    Pledges::begin(options.node, Arc::new(files), clock, draw(), false).map_err(|source| {
        match source.kind() {
            io::ErrorKind::InvalidData => {
                Error::CorruptLog { file: path, reason: source.to_string() }
            }
            _ => Error::Open { path, source },
        }
    })
}

fn word_of(directory: &Path) -> PathBuf {
    directory.with_extension("begun")
}

/// Writes whose directory it is, on disk from the moment that the file has its name.
fn write_word(path: &Path, node: NodeId) -> io::Result<()> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    fs::write(&fresh, format!("lgsp-consensus {FORMAT} {node}\n"))?;
    fs::File::open(&fresh)?.sync_all()?;
    fs::rename(&fresh, path)?;
    path.parent().map_or(Ok(()), |parent| fs::File::open(parent)?.sync_all())
}
