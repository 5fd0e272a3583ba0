//! What keeps a node from running, as its operator is told: each kind with its own way out.

use std::{error::Error as _, path::Path};

use super::{Exit, Failure};
use crate::{
    node::{DirectoryError, Grant, Outcast, TooFew},
    texts::{Lang, Text, failures as t, reasons, settings},
};

impl Failure {
    /// What stands at the end of a chain of the node's own errors; `text` says what was being done.
    pub fn node(lang: Lang, text: Text, error: &anyhow::Error) -> Self {
        let known = error.chain().find_map(|cause| {
            let directory = cause.downcast_ref().and_then(|error| of_directory(lang, error));
            let outcast = || cause.downcast_ref().map(|error| of_outcast(lang, error));
            let certs = || cause.downcast_ref().and_then(|error| Failure::certs(lang, error));
            let few = || cause.downcast_ref().map(|few| too_few(lang, few));
            let consensus = || cause.downcast_ref().and_then(|error| of_consensus(lang, error));
            directory.or_else(outcast).or_else(consensus).or_else(few).or_else(certs)
        });
        let Some(mut failure) = known else { return Self::any(lang, text, error) };
        failure.chain = error.chain().map(ToString::to_string).collect();
        failure
    }

    /// A file of certificates or keys; nothing where it is about something else.
    pub fn certs(lang: Lang, error: &certs::Error) -> Option<Self> {
        use certs::Error as E;
        let of = |text: Text, path: &Path| text.fill(lang, &[("path", &path.display())]);
        Some(match error {
            E::File { path, source, .. } => Self::file(lang, path, source),
            E::Pem { path, reason } => Self::new(Exit::Failed, of(t::PEM, path))
                .why(reasons::of_pem(lang, reason))
                .fix(of(t::FIX_PEM, path))
                .code(9515),
            E::Exposed { path } => Self::new(Exit::NotPermitted, of(t::FILE, path))
                .why(of(t::EXPOSED, path))
                .fix(of(t::FIX_PROFILE_OPEN, path))
                .code(9303),
            _ => return None,
        })
    }

    /// A file of ours that could not be written.
    pub fn unwritten(lang: Lang, path: &Path, error: &certs::Error) -> Self {
        Self::certs(lang, error).unwrap_or_else(|| {
            Self::new(Exit::Failed, t::FILE.fill(lang, &[("path", &path.display())]))
                .why(technical(lang, error))
                .code(9105)
        })
    }
}

/// What only engineers say, marked as theirs.
pub(super) fn technical(lang: Lang, reason: impl std::fmt::Display) -> String {
    t::TECHNICAL.fill(lang, &[("reason", &reason)])
}

/// Why a file of the node's own is none.
fn of_source(lang: Lang, source: &(dyn std::error::Error + 'static)) -> String {
    if let Some(error) = source.downcast_ref::<std::io::Error>() {
        return reasons::of_io(lang, error);
    }
    match source.downcast_ref::<toml::de::Error>() {
        Some(error) => settings::of_toml(lang, error.message()),
        None => technical(lang, source),
    }
}

fn of_directory(lang: Lang, error: &DirectoryError) -> Option<Failure> {
    use DirectoryError as E;
    let source = error.source().map(|source| of_source(lang, source)).unwrap_or_default();
    Some(match error {
        E::Locked { path } => locked(lang, path),
        E::Newer { path, found } => newer(lang, path, *found),
        E::Older { path, found } => {
            Failure::new(Exit::Failed, t::NODE_OLDER.fill(lang, &[("path", &path.display())]))
                .why(t::NODE_OLDER_WHY.fill(lang, &[("found", found)]))
                .fix(t::FIX_NODE_OLDER.in_lang(lang))
                .code(9516)
        }
        E::NoNode { path, .. } => {
            let path = path.display();
            Failure::new(Exit::NotFound, t::NODE_NONE.fill(lang, &[("path", &path)]))
                .why(source)
                .fix(t::FIX_NODE_NONE.fill(lang, &[("path", &path)]))
                .code(9502)
        }
        E::NotEmpty { path } => {
            let path = path.display();
            Failure::new(Exit::Conflict, t::DATA_DIR.fill(lang, &[("path", &path)]))
                .why(t::DATA_DIR_WHY.in_lang(lang))
                .fix(t::FIX_DATA_DIR.fill(lang, &[("path", &path)]))
                .code(9203)
        }
        E::Damaged { path, .. } => {
            Failure::new(Exit::Failed, t::NODE_DAMAGED.fill(lang, &[("path", &path.display())]))
                .why(source)
                .fix(t::FIX_NODE_DAMAGED.in_lang(lang))
                .code(9504)
        }
        E::Io { path, source } => Failure::file(lang, path, source),
        E::Certs(error) => return Failure::certs(lang, error),
    })
}

fn of_outcast(lang: Lang, error: &Outcast) -> Failure {
    match error {
        Outcast::Removed { path } => Failure::new(Exit::Removed, t::NODE_REMOVED.in_lang(lang))
            .why(t::NODE_REMOVED_WHY.fill(lang, &[("path", &path.display())]))
            .fix(t::FIX_NODE_REMOVED.in_lang(lang))
            .code(9507),
        Outcast::Copied { path, mark } => {
            let directory = path.parent().unwrap_or(path);
            Failure::new(Exit::Twice, t::NODE_COPIED.in_lang(lang))
                .why(t::NODE_COPIED_WHY.fill(lang, &[("path", &path.display()), ("mark", mark)]))
                .fix(t::FIX_NODE_COPIED.fill(lang, &[("directory", &directory.display())]))
                .code(9508)
        }
        Outcast::Twice { node, by, elsewhere, here } => {
            let values: [(&str, &dyn std::fmt::Display); 4] =
                [("node", node), ("by", by), ("elsewhere", elsewhere), ("here", here)];
            Failure::new(Exit::Twice, t::NODE_TWICE.fill(lang, &values))
                .why(t::NODE_TWICE_WHY.fill(lang, &values))
                .fix(t::FIX_NODE_TWICE.fill(lang, &values))
                .code(9509)
        }
    }
}

fn of_consensus(lang: Lang, error: &consensus::Error) -> Option<Failure> {
    use consensus::Error as E;
    match error {
        E::Open { path, source } => Some(Failure::file(lang, path, source)),
        E::Locked { directory } => Some(locked(lang, directory)),
        E::NewerFormat { directory, found, .. } => Some(newer(lang, directory, *found)),
        E::CorruptLog { file: path, reason } | E::CorruptState { path, reason } => {
            let what = t::NODE_CORRUPT.fill(lang, &[("path", &path.display())]);
            let failure = Failure::new(Exit::Failed, what).why(technical(lang, reason));
            Some(failure.fix(t::FIX_NODE_CORRUPT.in_lang(lang)).code(9505))
        }
        E::LogGone { directory } => {
            let what = t::NODE_LOG_GONE.fill(lang, &[("path", &directory.display())]);
            Some(
                Failure::new(Exit::Failed, what).fix(t::FIX_NODE_LOG_GONE.in_lang(lang)).code(9506),
            )
        }
        _ => None,
    }
}

fn too_few(lang: Lang, few: &TooFew) -> Failure {
    let why = t::TOO_FEW_WHY.fill(lang, &[("granted", &few.granted), ("needed", &few.needed)]);
    let (what, fix, code) = match few.of {
        Grant::Descriptors => (t::DESCRIPTORS, t::FIX_DESCRIPTORS, 9512),
        Grant::Threads => (t::THREADS, t::FIX_THREADS, 9513),
        Grant::Memory => (t::MEMORY, t::FIX_MEMORY, 9514),
    };
    Failure::new(Exit::Failed, what.in_lang(lang)).why(why).fix(fix.in_lang(lang)).code(code)
}

fn locked(lang: Lang, path: &Path) -> Failure {
    Failure::new(Exit::Conflict, t::NODE_LOCKED.fill(lang, &[("path", &path.display())]))
        .fix(t::FIX_NODE_LOCKED.in_lang(lang))
        .code(9501)
}

fn newer(lang: Lang, path: &Path, found: u32) -> Failure {
    Failure::new(Exit::Failed, t::NODE_NEWER.fill(lang, &[("path", &path.display())]))
        .why(t::NODE_NEWER_WHY.fill(lang, &[("found", &found)]))
        .fix(t::FIX_NODE_NEWER.in_lang(lang))
        .code(9503)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_own_way_out_in_both_languages() {
        let path = || "/var/lib/lgsp/x".into();
        let reason = || "a checksum does not hold".to_owned();
        let errors: [(anyhow::Error, Exit, &str); 7] = [
            (DirectoryError::Locked { path: path() }.into(), Exit::Conflict, "systemctl"),
            (consensus::Error::Locked { directory: path() }.into(), Exit::Conflict, "systemctl"),
            (DirectoryError::Newer { path: path(), found: 99 }.into(), Exit::Failed, "--version"),
            (DirectoryError::Older { path: path(), found: 1 }.into(), Exit::Failed, "lgsp init"),
            (
                consensus::Error::CorruptLog { file: path(), reason: reason() }.into(),
                Exit::Failed,
                "lgsp member remove",
            ),
            (
                consensus::Error::CorruptState { path: path(), reason: reason() }.into(),
                Exit::Failed,
                "lgsp member remove",
            ),
            (
                consensus::Error::LogGone { directory: path() }.into(),
                Exit::Failed,
                "lgsp member remove",
            ),
        ];
        for (error, exit, fix) in errors {
            // What was being done when it happened stands before it.
            let error = error.context("while it started");
            for lang in [Lang::Vi, Lang::En] {
                let failure = Failure::node(lang, t::RUN, &error);
                assert_eq!(failure.exit, exit, "{error:#}");
                assert!(failure.what.contains("/var/lib/lgsp/x"), "{}", failure.what);
                assert!(failure.fix.as_ref().is_some_and(|text| text.contains(fix)), "{error:#}");
            }
        }
        let by = model::NodeId(2);
        for (outcast, exit, says) in [
            (Outcast::Removed { path: path() }, Exit::Removed, "lgsp join"),
            (Outcast::Copied { path: path(), mark: "inode" }, Exit::Twice, "--moved"),
            (
                Outcast::Twice {
                    node: model::NodeId(1),
                    by,
                    elsewhere: "10.0.0.1:7".into(),
                    here: "10.0.0.2:7".into(),
                },
                Exit::Twice,
                "10.0.0.1:7",
            ),
        ] {
            let error = anyhow::Error::from(outcast);
            let failure = Failure::node(Lang::En, t::RUN, &error);
            assert_eq!(failure.exit, exit, "{error:#}");
            assert!(failure.fix.as_ref().is_some_and(|fix| fix.contains(says)), "{error:#}");
        }
        let other = Failure::node(Lang::En, t::RUN, &anyhow::anyhow!("something else"));
        assert_eq!(other.what, t::RUN.en);
    }
}
