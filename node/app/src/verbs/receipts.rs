//! `packet receipts`: fetches what the platform attests of a packet, and the keys to check it with.
//!
//! Nothing is checked here: `verify` does that without the platform. The keys come over the connection whose
//! authority the profile pins, and lie beside the profile from then on.

use std::path::{Path, PathBuf};

use model::PacketId;
use serde_json::{Value, json};

use super::{Context, Done};
use crate::{
    cli::{Exit, Failure},
    profile,
    texts::receipts as t,
};

/// Writes a packet's receipts to a file, and the platform's keys beside the profile.
pub async fn fetch(context: &Context, packet: PacketId, to: Option<PathBuf>) -> Done {
    let out = &context.out;
    let (client, _) = context.client()?;
    let answer = client.receipts(packet).await.map_err(context.failed())?;
    let keys = client.platform_keys().await.map_err(context.failed())?;
    let count = answer["receipts"].as_array().map_or(0, Vec::len);
    let keys_path = profile::path(&context.global).with_extension("jwks.json");
    write(context, &keys_path, &keys)?;
    let path = to.unwrap_or_else(|| format!("{packet}.receipts.json").into());
    if count > 0 {
        write(context, &path, &answer)?;
    }
    let shown = path.display();
    if !out.is_table() {
        let file = (count > 0).then(|| shown.to_string());
        let keys = keys_path.display().to_string();
        out.json("lgsp.receipts/1", json!({ "receipts": count, "file": file, "keys": keys }));
    } else if count > 0 {
        out.done(t::FETCHED, &[("count", &count), ("path", &shown)]);
    } else {
        out.print(out.text(t::FETCHED_NONE));
    }
    Ok(Exit::Ok)
}

fn write(context: &Context, path: &Path, value: &Value) -> Result<(), Failure> {
    let mut octets = serde_json::to_vec_pretty(value).expect("a value is JSON");
    octets.push(b'\n');
    std::fs::write(path, octets).map_err(|error| Failure::file(context.out.lang, path, &error))
}
