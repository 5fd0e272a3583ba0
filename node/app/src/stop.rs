//! The signals that end a program: a service manager's, and those of a terminal.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ctrl-C, the end by a service manager, and Ctrl-\, which would otherwise leave a process no time to end well.
pub struct Stop([Signal; 3]);

impl Stop {
    /// From here on these signals end nothing by themselves.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::quit())?,
        ]))
    }

    /// Waits for one of them.
    pub async fn asked(&mut self) {
        let [interrupt, terminate, quit] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = quit.recv() => {}
        }
    }
}
