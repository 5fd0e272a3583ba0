//! Memory: what storage and mesh need is set aside, bodies of callers get half of the rest, contents that are
//! taken in half of what is left then, and connections what remains.

use super::grants::{Grant, TooFew, left_in_groups};

const MIB: usize = 1 << 20;
/// What storage and mesh may come to: the program itself (50 MiB), cache, memtables and young rows of the state (a
/// hundred), entries and contents on their way to peers.
const STORAGE_AND_MESH: usize = 192 * MIB;
/// Bodies of strangers, apart from all others.
const STRANGERS: usize = api::BUFFERED_STRANGERS_MAX;
/// The least for the bodies of callers: eight of the largest that are collected.
const BODIES_MIN: usize = 8 * MIB;
/// The most that they have use for.
const BODIES_MAX: usize = api::BUFFERED_MAX_DEFAULT;
/// A content that is taken in: windows to the peers, and what the disk has not taken yet.
const UPLOAD: usize = 4 * MIB;
/// The least of them: two for each of four applications.
const UPLOADS_MIN: usize = 8;
/// A connection at rest has some 12 KiB, one in the midst of a head some more; the largest head has 32.
const CONNECTION: usize = 48 * 1024;
/// A node that can serve fewer connections serves nobody.
const CONNECTIONS_MIN: usize = 32;

/// How the memory is shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// What the machine has, or the control group of the process may use, in MiB.
    pub granted_mib: usize,
    /// Octets of bodies that are collected at once.
    pub bodies: usize,
    /// Contents that are taken in at once.
    pub uploads: usize,
    /// Connections of the API.
    pub connections: usize,
}

impl Memory {
    /// Shares out what there is.
    pub fn find(connections_wanted: usize) -> Result<Self, TooFew> {
        let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
        let granted = machine.into_iter().chain(left_in_groups(Grant::Memory)).min();
        let granted =
            granted.map_or(usize::MAX, |octets| usize::try_from(octets).unwrap_or(usize::MAX));
        Self::share(granted, connections_wanted)
    }

    fn share(granted: usize, connections_wanted: usize) -> Result<Self, TooFew> {
        let others = UPLOADS_MIN * UPLOAD + CONNECTIONS_MIN * CONNECTION;
        let needed = STORAGE_AND_MESH + STRANGERS + BODIES_MIN + others;
        Grant::Memory.at_least(needed.div_ceil(MIB), granted / MIB)?;
        let rest = granted - STORAGE_AND_MESH - STRANGERS;
        let bodies = (rest.saturating_sub(others) / 2).clamp(BODIES_MIN, BODIES_MAX);
        let uploads = ((rest - bodies) / 2 / UPLOAD).clamp(UPLOADS_MIN, conductor::UPLOADS_MAX);
        let left = rest - bodies - uploads * UPLOAD;
        let connections = connections_wanted.min(left / CONNECTION);
        Ok(Self { granted_mib: granted / MIB, bodies, uploads, connections })
    }
}

/// What the machine has, in octets, of `/proc/meminfo`.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_and_mesh_have_theirs_before_anybody_connects() {
        let few = TooFew { of: Grant::Memory, granted: 241, needed: 242 };
        assert_eq!(Memory::share(241 * MIB, 2048), Err(few));
        for mib in [242, 256, 512, 1024, 8192] {
            let shared = Memory::share(mib * MIB, 2048).expect("enough");
            let others = shared.bodies
                + shared.uploads * UPLOAD
                + shared.connections * CONNECTION
                + STRANGERS;
            assert!(shared.connections >= CONNECTIONS_MIN, "{shared:?}");
            assert!(mib * MIB - others >= STORAGE_AND_MESH, "{shared:?}");
        }
        let large =
            Memory::share(usize::MAX, 2048).map(|shared| (shared.bodies, shared.connections));
        assert_eq!(large, Ok((BODIES_MAX, 2048)));
        let small =
            Memory::share(512 * MIB, 2048).map(|shared| (shared.bodies / MIB, shared.connections));
        assert_eq!(small, Ok((139, 1893)));
    }

    #[test]
    fn the_machine_says_what_it_has() {
        assert_eq!(total("MemFree: 1 kB\nMemTotal:       16384 kB\n"), Some(16 * 1024 * 1024));
        assert_eq!(total("MemTotal: many\n"), None);
    }
}
