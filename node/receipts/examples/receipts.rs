//! How many receipts a second one processor makes and verifies: `receipts [how many]`.
//!
//! `receipts --write DIRECTORY` writes receipts and keys for other programs to check.

#[path = "../tests/receipts/fixture.rs"]
#[allow(
    dead_code,
    missing_docs,
    clippy::cast_possible_truncation,
    reason = "a part of the tests, used in part"
)]
mod fixture;

use std::{env, error::Error, fs, path::Path, time::Instant};

use auth::SigningKey;
use fixture::{ACCEPTED, ALL, History, ISSUER, facts, key, keys, office};
use lgsp_receipts::{attest, verify};
use model::KeyAlgorithm;

/// Facts of the history that proves them.
const SIZE: u64 = 100_000;

fn per_second(what: &str, count: u64, began: Instant) {
    let micros = began.elapsed().as_micros().max(1);
    let rate = u128::from(count) * 1_000_000 / micros;
    println!("{what:<44} {rate:>8} a second  ({} µs each)", micros / u128::from(count.max(1)));
}

fn measure(name: &str, by: &SigningKey, count: u64) -> Result<(), Box<dyn Error>> {
    let (history, key, keys) = (History::new(&facts(by), SIZE), key(1), keys(1, &[2]));
    let (fact, evidence) = (history.fact(ACCEPTED), Some(history.fact(ACCEPTED - 1)));
    let (inclusion, checkpoint) = (history.inclusion(ACCEPTED), history.checkpoint(&key));
    let of_evidence = history.inclusion(ACCEPTED - 1);
    let began = Instant::now();
    for _ in 0..count {
        attest(&key, ISSUER, fact, evidence)?.proved(&inclusion, Some(&of_evidence), &checkpoint);
    }
    per_second(&format!("made, evidence by {name}"), count, began);
    let receipt = history.receipt(&key, ACCEPTED);
    println!("  octets of it: {}", serde_json::to_vec(&receipt)?.len());
    let began = Instant::now();
    for _ in 0..count {
        verify(&receipt, &keys, None)?;
    }
    per_second(&format!("verified, evidence by {name}"), count, began);
    Ok(())
}

fn write(directory: &Path) -> Result<(), Box<dyn Error>> {
    let (history, key) = (History::new(&facts(&office(5)), 300), key(1));
    let receipts: Vec<_> = ALL.iter().map(|position| history.receipt(&key, *position)).collect();
    fs::create_dir_all(directory)?;
    let receipts = serde_json::to_string(&receipts)?;
    fs::write(directory.join("receipts.json"), format!("{{\"receipts\":{receipts}}}\n"))?;
    fs::write(directory.join("jwks.json"), format!("{}\n", keys(1, &[2])))?;
    fs::write(directory.join("content"), fixture::CONTENT)?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    match arguments.next().as_deref() {
        Some("--write") => write(Path::new(&arguments.next().ok_or("a directory is expected")?)),
        count => {
            let count = count.map_or(Ok(10_000), str::parse)?;
            measure("Ed25519", &office(5), count)?;
            let secret = auth::Secret::from_octets(*b"a secret of forty-three characters");
            let hmac = SigningKey::from_secret(&secret);
            assert_eq!(hmac.algorithm(), KeyAlgorithm::HmacSha256);
            measure("HMAC", &hmac, count)
        }
    }
}
