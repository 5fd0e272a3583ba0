//! What each command does.

mod absent;
mod authority;
mod certificates;
mod check;
mod clocks;
mod cluster;
mod completion;
mod edxml;
mod ending;
mod forward;
mod founding;
mod interrupts;
mod lost;
mod members;
mod packets;
mod plugin;
mod receipts;
mod receive;
mod recover;
mod registry;
mod renew;
mod run;
mod send;
mod simulate;
mod status;
mod units;
mod units_list;
mod verify;
mod way;

use std::{
    ffi::OsString,
    io::{IsTerminal, Write},
    sync::OnceLock,
    time::{Duration, Instant},
};

use clap::FromArgMatches;
use client::{Client, Waiting};
use parking_lot::Mutex;

use crate::{
    cli::{
        AppVerb, Cli, ClusterKeyVerb, ClusterVerb, ConfigVerb, Exit, Failure, Global, KeyVerb,
        MemberVerb, Out, Output, PacketVerb, SimulateVerb, TimeVerb, UnitVerb, Verb, command,
        language, usage_failure, usage_in,
    },
    config::{self, Config},
    demo, node,
    profile::Loaded,
    texts::{Text, failures as t, packets as packet_words, reasons, words},
};

pub use clocks::own_clock;
pub use founding::{ADMIN_PROFILE, quoted};
pub use units_list::read_units;
pub use way::{Step, lines, steps};
#[cfg(test)]
pub use {founding::token_of, registry::public_key_of};

/// How long a request may go unanswered before anything is said: an election is over in less.
const HICCUP: Duration = Duration::from_secs(2);
/// How often it is said that something goes on.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// How a command ends: its exit code, or what went wrong.
pub type Done = Result<Exit, Failure>;

/// What every command is given.
pub struct Context {
    /// Where it talks.
    pub out: Out,
    /// What every command takes.
    pub global: Global,
    /// The profile that was used, and the client made of it.
    pub used: OnceLock<(Client, Loaded)>,
}

impl Context {
    /// A client by the profile that the arguments name.
    pub fn client(&self) -> Result<(Client, Loaded), Failure> {
        let loaded = Loaded::find(&self.global, self.out.lang)?;
        let used = (loaded.client(self.global.timeout())?, loaded);
        // A program that reads our talk reads one document.
        if self.out.is_table() {
            let (out, timeout) = (self.out, self.global.timeout);
            let profile = crate::profile::path(&self.global).display().to_string();
            let said = Mutex::new(None);
            used.0.watch(move |waiting, since| {
                let mut said = said.lock();
                if waits_long(since, said.map(|said: Instant| said.elapsed())) {
                    *said = Some(Instant::now());
                    let (text, what) = match waiting {
                        Waiting::Answer(url) => (packet_words::STILL_WAITING, url.to_owned()),
                        Waiting::Again(error) => {
                            let failure = Failure::client(out.lang, &profile, error);
                            (packet_words::STILL_TRYING, failure.what.clone())
                        }
                    };
                    let values: [(&str, &dyn std::fmt::Display); 2] =
                        [("what", &what), ("timeout", &timeout)];
                    out.warn(out.fill(text, &values));
                }
            });
        }
        // A command that asks twice uses the same.
        self.used.set(used.clone()).ok();
        Ok(used)
    }

    /// After a command that went well: the profile learns where the nodes are and whom to trust. That it could not is no
    /// failure of the command.
    async fn learn(&self) {
        let Some((client, loaded)) = self.used.get() else { return };
        let learned = match client.nodes().await {
            Ok(told) => {
                let urls: Vec<_> =
                    told.nodes.iter().filter_map(|node| node.url.parse().ok()).collect();
                let learned = loaded.learn(&urls).map_err(|error| error.to_string());
                let followed = told.authority.map_or(Ok(None), |told| loaded.follow(&told.pem));
                followed.and_then(|new| {
                    // Whom to trust does not change in silence.
                    if let Some(new) = new {
                        let mark = founding::fingerprint(&new);
                        let values: [(&str, &dyn std::fmt::Display); 2] =
                            [("path", &loaded.shown()), ("fingerprint", &mark)];
                        self.out.say(self.out.fill(crate::texts::authority::FOLLOWED, &values));
                    }
                    learned
                })
            }
            Err(error) => Err(error.to_string()),
        };
        if let Err(reason) = learned
            && self.global.debug
        {
            self.out.say(format_args!("{}: {reason}", loaded.shown()));
        }
    }

    /// A failure of the client, told with the profile that it used.
    pub fn failed(&self) -> impl Fn(client::Error) -> Failure + use<> {
        let (lang, profile) =
            (self.out.lang, crate::profile::path(&self.global).display().to_string());
        move |error| Failure::client(lang, &profile, &error)
    }

    /// The same for what may have happened although no answer came: then `look` says where to look
    /// before it is done again.
    pub fn failed_doing(&self, look: Text) -> impl Fn(client::Error) -> Failure + use<> {
        let (failed, look) = (self.failed(), self.out.text(look));
        move |error| {
            let doubt = error.may_have_happened();
            let failure = failed(error);
            if doubt { failure.fix(look) } else { failure }
        }
    }

    /// Asks for the name of the thing, unless it was said that nobody should be asked.
    pub fn confirm(&self, what: Text, name: &str, yes: bool) -> Result<(), Failure> {
        if yes {
            return Ok(());
        }
        let what = self.out.fill(what, &[("name", &name)]);
        if !std::io::stdin().is_terminal() {
            return Err(Failure::new(Exit::Usage, self.out.text(t::CONFIRM_NEEDED))
                .why(self.out.fill(t::CONFIRM_NEEDED_WHY, &[("name", &name)]))
                .fix(self.out.text(t::FIX_CONFIRM))
                .code(9003));
        }
        let mut stderr = std::io::stderr();
        let question = self.out.fill(words::ASK_NAME, &[("what", &what), ("name", &name)]);
        write!(stderr, "{question}").ok();
        stderr.flush().ok();
        let mut typed = String::new();
        let read = std::io::stdin().read_line(&mut typed);
        if read.is_ok() && typed.trim() == name {
            return Ok(());
        }
        Err(Failure::new(Exit::Failed, self.out.text(t::CONFIRM_WRONG))
            .fix(self.out.fill(t::FIX_CONFIRM_WRONG, &[("name", &name)]))
            .code(9004))
    }
}

/// Whether people should hear that something is tried again: not of a hiccup that is over before they have
/// read the line, and not with every attempt.
fn waits_long(since: Duration, said: Option<Duration>) -> bool {
    since >= HICCUP && said.is_none_or(|said| said >= SAY_EVERY)
}

/// Reads the arguments and does what they ask.
pub fn main(args: Vec<OsString>) -> Exit {
    let words: Vec<String> = args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let lang = language(&words);
    let parsed = command(lang)
        .try_get_matches_from(args)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return refuse(lang, &words, &error),
    };
    let lang = cli.global.lang.unwrap_or(lang);
    let out = Out::new(lang, cli.global.output, cli.global.color, cli.global.debug);
    let context = Context { out, global: cli.global, used: OnceLock::new() };
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    // Whoever sets the library's own variable means it.
    if std::env::var_os("TOKIO_WORKER_THREADS").is_none() {
        runtime.worker_threads(workers());
    }
    if matches!(cli.verb, Verb::Run(_)) {
        match node::Threads::raise(workers()) {
            Ok(threads) => {
                runtime.max_blocking_threads(threads.waiting);
            }
            Err(few) => return out.fail(&Failure::node(lang, t::RUN, &few.into())),
        }
    }
    let runtime = match runtime.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return out.fail(
                &Failure::new(Exit::Failed, out.text(t::FAILED))
                    .why(reasons::of_io(lang, &error))
                    .code(9001),
            );
        }
    };
    match runtime.block_on(dispatch(&context, cli.verb)) {
        Ok(exit) => {
            runtime.block_on(context.learn());
            exit
        }
        Err(failure) => out.fail(&failure),
    }
}

/// Threads that poll: half of the processors.
///
/// The rest is for the threads that write and sync the log, the contents and the state. A worker more
/// than there is work for costs a wake for each packet: measured on two processors, one worker made a
/// client alone a fifth faster than two did.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, |processors| (processors.get() / 2).max(1))
}

/// Help and version are no errors; a wrong command is told in the language of the talk.
fn refuse(lang: crate::texts::Lang, words: &[String], error: &clap::Error) -> Exit {
    use clap::error::ErrorKind as K;
    let help = matches!(
        error.kind(),
        K::DisplayHelp | K::DisplayVersion | K::DisplayHelpOnMissingArgumentOrSubcommand
    );
    if help {
        if error.use_stderr() {
            // Who has closed our stderr does not want to hear of it.
            error.print().ok();
            return Exit::Usage;
        }
        let text = error.render();
        let out = Out::new(lang, Output::default(), Default::default(), false);
        let coloured = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let text = if coloured { text.ansi().to_string() } else { text.to_string() };
        out.print(usage_in(lang, &text).trim_end());
        return Exit::Ok;
    }
    let path: Vec<&str> = words
        .iter()
        .skip(1)
        .map(String::as_str)
        .take_while(|word| !word.starts_with('-'))
        .collect();
    let known = (0..=path.len().min(2))
        .rev()
        .map(|length| path[..length].join(" "))
        .find(|path| crate::texts::help::ALL.iter().any(|entry| entry.path == path))
        .unwrap_or_default();
    let asked = format!("lgsp {known}");
    let asked_form = words.windows(2).find_map(|pair| match pair {
        [flag, form] if matches!(flag.as_str(), "-o" | "--output") => Output::of_word(form),
        _ => None,
    });
    let output = asked_form.unwrap_or_default();
    let out = Out::new(lang, output, Default::default(), false);
    out.fail(&usage_failure(lang, asked.trim(), error))
}

async fn dispatch(context: &Context, verb: Verb) -> Done {
    match verb {
        Verb::Demo(args) => demo::demo(context, args).await,
        Verb::Init(args) => founding::init(context, args).await,
        Verb::Join(args) => founding::join(context, args).await,
        Verb::Run(args) => run::run(context, args).await,
        Verb::Status => status::status(context).await,
        Verb::Check(args) => check::check(context, args).await,
        Verb::Recover(args) => recover::recover(context, args).await,
        Verb::Cluster(ClusterVerb::Time(TimeVerb::Show(args))) => clocks::show(context, args).await,
        Verb::Cluster(ClusterVerb::Time(TimeVerb::Confirm(args))) => {
            clocks::confirm(context, args).await
        }
        Verb::Member(MemberVerb::List) => members::list(context).await,
        Verb::Member(MemberVerb::Token { minutes }) => members::token(context, minutes).await,
        Verb::Member(MemberVerb::Remove { node, force, yes }) => {
            members::remove(context, node, (force, yes)).await
        }
        Verb::Cluster(ClusterVerb::Authority(verb)) => authority::authority(context, verb).await,
        Verb::Cluster(ClusterVerb::Key(ClusterKeyVerb::Rotate { end_tokens })) => {
            cluster::rotate_key(context, end_tokens).await
        }
        Verb::Unit(verb) => unit(context, verb).await,
        Verb::App(AppVerb::Add { app, unit, name, grant, target }) => {
            registry::add_app(
                context,
                client::NewApp {
                    name: name.unwrap_or_else(|| app.to_string()),
                    app,
                    unit,
                    grants: grant,
                    targets: target,
                },
            )
            .await
        }
        Verb::App(AppVerb::List(list)) => registry::list_apps(context, list).await,
        Verb::Key(KeyVerb::Issue(args)) => registry::issue_key(context, args).await,
        Verb::Key(KeyVerb::List(list)) => registry::list_keys(context, list).await,
        Verb::Key(KeyVerb::Renew(args)) => renew::renew(context, args).await,
        Verb::Key(KeyVerb::Revoke { access_key, yes }) => {
            registry::revoke_key(context, access_key, yes).await
        }
        Verb::Packet(verb) => packet(context, verb).await,
        Verb::Verify(args) => verify::verify(context, &args),
        Verb::Edxml(verb) => edxml::edxml(context, verb),
        Verb::Simulate(SimulateVerb::National(args)) => simulate::national(context, &args).await,
        Verb::Config(verb) => configuration(context, verb),
        Verb::Completion { shell } => completion::completion(context, shell),
    }
}

async fn unit(context: &Context, verb: UnitVerb) -> Done {
    match verb {
        UnitVerb::Add { code, name, kind, parent, alias } => {
            let unit = client::NewUnit { code, name, kind, parent, aliases: alias };
            registry::add_unit(context, unit).await
        }
        UnitVerb::Import(args) => units::import(context, args).await,
        UnitVerb::Rename { code, name } => units::rename(context, code, name).await,
        UnitVerb::Remove { code, yes } => units::remove(context, code, yes).await,
        UnitVerb::Show { code } => registry::show_unit(context, &code).await,
        UnitVerb::List(list) => registry::list_units(context, list).await,
        UnitVerb::Search { words, limit } => {
            registry::search_units(context, &words.join(" "), limit).await
        }
    }
}

async fn packet(context: &Context, verb: PacketVerb) -> Done {
    match verb {
        PacketVerb::Send(args) => send::send(context, args).await,
        PacketVerb::List { list, inbox } => packets::list(context, list, inbox).await,
        PacketVerb::Show { packet, watch } => packets::show(context, packet, watch).await,
        PacketVerb::Receipts { packet, to } => receipts::fetch(context, packet, to).await,
        PacketVerb::Lost { list, close: false, .. } => lost::list(context, list).await,
        PacketVerb::Lost { yes, .. } => lost::close(context, yes).await,
        PacketVerb::Cancel { packets, yes } => ending::cancel(context, packets, yes).await,
        PacketVerb::Reject { packets, reason } => ending::reject(context, packets, &reason).await,
        PacketVerb::Receive(args) => receive::receive(context, args).await,
        PacketVerb::Confirm { packet, file, digest } => {
            receive::confirm(context, packet, file, digest).await
        }
    }
}

fn configuration(context: &Context, verb: ConfigVerb) -> Done {
    let out = &context.out;
    let (file, show) = match verb {
        ConfigVerb::Check { file } => (file, false),
        ConfigVerb::Show { file } => (file, true),
    };
    let config = Config::load(&file).map_err(|error| Failure::config(out.lang, &file, &error))?;
    match (show, out.is_table()) {
        (true, true) => out.print(config::to_toml(&config).trim_end()),
        (true, false) => out.json("lgsp.config/1", &config),
        (false, true) => out.done(words::CONFIG_GOOD, &[("path", &file.display())]),
        (false, false) => {
            out.json("lgsp.config.check/1", serde_json::json!({ "good": true, "path": file }))
        }
    }
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests;
