//! Figures: latencies in a histogram, lines of JSON, a table of medians at the end.

use std::{collections::BTreeMap, fs::File, io::Write, path::Path, time::Duration};

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use super::machine;

/// What is measured: mode, octets, connections.
type Point = (String, u64, u64);

/// The longest latency that is told apart; anything longer is counted as this.
const LATENCY_MAX: Duration = Duration::from_secs(60);

/// Latencies in microseconds, to three digits.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        let most = LATENCY_MAX.as_micros() as u64;
        Self(Histogram::new_with_bounds(1, most, 3).expect("the bounds are in order"))
    }
}

impl Latencies {
    /// Counts one.
    pub fn add(&mut self, latency: Duration) {
        self.0.saturating_record((latency.as_micros() as u64).max(1));
    }

    /// Counts those of another worker.
    pub fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("both have the same bounds");
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Adds the quantiles to a point, under a name.
    pub fn put(&self, name: &str, point: &mut Map<String, Value>) {
        let quantiles = [("p50", 0.5), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)];
        for (label, quantile) in quantiles {
            let ms = if self.0.is_empty() {
                0.0
            } else {
                self.0.value_at_quantile(quantile) as f64 / 1e3
            };
            point.insert(format!("{name}_{label}_ms"), json!(round(ms, 3)));
        }
    }
}

/// A number with few digits.
pub fn round(number: f64, digits: i32) -> f64 {
    let factor = 10f64.powi(digits);
    (number * factor).round() / factor
}

/// The middle one of some numbers; zero of none.
pub fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

/// All points of a run.
#[derive(Debug)]
pub struct Report {
    file: Option<File>,
    points: Vec<Map<String, Value>>,
}

impl Report {
    /// A report that is also appended to a file.
    pub fn new(path: Option<&Path>) -> Result<Self> {
        let open = |path: &Path| {
            let file = File::options().create(true).append(true).open(path);
            file.with_context(|| format!("cannot write {}", path.display()))
        };
        Ok(Self { file: path.map(open).transpose()?, points: Vec::new() })
    }

    /// Takes a point: a JSON object with at least its mode. It is shown at once.
    pub fn add(&mut self, mode: &str, point: Value) {
        let Value::Object(figures) = point else { return };
        let mut line = figures;
        line.insert("load".into(), json!(machine::load_average()));
        let rest = Value::Object(line.clone()).to_string();
        let text = format!("{{\"peer\":\"lgsp\",\"mode\":\"{mode}\",{}", &rest[1..]);
        line.insert("mode".into(), json!(mode));
        eprintln!("{text}");
        if let Some(file) = &mut self.file
            && let Err(error) = writeln!(file, "{text}")
        {
            eprintln!("the report cannot be written: {error}");
        }
        self.points.push(line);
    }

    /// A figure of the last point; zero where there is none.
    pub fn last(&self, key: &str) -> f64 {
        self.points.last().and_then(|point| point.get(key)?.as_f64()).unwrap_or(0.0)
    }

    /// Prints the medians of all points as a table on standard output.
    pub fn summary(&self) {
        let mut groups: BTreeMap<Point, Vec<&Map<String, Value>>> = BTreeMap::new();
        for point in &self.points {
            let number = |key: &str| point.get(key).and_then(Value::as_u64).unwrap_or(0);
            let mode = point["mode"].as_str().unwrap_or_default().to_owned();
            groups.entry((mode, number("size"), number("conc"))).or_default().push(point);
        }
        println!("{:<10} {:>8} {:>5} {:>4}  figures (medians)", "mode", "size", "conc", "runs");
        for ((mode, size, conc), points) in groups {
            let mut cells = Vec::new();
            for key in points[0].keys() {
                if matches!(key.as_str(), "mode" | "size" | "conc") {
                    continue;
                }
                let numbers: Vec<f64> =
                    points.iter().filter_map(|point| point.get(key)?.as_f64()).collect();
                match numbers.len() {
                    0 => cells.push(format!("{key} {}", points[points.len() - 1][key])),
                    _ => cells.push(format!("{key} {}", round(median(&numbers), 3))),
                }
            }
            println!("{mode:<10} {size:>8} {conc:>5} {:>4}  {}", points.len(), cells.join("  "));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[]), 0.0);
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn quantiles_are_near() {
        let mut latencies = Latencies::default();
        (1..=1000).for_each(|ms| latencies.add(Duration::from_millis(ms)));
        let mut point = Map::new();
        latencies.put("publish", &mut point);
        let p50 = point["publish_p50_ms"].as_f64().expect("a number");
        assert!((499.0..=502.0).contains(&p50), "{p50}");
    }
}
