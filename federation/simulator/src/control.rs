//! `/_sim`: the simulator speaks of itself. Nothing of it exists on the real national side.

use bytes::Bytes;
use hyper::Method;
use serde::Serialize;

use crate::{
    fault::{Family, Fault, Switch, SwitchError},
    hub::Hub,
    reply::{Head, JSON, Reply, TEXT},
    scene::ClockMove,
    settings::Tls,
    time,
};

#[derive(Serialize)]
struct About {
    what: &'static str,
    seed: u64,
    now: String,
    ask: [&'static str; 5],
    faults: Vec<&'static str>,
    calls: Vec<String>,
}

#[derive(Serialize)]
struct On {
    faults: Vec<String>,
}

#[derive(Serialize)]
struct Now {
    now: String,
}

#[derive(Serialize)]
struct Wrong {
    error: String,
}

fn json(value: &impl Serialize) -> Reply {
    Reply::new(200, JSON, serde_json::to_vec(value).expect("texts and numbers are JSON"))
}

fn wrong(http: u16, error: impl ToString) -> Reply {
    let body = serde_json::to_vec(&Wrong { error: error.to_string() });
    Reply::new(http, JSON, body.expect("texts are JSON"))
}

/// Answers a question.
pub(crate) fn answer(hub: &Hub, head: &Head, body: &Bytes) -> Reply {
    match (&head.method, head.path().trim_end_matches('/')) {
        (&Method::GET, "/_sim") => about(hub),
        (&Method::GET, "/_sim/ledger") => match head.query("from").map(str::parse) {
            None => Reply::json(hub.world().ledger.page(0)),
            Some(Ok(from)) => Reply::json(hub.world().ledger.page(from)),
            Some(Err(_)) => wrong(400, "from is the number of an entry"),
        },
        (&Method::GET, "/_sim/faults") => json(&On { faults: hub.world().faults.on() }),
        (&Method::POST, "/_sim/faults") => match turn(hub, body) {
            Ok(()) => json(&On { faults: hub.world().faults.on() }),
            Err(error) => wrong(400, error),
        },
        (&Method::POST, "/_sim/clock") => match text(body).parse::<ClockMove>() {
            Ok(by) => {
                hub.world().move_clock(by);
                json(&Now { now: time::exact(hub.world().now()) })
            }
            Err(error) => wrong(400, error),
        },
        _ => Reply::new(404, TEXT, "There is no such question; ask GET /_sim/\n"),
    }
}

fn text(body: &Bytes) -> String {
    String::from_utf8_lossy(body).into_owned()
}

/// Turns the switches of a body, one a line, all or none.
fn turn(hub: &Hub, body: &Bytes) -> Result<(), String> {
    let text = text(body);
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    let read = |(line, number): (&str, usize)| {
        let switch = line.parse::<Switch>().and_then(|switch| {
            check(std::slice::from_ref(&switch), hub.settings.tls)?;
            Ok(switch)
        });
        switch.map_err(|error| format!("line {number}: {error}"))
    };
    let switches = lines.map(read).collect::<Result<Vec<_>, _>>()?;
    let mut world = hub.world();
    let at = world.now();
    switches.into_iter().for_each(|switch| world.turn(switch, at));
    Ok(())
}

/// Whether the switches make sense here.
pub(crate) fn check(switches: &[Switch], tls: Tls) -> Result<(), SwitchError> {
    match tls == Tls::Off && switches.iter().any(Switch::needs_tls) {
        true => Err(SwitchError::NoTls),
        false => Ok(()),
    }
}

fn about(hub: &Hub) -> Reply {
    let families = [Family::Vxp, Family::Gateway, Family::XRoad, Family::Connection];
    let calls = families.iter().flat_map(|family| {
        let calls = family.calls().into_iter();
        calls.map(|call| format!("{}.{call}", family.as_str()))
    });
    json(&About {
        what: "LGSP: a simulator of the national side, for practice; no document leaves this machine",
        seed: hub.settings.seed.0,
        now: time::exact(hub.world().now()),
        ask: [
            "GET /_sim/ledger?from=0",
            "GET /_sim/faults",
            "POST /_sim/faults, one switch a line: vxp.sendEdoc=lost-answer:0.1",
            "POST /_sim/clock: forward 90 s",
            "POST /_sim/clock: back 1 h",
        ],
        faults: Fault::all().map(Fault::as_str).collect(),
        calls: calls.collect(),
    })
}
