//! Where the time of a packet goes: the stages that the nodes count in `/metrics`, between two looks.

use std::{collections::BTreeMap, fmt::Write};

use anyhow::{Context, Result};

use super::field::Field;
use crate::wire::Request;

/// The metric that has a histogram a stage.
const METRIC: &str = "lgsp_packet_stage_duration_seconds";
/// The stages in the order of a packet's way; others follow.
const ORDER: [&str; 13] = [
    "head", "body", "prepare", "propose", "gather", "forward", "log", "commit", "apply", "answer",
    "accept", "content", "confirm",
];

/// What every node has counted so far, by its name: one may leave the cluster between two looks.
#[derive(Debug)]
pub struct Stages {
    nodes: BTreeMap<String, Node>,
}

/// What one node has counted.
#[derive(Debug, Default)]
struct Node {
    leads: bool,
    stages: BTreeMap<String, Spans>,
}

/// What was counted of one stage. Times are in microseconds.
#[derive(Debug, Clone, Default, PartialEq)]
struct Spans {
    /// Bounds, and how many were not longer.
    up_to: Vec<(f64, u64)>,
    sum: f64,
    count: u64,
}

impl Stages {
    /// Asks all nodes. One that does not run has counted nothing.
    pub async fn read(field: &Field) -> Result<Self> {
        let mut nodes = BTreeMap::new();
        for (index, node) in field.cluster.nodes.iter().enumerate() {
            if node.pid().is_none() {
                continue;
            }
            let asked = field.cluster.call_unsigned(index, Request::get("/metrics")).await?;
            let body = asked.success()?.body;
            nodes.insert(node.name.clone(), Node::parse(std::str::from_utf8(&body)?)?);
        }
        Ok(Self { nodes })
    }

    /// A table of what was counted since then: at the node that leads now, and at the others together.
    pub fn table(&self, before: &Self) -> String {
        let (mut leader, mut others) = (BTreeMap::new(), BTreeMap::new());
        for (name, node) in &self.nodes {
            let before = before.nodes.get(name);
            let column = if node.leads { &mut leader } else { &mut others };
            for (stage, spans) in &node.stages {
                let spans = spans.since(before.and_then(|before| before.stages.get(stage)));
                column.entry(stage.as_str()).or_insert_with(Spans::default).add(&spans);
            }
        }
        let mut stages: Vec<&str> = leader.keys().chain(others.keys()).copied().collect();
        let place = |stage: &str| ORDER.iter().position(|known| *known == stage);
        stages.sort_by_key(|stage| (place(stage).unwrap_or(ORDER.len()), *stage));
        stages.dedup();
        let mut text =
            String::from("| us | leader | mean | p50 | p99 | others | mean | p50 | p99 |\n");
        text.push_str("| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
        for stage in stages {
            let cells = [&leader, &others]
                .map(|column| column.get(stage).map_or_else(no_cells, Spans::cells));
            writeln!(text, "| {stage} | {} | {} |", cells[0], cells[1]).expect("a string takes it");
        }
        text
    }
}

impl Node {
    fn parse(text: &str) -> Result<Self> {
        let mut node = Self::default();
        for line in text.lines() {
            if let Some(leads) = line.strip_prefix("lgsp_raft_leader ") {
                node.leads = leads == "1";
            }
            if let Some(line) = line.strip_prefix(METRIC) {
                node.take(line).with_context(|| format!("{METRIC}{line} cannot be read"))?;
            }
        }
        Ok(node)
    }

    /// Takes a line without the name of the metric.
    fn take(&mut self, line: &str) -> Option<()> {
        let (series, value) = line.rsplit_once(' ')?;
        let (kind, labels) = series.split_once("{stage=\"")?;
        let (stage, rest) = labels.split_once('"')?;
        let spans = self.stages.entry(stage.to_owned()).or_default();
        match kind {
            "_bucket" => {
                let bound = rest.strip_prefix(",le=\"")?.strip_suffix("\"}")?;
                // The last is the count of all.
                if bound != "+Inf" {
                    spans.up_to.push((bound.parse::<f64>().ok()? * 1e6, value.parse().ok()?));
                }
            }
            "_sum" => spans.sum = value.parse::<f64>().ok()? * 1e6,
            "_count" => spans.count = value.parse().ok()?,
            _ => return None,
        }
        Some(())
    }
}

impl Spans {
    /// What came since then. A node that began anew meanwhile counts from its start.
    fn since(&self, before: Option<&Self>) -> Self {
        let Some(before) = before.filter(|before| before.count <= self.count) else {
            return self.clone();
        };
        let pairs = self.up_to.iter().zip(&before.up_to);
        Self {
            up_to: pairs
                .map(|((bound, now), (_, old))| (*bound, now.saturating_sub(*old)))
                .collect(),
            sum: self.sum - before.sum,
            count: self.count - before.count,
        }
    }

    fn add(&mut self, other: &Self) {
        if self.up_to.is_empty() {
            self.up_to = other.up_to.iter().map(|(bound, _)| (*bound, 0)).collect();
        }
        for ((_, count), (_, more)) in self.up_to.iter_mut().zip(&other.up_to) {
            *count += more;
        }
        self.sum += other.sum;
        self.count += other.count;
    }

    /// The span that this part of them does not exceed, as if they lay evenly in their buckets. What is longer
    /// than the last bound counts as that.
    fn quantile(&self, part: f64) -> f64 {
        let rank = part * self.count as f64;
        let (mut from, mut below) = (0.0, 0);
        for (bound, up_to) in &self.up_to {
            if *up_to > below && *up_to as f64 >= rank {
                let share = (rank - below as f64) / (up_to - below) as f64;
                return from + (bound - from) * share;
            }
            (from, below) = (*bound, *up_to);
        }
        from
    }

    fn cells(&self) -> String {
        if self.count == 0 {
            return no_cells();
        }
        let mean = self.sum / self.count as f64;
        let (p50, p99) = (self.quantile(0.5), self.quantile(0.99));
        format!("{} | {mean:.0} | {p50:.0} | {p99:.0}", self.count)
    }
}

fn no_cells() -> String {
    "0 | - | - | -".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(node: Node) -> Stages {
        Stages { nodes: [("node-1".to_owned(), node)].into() }
    }

    fn node(first: u64, second: u64, all: u64, sum: &str) -> Node {
        let text = format!(
            "# TYPE {METRIC}\nlgsp_raft_leader 1\n\
             {METRIC}_bucket{{stage=\"log\",le=\"0.000256\"}} {first}\n\
             {METRIC}_bucket{{stage=\"log\",le=\"0.000512\"}} {second}\n\
             {METRIC}_bucket{{stage=\"log\",le=\"+Inf\"}} {all}\n\
             {METRIC}_sum{{stage=\"log\"}} {sum}\n{METRIC}_count{{stage=\"log\"}} {all}\n"
        );
        Node::parse(&text).expect("it can be read")
    }

    #[test]
    fn quantiles_lie_evenly_in_their_bucket() {
        let log = &node(10, 20, 20, "0.005").stages["log"];
        assert_eq!(
            (log.quantile(0.25), log.quantile(0.5), log.quantile(0.75)),
            (128.0, 256.0, 384.0)
        );
        assert_eq!(log.quantile(1.0), 512.0);
        let beyond = &node(0, 1, 100, "9").stages["log"];
        assert_eq!(beyond.quantile(0.99), 512.0, "no more than the last bound is known");
        assert_eq!(Spans::default().quantile(0.5), 0.0);
    }

    #[test]
    fn a_table_shows_what_came_between() {
        let (before, now) = (node(1, 1, 1, "0.0001"), node(1, 3, 3, "0.0009"));
        let table = look(now).table(&look(before));
        assert!(table.ends_with("\n| log | 2 | 400 | 384 | 509 | 0 | - | - | - |\n"), "{table}");
        // It began anew: everything that it says came since.
        let (before, now) = (node(9, 9, 9, "0.001"), node(1, 3, 3, "0.0009"));
        let table = look(now).table(&look(before));
        assert!(table.contains("| log | 3 | 300 |"), "{table}");
    }
}
