//! What the machine says of processes and disks, read from `/proc`.

use std::{fs, time::Duration};

/// Clock ticks a second in `/proc`: a constant of the kernel's interface on all common systems.
const TICKS: u64 = 100;
/// Octets of a sector in `/proc/diskstats`, whatever the disk's own.
const SECTOR: u64 = 512;

/// CPU time that a process has used.
pub fn cpu(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name stands in brackets and may hold anything; the fields follow its last one.
    let fields: Vec<&str> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = [11, 12].iter().filter_map(|&at| fields.get(at)?.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1000 / TICKS)
}

/// Resident memory of a process in MiB.
pub fn rss_mib(pid: u32) -> f64 {
    kib(pid, "status", "VmRSS:") as f64 / 1024.0
}

/// The same, memory shared between processes divided among them.
pub fn pss_mib(pid: u32) -> f64 {
    kib(pid, "smaps_rollup", "Pss:") as f64 / 1024.0
}

/// Open files of a process.
pub fn open_files(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// Octets that a process has sent to the disk, by its own account. It counts whole large pages for
/// small repeated writes, so it stands beside [`disk_written`] and not in its place.
pub fn process_written(pid: u32) -> u64 {
    let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes:"));
    line.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
}

/// How often the threads of a process that run now have given up their processor, of themselves or because they
/// had to. What threads did that have ended meanwhile is not known any more.
pub fn switches(pid: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let of = |status: String| {
        let counts = status.lines().filter_map(|line| {
            let (key, count) = line.split_once(':')?;
            key.ends_with("ctxt_switches").then(|| count.trim().parse::<u64>().ok())?
        });
        counts.sum::<u64>()
    };
    threads.filter_map(|thread| fs::read_to_string(thread.path().join("status")).ok()).map(of).sum()
}

/// UDP datagrams that everybody in the network of a process has sent: where others work on this machine, the
/// load wants a network namespace of its own.
pub fn datagrams(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/net/snmp")).unwrap_or_default();
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (names, counts) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let mut pairs = names.split(' ').zip(counts.split(' '));
    let sent = pairs.find_map(|(name, count)| (name == "OutDatagrams").then_some(count));
    sent.and_then(|count| count.parse().ok()).unwrap_or(0)
}

/// Octets that were written to the machine's disk so far, by everybody.
pub fn disk_written() -> u64 {
    let stats = fs::read_to_string("/proc/diskstats").unwrap_or_default();
    let sectors = stats.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        matches!(*fields.get(2)?, "vda" | "sda" | "nvme0n1")
            .then(|| fields.get(9)?.parse::<u64>().ok())?
    });
    sectors.sum::<u64>() * SECTOR
}

/// Writes out what all programs have written, so that it is counted.
pub fn sync_disks() {
    rustix::fs::sync();
}

/// The load average of the last minute.
pub fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0.0)
}

fn kib(pid: u32, file: &str, key: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_process_has_memory_and_files() {
        let pid = std::process::id();
        assert!(rss_mib(pid) > 0.5 && open_files(pid) > 2);
        assert!(switches(pid) > 0);
        assert!(load_average() >= 0.0 && cpu(pid) < Duration::from_secs(3600));
    }
}
