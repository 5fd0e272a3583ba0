//! What the system grants a process, as far as it can be asked: limits of the process, and of the control
//! groups that it runs in.

use std::path::Path;

/// What a node needs of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// File descriptors.
    Descriptors,
    /// Threads.
    Threads,
    /// Memory, in MiB.
    Memory,
}

/// Too little for a node to keep its promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system grants {granted} {}, and a node needs {needed} at least", .of.as_str())]
pub struct TooFew {
    /// Of what.
    pub of: Grant,
    /// How much there is.
    pub granted: usize,
    /// How much is needed.
    pub needed: usize,
}

impl Grant {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Descriptors => "file descriptors",
            Self::Threads => "threads",
            Self::Memory => "MiB of memory",
        }
    }

    /// Refuses less than what is needed.
    pub(super) fn at_least(self, needed: usize, granted: usize) -> Result<(), TooFew> {
        if granted < needed { Err(TooFew { of: self, granted, needed }) } else { Ok(()) }
    }
}

/// The least that is left of something in the control groups of this process: in its own one, and in those
/// above it. None where no group bounds it, or none can be read.
pub(super) fn left_in_groups(of: Grant) -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    left(Path::new("/sys/fs/cgroup"), &groups, of)
}

/// The same, from what the system says of the groups: a line is `0::/path` of the one hierarchy (version 2), or
/// `N:controllers:/path` of a controller's own (version 1).
fn left(root: &Path, groups: &str, of: Grant) -> Option<u64> {
    let (controller, limits) = match of {
        Grant::Threads => ("pids", [("pids.max", "pids.current"), ("pids.max", "pids.current")]),
        Grant::Memory => ("memory", [("memory.max", ""), ("memory.limit_in_bytes", "")]),
        Grant::Descriptors => return None,
    };
    let of_line = |line: &str| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?.trim_start_matches('/'));
        let (root, files) = if controllers.is_empty() {
            (root.to_owned(), limits[0])
        } else if controllers.split(',').any(|name| name == controller) {
            (root.join(controller), limits[1])
        } else {
            return None;
        };
        let own = root.join(path);
        let above = own.ancestors().take_while(|group| group.starts_with(&root));
        above.filter_map(|group| left_in(group, files)).min()
    };
    groups.lines().filter_map(of_line).min()
}

fn left_in(group: &Path, (max, current): (&str, &str)) -> Option<u64> {
    let number = |file: &str| std::fs::read_to_string(group.join(file)).ok()?.trim().parse().ok();
    let max: u64 = number(max)?;
    let used: u64 = if current.is_empty() { 0 } else { number(current)? };
    Some(max.saturating_sub(used))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_group_counts() {
        let root = tempfile::tempdir().expect("a directory");
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a file")).expect("made");
            std::fs::write(path, text).expect("written");
        };
        let two = "0::/system.slice/lgsp.service\n";
        assert_eq!(left(root.path(), two, Grant::Memory), None, "nothing is bounded");
        write("system.slice/lgsp.service/memory.max", "max\n");
        assert_eq!(left(root.path(), two, Grant::Memory), None);
        write("system.slice/memory.max", "536870912\n");
        assert_eq!(left(root.path(), two, Grant::Memory), Some(536_870_912));
        write("system.slice/lgsp.service/memory.max", "268435456\n");
        assert_eq!(left(root.path(), two, Grant::Memory), Some(268_435_456));
        write("system.slice/lgsp.service/pids.max", "40\n");
        write("system.slice/lgsp.service/pids.current", "9\n");
        assert_eq!(left(root.path(), two, Grant::Threads), Some(31));
        let one = "9:name=systemd:/\n8:pids:/a\n4:cpu,memory:/b/c\n0::/\n";
        write("memory/b/memory.limit_in_bytes", "1000\n");
        write("pids/a/pids.max", "7\n");
        write("pids/a/pids.current", "9\n");
        assert_eq!(left(root.path(), one, Grant::Memory), Some(1000));
        assert_eq!(left(root.path(), one, Grant::Threads), Some(0));
        assert_eq!(left(root.path(), "rubbish\n::\n", Grant::Threads), None);
    }
}
