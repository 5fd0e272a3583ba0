//! Random octets of the operating system.

/// The system's random octets, for everything that takes them from outside.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl conductor::Random for SystemRandom {
    fn fill(&self, octets: &mut [u8]) {
        certs::system_random(octets);
    }
}
