//! `check`: every part of the cluster, one mark a line, and what to do under each fault.

use client::{Key, NodeStatus, Role, Status, WarningKind};
use serde_json::json;

use super::{
    Context, Done,
    plugin::{nagios, unknown},
};
use crate::{
    cli::{CheckArgs, Exit, Failure, Mark, Out, size_text},
    profile::Loaded,
    texts::{Text, identity as t, words as w},
};

/// Less than this is a fault.
const DISK_BAD_PERCENT: u64 = 5;
/// A certificate is renewed when a third of its life is left (30 days); later is told.
const CERTIFICATE_DAYS_MIN: i64 = 20;
/// Keys of one page, and pages: more keys than this are not looked through.
const KEYS_MAX: u32 = 10_000;

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    group: Text,
    pub(super) word: &'static str,
    pub(super) mark: Mark,
    pub(super) text: String,
    fix: Option<String>,
}

/// Checks the cluster.
pub async fn check(context: &Context, args: CheckArgs) -> Done {
    let out = &context.out;
    let asked = async {
        let (client, loaded) = context.client()?;
        let status = client.status().await.map_err(context.failed())?;
        Ok::<_, Failure>((client, loaded, status))
    };
    let (client, loaded, status) = match asked.await {
        Ok(asked) => asked,
        Err(failure) if args.nagios => return Ok(unknown(out, &failure)),
        Err(failure) => return Err(failure),
    };
    let mut findings = Findings { out, all: Vec::new() };
    findings.cluster(&status);
    findings.standing(&status);
    if super::forward::somebody_is_behind(&status) {
        // Who is behind for a moment has moved by then.
        tokio::time::sleep(super::forward::LOOK_AGAIN_AFTER).await;
        let later = client.status().await.map_err(context.failed())?;
        findings.forward(&status, &later);
    }
    findings.time(&status, super::clocks::own_clock());
    findings.storage(&status);
    findings.contents(&status);
    findings.history(&status);
    let keys = super::registry::all_keys(&client, KEYS_MAX).await;
    let keys = keys.map_err(|error| Failure::client(out.lang, "", &error).what.clone());
    findings.security(&keys);
    findings.exposed(&status, keys.as_deref().unwrap_or_default());
    findings.cluster_key(&status);
    findings.authority(&status);
    for node in members(&status).filter(|node| node.reachable) {
        if let Some(url) = &node.api_url {
            findings.certificate(node, days_left(context, &loaded, url).await);
        }
    }
    findings.purge(&status);
    let all = findings.all;
    Ok(if args.nagios { nagios(out, &all) } else { report(out, &status, &all) })
}

pub(super) struct Findings<'a> {
    pub(super) out: &'a Out,
    all: Vec<Finding>,
}

impl Findings<'_> {
    pub(super) fn add(
        &mut self,
        group: Text,
        word: &'static str,
        mark: Mark,
        text: String,
        fix: Option<String>,
    ) {
        self.all.push(Finding { group, word, mark, text, fix });
    }

    fn cluster(&mut self, status: &Status) {
        let (out, group) = (self.out, w::CHECK_CLUSTER);
        let voters: Vec<&NodeStatus> = members(status).filter(|node| node.votes()).collect();
        let takes_part = |node: &&&NodeStatus| {
            node.reachable && node.standing.as_deref().is_none_or(|standing| standing == "full")
        };
        let reachable = voters.iter().filter(takes_part).count();
        let values: [(&str, &dyn std::fmt::Display); 2] =
            [("reachable", &reachable), ("voters", &voters.len())];
        let quorum = reachable * 2 > voters.len();
        if quorum {
            self.add(group, "quorum", Mark::Good, out.fill(w::CHECK_QUORUM, &values), None);
        } else {
            let fix = Some(out.text(w::FIX_QUORUM).to_owned());
            self.add(group, "quorum", Mark::Bad, out.fill(w::CHECK_NO_QUORUM, &values), fix);
        }
        // Nobody leads without a majority: who led last is only the last that this node has heard of.
        match status.leader.filter(|_| quorum) {
            Some(node) => self.add(
                group,
                "leader",
                Mark::Good,
                out.fill(w::CHECK_LEADER, &[("node", &node)]),
                None,
            ),
            None => self.add(group, "leader", Mark::Bad, out.text(w::CHECK_NO_LEADER).into(), None),
        }
        if status.tolerates > 0 {
            self.add(
                group,
                "tolerates",
                Mark::Good,
                out.fill(w::CHECK_TOLERATES, &[("count", &status.tolerates)]),
                None,
            );
        } else {
            self.add(
                group,
                "tolerates",
                Mark::Warn,
                out.text(w::CHECK_TOLERATES_NONE).into(),
                quorum.then(|| out.text(w::FIX_GROW).into()),
            );
        }
        let forgetful = super::forward::somebody_forgot(status);
        for node in members(status) {
            let named: [(&str, &dyn std::fmt::Display); 1] = [("node", &node.name)];
            if !node.reachable && node.role == Role::Waiting {
                let (text, fix) = (out.fill(w::CHECK_WAITING, &named), out.text(w::FIX_WAITING));
                self.add(group, "waiting", Mark::Warn, text, Some(fix.to_owned()));
            } else if !node.reachable {
                // Where a memory is short, whoever is away may hold the only copy.
                let keep = node.holds_more || forgetful;
                let fix = match (keep, quorum) {
                    (true, _) => w::FIX_HOLDS_MORE,
                    (false, true) => w::FIX_AWAY,
                    // Without a majority nobody can be removed.
                    (false, false) => w::FIX_AWAY_MANY,
                };
                let fix = out.fill(fix, &[("node", &node.node)]);
                self.add(group, "node_away", Mark::Bad, out.fill(w::CHECK_AWAY, &named), Some(fix));
            } else if node.role == Role::Learner {
                self.add(group, "learner", Mark::Warn, out.fill(w::CHECK_LEARNER, &named), None);
            }
        }
        let mut versions: Vec<&str> =
            members(status).filter_map(|node| node.version.as_deref()).collect();
        versions.sort_unstable();
        versions.dedup();
        if versions.len() > 1 {
            let text = out.fill(w::CHECK_VERSIONS, &[("versions", &versions.join(", "))]);
            self.add(group, "versions", Mark::Warn, text, None);
        }
        for (name, nodes) in super::members::same_names(&status.nodes) {
            let text = out.fill(w::CHECK_SAME_NAME, &[("name", &name), ("nodes", &nodes)]);
            let fix = Some(out.text(w::FIX_SAME_NAME).to_owned());
            self.add(group, "same_name", Mark::Warn, text, fix);
        }
        // What has a line of its own below is not said twice.
        for warning in &status.warnings {
            use WarningKind as W;
            let (text, fix) = match warning.word.known() {
                Some(
                    W::DiskFree
                    | W::DiskFull
                    | W::ClockOffset
                    | W::TimeAhead
                    | W::TimeBehind
                    | W::NodeUnreachable
                    | W::NodeCopied
                    | W::NodeWentBack
                    | W::NodeCatchingUp
                    | W::NodeApart
                    | W::NodeHoldsMore
                    | W::NotAVoter
                    | W::ContentLost
                    | W::ContentMissing
                    | W::HistoryMissing,
                ) => continue,
                Some(W::ConnectionsFew) => (w::CHECK_CONNECTIONS, Some(w::FIX_DESCRIPTORS)),
                Some(W::SecondLife) => (w::CHECK_SECOND_LIFE, None),
                None => (w::CHECK_WARNING, None),
            };
            // It begins with the node.
            let detail = match warning.detail.strip_prefix("node ") {
                Some(rest) => format!("{} {rest}", out.text(w::NODE)),
                None => warning.detail.clone(),
            };
            let text = out.fill(text, &[("word", &warning.word), ("detail", &detail)]);
            let fix = fix.map(|fix| out.text(fix).to_owned());
            self.add(group, "warning", Mark::Warn, text, fix);
        }
    }

    fn storage(&mut self, status: &Status) {
        let (out, group) = (self.out, w::CHECK_STORAGE);
        for node in members(status).filter(|node| node.reachable) {
            let (Some(free), Some(total)) =
                (node.disk_free, node.disk_total.filter(|total| *total > 0))
            else {
                self.add(
                    group,
                    "disk",
                    Mark::Warn,
                    out.fill(w::CHECK_DISK_NONE, &[("node", &node.name)]),
                    None,
                );
                continue;
            };
            let percent = u128::from(free) * 100 / u128::from(total);
            let size = size_text(free);
            let values: [(&str, &dyn std::fmt::Display); 3] =
                [("node", &node.name), ("free", &size), ("percent", &percent)];
            let (mark, text) = match percent {
                _ if node.disk_reserve.is_some_and(|reserve| free <= reserve) => {
                    (Mark::Bad, w::CHECK_DISK_FULL)
                }
                low if low < u128::from(DISK_BAD_PERCENT) => (Mark::Bad, w::CHECK_DISK_LOW),
                low if low < u128::from(conductor::DISK_FREE_WARNED_PERCENT) => {
                    (Mark::Warn, w::CHECK_DISK_LOW)
                }
                _ => (Mark::Good, w::CHECK_DISK),
            };
            let fix = (mark != Mark::Good).then(|| out.text(w::FIX_DISK).to_owned());
            self.add(group, "disk", mark, out.fill(text, &values), fix);
        }
    }

    fn security(&mut self, keys: &Result<Vec<Key>, String>) {
        let (out, group) = (self.out, w::CHECK_SECURITY);
        let keys = match keys {
            Ok(keys) => keys,
            Err(why) => {
                let text = out.fill(w::CHECK_KEYS_UNREAD, &[("why", why)]);
                return self.add(group, "keys", Mark::Warn, text, None);
            }
        };
        let active: Vec<&Key> = keys.iter().filter(|key| key.status != "revoked").collect();
        let old: Vec<&&Key> = active.iter().filter(|key| key.legacy || key.hmac_sha1).collect();
        if old.is_empty() {
            self.add(
                group,
                "keys",
                Mark::Good,
                out.fill(w::CHECK_KEYS, &[("count", &active.len())]),
                None,
            );
        }
        for key in old {
            let values: [(&str, &dyn std::fmt::Display); 2] =
                [("key", &key.access_key), ("app", &key.app)];
            let (word, text) = if key.hmac_sha1 {
                ("hmac_sha1", w::CHECK_KEY_SHA1)
            } else {
                ("legacy", w::CHECK_KEY_LEGACY)
            };
            self.add(
                group,
                word,
                Mark::Warn,
                out.fill(text, &values),
                Some(out.fill(w::FIX_KEY, &values)),
            );
        }
    }

    fn exposed(&mut self, status: &Status, keys: &[Key]) {
        let (out, group) = (self.out, w::CHECK_SECURITY);
        for node in status.nodes.iter().filter(|node| node.role == Role::Removed) {
            let count = super::renew::exposed(keys, node).len();
            if count > 0 {
                let text = out.fill(t::CHECK_EXPOSED, &[("node", &node.node), ("count", &count)]);
                let fix = Some(super::renew::command(node.node));
                self.add(group, "keys_exposed", Mark::Warn, text, fix);
            }
        }
    }

    fn certificate(&mut self, node: &NodeStatus, days: Result<i64, String>) {
        let (out, group) = (self.out, w::CHECK_SECURITY);
        let fix = Some(out.text(w::FIX_CERT).to_owned());
        match days {
            Ok(days) => {
                let values: [(&str, &dyn std::fmt::Display); 2] =
                    [("node", &node.name), ("days", &days)];
                if days < CERTIFICATE_DAYS_MIN {
                    self.add(
                        group,
                        "certificate",
                        Mark::Warn,
                        out.fill(w::CHECK_CERT_SOON, &values),
                        fix,
                    );
                } else {
                    self.add(
                        group,
                        "certificate",
                        Mark::Good,
                        out.fill(w::CHECK_CERT, &values),
                        None,
                    );
                }
            }
            Err(why) => {
                let text = out.fill(w::CHECK_CERT_BAD, &[("node", &node.name), ("why", &why)]);
                self.add(group, "certificate", Mark::Bad, text, fix);
            }
        }
    }

    fn purge(&mut self, status: &Status) {
        let (out, group) = (self.out, w::CHECK_PURGE);
        let debtors: Vec<(&NodeStatus, u64)> = members(status)
            .filter_map(|node| Some((node, node.purge_debt.filter(|debt| *debt > 0)?)))
            .collect();
        if debtors.is_empty() {
            let count = members(status).count();
            return self.add(
                group,
                "purge",
                Mark::Good,
                out.fill(w::CHECK_PURGED, &[("count", &count)]),
                None,
            );
        }
        for (node, count) in debtors {
            let text = out.fill(w::CHECK_DEBT, &[("node", &node.name), ("count", &count)]);
            self.add(group, "purge_debt", Mark::Warn, text, Some(out.text(w::FIX_DEBT).into()));
        }
    }
}

/// How many days the certificate is good that a node presents for HTTPS.
async fn days_left(context: &Context, loaded: &Loaded, url: &str) -> Result<i64, String> {
    let end = super::certificates::end_of(context, loaded, url).await?;
    Ok((end.secs() as i64 - super::clocks::own_clock().secs() as i64) / 86_400)
}

/// The nodes that are away, by their names; a dash where none is.
pub(super) fn away(out: &Out, status: &Status) -> String {
    let names: Vec<&str> =
        members(status).filter(|node| !node.reachable).map(|node| node.name.as_str()).collect();
    if names.is_empty() { out.text(w::NOBODY).to_owned() } else { names.join(", ") }
}

pub(super) fn members(status: &Status) -> impl Iterator<Item = &NodeStatus> {
    status.nodes.iter().filter(|node| node.role != Role::Removed)
}

pub(super) fn count(all: &[Finding], mark: Mark) -> usize {
    all.iter().filter(|finding| finding.mark == mark).count()
}

fn exit(all: &[Finding]) -> Exit {
    match (count(all, Mark::Bad), count(all, Mark::Warn)) {
        (0, 0) => Exit::Ok,
        (0, _) => Exit::Degraded,
        _ => Exit::Failed,
    }
}

fn report(out: &Out, status: &Status, all: &[Finding]) -> Exit {
    if !out.is_table() {
        let findings: Vec<_> = all
            .iter()
            .map(|finding| {
                json!({
                    "group": finding.group.en, "word": finding.word, "mark": word(finding.mark),
                    "text": finding.text, "fix": finding.fix,
                })
            })
            .collect();
        out.json("lgsp.check/1", json!({ "health": status.health, "findings": findings }));
        return exit(all);
    }
    let mut group = None;
    for finding in all {
        if group != Some(finding.group) {
            group = Some(finding.group);
            out.print(out.text(finding.group));
        }
        out.print(format_args!("  {} {}", out.sign(finding.mark), finding.text));
        if let Some(fix) = &finding.fix {
            out.print(format_args!("    {} {fix}", out.text(crate::texts::failures::FIX)));
        }
    }
    let (bad, warned, good) =
        (count(all, Mark::Bad), count(all, Mark::Warn), count(all, Mark::Good));
    out.print(out.fill(w::CHECK_RESULT, &[("bad", &bad), ("warned", &warned), ("good", &good)]));
    exit(all)
}

const fn word(mark: Mark) -> &'static str {
    match mark {
        Mark::Good => "good",
        Mark::Warn => "warning",
        Mark::Bad => "bad",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::Output, texts::Lang, verbs::plugin::plugin};
    use model::Moment;

    const NOW: u64 = 1_795_000_000_000;

    fn findings(status: serde_json::Value, keys: serde_json::Value) -> Vec<Finding> {
        let status: Status = serde_json::from_value(status).expect("a status");
        let keys: Vec<Key> = serde_json::from_value(keys).expect("keys");
        let out = Out::new(Lang::En, Output::Table, Default::default(), false);
        let mut findings = Findings { out: &out, all: Vec::new() };
        findings.cluster(&status);
        findings.time(&status, Moment(NOW));
        findings.storage(&status);
        findings.contents(&status);
        findings.history(&status);
        findings.security(&Ok(keys));
        findings.certificate(&status.nodes[0], Ok(71));
        findings.purge(&status);
        findings.all
    }

    fn node(number: u64, role: &str, reachable: bool, free: u64, debt: u64) -> serde_json::Value {
        json!({"node": number, "name": format!("nut-{number}"), "role": role, "reachable": reachable, "version": "1",
            "clock_offset_ms": number, "disk_free": free, "disk_total": 100, "purge_debt": debt})
    }

    #[test]
    fn a_healthy_cluster_has_only_good_marks() {
        let nodes = [
            node(1, "leader", true, 50, 0),
            node(2, "voter", true, 50, 0),
            node(3, "voter", true, 50, 0),
        ];
        let all = findings(
            json!({"health": "healthy", "tolerates": 1, "leader": 1, "nodes": nodes}),
            json!([]),
        );
        assert!(all.iter().all(|finding| finding.mark == Mark::Good), "{all:?}");
        assert_eq!(exit(&all), Exit::Ok);
    }

    #[test]
    fn wrong_clocks_and_a_wrong_date_are_told() {
        let told = |date: u64, offset: i64, trusted: i64| {
            let mut nodes = [node(1, "leader", true, 50, 0), node(2, "voter", true, 50, 0)];
            nodes[1]["clock_offset_ms"] = offset.into();
            let all = findings(
                json!({"health": "healthy", "tolerates": 1, "leader": 1, "nodes": nodes,
                    "time_ms": date, "trusted_ahead_ms": trusted}),
                json!([]),
            );
            let told = all.into_iter().filter(|finding| finding.group == w::CHECK_TIME);
            let mut marks = Vec::new();
            for finding in told.filter(|finding| finding.mark != Mark::Good) {
                assert!(finding.fix.is_some(), "{finding:?}");
                marks.push((finding.word, finding.mark));
            }
            marks
        };
        const DAY: i64 = 86_400_000;
        assert_eq!(told(NOW + 900, 200, -3_600_000), []);
        assert_eq!(told(NOW, 900, 0), [("clock", Mark::Warn)]);
        assert_eq!(told(NOW, -100 * DAY, 0), [("clock", Mark::Bad)]);
        assert_eq!(told(NOW + 240_000, 0, 0), [("date", Mark::Bad)]);
        assert_eq!(told(NOW - 7_000, 0, 0), [("date", Mark::Bad)]);
        assert_eq!(told(NOW, 0, 3 * DAY), [("time_ahead", Mark::Bad)]);
        assert_eq!(told(NOW, 0, -60 * DAY), [("time_behind", Mark::Warn)]);
    }

    /// Finding 13: without a majority nobody leads, and nobody can be added or removed.
    #[test]
    fn without_a_majority_the_advice_can_work() {
        let nodes = [
            node(1, "leader", true, 50, 0),
            node(2, "voter", false, 50, 0),
            node(3, "voter", false, 50, 0),
        ];
        let status = json!({"health": "unavailable", "tolerates": 0, "leader": 1, "nodes": nodes});
        let all = findings(status, json!([]));
        let of = |word: &str| all.iter().find(|finding| finding.word == word).expect("a finding");
        assert!(of("quorum").fix.is_some());
        assert_eq!(of("leader").mark, Mark::Bad);
        let fixes = all.iter().filter_map(|finding| finding.fix.as_ref());
        assert!(fixes.clone().count() > 0);
        for fix in fixes {
            assert!(!fix.contains("member"), "{fix}");
        }
    }

    #[test]
    fn faults_are_told_with_what_to_do() {
        let nodes = [
            node(1, "leader", true, 10, 0),
            node(2, "voter", true, 2, 3),
            node(3, "voter", false, 50, 7),
            node(4, "removed", false, 0, 0),
        ];
        let key = json!([
            {"access_key": "AKAAAAAAAAAAAAAAAAAAAA", "app": "a1", "status": "active", "legacy": true, "hmac_sha1": true},
            {"access_key": "AKAAAAAAAAAAAAAAAAAAAB", "app": "a1", "status": "revoked", "legacy": true},
        ]);
        let all = findings(
            json!({"health": "degraded", "tolerates": 0, "leader": 1, "nodes": nodes,
                "warnings": [{"word": "disk_free", "detail": "node 1: 10"}]}),
            key,
        );
        let marks = |word: &str| {
            all.iter()
                .filter(|finding| finding.word == word)
                .map(|finding| finding.mark)
                .collect::<Vec<_>>()
        };
        assert_eq!(marks("quorum"), [Mark::Good]);
        assert_eq!(marks("node_away"), [Mark::Bad]);
        assert_eq!(marks("disk"), [Mark::Warn, Mark::Bad]);
        assert_eq!(marks("contents"), [Mark::Good]);
        let mut lacks = node(1, "leader", true, 90, 0);
        lacks["contents_missing"] = 4.into();
        let gone = findings(
            json!({"health": "degraded", "tolerates": 0, "lost": 7, "nodes": [lacks, node(3, "voter", false, 90, 0)],
                "warnings": [{"word": "content_lost", "detail": "node 1: 7"}]}),
            json!([]),
        );
        let of = |word: &str| gone.iter().find(|finding| finding.word == word).expect("a finding");
        let (lost, missing) = (of("content_lost"), of("content_missing"));
        assert!(lost.mark == Mark::Bad && lost.text.contains('7'), "{lost:?}");
        assert!(lost.fix.as_ref().is_some_and(|fix| fix.contains("lgsp packet lost")), "{lost:?}");
        assert!(missing.mark == Mark::Warn && missing.text.contains("nut-3"), "{missing:?}");
        assert!(gone.iter().all(|finding| finding.word != "warning"), "not twice");
        let mut lacks = node(1, "leader", true, 90, 0);
        lacks["facts_wanted"] = 21.into();
        let short = findings(
            json!({"health": "degraded", "tolerates": 0, "nodes": [lacks, node(3, "voter", false, 90, 0)],
                "warnings": [{"word": "history_missing", "detail": "node 1: 21"}]}),
            json!([]),
        );
        let facts: Vec<_> = short.iter().filter(|f| f.word == "history_missing").collect();
        assert!(facts.len() == 1 && facts[0].mark == Mark::Warn, "{facts:?}");
        assert!(facts[0].text.contains("21") && facts[0].text.contains("nut-3"), "{facts:?}");
        assert!(facts[0].fix.as_ref().is_some_and(|fix| fix.contains("history/")), "{facts:?}");
        assert!(short.iter().all(|finding| finding.word != "warning"), "not twice");
        let mut full = node(1, "leader", true, 90, 0);
        full["disk_reserve"] = 90.into();
        let full =
            findings(json!({"health": "degraded", "tolerates": 0, "nodes": [full]}), json!([]));
        let full: Vec<_> = full.iter().filter(|finding| finding.word == "disk").collect();
        assert!(full.len() == 1 && full[0].mark == Mark::Bad && full[0].fix.is_some(), "{full:?}");
        assert!(all.iter().all(|finding| finding.word != "warning"), "not twice");
        assert_eq!(marks("hmac_sha1"), [Mark::Warn]);
        // Finding 14: a key that may sign as before is no alarm for months; the rest is.
        let keys = all.iter().filter(|finding| finding.group == w::CHECK_SECURITY);
        let keys: Vec<_> = keys.cloned().collect();
        assert_eq!(plugin(&keys).1, Exit::Ok);
        assert!(plugin(&keys).0.ends_with("legacy=1"), "{}", plugin(&keys).0);
        assert_eq!(plugin(&all).1, Exit::Usage);
        assert_eq!(marks("purge_debt"), [Mark::Warn, Mark::Warn]);
        assert_eq!(exit(&all), Exit::Failed);
        assert!(
            all.iter()
                .filter(|finding| finding.mark == Mark::Bad)
                .all(|finding| finding.fix.is_some())
        );
    }
}
