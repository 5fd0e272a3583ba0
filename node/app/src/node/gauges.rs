//! The numbers of consensus, contents and mesh that `/metrics` shows beside the API's own.

use std::sync::atomic::Ordering::Relaxed;

use api::Gauge;
use conductor::HistoryStatus;
use consensus::Consensus;
use content::Content;
use mesh::Mesh;

/// All of them, as they are now.
pub(super) fn all(
    consensus: &Consensus,
    content: &Content,
    mesh: &Mesh,
    history: HistoryStatus,
) -> Vec<Gauge> {
    let status = consensus.status();
    let gauge = |name, help, value| Gauge { name, help, value, counter: false };
    let counter = |name, help, value| Gauge { name, help, value, counter: true };
    let metrics = content.metrics();
    let counts = mesh.counts();
    vec![
        gauge("lgsp_raft_term", "The term of the last vote.", status.term),
        gauge("lgsp_raft_leader", "1 on the node that leads.", consensus.leads().into()),
        gauge(
            "lgsp_raft_applied",
            "Index of the last entry in the state.",
            status.applied.unwrap_or_default(),
        ),
        gauge(
            "lgsp_raft_takes_part",
            "1 unless the node's disk went back, or it holds what the leader lacks.",
            status.standing.is_full().into(),
        ),
        gauge("lgsp_raft_voters", "Nodes that vote.", status.voters.len() as u64),
        gauge("lgsp_history_facts", "Facts of the history.", history.facts),
        gauge(
            "lgsp_history_missing",
            "Of these, at most so many are not here yet and are fetched from other nodes.",
            history.missing,
        ),
        gauge(
            "lgsp_history_wanted",
            "Of these, at most so many that no node which answers has.",
            history.wanted,
        ),
        gauge(
            "lgsp_history_behind",
            "Facts that the tree or the index does not have yet.",
            history.behind,
        ),
        counter(
            "lgsp_history_mended_total",
            "Damaged tiles of the tree that were made again.",
            history.mended,
        ),
        gauge("lgsp_contents", "Contents that this node holds.", content.count() as u64),
        gauge(
            "lgsp_contents_missing",
            "Contents that it should hold and that no node that answers has.",
            metrics.missing.load(Relaxed),
        ),
        gauge(
            "lgsp_content_queue_bytes",
            "Octets waiting for the group commit.",
            metrics.queue_bytes.load(Relaxed),
        ),
        counter(
            "lgsp_content_bytes_in_total",
            "Octets of plaintext taken in.",
            metrics.bytes_in.load(Relaxed),
        ),
        counter(
            "lgsp_content_bytes_out_total",
            "Octets of plaintext given out.",
            metrics.bytes_out.load(Relaxed),
        ),
        counter(
            "lgsp_content_syncs_total",
            "Calls of fdatasync.",
            metrics.sync_count.load(Relaxed),
        ),
        counter(
            "lgsp_content_sync_micros_total",
            "Microseconds spent in them.",
            metrics.sync_micros.load(Relaxed),
        ),
        counter(
            "lgsp_content_damage_found_total",
            "Frames or records that failed a check.",
            metrics.damage_found.load(Relaxed),
        ),
        counter(
            "lgsp_content_damage_healed_total",
            "Of these, healed from another holder.",
            metrics.damage_healed.load(Relaxed),
        ),
        counter("lgsp_content_purged_total", "Contents destroyed.", metrics.purged.load(Relaxed)),
        counter("lgsp_mesh_requests_total", "Requests to other nodes.", counts.requests),
        counter("lgsp_mesh_failures_total", "Of these, failed.", counts.failures),
        counter("lgsp_mesh_refused_total", "Connections refused to strangers.", counts.refused),
    ]
}
