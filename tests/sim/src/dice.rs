//! Randomness of the simulation: one stream, from one seed.

use std::sync::Arc;

use parking_lot::Mutex;
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

/// The dice that everybody throws.
#[derive(Clone)]
pub struct Dice(Arc<Mutex<StdRng>>);

impl Dice {
    /// The dice of a seed.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    /// A number below `end`.
    pub fn below(&self, end: u64) -> u64 {
        self.0.lock().random_range(0..end.max(1))
    }

    /// Whether something happens that does so in so many cases of a thousand.
    pub fn chance(&self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    /// Random octets.
    pub fn fill(&self, octets: &mut [u8]) {
        self.0.lock().fill_bytes(octets);
    }

    /// 128 random bits.
    pub fn bits(&self) -> u128 {
        let mut octets = [0; 16];
        self.fill(&mut octets);
        u128::from_be_bytes(octets)
    }
}

impl conductor::Random for Dice {
    fn fill(&self, octets: &mut [u8]) {
        Self::fill(self, octets);
    }
}
