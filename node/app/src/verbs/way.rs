//! The way of a packet: what happened, in order, with its times.

use client::Packet;
use serde::Serialize;

use crate::{
    cli::{Mark, Out, size_text},
    texts::{Text, moments, states, words as w},
};

/// One step of a packet's way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// When, RFC 3339 in UTC; none for what has not happened yet.
    pub at: Option<String>,
    /// What, as a word.
    pub what: &'static str,
    /// The unit or node it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// For people.
    #[serde(skip)]
    pub text: String,
    #[serde(skip)]
    mark: Mark,
}

/// The steps of a packet's way, in the order of their times.
pub fn steps(out: &Out, packet: &Packet) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut add = |at: Option<&String>, what, of: Option<String>, mark, text| {
        if let Some(at) = at {
            steps.push(Step { at: Some(at.clone()), what, of, text, mark });
        }
    };
    let space = packet.space.map(|space| space.to_string()).unwrap_or_default();
    add(
        packet.opened_at.as_ref(),
        "opened",
        None,
        Mark::Good,
        out.fill(w::WAY_OPENED, &[("space", &space)]),
    );
    let size = packet.size.map(size_text).unwrap_or_default();
    let digest =
        packet.digest.map(|digest| digest.to_string()[..12].to_owned() + "…").unwrap_or_default();
    add(
        packet.sealed_at.as_ref(),
        "sealed",
        None,
        Mark::Good,
        out.fill(w::WAY_SEALED, &[("size", &size), ("digest", &digest)]),
    );
    // Another application of the unit than the one that has begun it: worth a line of its own.
    if let Some(app) = packet.sealed_by.as_ref().filter(|app| packet.app.as_ref() != Some(*app)) {
        let text = out.fill(w::WAY_SEALED_BY, &[("app", app)]);
        add(packet.sealed_at.as_ref(), "sealed_by", Some(app.to_string()), Mark::Good, text);
    }
    for delivery in &packet.deliveries {
        let target = delivery.target.to_string();
        let reason = delivery.reason.clone().unwrap_or_default();
        let mut tell = |at: &Option<String>, what, mark, text: Text| {
            add(
                at.as_ref(),
                what,
                Some(target.clone()),
                mark,
                out.fill(text, &[("target", &target), ("reason", &reason)]),
            );
        };
        tell(&delivery.notified_at, "notified", Mark::Good, w::WAY_NOTIFIED);
        tell(&delivery.accepted_at, "accepted", Mark::Good, w::WAY_ACCEPTED);
        tell(&delivery.picked_up_at, "picked_up", Mark::Good, w::WAY_PICKED_UP);
        let (what, mark, text) = match delivery.state.as_str() {
            "confirmed" => ("confirmed", Mark::Good, w::WAY_CONFIRMED),
            "rejected" => ("rejected", Mark::Bad, w::WAY_REJECTED),
            "expired" => ("expired", Mark::Bad, w::WAY_EXPIRED),
            "failed" => ("failed", Mark::Bad, w::WAY_FAILED),
            _ => ("cancelled", Mark::Warn, w::WAY_CANCELLED),
        };
        tell(&delivery.settled_at, what, mark, text);
    }
    let ended_mark = if packet.state == "completed" { Mark::Good } else { Mark::Warn };
    add(
        packet.ended_at.as_ref(),
        "ended",
        None,
        ended_mark,
        out.fill(w::WAY_ENDED, &[("state", &states::state(out.lang, &packet.state))]),
    );
    for purged in &packet.purged {
        let text = out.fill(w::WAY_PURGED, &[("node", &purged.node)]);
        add(purged.at.as_ref(), "purged", Some(purged.node.to_string()), Mark::Good, text);
    }
    // Texts of one form and zone sort as their moments do; equal ones keep the order of the rules.
    steps.sort_by(|a, b| a.at.cmp(&b.at));
    for node in &packet.purge_debt {
        let text = out.fill(w::WAY_DEBT, &[("node", node)]);
        steps.push(Step {
            at: None,
            what: "purge_debt",
            of: Some(node.to_string()),
            text,
            mark: Mark::Warn,
        });
    }
    for node in &packet.undestroyed {
        let text = out.fill(w::WAY_UNDESTROYED, &[("node", node)]);
        let of = Some(node.to_string());
        steps.push(Step { at: None, what: "undestroyed", of, text, mark: Mark::Bad });
    }
    steps
}

/// The lines of a packet's way, for people.
pub fn lines(out: &Out, packet: &Packet) -> Vec<String> {
    let targets: Vec<String> =
        packet.deliveries.iter().map(|delivery| delivery.target.to_string()).collect();
    let source = packet.source.as_ref().map(ToString::to_string).unwrap_or_default();
    let importance = out.text(match packet.importance.as_str() {
        "urgent" => w::URGENT,
        "very_urgent" => w::VERY_URGENT,
        "flash" => w::FLASH,
        _ => w::NORMAL,
    });
    let head = format!(
        "{}  \"{}\"  {importance}  {source} → {}",
        packet.packet,
        packet.title,
        targets.join(", ")
    );
    std::iter::once(head).chain(steps(out, packet).iter().map(|step| line(out, step))).collect()
}

/// One step on one line.
pub fn line(out: &Out, step: &Step) -> String {
    let time = step.at.as_deref().map(moments::local_ms).unwrap_or_default();
    format!(" {time:27}  {} {}", out.sign(step.mark), step.text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::Output, texts::Lang};

    #[test]
    fn the_way_is_told_in_the_order_of_its_times() {
        let packet: Packet = serde_json::from_value(serde_json::json!({
            "packet": "pk_01ARZ3NDEKTSV4RRFFQ69G5FAV", "source": "H41.05", "title": "Công văn 12", "state": "completed",
            "opened_at": "2026-11-22T08:00:00.000Z", "sealed_at": "2026-11-22T08:00:01.000Z", "ended_at": "2026-11-22T08:00:04.000Z",
            "deliveries": [{"target": "H41.02", "state": "confirmed", "notified_at": "2026-11-22T08:00:01.000Z",
                "accepted_at": "2026-11-22T08:00:02.000Z", "settled_at": "2026-11-22T08:00:04.000Z"}],
            "purged": [{"node": 1, "at": "2026-11-22T08:00:04.100Z"}], "purge_debt": [3], "undestroyed": [4],
        })).expect("a packet");
        let out = Out::new(Lang::En, Output::Table, Default::default(), false);
        let words: Vec<_> = steps(&out, &packet).iter().map(|step| step.what).collect();
        assert_eq!(
            words,
            [
                "opened",
                "sealed",
                "notified",
                "accepted",
                "confirmed",
                "ended",
                "purged",
                "purge_debt",
                "undestroyed"
            ]
        );
        let lines = lines(&out, &packet);
        assert!(lines[0].contains("H41.05 → H41.02"), "{}", lines[0]);
        assert!(lines[1].contains("2026-11-22 15:00:00.000 +07"), "{}", lines[1]);
    }
}
