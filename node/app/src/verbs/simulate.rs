//! `simulate`: another side to practise on, in this process and on loopback only. No node is asked.

use std::{path::Path, sync::Arc};

use serde_json::json;
use simulator::{
    ErrorNames, ProvidedError, Running, Scene, ScriptError, Seed, Settings, Simulator, Standing,
    StandingError, StartError, Switch, SwitchError, System, Tls,
};
use wire::vxp::Code;

use super::{Context, Done, interrupts::Interrupts};
use crate::{
    cli::{Exit, Failure, NationalArgs, Out},
    texts::simulate as t,
    written,
};

/// Octets of a file of scenes: a hundred for each step that a scene may have.
const SCENE_OCTETS_MAX: u64 = 100 * simulator::STEPS_MAX as u64;

/// Runs the national side until it is interrupted.
pub async fn national(context: &Context, args: &NationalArgs) -> Done {
    let out = &context.out;
    let faults = args
        .fault
        .iter()
        .map(|text| text.parse::<Switch>().map_err(|error| no_fault(out, text, &error)));
    let mut settings = Settings {
        port: args.port,
        seed: Seed(args.seed),
        faults: faults.collect::<Result<_, _>>()?,
        scene: args.scene.as_deref().map(|path| scene(out, path)).transpose()?,
        ..Settings::default()
    };
    if args.tls {
        settings.tls = Tls::Own;
    }
    if args.old_error_names {
        settings.error_names = ErrorNames::Before78;
    }
    if !args.system.is_empty() {
        let systems = args.system.iter().map(|text| match Code::parse(text) {
            Some(code) => Ok(System { code, secret: None }),
            None => Err(no_system(out, text)),
        });
        settings.systems = systems.collect::<Result<_, _>>()?;
    }
    if let Some(text) = &args.slow {
        settings.slow = simulator::parse_span(text).ok_or_else(|| no_span(out, text))?;
    }
    for text in &args.script {
        settings.bodies.set(text.parse().map_err(|error| no_script(out, text, error))?);
    }
    if let Some(text) = &args.standing_clock {
        let standing: Standing = text.parse().map_err(|StandingError| no_time(out, text))?;
        settings.clock = Arc::new(standing);
    }
    let provided = args.provide.iter();
    let provided = provided.map(|text| text.parse().map_err(|error| no_service(out, text, error)));
    settings.provided = provided.collect::<Result<_, _>>()?;
    // Listened for before anybody is told that it runs.
    let mut interrupts = Interrupts::listen().map_err(|_| not_started(out))?;
    let running = Simulator::start(settings).await.map_err(|error| failed(out, &error))?;
    if let (Some(path), Some(pem)) = (&args.authority, running.authority()) {
        std::fs::write(path, pem).map_err(|error| Failure::file(out.lang, path, &error))?;
    }
    tell(out, &running, args.authority.as_deref());
    interrupts.first().await;
    running.stop().await;
    Ok(Exit::Ok)
}

/// Where it is, what it knows its callers by, and what to type next. The secrets are for practice, and follow from the
/// seed.
fn tell(out: &Out, running: &Running, authority: Option<&Path>) {
    if out.is_table() {
        out.print(running.next_steps());
        match (running.authority(), authority) {
            (Some(_), Some(path)) => {
                out.print(out.fill(t::TRUST_FILE, &[("file", &path.display())]));
            }
            (Some(pem), None) => out.print(format!("{}\n{pem}", out.text(t::TRUST_TEXT))),
            (None, _) => {}
        }
        out.done(t::STARTED, &[("url", &running.base())]);
        return;
    }
    let settings = running.settings();
    let systems = settings.systems.iter().map(|system| {
        let code = system.code.as_str();
        json!({ "system": code, "secret": settings.secret_of(code).expose() })
    });
    let (client, client_secret) = settings.gateway_client();
    let (user, user_secret, bound_to) = settings.population_user();
    let (adapter, password) = settings.adapter_user();
    let said = json!({
        "url": running.base(),
        "authority": running.authority(),
        "systems": systems.collect::<Vec<_>>(),
        "gateway": { "client": client, "secret": client_secret.expose() },
        "population": { "user": user, "secret": user_secret.expose(), "url": bound_to },
        "adapter": { "user": adapter, "password": password.expose() },
    });
    out.json("lgsp.simulate/1", said);
}

fn scene(out: &Out, path: &Path) -> Result<Scene, Failure> {
    let text = written::read_up_to(path, SCENE_OCTETS_MAX);
    let text = text.map_err(|error| Failure::file(out.lang, path, &error))?;
    text.parse().map_err(|error: simulator::SceneError| {
        let (file, line) = (path.display(), error.line);
        let what = out.fill(t::SCENE, &[("file", &file), ("line", &line)]);
        let why = t::of_step(out.lang, &error.why);
        Failure::new(Exit::Usage, what).why(why).fix(out.text(t::SCENE_FIX)).code(9902)
    })
}

fn no_fault(out: &Out, text: &str, error: &SwitchError) -> Failure {
    Failure::new(Exit::Usage, out.fill(t::FAULT, &[("fault", &text)]))
        .why(t::of_switch(out.lang, error))
        .fix(out.text(t::FAULT_FIX))
        .code(9901)
}

fn no_script(out: &Out, text: &str, error: ScriptError) -> Failure {
    Failure::new(Exit::Usage, out.fill(t::SCRIPT, &[("script", &text)]))
        .why(t::of_script(out.lang, error))
        .fix(out.text(t::SCRIPT_FIX))
        .code(9904)
}

fn no_time(out: &Out, text: &str) -> Failure {
    Failure::new(Exit::Usage, out.fill(t::CLOCK, &[("time", &text)]))
        .why(out.text(t::CLOCK_WHY))
        .fix(out.text(t::CLOCK_FIX))
        .code(9905)
}

fn no_service(out: &Out, text: &str, error: ProvidedError) -> Failure {
    Failure::new(Exit::Usage, out.fill(t::SERVICE, &[("service", &text)]))
        .why(t::of_provided(out.lang, error))
        .fix(out.text(t::SERVICE_FIX))
        .code(9906)
}

fn no_system(out: &Out, text: &str) -> Failure {
    Failure::new(Exit::Usage, out.fill(t::SYSTEM, &[("system", &text)]))
        .fix(out.text(t::SYSTEM_FIX))
        .code(9907)
}

fn no_span(out: &Out, text: &str) -> Failure {
    Failure::new(Exit::Usage, out.fill(t::SPAN, &[("span", &text)]))
        .why(out.text(t::SCRIPT_SPAN))
        .fix(out.text(t::SPAN_FIX))
        .code(9908)
}

fn strange_script(out: &Out, body: &str) -> Failure {
    Failure::new(Exit::Usage, out.fill(t::SCRIPT, &[("script", &body)]))
        .why(out.text(t::SCRIPT_STRANGE))
        .fix(out.text(t::SCRIPT_STRANGE_FIX))
        .code(9904)
}

fn not_started(out: &Out) -> Failure {
    Failure::new(Exit::Failed, out.text(t::NOT_STARTED)).code(9903)
}

fn failed(out: &Out, error: &StartError) -> Failure {
    match error {
        StartError::Listen { port, .. } => not_started(out)
            .why(out.fill(t::PORT_WHY, &[("port", port)]))
            .fix(out.text(t::PORT_FIX)),
        StartError::Fault(error) => no_fault(out, "plain-http", error),
        StartError::Provided(error) => no_service(out, "--provide", *error),
        StartError::Script { body } => strange_script(out, body),
        StartError::Certificate(_) => {
            not_started(out).why(out.text(t::CERTIFICATE_WHY)).fix(out.text(t::CERTIFICATE_FIX))
        }
    }
}
