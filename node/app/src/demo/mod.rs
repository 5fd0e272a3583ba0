//! `demo`: a whole cluster for the first minutes. Three processes of this program on loopback,
//! real files, a killed leader, and content that is gone in the end.

mod cluster;
mod disaster;
mod ending;
mod founding;
mod office;
mod report;
mod samples;
mod scene;

use std::{path::PathBuf, time::Instant};

use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    cli::{DemoArgs, Exit, Failure, Out},
    stop::Stop,
    texts::{Text, demo as d, failures as t},
    verbs::{Context, Done, quoted},
};

use cluster::Cluster;
use report::Report;

/// Tells how the demonstration goes on, with the time since its beginning.
#[derive(Debug, Clone, Copy)]
pub struct Show {
    /// Where it is told.
    pub out: Out,
    begun: Instant,
}

impl Show {
    fn tell(&self, text: Text, values: &[(&str, &dyn std::fmt::Display)]) {
        let seconds = self.begun.elapsed().as_secs_f64();
        let sign = self.out.sign(crate::cli::Mark::Good);
        self.out.say(format_args!("[{seconds:7.3} s] {sign} {}", self.out.fill(text, values)));
    }

    /// A step that failed, with its reason.
    fn failed(&self, step: Text, why: impl Into<String>) -> Failure {
        let step = self.out.text(step);
        Failure::new(Exit::Failed, self.out.fill(d::FAILED, &[("step", &step)])).why(why).code(9501)
    }

    /// A request that failed in a step.
    fn refused(&self, step: Text) -> impl Fn(client::Error) -> Failure + use<> {
        let show = *self;
        move |error| {
            let failure = Failure::client(show.out.lang, "", &error);
            let why = [Some(&failure.what), failure.why.as_ref()]
                .into_iter()
                .flatten()
                .cloned()
                .collect::<Vec<_>>()
                .join(" ");
            let mut told = show.failed(step, why);
            told.code = failure.code.clone().or_else(|| told.code.clone());
            told.trace = failure.trace.clone();
            told.chain = failure.chain.clone();
            told
        }
    }
}

/// Plays the demonstration; without `--once` the cluster stays until it is told to stop.
pub async fn demo(context: &Context, args: DemoArgs) -> Done {
    // The directory goes whether or not somebody reads on.
    let show = Show { out: context.out.going_on(), begun: Instant::now() };
    let out = &show.out;
    out.say(out.text(d::HEAD));
    // Before there is anything that must not stay behind.
    let mut ending =
        Ending::listen().map_err(|error| show.failed(d::STEP_START, error.to_string()))?;
    let root = trial_directory().map_err(|(path, error)| Failure::file(out.lang, &path, &error))?;
    let stays = if args.keep { Stays::All } else { Stays::Nothing };
    let mut trial = Trial { root: root.clone(), stays };
    let mut cluster = Cluster::new(root.clone(), show)?;

    let played = tokio::select! {
        played = scene::play(show, &mut cluster) => Some(played),
        () = ending.asked() => None,
    };
    let result = match played {
        Some(Ok(report)) => {
            tell_report(out, &report, &cluster, !args.once);
            if !args.once {
                stay(out, &cluster, args.keep, &mut ending).await;
            }
            Ok(Exit::Ok)
        }
        Some(Err(failure)) => {
            let logs = cluster.logs();
            if !out.is_table() {
                out.json("lgsp.demo/1", json!({ "ok": false, "error": failure, "logs": logs }));
            }
            if trial.stays == Stays::Nothing {
                trial.stays = Stays::Logs;
            }
            let fix = out.fill(d::LOGS, &[("path", &quoted(&logs))]);
            Err(if failure.fix.is_some() { failure } else { failure.fix(fix) })
        }
        None => Ok(Exit::Failed),
    };
    cluster.stop().await;
    show.tell(d::STOPPED, &[]);
    if let Err(error) = trial.remove() {
        out.warn(out.fill(t::FILE, &[("path", &root.display())]) + " " + &error.to_string());
    }
    match trial.stays {
        Stays::Nothing => {}
        Stays::Logs => out.say(out.fill(d::LOGS, &[("path", &cluster.logs().display())])),
        Stays::All => out.say(out.fill(d::KEPT, &[("path", &root.display())])),
    }
    result
}

fn tell_report(out: &Out, report: &Report, cluster: &Cluster, stays: bool) {
    if !out.is_table() {
        return out.json("lgsp.demo/1", report);
    }
    out.print(format_args!("\n{}", out.text(d::WAY)));
    for packet in &report.packets {
        out.print(packet.lines.join("\n"));
        out.print("");
    }
    if !stays {
        // Nobody can try what stops in a moment.
        return;
    }
    out.print(out.text(d::READY));
    let urls: Vec<_> = cluster.nodes.iter().map(|node| node.addresses.url()).collect();
    let row = |label: &str, text: &str| out.print(format_args!("  {label:<16}{text}"));
    row(out.text(d::URLS), &urls.join("  "));
    row(
        out.text(d::ADMIN),
        &format!("{}  ({})", report.admin.access_key, report.admin.profile.display()),
    );
    for office in &report.offices {
        row(
            out.text(d::OFFICES),
            &format!(
                "{} {}  {}  ({})",
                office.unit,
                office.name,
                office.access_key,
                office.profile.display()
            ),
        );
    }
    out.print(out.text(d::TRY));
    for line in &report.next {
        out.print(format_args!("  {line}"));
    }
}

async fn stay(out: &Out, cluster: &Cluster, keep: bool, ending: &mut Ending) {
    let text = if keep { d::KEPT } else { d::STAYS };
    out.say(out.fill(text, &[("path", &cluster.root.display())]));
    ending.asked().await;
    out.say("");
}

/// What ends the demonstration: what ends any program, or a terminal that was closed. The administrator's secret
/// does not stay behind.
struct Ending {
    stop: Stop,
    hangup: Signal,
}

impl Ending {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { stop: Stop::listen()?, hangup: signal(SignalKind::hangup())? })
    }

    async fn asked(&mut self) {
        tokio::select! {
            () = self.stop.asked() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

/// The directory of the trial, which goes however the trial ends.
struct Trial {
    root: PathBuf,
    /// What is to stay of it.
    stays: Stays,
}

/// What of a trial stays.
#[derive(PartialEq, Eq)]
enum Stays {
    Nothing,
    /// Of a trial that failed: what the nodes said, and no secret.
    Logs,
    All,
}

impl Trial {
    fn remove(&self) -> std::io::Result<()> {
        match self.stays {
            Stays::All => Ok(()),
            Stays::Nothing => std::fs::remove_dir_all(&self.root),
            Stays::Logs => {
                for entry in std::fs::read_dir(&self.root)? {
                    let (path, kind) =
                        entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
                    if path == cluster::logs_under(&self.root) {
                        continue;
                    }
                    let removed = if kind.is_dir() {
                        std::fs::remove_dir_all(&path)
                    } else {
                        std::fs::remove_file(&path)
                    };
                    removed?;
                }
                Ok(())
            }
        }
    }
}

impl Drop for Trial {
    /// A panic and an early failure leave no secret either. What was removed before is gone, and said.
    fn drop(&mut self) {
        self.remove().ok();
    }
}

/// A new directory of our own under the system's directory for temporary files.
fn trial_directory() -> Result<PathBuf, (PathBuf, std::io::Error)> {
    use std::os::unix::fs::DirBuilderExt;
    let path =
        std::env::temp_dir().join(format!("lgsp-demo-{}", hex::encode(rand::random::<[u8; 4]>())));
    match std::fs::DirBuilder::new().mode(0o700).create(&path) {
        Ok(()) => Ok(path),
        Err(error) => Err((path, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Case 24 of the field: whatever ends the trial, no secret of it is left.
    #[test]
    fn a_trial_leaves_what_it_may_and_no_secret() {
        for (stays, left) in [(Stays::Nothing, None), (Stays::Logs, Some(1)), (Stays::All, Some(3))]
        {
            let root = trial_directory().expect("a directory");
            let trial = Trial { root: root.clone(), stays };
            for directory in [root.join("node-1"), cluster::logs_under(&root)] {
                std::fs::create_dir(&directory).expect("made");
                std::fs::write(directory.join("file"), "secret").expect("written");
            }
            std::fs::write(root.join("admin.secret"), "secret").expect("written");
            drop(trial);
            let there = std::fs::read_dir(&root).ok().map(Iterator::count);
            assert_eq!(there, left);
            if there.is_some() {
                std::fs::remove_dir_all(&root).expect("removed");
            }
        }
    }
}
