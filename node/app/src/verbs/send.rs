//! `packet send`: a small file in one round trip, a large one piece by piece.

use std::{ffi::OsString, io::IsTerminal, path::Path, time::Instant};

use client::{Client, File, NewPacket, Policy, Submitted};
use indicatif::{ProgressBar, ProgressStyle};
use model::{FileName, IdempotencyKey, MediaType, Title};
use serde_json::json;

use super::{Context, Done, SAY_EVERY, packets};
use crate::{
    cli::{Exit, Failure, Out, SendArgs, size_text},
    texts::{Text, failures as t, packets as p, reasons, words as w},
};

/// Whether a content of this size travels inside the request: the nodes refuse a larger one there.
const fn fits_one_round(size: u64) -> bool {
    size <= conductor::ONE_ROUND_MAX as u64
}

/// Sends a file.
pub async fn send(context: &Context, args: SendArgs) -> Done {
    let out = &context.out;
    let (client, _) = context.client()?;
    // The file first: whoever names a directory should not hear of a title.
    let size = size_of(out, &args.file)?;
    let packet = packet_of(out, &args)?;
    if size == 0 && out.is_table() {
        out.warn(out.fill(p::EMPTY_FILE, &[("path", &args.file.display())]));
    }
    let submitted = if fits_one_round(size) {
        one_round(context, &client, &args, &packet).await?
    } else {
        pieces(context, &client, &args, &packet, size).await?
    };
    let ended = match args.wait {
        Some(span) => {
            Some(packets::await_completion(context, &client, submitted.packet, span).await?)
        }
        None => None,
    };
    if !out.is_table() {
        out.json("lgsp.sent/1", json!({
            "packet": submitted.packet, "state": ended.as_ref().map_or(&submitted.state, |packet| &packet.state),
            "accepted_at": submitted.accepted_at, "size": submitted.size, "digest": submitted.digest, "targets": args.to,
        }));
        return Ok(Exit::Ok);
    }
    let targets: Vec<String> = args.to.iter().map(ToString::to_string).collect();
    let digest = submitted.digest.map(|digest| digest.to_string()).unwrap_or_default();
    out.done(
        w::DONE_SENT,
        &[
            ("packet", &submitted.packet),
            ("size", &size_text(size)),
            ("digest", &digest),
            ("targets", &targets.join(", ")),
        ],
    );
    out.print(submitted.packet);
    match ended {
        Some(packet) => super::way::lines(out, &packet).iter().for_each(|line| out.say(line)),
        None => out.say(format_args!(
            "{}\n  lgsp packet show {} --watch",
            out.text(w::NEXT),
            submitted.packet
        )),
    }
    Ok(Exit::Ok)
}

fn size_of(out: &Out, file: &Path) -> Result<u64, Failure> {
    let metadata =
        std::fs::metadata(file).map_err(|error| Failure::file(out.lang, file, &error))?;
    if metadata.is_file() {
        return Ok(metadata.len());
    }
    let error = std::io::Error::from(std::io::ErrorKind::IsADirectory);
    Err(Failure::file(out.lang, file, &error))
}

fn packet_of(out: &Out, args: &SendArgs) -> Result<NewPacket, Failure> {
    let name = args.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let title = args.title.clone().unwrap_or(name);
    let title: Title = title.parse().map_err(|error: model::Malformed| {
        Failure::new(Exit::Usage, out.text(t::TITLE))
            .why(reasons::of_word(out.lang, &error, &title))
            .fix(out.text(t::FIX_TITLE))
            .code(9205)
    })?;
    Ok(NewPacket {
        targets: args.to.clone(),
        title,
        importance: Some(args.importance),
        media_type: args.media_type.clone().unwrap_or_else(|| media_type_of(&args.file)),
        size: None,
        policy: args.deliver_by.clone().map(|deliver_by| Policy { deliver_by: Some(deliver_by) }),
    })
}

async fn one_round(
    context: &Context,
    client: &Client,
    args: &SendArgs,
    packet: &NewPacket,
) -> Result<Submitted, Failure> {
    let octets = std::fs::read(&args.file)
        .map_err(|error| Failure::file(context.out.lang, &args.file, &error))?;
    let name = name_of(&args.file)
        .unwrap_or_else(|| "content".parse().expect("a plain word is a file name"));
    let file = File { name: &name, octets: &octets };
    client.submit(packet, file, args.idempotency_key.as_ref()).await.map_err(context.failed())
}

/// The file's own name, if it can travel: an uncommon one is left behind, not refused. Of one that is
/// itself a path of another system, the last part.
fn name_of(file: &Path) -> Option<FileName> {
    file.file_name()?.to_str()?.rsplit('\\').next()?.parse().ok()
}

async fn pieces(
    context: &Context,
    client: &Client,
    args: &SendArgs,
    packet: &NewPacket,
    size: u64,
) -> Result<Submitted, Failure> {
    let out = context.out;
    let failed = context.failed();
    let mut file = tokio::fs::File::open(&args.file)
        .await
        .map_err(|error| Failure::file(out.lang, &args.file, &error))?;
    let packet = NewPacket { size: Some(size), ..packet.clone() };
    // Named before anything is sent: whoever is interrupted goes on with it.
    let key = args.idempotency_key.clone().unwrap_or_else(client::fresh_idempotency_key);
    let opened = client.open(&packet, Some(&key)).await.map_err(&failed)?;
    let name = name_of(&args.file);
    client
        .create_upload(&opened.space, size, name.as_ref(), &packet.media_type)
        .await
        .map_err(&failed)?;
    let mut progress = Progress::new(out, w::SENDING, size);
    let upload = client.upload(&opened.space, size, &mut file, |offset, _| progress.at(offset));
    let sent = tokio::select! {
        sent = upload => sent.map_err(&failed)?,
        _ = tokio::signal::ctrl_c() => {
            let what = out.fill(w::STAYS_UPLOAD, &[("packet", &opened.packet)]);
            let stopped = Failure::new(Exit::Failed, out.fill(w::STAYS, &[("what", &what)]));
            let key = args.idempotency_key.is_none().then_some(&key);
            return Err(match again(std::env::args_os().skip(1), key) {
                Some(again) => stopped.fix(out.fill(t::FIX_SEND_AGAIN, &[("command", &again)])),
                None => stopped,
            }
            .code(9403));
        }
    };
    progress.end();
    client.commit(opened.packet, sent.digest, size, packet.policy.as_ref()).await.map_err(&failed)
}

/// The command that goes on where this one was interrupted, as a shell takes it; none if a terminal
/// could not show it.
fn again(args: impl Iterator<Item = OsString>, key: Option<&IdempotencyKey>) -> Option<String> {
    let mut words: Vec<String> = args.map(|word| word.into_string().ok()).collect::<Option<_>>()?;
    // Behind `--` there are no options.
    let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
    if let Some(key) = key {
        words.insert(end, format!("--idempotency-key={key}"));
    }
    words.insert(0, "lgsp".to_owned());
    Some(words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "))
}

fn quoted(word: &str) -> String {
    let plain = |sign: char| sign.is_alphanumeric() || "-_=./:,@+%".contains(sign);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The media type by a file's ending: those that offices send. The rest is octets.
fn media_type_of(file: &Path) -> MediaType {
    const KNOWN: [(&str, &str); 16] = [
        ("pdf", "application/pdf"),
        ("edxml", "application/edxml+xml"),
        ("xml", "application/xml"),
        ("json", "application/json"),
        ("zip", "application/zip"),
        ("txt", "text/plain; charset=utf-8"),
        ("csv", "text/csv; charset=utf-8"),
        ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
        ("doc", "application/msword"),
        ("xls", "application/vnd.ms-excel"),
        ("png", "image/png"),
        ("jpg", "image/jpeg"),
        ("jpeg", "image/jpeg"),
        ("tiff", "image/tiff"),
    ];
    let ending = file.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let known = KNOWN
        .iter()
        .find(|(name, _)| *name == ending)
        .map_or("application/octet-stream", |(_, kind)| kind);
    known.parse().expect("the list holds media types")
}

/// A bar on a terminal, a line every ten seconds elsewhere.
pub struct Progress {
    out: Out,
    what: Text,
    size: u64,
    bar: Option<ProgressBar>,
    said: Instant,
}

impl Progress {
    /// Progress towards a size.
    pub fn new(out: Out, what: Text, size: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = "{prefix} [{bar:30}] {percent} %  {binary_bytes_per_sec}  {eta}";
            ProgressBar::new(size)
                .with_style(ProgressStyle::with_template(style).expect("a template of known words"))
                .with_prefix(out.text(what))
        });
        Self { out, what, size, bar, said: Instant::now() }
    }

    /// So much is done.
    pub fn at(&mut self, done: u64) {
        match &self.bar {
            Some(bar) => bar.set_position(done),
            None if self.said.elapsed() >= SAY_EVERY => {
                self.said = Instant::now();
                self.out.say(format_args!(
                    "{} {} / {}",
                    self.out.text(self.what),
                    size_text(done),
                    size_text(self.size)
                ));
            }
            None => {}
        }
    }

    /// It is over.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_a_path_elsewhere_is_its_last_part() {
        let of = |path: &str| name_of(Path::new(path)).map(|name| name.as_str().to_owned());
        assert_eq!(of("/tmp/C:\\Users\\an\\số 12.pdf").as_deref(), Some("số 12.pdf"));
        assert_eq!(of("a/b.txt").as_deref(), Some("b.txt"));
        assert_eq!(of("a\\"), None);
    }

    #[test]
    fn what_the_nodes_take_in_one_round_is_sent_in_one() {
        assert!(fits_one_round(0) && fits_one_round(1 << 20));
        assert!(!fits_one_round((1 << 20) + 1) && !fits_one_round(2 << 20));
    }

    #[test]
    fn an_interrupted_command_is_told_as_a_shell_takes_it() {
        let args = ["packet", "send", "công văn.pdf", "--to", "H41.02", "--title", "it's", ""];
        let args = || args.iter().map(OsString::from);
        let key = "ik-1234567890123456".parse().expect("a key");
        assert_eq!(
            again(args(), Some(&key)).as_deref(),
            Some(
                r"lgsp packet send 'công văn.pdf' --to H41.02 --title 'it'\''s' '' --idempotency-key=ik-1234567890123456"
            )
        );
        assert!(
            again(args(), None).is_some_and(|line| line.ends_with(" ''")),
            "it was given already"
        );
        let behind = ["packet", "send", "--", "-a.pdf"].into_iter().map(OsString::from);
        let behind = again(behind, Some(&key)).expect("all of it is text");
        assert!(behind.ends_with("--idempotency-key=ik-1234567890123456 -- -a.pdf"), "{behind}");
        let strange = std::os::unix::ffi::OsStringExt::from_vec(vec![0xff]);
        assert_eq!(again(std::iter::once(strange), None), None);
    }

    #[test]
    fn endings_have_media_types() {
        for (file, kind) in [
            ("a.pdf", "application/pdf"),
            ("A.PDF", "application/pdf"),
            ("a", "application/octet-stream"),
            ("a.edxml", "application/edxml+xml"),
        ] {
            assert_eq!(media_type_of(Path::new(file)).as_str(), kind, "{file}");
        }
    }
}
