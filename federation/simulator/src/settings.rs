//! What a simulator is started with.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use wire::vxp::{Code, Secret};

use crate::{
    clock::{Clock, Ticking},
    fault::Switch,
    provided::Provided,
    scene::Scene,
    script::{Script, ScriptOf},
    seed::Seed,
};

/// A system that is connected to the axis and is one of the integrator's own: no scripted body answers in its place.
#[derive(Debug, Clone)]
pub struct System {
    /// Its registered identifier, which is the code of a body of the directory.
    pub code: Code,
    /// Its secret; none for the one that follows from the seed.
    pub secret: Option<Secret>,
}

/// How all the scripted bodies behave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bodies {
    /// What they do, unless one has a script of its own.
    pub script: Script,
    /// Scripts of single bodies; one without steps is silent.
    pub scripts: BTreeMap<Code, Script>,
    /// A document with one of these words in its subject is refused (02), and so is its recall (16).
    pub refused_words: Vec<String>,
}

impl Bodies {
    /// The script of a body, by its code.
    pub(crate) fn script_of(&self, code: &str) -> &Script {
        let own = self.scripts.iter().find(|(known, _)| known.as_str() == code);
        own.map_or(&self.script, |(_, script)| script)
    }

    /// Takes a script: of one body, or of all that have none of their own.
    pub fn set(&mut self, of: ScriptOf) {
        match of.body {
            Some(body) => {
                self.scripts.insert(body, of.script);
            }
            None => self.script = of.script,
        }
    }
}

impl Default for Bodies {
    fn default() -> Self {
        let refused_words = vec!["từ chối".to_owned()];
        Self { script: Script::default(), scripts: BTreeMap::new(), refused_words }
    }
}

/// How X-Road names its errors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ErrorNames {
    /// `server.serverproxy.network_error`, since version 7.8.
    #[default]
    Since78,
    /// `Server.ServerProxy.NetworkError`, before.
    Before78,
}

/// Whether the simulator speaks TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tls {
    /// Plain HTTP, as the axis' shipped sample has it.
    #[default]
    Off,
    /// TLS with a certificate of an authority that is made at each start.
    Own,
}

/// Everything that can be chosen. The defaults are those of a first try.
#[derive(Clone)]
pub struct Settings {
    /// The port on loopback; 0 for a free one.
    pub port: u16,
    /// What identifiers, secrets, names and dice follow from.
    pub seed: Seed,
    /// Switches that are on from the start.
    pub faults: Vec<Switch>,
    /// What happens by itself.
    pub scene: Option<Scene>,
    /// Whether it speaks TLS.
    pub tls: Tls,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// The integrator's own systems.
    pub systems: Vec<System>,
    /// How everybody else behaves.
    pub bodies: Bodies,
    /// How X-Road names its errors.
    pub error_names: ErrorNames,
    /// Services of the integrator's first system that others reach through X-Road: each code once,
    /// [`PROVIDED_MAX`](crate::PROVIDED_MAX) at most.
    pub provided: Vec<Provided>,
    /// How late a slow answer comes.
    pub slow: Duration,
    /// How long a token of the gateway lives.
    pub token_life: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let system = |code| System { code: Code::parse(code).expect("it is a code"), secret: None };
        Self {
            port: 0,
            seed: Seed(1),
            faults: Vec::new(),
            scene: None,
            tls: Tls::default(),
            clock: Arc::new(Ticking::of_this_machine()),
            systems: vec![system("H41"), system("H41.08")],
            bodies: Bodies::default(),
            error_names: ErrorNames::default(),
            provided: Vec::new(),
            slow: Duration::from_secs(5),
            token_life: Duration::from_secs(3600),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Settings");
        shown.field("port", &self.port).field("seed", &self.seed).finish_non_exhaustive()
    }
}

impl Settings {
    /// The secret of a system: the given one, or the one that follows from the seed.
    pub fn secret_of(&self, code: &str) -> Secret {
        let given = self.systems.iter().find(|system| system.code.as_str() == code);
        let given = given.and_then(|system| system.secret.clone());
        given.unwrap_or_else(|| self.seed.secret(code))
    }

    /// The name and the secret of the client that the gateway knows.
    pub fn gateway_client(&self) -> (&'static str, Secret) {
        (GATEWAY_CLIENT, self.seed.secret(GATEWAY_CLIENT))
    }

    /// The user whom the population service knows, the secret, and the address that the proof binds.
    pub fn population_user(&self) -> (&'static str, Secret, &'static str) {
        (POPULATION_USER, self.seed.secret(POPULATION_USER), POPULATION_URL)
    }

    /// The user of the adapter of the Government Office, and the password.
    pub fn adapter_user(&self) -> (&'static str, Secret) {
        (ADAPTER_USER, self.seed.secret(ADAPTER_USER))
    }
}

const GATEWAY_CLIENT: &str = "practice-client";
const POPULATION_USER: &str = "practice-officer";
/// The address is agreed on, so it stays while the port changes.
const POPULATION_URL: &str = "http://dancuquocgia.example/037";
const ADAPTER_USER: &str = "000.00.00.H41";
