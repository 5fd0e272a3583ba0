//! Files that are being written under names of our own, until each gets its name. Whatever ends the command but
//! SIGKILL and a loss of power, none of them is left behind.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;

use super::super::interrupts::Interrupts;
use crate::{
    cli::{Exit, Failure, Out},
    texts::edxml as t,
};

/// The files of one command, in one directory, which is made with the first of them.
pub struct Parts {
    directory: PathBuf,
    /// The lock is held while a file is created and while all are named or removed, so an interruption sees all of
    /// them or none.
    there: Arc<Mutex<There>>,
    watch: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct There {
    paths: Vec<PathBuf>,
    is_named: bool,
}

/// A file that has no name yet.
pub struct Part(PathBuf);

impl Parts {
    /// None yet. Must be called within the runtime: somebody waits there for an interruption.
    pub fn new(out: &Out, directory: &Path) -> Self {
        let (out, there) = (*out, Arc::new(Mutex::new(There::default())));
        let seen = Arc::clone(&there);
        // Before the first file is there, and not when the task below has its turn: a signal in between would end us
        // and leave the files.
        let interrupts = Interrupts::listen();
        let watch = tokio::spawn(async move {
            // Where nobody can be told of an interruption, it ends us as it ends everybody.
            let Ok(mut interrupts) = interrupts else { return };
            interrupts.first().await;
            let there = seen.lock();
            if there.is_named {
                // It is done, and about to say so.
                return;
            }
            there.paths.iter().for_each(remove);
            let stopped =
                Failure::new(Exit::Failed, out.text(t::STOPPED)).fix(out.text(t::FIX_STOPPED));
            std::process::exit(out.fail(&stopped.code(9811)) as i32);
        });
        Self { directory: directory.to_owned(), there, watch }
    }

    /// Makes one more. It is closed by who writes it, so that many attachments are not many open files.
    pub fn begin(&self) -> io::Result<(Part, File)> {
        let mut there = self.there.lock();
        fs::create_dir_all(&self.directory)?;
        let name = format!(".lgsp-{}.part", hex::encode(rand::random::<[u8; 8]>()));
        let path = self.directory.join(name);
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        there.paths.push(path.clone());
        Ok((Part(path), file))
    }

    /// Gives each its name. Unless `force`, a file that has the name stays, and that is an error: then those before it
    /// have theirs, and it is told how many they are.
    pub fn name<'p>(
        &self,
        parts: impl Iterator<Item = (&'p Part, &'p Path)>,
        force: bool,
    ) -> Result<(), (usize, io::Error)> {
        let mut there = self.there.lock();
        for (index, (part, to)) in parts.enumerate() {
            name(&part.0, to, force).map_err(|error| (index, error))?;
        }
        there.is_named = true;
        Ok(())
    }
}

fn name(part: &Path, to: &Path, force: bool) -> io::Result<()> {
    if force {
        return fs::rename(part, to);
    }
    // A second name fails where the name is taken, and renaming does not. The first one goes with the rest.
    match fs::hard_link(part, to) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            // A file system without second names: the name is taken first, and then given.
            OpenOptions::new().write(true).create_new(true).open(to)?;
            fs::rename(part, to).inspect_err(|_| remove(to))
        }
        linked => linked,
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        self.there.lock().paths.iter().for_each(remove);
        self.watch.abort();
    }
}

/// Those that have their name are not there any more.
fn remove(path: impl AsRef<Path>) {
    fs::remove_file(path).ok();
}
