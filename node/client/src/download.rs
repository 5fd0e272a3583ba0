//! Fetching a content into a file: streamed, resumed by Range, and kept only with its digest, under a name
//! that was free. A packet has a file of its own, whatever others bring.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use https::Method;
use model::{Digest, FileName, PacketId};
use sha2::{Digest as _, Sha256};
use tokio::{
    fs::{File, OpenOptions, remove_file},
    io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt},
    time::{Instant, sleep},
};

use crate::{
    Accepted, Client, Error, Secret,
    marks::{is_marked, mark},
    naming::{self, NUMBERS_MAX, PART},
    send::{Answer, Call, Failed, PAUSE_MAX, PAUSE_MIN, Proof},
};

/// The status of a part of a content.
const PARTIAL_CONTENT: u16 = 206;

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
    /// Fetches the content of an accepted packet into a directory, under the name that its sender gave it, made
    /// harmless; a file that is there is never written over. Until its digest has been checked it lies
    /// there as `pk_….part`, from which a later call goes on.
    ///
    /// `patience` is how long it may stand still. Every node is asked once even without any.
    pub async fn download(
        &self,
        accepted: &Accepted,
        directory: &Path,
        patience: Duration,
        mut progress: impl FnMut(u64, &str),
    ) -> Result<Fetched, Error> {
        let part_path = directory.join(format!("{}{PART}", accepted.packet));
        let mut part = Part::open(&part_path, accepted.size).await?;
        let nodes = u32::try_from(self.urls().len()).unwrap_or(u32::MAX);
        let (mut still_since, mut tries, mut resumed) = (Instant::now(), 0, 0);
        while part.size < accepted.size {
            let before = part.size;
            let Err(failed) = self.fetch_from(accepted, &mut part, &mut progress).await else {
                continue;
            };
            if part.size > before {
                (still_since, tries) = (Instant::now(), 0);
            }
            tries += 1;
            let Failed { error, wait } = failed;
            let other_node = matches!(error, Error::Tls { .. }) && tries < nodes;
            if !error.may_retry() && !other_node {
                return Err(error);
            }
            let still = still_since.elapsed();
            let mut pause = Duration::ZERO;
            if tries % nodes == 0 {
                let doubled = PAUSE_MIN.saturating_mul(1 << (tries / nodes).min(8));
                pause = wait.unwrap_or_default().max(doubled).min(PAUSE_MAX);
                self.tell(crate::Waiting::Again(&error), still);
            }
            if tries >= nodes && still + pause > patience {
                return Err(error);
            }
            resumed += 1;
            sleep(pause).await;
        }
        // What was whole before this call, or is empty, has not asked for its name.
        if part.file_name.is_none() {
            part.file_name = self.file_name(accepted).await;
        }
        let size = part.size;
        let path = part.keep(directory, accepted).await?;
        Ok(Fetched { path, size, digest: accepted.digest, resumed })
    }

    /// The name that the sender gave a content. Without one it is kept under the packet's own.
    async fn file_name(&self, accepted: &Accepted) -> Option<FileName> {
        let mut call = content_call(accepted.packet, &accepted.token);
        call.method = Method::Head;
        file_name_of(&self.send(call).await.ok()?)
    }

    /// Fetches the content of an accepted packet into memory, up to a limit, and checks its digest.
    pub async fn content(&self, accepted: &Accepted, max: usize) -> Result<bytes::Bytes, Error> {
        let answer = self.send(content_call(accepted.packet, &accepted.token)).await?;
        let octets = answer.response.whole(max).await?;
        check(Sha256::digest(&octets).into(), accepted.digest)?;
        Ok(octets)
    }

    /// Accepts a small packet and reads its content in one round trip; gives the digest too.
    pub async fn accept_content(
        &self,
        packet: PacketId,
        max: usize,
    ) -> Result<(bytes::Bytes, Digest), Error> {
        let call = Call::new(Method::Post, format!("/v1/packets/{packet}/accept"))
            .header("accept", "application/octet-stream");
        let answer = self.send(call).await?;
        let tagged = digest_of(&answer)?;
        let octets = answer.response.whole(max).await?;
        check(Sha256::digest(&octets).into(), tagged)?;
        Ok((octets, tagged))
    }

    async fn fetch_from(
        &self,
        accepted: &Accepted,
        part: &mut Part,
        progress: &mut impl FnMut(u64, &str),
    ) -> Result<(), Failed> {
        let mut call = content_call(accepted.packet, &accepted.token);
        let silence_max = self.silence_max();
        call.timeout = Some(silence_max);
        if part.size > 0 {
            call = call
                .header("range", format!("bytes={}-", part.size))
                .header("if-range", format!("\"sha256-{}\"", accepted.digest));
        }
        let answer = self.once(&call).await?;
        if answer.response.status() != PARTIAL_CONTENT {
            part.restart().await?;
        }
        part.file_name = file_name_of(&answer);
        let url = answer.url;
        let mut pieces = answer.response.pieces();
        loop {
            let octets = match pieces.next(silence_max).await {
                Ok(None) if part.size == accepted.size => return Ok(()),
                Ok(None) => Err(Error::Unreachable {
                    url: url.clone(),
                    source: std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into(),
                }),
                Ok(Some(octets)) => Ok(octets),
                Err(error) => Err(error.into()),
            };
            // A node that dies in the middle of a stream is left for the next one.
            let octets = octets.inspect_err(|_| self.leave(&url))?;
            if part.size + octets.len() as u64 > accepted.size {
                return Err(Error::Altered.into());
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

fn file_name_of(answer: &Answer) -> Option<FileName> {
    naming::told(answer.header("content-disposition")?)
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
    /// What its sender called it, once a node has said so.
    file_name: Option<FileName>,
}

impl Part {
    async fn open(path: &Path, size_max: u64) -> Result<Self, Error> {
        let path = path.to_owned();
        let opened = async {
            match owned(&path).await? {
                Some(file) => Ok(file),
                None => created(&path).await,
            }
        };
        let file = opened.await.map_err(|source| Error::File { path: path.clone(), source })?;
        let mut part = Self { path, file, hasher: Sha256::new(), size: 0, file_name: None };
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

    /// Keeps the file under a name of its own if it has its digest, and destroys it if not.
    async fn keep(mut self, directory: &Path, accepted: &Accepted) -> Result<PathBuf, Error> {
        self.file.flush().await.map_err(|source| self.fail(source))?;
        mark(&self.file, accepted.packet);
        self.file.sync_all().await.map_err(|source| self.fail(source))?;
        if let Err(error) = check(self.hasher.clone().finalize().into(), accepted.digest) {
            remove_file(&self.path).await.ok();
            return Err(error);
        }
        if !same_file(&self.file, &self.path).await.map_err(|source| self.fail(source))? {
            return Err(self.fail(io::Error::other("another file was put in its place")));
        }
        let to = self.named(directory, accepted).await?;
        sync_name(&to).await?;
        Ok(to)
    }

    /// Moves the part to the first name that is free, or under which this very packet lies already.
    async fn named(&self, directory: &Path, accepted: &Accepted) -> Result<PathBuf, Error> {
        let own = naming::of_packet(accepted.packet, accepted.media_type.as_deref());
        let wished = self.file_name.as_ref().and_then(naming::harmless);
        let mut failed = None;
        for name in wished.iter().chain([&own]) {
            for number in 1..=NUMBERS_MAX {
                let to = directory.join(naming::numbered(name, number));
                match self.moved(&to, accepted).await {
                    Ok(true) => return Ok(to),
                    Ok(false) => {}
                    // Some file systems take fewer names than others: the packet's own fits all of them.
                    Err(source) => {
                        failed = Some(Error::File { path: to, source });
                        break;
                    }
                }
            }
        }
        let there = || self.fail(io::Error::from(io::ErrorKind::AlreadyExists));
        Err(failed.unwrap_or_else(there))
    }

    /// Whether the part stands under the name now, or the file that an earlier call made of this packet.
    async fn moved(&self, to: &Path, accepted: &Accepted) -> io::Result<bool> {
        // A second name for the part: wherever a crash comes, what stands under the name is whole.
        let placed = match tokio::fs::hard_link(&self.path, to).await {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => self.renamed(to).await,
            linked => linked,
        };
        match placed {
            Ok(()) => {
                // Were it left, it would be a second name, which a later call removes.
                remove_file(&self.path).await.ok();
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let same = holds(to, accepted).await.unwrap_or(false);
                if same {
                    remove_file(&self.path).await?;
                }
                Ok(same)
            }
            Err(error) => Err(error),
        }
    }

    /// The same where a file cannot have two names.
    async fn renamed(&self, to: &Path) -> io::Result<()> {
        // The name is ours from here on: what the part replaces is the empty file just made.
        drop(created(to).await?);
        let renamed = tokio::fs::rename(&self.path, to).await;
        if renamed.is_err() {
            remove_file(to).await.ok();
        }
        renamed
    }
}

/// Whether a plain file of ours holds the content of this packet: received before, and not confirmed since.
///
/// The same octets are not enough. Two packets may bring one template, and whoever takes a file away takes it
/// for one of them: each keeps its own. So nothing is read but what is marked with this packet.
async fn holds(path: &Path, accepted: &Accepted) -> io::Result<bool> {
    let meta = tokio::fs::symlink_metadata(path).await?;
    if !meta.is_file() || meta.len() != accepted.size || !is_ours_alone(&meta) {
        return Ok(false);
    }
    let mut file = File::open(path).await?;
    if !is_marked(&file, accepted.packet) {
        return Ok(false);
    }
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 256 * 1024]);
    loop {
        let read = file.read(&mut buffer).await?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
    }
    file.sync_all().await?;
    Ok(Digest(hasher.finalize().into()) == accepted.digest)
}

/// Whether a file belongs to us and no other name leads to it.
#[cfg(unix)]
fn is_ours_alone(meta: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    meta.uid() == rustix::process::geteuid().as_raw() && meta.nlink() == 1
}

/// Elsewhere directories have owners of their own.
#[cfg(not(unix))]
fn is_ours_alone(_: &std::fs::Metadata) -> bool {
    true
}

/// Opens a part that an earlier call left, if it is a plain file of ours that no other name leads to.
/// Anything else under that name was put there by somebody else: a link would have us write into
/// its target, a file of theirs would let them read the content. It is removed.
#[cfg(unix)]
async fn owned(path: &Path) -> io::Result<Option<File>> {
    use std::os::unix::fs::PermissionsExt;
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
    if meta.is_file() && is_ours_alone(&meta) {
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

    fn accepted(content: &[u8]) -> Accepted {
        Accepted {
            packet: PacketId(7),
            space: None,
            content_url: None,
            token: Secret::new("t"),
            size: content.len() as u64,
            digest: Digest(Sha256::digest(content).into()),
            media_type: Some("text/plain".into()),
        }
    }

    async fn part_of(directory: &Path, content: &[u8], name: Option<&str>) -> Part {
        let path = directory.join(format!("{}{PART}", PacketId(7)));
        let mut part = Part::open(&path, content.len() as u64).await.expect("a part");
        assert_eq!(part.size, 0, "what others wrote is no beginning of ours");
        part.append(content).await.expect("written");
        part.file_name = name.map(|name| name.parse().expect("a file name"));
        part
    }

    /// Finding 16: the sender's name is kept, and no file that is there is lost for it.
    #[tokio::test]
    async fn a_content_is_kept_under_its_senders_name_and_over_nobodys_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let keep = async |content: &[u8], name: Option<&str>| {
            let part = part_of(directory.path(), content, name).await;
            let kept = part.keep(directory.path(), &accepted(content)).await.expect("kept");
            assert_eq!(std::fs::read(&kept).expect("the file"), content);
            kept.file_name().expect("a name").to_string_lossy().into_owned()
        };
        let name = Some("mật.txt.age");
        assert_eq!(keep(b"one", name).await, "mật.txt.age");
        assert_eq!(keep(b"two", name).await, "mật.txt (2).age");
        assert_eq!(keep(b"one", Some(".bashrc")).await, "_.bashrc");
        assert_eq!(keep(b"one", None).await, format!("{}.txt", PacketId(7)));
        let left = std::fs::read_dir(directory.path()).expect("a directory");
        let left = left.filter_map(Result::ok).map(|entry| entry.file_name());
        assert!(left.count() == 4, "no part and no empty file is left");
    }

    /// One template in two packets is two files, whenever they are received; one packet is one file.
    #[tokio::test]
    async fn a_packet_has_a_file_of_its_own() {
        let directory = tempfile::tempdir().expect("a directory");
        let keep = async |packet: u128| {
            let accepted = Accepted { packet: PacketId(packet), ..accepted(b"same") };
            let part = part_of(directory.path(), b"same", Some("a.txt")).await;
            let kept = part.keep(directory.path(), &accepted).await.expect("kept");
            assert_eq!(std::fs::read(&kept).expect("the file"), b"same");
            kept
        };
        let at = |name: &str| directory.path().join(name);
        assert_eq!(keep(7).await, at("a.txt"));
        assert_eq!(keep(8).await, at("a (2).txt"));
        let first = File::open(at("a.txt")).await.expect("the file");
        if !is_marked(&first, PacketId(7)) {
            return;
        }
        assert_eq!(keep(7).await, at("a.txt"), "received before");
        assert_eq!(keep(8).await, at("a (2).txt"), "received before");
        std::fs::hard_link(at("a.txt"), at(&format!("{}{PART}", PacketId(7)))).expect("a link");
        assert_eq!(keep(7).await, at("a.txt"), "after a crash before the part lost its name");
        std::fs::write(at("a.txt"), "mine").expect("written");
        assert_eq!(keep(7).await, at("a (3).txt"), "somebody has worked in it since");
        assert_eq!(std::fs::read_dir(directory.path()).expect("a directory").count(), 3);
    }

    /// Where a file cannot have two names, the part is renamed, and over nothing.
    #[tokio::test]
    async fn a_part_is_placed_without_a_second_name_too() {
        let directory = tempfile::tempdir().expect("a directory");
        let part = part_of(directory.path(), b"secret", None).await;
        let to = directory.path().join("a.txt");
        part.renamed(&to).await.expect("renamed");
        assert!(!part.path.exists() && to.exists());
        let there = part.renamed(&to).await.expect_err("it is there");
        assert!(there.kind() == io::ErrorKind::AlreadyExists && to.exists());
    }

    /// F9 of the attack: another user of a shared directory prepares the name of the part.
    #[cfg(unix)]
    #[tokio::test]
    async fn a_part_that_somebody_else_prepared_is_not_written_into() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        let (part, victim) = (at(&format!("{}{PART}", PacketId(7))), at("victim"));
        let fetch = async || {
            let got = part_of(directory.path(), b"secret", Some("a.txt")).await;
            let to = got.keep(directory.path(), &accepted(b"secret")).await.expect("kept");
            let meta = std::fs::symlink_metadata(&to).expect("the file");
            assert!(meta.is_file());
            assert_eq!(meta.permissions().mode() & 0o777, 0o600);
            assert_eq!(std::fs::read(&victim).expect("the victim"), b"keep");
            std::fs::remove_file(&to).expect("removed");
            to
        };
        std::fs::write(&victim, "keep").expect("written");
        symlink(&victim, &part).expect("a link");
        fetch().await;
        std::fs::hard_link(&victim, &part).expect("a second name");
        fetch().await;
        rustix::fs::mkfifoat(rustix::fs::CWD, &part, rustix::fs::Mode::RUSR).expect("a pipe");
        fetch().await;
        // The name that the content gets may be a link too: it is neither followed nor replaced.
        symlink(&victim, at("a.txt")).expect("a link");
        assert_eq!(fetch().await, at("a (2).txt"));
        // A part of our own that others may read is closed before more is written into it.
        std::fs::write(&part, "").expect("written");
        std::fs::set_permissions(&part, PermissionsExt::from_mode(0o666)).expect("opened");
        fetch().await;
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_part_that_is_exchanged_on_the_way_is_not_kept() {
        let directory = tempfile::tempdir().expect("a directory");
        let part = part_of(directory.path(), b"secret", Some("a.txt")).await;
        std::fs::remove_file(&part.path).expect("removed");
        std::fs::write(&part.path, "forged").expect("written");
        let kept = part.keep(directory.path(), &accepted(b"secret")).await;
        assert!(matches!(kept, Err(Error::File { .. })));
        assert!(!directory.path().join("a.txt").exists());
    }

    #[tokio::test]
    async fn a_part_goes_on_and_is_kept_only_with_its_digest() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(format!("{}{PART}", PacketId(7)));
        Part::open(&path, 11).await.expect("a part").append(b"hello ").await.expect("written");
        let mut again = Part::open(&path, 11).await.expect("the same part");
        while again.size < 6 {
            // The first handle's write may still be on its way to the disk.
            tokio::task::yield_now().await;
            again = Part::open(&path, 11).await.expect("the same part");
        }
        again.append(b"world").await.expect("written");
        let whole = accepted(b"hello world");
        let kept = again.keep(directory.path(), &whole).await.expect("the digest fits");
        assert_eq!(std::fs::read(&kept).expect("the file"), b"hello world");

        let wrong = part_of(directory.path(), b"hello earth", None).await;
        assert!(matches!(wrong.keep(directory.path(), &whole).await, Err(Error::Altered)));
        assert!(!path.exists());
    }
}
