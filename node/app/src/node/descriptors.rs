//! The descriptors that the system grants, and who has them: storage and mesh first, strangers last.
//!
//! Every connection, file and socket is one. Their number is raised at the start as far as the system allows,
//! and shared out: connections get what the rest leaves, so that no flood of them takes a file from the log.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::grants::{Grant, TooFew};

/// Standard streams, the runtime's own, signals, lock, log, mesh, listener, names that are being resolved.
const BASE: usize = 48;
/// The least that storage can do with: the log's chunks, the state's journals and tables, the contents' files.
const STORAGE_MIN: usize = 96;
/// The most that it has use for.
const STORAGE_MAX: usize = 8192;
/// A node that can serve fewer connections serves nobody.
const CONNECTIONS_MIN: usize = 32;
/// Of its descriptors storage gets a quarter; contents and log take what the state's tables leave.
const STORAGE_PART: usize = 4;
/// Files of the state that stay open, as a part of what storage has.
const STATE_PART: usize = 4;

/// How the descriptors are shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptors {
    /// What the system grants.
    pub granted: usize,
    /// Connections of the API.
    pub connections: usize,
    /// Files of the state that stay open.
    pub state_files: usize,
}

impl Descriptors {
    /// Raises the soft limit to the hard one and shares out what there is then.
    pub fn raise(connections_wanted: usize) -> Result<Self, TooFew> {
        let limit = getrlimit(Resource::Nofile);
        // A limit that cannot be raised is one that we live with.
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).ok();
        let granted = getrlimit(Resource::Nofile).current;
        let granted =
            granted.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
        Self::share(granted, connections_wanted)
    }

    fn share(granted: usize, connections_wanted: usize) -> Result<Self, TooFew> {
        Grant::Descriptors.at_least(BASE + STORAGE_MIN + CONNECTIONS_MIN, granted)?;
        let storage = (granted / STORAGE_PART).clamp(STORAGE_MIN, STORAGE_MAX);
        let connections = connections_wanted.min(granted - BASE - storage);
        Ok(Self { granted, connections, state_files: storage / STATE_PART })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_has_its_own_before_anybody_connects() {
        let few = TooFew { of: Grant::Descriptors, granted: 175, needed: 176 };
        assert_eq!(Descriptors::share(175, 2048), Err(few));
        for granted in [176, 256, 1024, 4096, 20_000, 65_536, usize::MAX] {
            let shared = Descriptors::share(granted, 2048).expect("enough");
            assert!(shared.connections >= CONNECTIONS_MIN && shared.connections <= 2048);
            assert!(granted - shared.connections >= BASE + STORAGE_MIN, "{shared:?}");
        }
        assert_eq!(Descriptors::share(256, 2048).map(|shared| shared.connections), Ok(112));
        assert_eq!(Descriptors::share(4096, 2048).map(|shared| shared.connections), Ok(2048));
    }
}
