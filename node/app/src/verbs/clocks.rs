//! Clocks: what `check` says of them, and what an administrator asks at a node when no signature passes.

use client::{NodeStatus, Role, Status};
use conductor::{TRUST_AHEAD_WARNED_MS, TRUST_BEHIND_WARNED_MS};
use model::Moment;
use serde_json::json;

use super::{Context, Done, check::Findings};
use crate::{
    cli::{DataDirArgs, Exit, Failure, Mark, Out},
    node::{Answer, Ask, Directory, ask},
    texts::{failures as t, moments, reasons, words as w},
};

/// A clock this far from the cluster's date is told.
const CLOCK_OFF_MS: i64 = 250;
/// Farther off than this, a node's clock no longer counts as showing the same date.
const CLOCK_BAD_MS: i64 = machine::DATE_STILL_MS as i64;
/// The caller's clock is compared over the network, and with its own whole seconds.
const OWN_CLOCK_OFF_MS: i64 = 5_000;

/// This machine's clock.
pub fn own_clock() -> Moment {
    consensus::Clock::now(&consensus::SystemClock)
}

fn difference_ms(a: Moment, b: Moment) -> i64 {
    a.0.checked_signed_diff(b.0).unwrap_or(if a > b { i64::MAX } else { i64::MIN })
}

/// A span for people, with its sign: `+2 d`, `-3 h`, `+12 s`, `-40 ms`.
fn signed_span(ms: i64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms")];
    let most = ms.unsigned_abs();
    let (size, unit) = units.into_iter().find(|(size, _)| most >= 2 * size).unwrap_or((1, "ms"));
    format!("{}{} {unit}", if ms < 0 { '-' } else { '+' }, most / size)
}

impl Findings<'_> {
    /// Holds the cluster's date against the clocks of the nodes and the caller's own.
    pub(super) fn time(&mut self, status: &Status, own: Moment) {
        self.node_clocks(status);
        let (out, group) = (self.out, w::CHECK_TIME);
        if let Some(date) = status.time_ms.map(Moment) {
            let ahead = difference_ms(date, own);
            let values: [(&str, &dyn std::fmt::Display); 2] =
                [("date", &date), ("span", &signed_span(ahead))];
            if ahead.abs() > OWN_CLOCK_OFF_MS {
                let fix = Some(out.text(w::FIX_DATE).to_owned());
                self.add(group, "date", Mark::Bad, out.fill(w::CHECK_DATE_OFF, &values), fix);
            } else {
                self.add(group, "date", Mark::Good, out.fill(w::CHECK_DATE, &values), None);
            }
        }
        let ahead = status.trusted_ahead_ms.unwrap_or_default();
        let span = signed_span(ahead);
        if ahead > TRUST_AHEAD_WARNED_MS {
            let text = out.fill(w::CHECK_TRUST_AHEAD, &[("span", &span)]);
            let fix = Some(out.text(w::FIX_TRUST).to_owned());
            self.add(group, "time_ahead", Mark::Bad, text, fix);
        } else if ahead < -TRUST_BEHIND_WARNED_MS {
            let text = out.fill(w::CHECK_TRUST_BEHIND, &[("span", &span)]);
            let fix = Some(out.text(w::FIX_TRUST).to_owned());
            self.add(group, "time_behind", Mark::Warn, text, fix);
        }
    }

    fn node_clocks(&mut self, status: &Status) {
        let (out, group) = (self.out, w::CHECK_TIME);
        let present = status.nodes.iter().filter(|node| node.role != Role::Removed);
        let offsets: Vec<(&NodeStatus, i64)> =
            present.filter_map(|node| Some((node, node.clock_offset_ms?))).collect();
        let Some(most) = offsets.iter().map(|(_, ms)| ms.saturating_abs()).max() else {
            let text = out.text(w::CHECK_CLOCK_NONE).into();
            return self.add(group, "clock", Mark::Warn, text, None);
        };
        if most <= CLOCK_OFF_MS {
            let text = out.fill(w::CHECK_CLOCK, &[("ms", &most)]);
            return self.add(group, "clock", Mark::Good, text, None);
        }
        for (node, ms) in offsets.into_iter().filter(|(_, ms)| ms.saturating_abs() > CLOCK_OFF_MS) {
            let mark = if ms.saturating_abs() > CLOCK_BAD_MS { Mark::Bad } else { Mark::Warn };
            let span = signed_span(ms);
            let text = out.fill(w::CHECK_CLOCK_OFF, &[("node", &node.name), ("span", &span)]);
            self.add(group, "clock", mark, text, Some(out.text(w::FIX_CLOCK).into()));
        }
    }
}

/// Shows what time it is for the cluster, by the node of a directory.
pub async fn show(context: &Context, args: DataDirArgs) -> Done {
    let answer = asked(context, &args, Ask::ShowTime).await?;
    Ok(tell(&context.out, &answer))
}

/// Confirms that the clocks are right, at the node of a directory.
pub async fn confirm(context: &Context, args: DataDirArgs) -> Done {
    let answer = asked(context, &args, Ask::ConfirmTime).await?;
    if let Some(why) = &answer.failed {
        return Err(Failure::new(Exit::Unreachable, context.out.text(t::FAILED))
            .why(context.out.fill(t::TECHNICAL, &[("reason", why)]))
            .fix(context.out.text(t::FIX_RETRY))
            .code(9301));
    }
    let exit = tell(&context.out, &answer);
    context.out.done(w::TIME_CONFIRMED, &[("date", &answer.date)]);
    Ok(exit)
}

async fn asked(context: &Context, args: &DataDirArgs, what: Ask) -> Result<Answer, Failure> {
    let out = &context.out;
    let directory = Directory::at(&args.data_dir);
    let shown = args.data_dir.display();
    let silent = |why: String| {
        Failure::new(Exit::Unreachable, out.fill(t::NODE_SILENT, &[("path", &shown)]))
            .why(why)
            .fix(out.fill(t::FIX_NODE_SILENT, &[("path", &shown)]))
            .code(9302)
    };
    match ask(&directory.asks(), what, context.global.timeout()).await {
        Ok(Some(answer)) => Ok(answer),
        Ok(None) => Err(silent(String::new())),
        Err(error) => Err(silent(reasons::of_io(out.lang, &error))),
    }
}

fn tell(out: &Out, answer: &Answer) -> Exit {
    let own = own_clock();
    let ahead = difference_ms(answer.date, own);
    let trusted = answer.trusted_ahead_ms.unwrap_or_default();
    let far = |ms: i64| ms.saturating_abs() > CLOCK_BAD_MS;
    let astray = answer.clocks.iter().any(|clock| clock.ahead_ms.is_none_or(far));
    let good = answer.fresh && !far(ahead) && !astray && trusted <= TRUST_AHEAD_WARNED_MS;
    let exit = if good { Exit::Ok } else { Exit::Degraded };
    if !out.is_table() {
        out.json("lgsp.time/1", json!({ "answer": answer, "this_machine": own.to_string() }));
        return exit;
    }
    let line = |text, value: String| out.print(out.fill(text, &[("value", &value)]));
    line(w::TIME_DATE, answer.date.to_string());
    let here = moments::local(&own.to_string());
    line(w::TIME_HERE, format!("{here}  ({})", signed_span(-ahead)));
    line(w::TIME_TRUSTED, signed_span(trusted));
    if !answer.fresh {
        out.print(out.text(w::TIME_ALONE));
    }
    out.print("");
    let rows = answer.clocks.iter().map(|clock| {
        let span = clock.ahead_ms.map_or_else(|| "-".into(), signed_span);
        vec![clock.node.to_string(), clock.name.clone(), span]
    });
    out.rows(&[w::COL_NODE, w::COL_NAME, w::COL_CLOCK], rows.collect());
    if !good {
        out.print(format_args!("\n{} {}", out.text(t::FIX), out.text(w::FIX_DATE)));
    }
    exit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_the_unit_that_fits() {
        let cases = [
            (0, "+0 ms"),
            (-40, "-40 ms"),
            (1_999, "+1999 ms"),
            (-12_400, "-12 s"),
            (3 * 3_600_000, "+3 h"),
            (-100 * 86_400_000, "-100 d"),
            (i64::MIN, "-106751991167 d"),
        ];
        for (ms, told) in cases {
            assert_eq!(signed_span(ms), told);
        }
    }
}
