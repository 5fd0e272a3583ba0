//! The national side to practise on: the axis of documents, a gateway with OAuth2, an X-Road security server.
//!
//! One process on loopback that behaves as the other side really does, its oddities included, and goes wrong by switch.
//! All state is in memory and ends with it. It has no user management, keeps no secret worth keeping, and is never the
//! national platform: what it does is known or guessed as `docs/national-simulator.md` says.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), lgsp_simulator::StartError> {
//! use lgsp_simulator::{Settings, Simulator};
//!
//! let running = Simulator::start(Settings::default()).await?;
//! println!("{}", running.next_steps());
//! running.stop().await;
//! # Ok(())
//! # }
//! ```

mod author;
mod clock;
mod control;
mod directory;
mod dossiers;
mod fault;
mod gateway;
mod hints;
mod hop;
mod hub;
mod ledger;
mod lists;
mod mail;
mod post;
mod provided;
mod reply;
mod route;
mod scene;
mod script;
mod seed;
mod server;
mod settings;
mod time;
mod tls;
mod tokens;
mod vxp;
mod world;
mod xroad;

pub use clock::{Clock, Standing, StandingError, Ticking};
pub use directory::DIRECTORY_MAX;
pub use dossiers::{DOSSIERS_MAX, DOSSIERS_OCTETS_MAX};
pub use fault::{Family, Fault, Switch, SwitchError};
pub use ledger::{LEDGER_MAX, LEDGER_PAGE_MAX};
pub use lists::ROW_OCTETS_MAX;
pub use mail::{CONTENTS_OCTETS_MAX, DELIVERIES_MAX, MESSAGES_MAX};
pub use provided::{
    PROVIDED_MAX, PROVIDER_CALLS_MAX, PROVIDER_OCTETS_MAX, PROVIDER_PATIENCE, Protocol, Provided,
    ProvidedError,
};
pub use reply::BODY_OCTETS_MAX;
pub use scene::{ClockMove, ClockMoveError, STEPS_MAX, Scene, SceneError, StepError};
pub use script::{SCRIPT_STEPS_MAX, Script, ScriptError, ScriptOf};
pub use seed::Seed;
pub use server::{
    ANSWERS_OCTETS_MAX, BODIES_OCTETS_MAX, BODY_PATIENCE, CONNECTIONS_MAX, HEAD_PATIENCE,
    HEADERS_COUNT_MAX, Running, Simulator, StartError,
};
pub use settings::{Bodies, ErrorNames, Settings, System, Tls};
pub use time::parse_span;
pub use world::SCHEDULED_MAX;
