//! Fetching a content into a file: streamed, resumed by Range, and kept only with its digest.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use futures_util::StreamExt;
use model::{Digest, PacketId};
use reqwest::{Method, StatusCode};
use sha2::{Digest as _, Sha256};
use tokio::{
    fs::{File, OpenOptions, remove_file},
    io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt},
    time::{sleep, timeout},
};

use crate::{
    Accepted, Client, Error, Secret,
    body::read_whole,
    send::{Answer, Call, Proof},
};

/// Failures in a row without a single octet more, before giving up.
const STALLS_MAX: u32 = 20;
/// How long a stream may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// A content that was fetched whole and has its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Where it lies.
    pub path: PathBuf,
    /// Its size.
    pub size: u64,
    /// Its digest.
    pub digest: Digest,
    /// How often it went on after a failure.
    pub resumed: u32,
}

impl Client {
    /// Fetches the content of an accepted packet into a file. Until its digest has been checked
    /// it lies beside it under the name `….part`, from which a later call goes on.
    pub async fn download(
        &self,
        accepted: &Accepted,
        to: &Path,
        mut progress: impl FnMut(u64, &str),
    ) -> Result<Fetched, Error> {
        let mut part = Part::open(to, accepted.size).await?;
        let (mut stalls, mut resumed) = (0, 0);
        while part.size < accepted.size {
            let before = part.size;
            let Err(error) = self.fetch_from(accepted, &mut part, &mut progress).await else {
                continue;
            };
            stalls = if part.size > before { 0 } else { stalls + 1 };
            if !error.may_retry() || stalls > STALLS_MAX {
                return Err(error);
            }
            resumed += 1;
            sleep(Duration::from_millis(50 << stalls.min(5))).await;
        }
        let size = part.size;
        part.keep(to, accepted.digest).await?;
        Ok(Fetched { path: to.to_owned(), size, digest: accepted.digest, resumed })
    }

    /// Fetches the content of an accepted packet into memory, up to a limit, and checks its digest.
    pub async fn content(&self, accepted: &Accepted, max: usize) -> Result<bytes::Bytes, Error> {
        let answer = self.send(content_call(accepted.packet, &accepted.token)).await?;
        let octets = read_whole(&answer.url, answer.response, max).await?;
        check(Sha256::digest(&octets).into(), accepted.digest)?;
        Ok(octets)
    }

    /// Accepts a small packet and reads its content in one round trip; gives the digest too.
    pub async fn accept_content(
        &self,
        packet: PacketId,
        max: usize,
    ) -> Result<(bytes::Bytes, Digest), Error> {
        let call = Call::new(Method::POST, format!("/v1/packets/{packet}/accept"))
            .header("accept", "application/octet-stream");
        let answer = self.send(call).await?;
        let tagged = digest_of(&answer)?;
        let octets = read_whole(&answer.url, answer.response, max).await?;
        check(Sha256::digest(&octets).into(), tagged)?;
        Ok((octets, tagged))
    }

    async fn fetch_from(
        &self,
        accepted: &Accepted,
        part: &mut Part,
        progress: &mut impl FnMut(u64, &str),
    ) -> Result<(), Error> {
        let mut call = content_call(accepted.packet, &accepted.token);
        if part.size > 0 {
            call = call
                .header("range", format!("bytes={}-", part.size))
                .header("if-range", format!("\"sha256-{}\"", accepted.digest));
        }
        let answer = self.send(call).await?;
        if answer.response.status() != StatusCode::PARTIAL_CONTENT {
            part.restart().await?;
        }
        let url = answer.url;
        let mut pieces = answer.response.bytes_stream();
        loop {
            let next = timeout(SILENCE_MAX, pieces.next()).await;
            let octets = match next {
                Err(_) => Err(Error::Timeout { url: url.clone(), after: SILENCE_MAX }),
                Ok(None) if part.size == accepted.size => return Ok(()),
                Ok(None) => Err(Error::Unreachable {
                    url: url.clone(),
                    source: std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into(),
                }),
                Ok(Some(Err(error))) => Err(Error::of(&url, SILENCE_MAX, error)),
                Ok(Some(Ok(octets))) => Ok(octets),
            };
            // A node that dies in the middle of a stream is left for the next one.
            let octets = octets.inspect_err(|_| self.leave(&url))?;
            if part.size + octets.len() as u64 > accepted.size {
                return Err(Error::Altered);
            }
            part.append(&octets).await?;
            progress(part.size, &url);
        }
    }
}

fn content_call(packet: PacketId, token: &Secret) -> Call {
    let mut call =
        Call::get(format!("/v1/packets/{packet}/content")).proof(Proof::Bearer(token.clone()));
    call.streams = true;
    call
}

/// The digest that an answer's entity tag names.
fn digest_of(answer: &Answer) -> Result<Digest, Error> {
    let tag =
        answer.header("etag").and_then(|tag| tag.strip_prefix("\"sha256-")?.strip_suffix('"'));
    tag.and_then(|hex| hex.parse().ok()).ok_or_else(|| Error::Protocol {
        url: answer.url.clone(),
        what: "no digest in the entity tag".into(),
    })
}

fn check(seen: [u8; 32], expected: Digest) -> Result<(), Error> {
    if Digest(seen) == expected { Ok(()) } else { Err(Error::Altered) }
}

/// The file beside the file: written, hashed on the way, renamed at the end.
struct Part {
    path: PathBuf,
    file: File,
    hasher: Sha256,
    size: u64,
}

impl Part {
    async fn open(to: &Path, size_max: u64) -> Result<Self, Error> {
        let mut name = to.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let path = to.with_file_name(name);
        let opened = async {
            match owned(&path).await? {
                Some(file) => Ok(file),
                None => created(&path).await,
            }
        };
        let file = opened.await.map_err(|source| Error::File { path: path.clone(), source })?;
        let mut part = Self { path, file, hasher: Sha256::new(), size: 0 };
        part.hash_what_is_there().await?;
        if part.size > size_max {
            part.restart().await?;
        }
        Ok(part)
    }

    fn fail(&self, source: std::io::Error) -> Error {
        Error::File { path: self.path.clone(), source }
    }

    async fn hash_what_is_there(&mut self) -> Result<(), Error> {
        let mut buffer = vec![0; 256 * 1024];
        loop {
            let read = self.file.read(&mut buffer).await.map_err(|source| self.fail(source))?;
            if read == 0 {
                return Ok(());
            }
            self.hasher.update(&buffer[..read]);
            self.size += read as u64;
        }
    }

    async fn restart(&mut self) -> Result<(), Error> {
        self.file.set_len(0).await.map_err(|source| self.fail(source))?;
        self.file.rewind().await.map_err(|source| self.fail(source))?;
        (self.hasher, self.size) = (Sha256::new(), 0);
        Ok(())
    }

    async fn append(&mut self, octets: &[u8]) -> Result<(), Error> {
        self.file.write_all(octets).await.map_err(|source| self.fail(source))?;
        self.hasher.update(octets);
        self.size += octets.len() as u64;
        Ok(())
    }

    /// Keeps the file under its name if it has its digest, and destroys it if not.
    async fn keep(mut self, to: &Path, expected: Digest) -> Result<(), Error> {
        self.file.flush().await.map_err(|source| self.fail(source))?;
        self.file.sync_all().await.map_err(|source| self.fail(source))?;
        if let Err(error) = check(self.hasher.clone().finalize().into(), expected) {
            let _ = remove_file(&self.path).await;
            return Err(error);
        }
        if !same_file(&self.file, &self.path).await.map_err(|source| self.fail(source))? {
            return Err(self.fail(io::Error::other("another file was put in its place")));
        }
        tokio::fs::rename(&self.path, to).await.map_err(|source| self.fail(source))?;
        sync_name(to).await
    }
}

/// Opens a part that an earlier call left, if it is a plain file of ours that no other name leads to.
/// Anything else under that name was put there by somebody else: a link would have us write into
/// its target, a file of theirs would let them read the content. It is removed.
#[cfg(unix)]
async fn owned(path: &Path) -> io::Result<Option<File>> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    // A pipe must not hold us up, and a link must not be followed.
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).expect("the flags of open fit in its argument");
    let opened = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).await;
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(_) => return remove_file(path).await.map(|()| None),
    };
    let meta = file.metadata().await?;
    let own = meta.uid() == rustix::process::geteuid().as_raw();
    if meta.is_file() && own && meta.nlink() == 1 {
        file.set_permissions(std::fs::Permissions::from_mode(0o600)).await?;
        return Ok(Some(file));
    }
    remove_file(path).await?;
    Ok(None)
}

/// Makes a part that was not there. The cluster kept the content sealed on every disk: here too it
/// is readable by its owner alone.
#[cfg(unix)]
async fn created(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path).await
}

/// Whether the open file still stands under its name.
#[cfg(unix)]
async fn same_file(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let (open, named) = (file.metadata().await?, tokio::fs::symlink_metadata(path).await?);
    Ok((open.dev(), open.ino()) == (named.dev(), named.ino()))
}

/// Elsewhere directories have owners of their own, and names are opened as they are.
#[cfg(not(unix))]
async fn owned(path: &Path) -> io::Result<Option<File>> {
    match OpenOptions::new().read(true).write(true).open(path).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}

#[cfg(not(unix))]
async fn created(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).open(path).await
}

#[cfg(not(unix))]
async fn same_file(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}

/// Makes a file's name durable. Whoever confirms lets every node destroy its copy: a file that a
/// power cut takes back would be the last one.
#[cfg(unix)]
async fn sync_name(file: &Path) -> Result<(), Error> {
    // The parent of a bare name is the empty path, which cannot be opened.
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let synced = async { File::open(parent).await?.sync_all().await };
    synced.await.map_err(|source| Error::File { path: parent.to_owned(), source })
}

/// Elsewhere a directory cannot be synced; the file system's own journal must do.
#[cfg(not(unix))]
async fn sync_name(_: &Path) -> Result<(), Error> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[tokio::test]
    async fn the_name_of_a_file_is_made_durable_where_it_lies() {
        let directory = tempfile::tempdir().expect("a directory");
        sync_name(&directory.path().join("cong-van.pdf")).await.expect("the directory is there");
        sync_name(Path::new("cong-van.pdf")).await.expect("the working directory is there");
        let nowhere = sync_name(&directory.path().join("none/cong-van.pdf")).await;
        assert!(matches!(nowhere, Err(Error::File { .. })), "a failed sync is no success");
    }

    /// F9 of the attack: another user of a shared directory prepares the name of the part.
    #[cfg(unix)]
    #[tokio::test]
    async fn a_part_that_somebody_else_prepared_is_not_written_into() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        let (to, part, victim) = (at("a.txt"), at("a.txt.part"), at("victim"));
        let expected = Digest(Sha256::digest(b"secret").into());
        let fetch = async || {
            let mut part = Part::open(&to, 6).await.expect("a part");
            assert_eq!(part.size, 0, "what others wrote is no beginning of ours");
            part.append(b"secret").await.expect("written");
            part.keep(&to, expected).await.expect("kept");
            let meta = std::fs::symlink_metadata(&to).expect("the file");
            assert!(meta.is_file());
            assert_eq!(meta.permissions().mode() & 0o777, 0o600);
            assert_eq!(std::fs::read(&victim).expect("the victim"), b"keep");
        };
        std::fs::write(&victim, "keep").expect("written");
        symlink(&victim, &part).expect("a link");
        fetch().await;
        std::fs::hard_link(&victim, &part).expect("a second name");
        fetch().await;
        rustix::fs::mkfifoat(rustix::fs::CWD, &part, rustix::fs::Mode::RUSR).expect("a pipe");
        fetch().await;
        // The name that the content gets may be a link too: it is replaced, not followed.
        std::fs::remove_file(&to).expect("removed");
        symlink(&victim, &to).expect("a link");
        fetch().await;
        // A part of our own that others may read is closed before more is written into it.
        std::fs::write(&part, "").expect("written");
        std::fs::set_permissions(&part, PermissionsExt::from_mode(0o666)).expect("opened");
        fetch().await;
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_part_that_is_exchanged_on_the_way_is_not_kept() {
        let directory = tempfile::tempdir().expect("a directory");
        let to = directory.path().join("a.txt");
        let mut part = Part::open(&to, 6).await.expect("a part");
        part.append(b"secret").await.expect("written");
        std::fs::remove_file(&part.path).expect("removed");
        std::fs::write(&part.path, "forged").expect("written");
        let kept = part.keep(&to, Digest(Sha256::digest(b"secret").into())).await;
        assert!(matches!(kept, Err(Error::File { .. })));
        assert!(!to.exists());
    }

    #[tokio::test]
    async fn a_part_goes_on_and_is_kept_only_with_its_digest() {
        let directory = tempfile::tempdir().expect("a directory");
        let to = directory.path().join("cong-van.pdf");
        let expected = Digest(Sha256::digest(b"hello world").into());
        Part::open(&to, 11).await.expect("a part").append(b"hello ").await.expect("written");
        let mut again = Part::open(&to, 11).await.expect("the same part");
        while again.size < 6 {
            // The first handle's write may still be on its way to the disk.
            tokio::task::yield_now().await;
            again = Part::open(&to, 11).await.expect("the same part");
        }
        again.append(b"world").await.expect("written");
        again.keep(&to, expected).await.expect("the digest fits");
        assert_eq!(std::fs::read(&to).expect("the file"), b"hello world");

        let mut wrong = Part::open(&to, 11).await.expect("a new part");
        wrong.append(b"hello earth").await.expect("written");
        assert!(matches!(wrong.keep(&to, expected).await, Err(Error::Altered)));
        assert!(!directory.path().join("cong-van.pdf.part").exists());
    }
}
