//! Receipts, verified where they are typed, without any node: those that every release makes alike.

use std::fs;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::{Desk, exit, items, text};

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../node/receipts/tests/vectors");

/// Fetches the receipts of a packet that was confirmed, and verifies them with the keys that came with them.
pub async fn of_packet(desk: &Desk, profile: &str, packet: &str, file: &str) -> Result<()> {
    let to = desk.path("bien-nhan.json");
    let fetch = ["packet", "receipts", packet, "--to", &to];
    let fetched = desk.ask(profile, "lgsp.receipts/1", &fetch).await?;
    ensure!(fetched["receipts"].as_u64() >= Some(2) && fetched["file"] == to, "{fetched:#}");
    let verified = desk.ask(profile, "lgsp.verify/1", &["verify", &to, "--file", file]).await?;
    ensure!(verified["good"] == true, "{verified:#}");
    let kinds: Vec<_> = items(&verified)?.iter().map(|one| one["kind"].clone()).collect();
    ensure!(kinds.starts_with(&["accepted".into(), "confirmed".into()]), "{verified:#}");
    let unknown = ["packet", "receipts", "pk_01ARZ3NDEKTSV4RRFFQ69G5FAV"];
    desk.refused(exit::NOT_FOUND, profile, &unknown).await.map(drop)
}

pub async fn receipts(desk: &Desk) -> Result<()> {
    let (receipts, keys) = (format!("{VECTORS}/receipts.json"), format!("{VECTORS}/jwks.json"));
    let verify = ["verify", &receipts, "--keys", &keys];
    let good = desk.ask("-", "lgsp.verify/1", &verify).await?;
    let kinds: Vec<_> = items(&good)?.iter().map(|one| one["kind"].clone()).collect();
    ensure!(good["good"] == true && kinds == ["accepted", "confirmed", "rejected", "destroyed"]);
    ensure!(good["items"][0]["evidence"]["verified"] == true, "{good:#}");
    ensure!(good["items"][1]["evidence"]["verified"] == false, "a shared secret: {good:#}");

    let file = desk.path("cong-van.txt");
    fs::write(&file, "Cong van so 12\n")?;
    let with_file = [&verify[..], &["--file", &file]].concat();
    let same = desk.ask("-", "lgsp.verify/1", &with_file).await?;
    ensure!(same["items"][0]["file"] == true && same["items"][2]["file"] == false, "{same:#}");
    fs::write(&file, "Cong van so 13\n")?;
    let (code, out, _) = desk.typed(&[&with_file[..], &["-o", "json"]].concat()).await?;
    let other: Value = serde_json::from_str(&out)?;
    ensure!(code == exit::FAILED && other["good"] == false, "another file: {other:#}");
    ensure!(text(&other, "/items/0/error/code")? == "LGSP-9701", "{other:#}");

    // Keys that come with a receipt prove nothing: they are named, or stand beside the profile.
    let profile = desk.path("office.toml");
    desk.refused(exit::NOT_FOUND, &profile, &verify[..2]).await?;
    desk.refused(exit::FAILED, &profile, &["verify", &keys, "--keys", &keys]).await?;
    let vi = ["vì sao:", "cách sửa:", "jwks.json", "mã: LGSP-9704"];
    desk.told(exit::NOT_FOUND, &profile, "vi", &verify[..2], &vi).await?;
    let en = ["why:", "to fix:", "SHA-256", "code: LGSP-9701"];
    let all = ["each is told above", "to fix:", "code: LGSP-9701"];
    desk.told(exit::FAILED, "-", "en", &with_file, &all).await?;
    let mut one: Value = serde_json::from_str(&fs::read_to_string(&receipts)?)?;
    let path = desk.path("one.json");
    fs::write(&path, one["receipts"][0].take().to_string())?;
    let alone = ["verify", &path, "--keys", &keys, "--file", &file];
    desk.told(exit::FAILED, "-", "en", &alone, &en).await
}
