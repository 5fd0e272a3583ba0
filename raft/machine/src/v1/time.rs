//! Forms of time, version 1.

use minicbor::{Decode, Encode};
use model::{Moment, Tick};

/// How many entries have been applied, and the sum of all that they wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Sum {
    /// Entries since the founding of the log.
    #[n(0)]
    pub entries: u64,
    /// CRC-32 over their writes, in order.
    #[n(1)]
    pub sum: u32,
}

/// See [`crate::Command::ConfirmTime`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct ConfirmTime {}

/// The date and the tick of an entry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Time {
    /// What a majority of the clocks says.
    #[n(0)]
    pub date: Moment,
    /// How long the cluster has run.
    #[n(1)]
    pub tick: Tick,
}

/// How far clocks are believed where a mistake could not be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Trust {
    /// The trusted date at a tick.
    #[n(0)]
    pub(crate) time: Time,
    /// Nonces of signatures before this date may be forgotten, so such signatures never pass.
    #[n(1)]
    pub(crate) floor: Moment,
}

impl Trust {
    /// The trusted date at a later tick.
    pub(crate) fn date_at(&self, tick: Tick) -> Moment {
        self.time.date.plus(tick.since(self.time.tick))
    }
}
