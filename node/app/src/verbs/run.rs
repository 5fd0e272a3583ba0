//! `run`: the node itself, with its log.

use std::io::Read;

use tracing_subscriber::EnvFilter;

use super::{Context, Done, founding::config_path};
use crate::{
    cli::{Exit, Failure, RunArgs},
    config::{Config, Format, Level, Log},
    node,
    options::RunOptions,
    texts::failures as t,
};

/// Runs the node until it is told to stop.
pub async fn run(context: &Context, args: RunArgs) -> Done {
    let out = &context.out;
    let path = config_path(args.config, args.data_dir);
    let config = Config::load(&path).map_err(|error| Failure::config(out.lang, &path, &error))?;
    let format = config.log.format;
    let set_level = start_log(&config.log);
    if args.attached {
        // A thread of its own: it waits for as long as the node lives, and ends with the process.
        std::thread::spawn(stop_with_parent);
    }
    let options = RunOptions { config, path, peers: args.peer, moved: args.moved, set_level };
    let Err(error) = node::run(options).await else { return Ok(Exit::Ok) };
    let mut failure = Failure::node(out.lang, t::RUN, &error);
    failure.fix.get_or_insert_with(|| out.text(t::FIX_RUN).to_owned());
    // Log and failure go to the same place: it is said once, in the form of what reads it.
    if format == Format::Text {
        return Err(failure);
    }
    let (what, fix) = (failure.what.as_str(), failure.fix.as_deref().unwrap_or_default());
    tracing::error!(error = format!("{error:#}"), what, fix, "the node stopped");
    Ok(failure.exit)
}

/// The log goes to stderr; LGSP_LOG says more than the configuration can. What comes back changes how
/// much it says.
fn start_log(log: &Log) -> Box<dyn Fn(Level) + Send + Sync> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter(log.level))
        .with_writer(std::io::stderr)
        .with_ansi(false);
    // A log that was started before (in a test) stays.
    match log.format {
        Format::Text => {
            let builder = builder.with_filter_reloading();
            let handle = builder.reload_handle();
            builder.try_init().ok();
            Box::new(move |level| {
                handle.reload(filter(level)).ok();
            })
        }
        Format::Json => {
            let builder = builder.json().with_filter_reloading();
            let handle = builder.reload_handle();
            builder.try_init().ok();
            Box::new(move |level| {
                handle.reload(filter(level)).ok();
            })
        }
    }
}

fn filter(level: Level) -> EnvFilter {
    let filter = std::env::var("LGSP_LOG").unwrap_or_else(|_| {
        // Libraries talk a lot: their information is a developer's. The token log of QUIC tells that it was renewed,
        // which nobody can do anything about.
        format!("warn,openraft=error,quinn_proto::bloom_token_log=error,lgsp={level},lgsp_app={level},lgsp_api={level},lgsp_conductor={level},lgsp_content={level},lgsp_mesh={level},lgsp_consensus={level},lgsp_certs={level}", level = level.as_str())
    });
    EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"))
}

/// A parent that dies closes our standard input: then nobody would end this node.
fn stop_with_parent() {
    let mut buffer = [0; 64];
    while std::io::stdin().read(&mut buffer).is_ok_and(|read| read > 0) {}
    // The same way as anybody else would stop it.
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Finding 26: the token log of QUIC warns of what nobody can do anything about.
    #[test]
    fn libraries_say_only_what_an_operator_can_use() {
        for level in [Level::Error, Level::Info, Level::Trace] {
            let said = filter(level).to_string();
            let levels: Vec<&str> = said.split(',').collect();
            assert!(levels.contains(&"quinn_proto::bloom_token_log=error"), "{said}");
            assert!(levels.contains(&"warn"), "{said}");
        }
    }
}
