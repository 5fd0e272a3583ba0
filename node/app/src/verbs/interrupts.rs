//! What asks a command to end: Ctrl-C, SIGTERM, or that its terminal is gone.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals, listened for from the moment when this is made.
pub struct Interrupts([Signal; 3]);

impl Interrupts {
    /// Listens for all of them. Must be called within the runtime.
    pub fn listen() -> io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        let terminate = signal(SignalKind::terminate())?;
        let hangup = signal(SignalKind::hangup())?;
        Ok(Self([interrupt, terminate, hangup]))
    }

    /// Waits for the first that comes.
    pub async fn first(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
