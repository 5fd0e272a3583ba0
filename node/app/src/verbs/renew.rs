//! What a removed node could read: the HMAC secrets of its time, and how they are renewed.
//!
//! A node holds the key that opens every HMAC secret of its state. So does whoever has its disk. Public keys
//! of the other algorithms tell nothing that could be used.

use std::{fs::DirBuilder, os::unix::fs::DirBuilderExt, path::Path, time::Duration};

use client::{Client, Key, NewKey, NodeStatus, Role};
use model::{KeyAlgorithm, Moment, NodeId};
use rustls_pki_types::CertificateDer;
use serde_json::{Value, json};

use super::{Context, Done, registry::all_keys};
use crate::{
    cli::{Exit, Failure, Out, RenewArgs},
    profile::{self, Loaded},
    texts::{failures as f, identity as t, words as w},
};

/// Keys that are looked through.
const KEYS_MAX: u32 = 10_000;
/// Keys that are listed by name; a longer list says how many more there are.
const LISTED_MAX: usize = 20;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The keys that go on and whose secrets a removed node could read.
pub fn exposed<'k>(keys: &'k [Key], removed: &NodeStatus) -> Vec<&'k Key> {
    // Ticks and not dates, which a clock may have set back. What is not told is taken for exposed.
    let is_symmetric =
        |key: &Key| key.algorithm.parse::<KeyAlgorithm>().is_ok_and(KeyAlgorithm::is_symmetric);
    let before = |key: &Key| {
        key.issued_tick.zip(removed.removed_tick).is_none_or(|(issued, removed)| issued <= removed)
    };
    let goes_on = |key: &Key| key.status != "revoked" && key.ends_at.is_none();
    keys.iter().filter(|key| is_symmetric(key) && goes_on(key) && before(key)).collect()
}

/// Says what a removed node could read, and what renews it.
pub async fn tell(context: &Context, client: &Client, removed: &NodeStatus) -> Done {
    let out = &context.out;
    let keys = all_keys(client, KEYS_MAX).await.map_err(context.failed())?;
    let exposed = exposed(&keys, removed);
    if out.is_table() {
        if exposed.is_empty() {
            out.say(out.text(t::EXPOSED_NONE));
        } else {
            out.say(out.fill(t::EXPOSED, &[("node", &removed.node), ("count", &exposed.len())]));
            for key in exposed.iter().take(LISTED_MAX) {
                out.print(format_args!("  {}  {}", key.access_key, key.app));
            }
            if exposed.len() > LISTED_MAX {
                out.say(out.fill(t::EXPOSED_MORE, &[("count", &(exposed.len() - LISTED_MAX))]));
            }
            out.say(out.text(t::EXPOSED_OTHERS));
            out.say(out.text(w::NEXT));
            out.print(format_args!("  {}", command(removed.node)));
        }
    } else {
        let names: Vec<_> = exposed.iter().map(|key| &key.access_key).collect();
        out.json(
            "lgsp.member.removed/1",
            json!({ "node": removed.node, "exposed_keys": names, "renew": command(removed.node) }),
        );
    }
    Ok(Exit::Ok)
}

/// The command that renews what a removed node could read.
pub fn command(node: NodeId) -> String {
    format!("lgsp key renew --since-removal {node} --to-dir khoa-moi")
}

/// Issues a key in the place of each that a removed node could read, and lets the old ones end.
pub async fn renew(context: &Context, args: RenewArgs) -> Done {
    let out = &context.out;
    let (client, loaded) = context.client()?;
    let members = client.members().await.map_err(context.failed())?;
    let removed = members
        .iter()
        .find(|member| member.node == args.since_removal && member.role == Role::Removed)
        .ok_or_else(|| not_removed(out, args.since_removal))?;
    let keys = all_keys(&client, KEYS_MAX).await.map_err(context.failed())?;
    let exposed = exposed(&keys, removed);
    if exposed.is_empty() {
        return Ok(nothing(out, args.since_removal));
    }
    let count = exposed.len().to_string();
    context.confirm(t::ASK_RENEW, &count, args.yes)?;
    make_directory(out, &args.to_dir)?;
    // The profiles are to trust the authority that takes the place of the one that the node knew.
    let authority = super::authority::settled(context, &client, &loaded).await?;
    let status = client.status().await.map_err(context.failed())?;
    let now = Moment(status.time_ms.unwrap_or_default());
    let ends_at = ends_at(now, args.overlap_days);
    let mut renewed = Vec::new();
    // The key that asks comes last: until then it signs.
    let own = &loaded.profile.access_key;
    let (mine, others): (Vec<_>, Vec<_>) =
        exposed.into_iter().partition(|key| key.access_key == *own);
    for key in others.into_iter().chain(mine) {
        let made = replace(
            context,
            &client,
            (&loaded, &authority),
            (key, &args.to_dir),
            ends_at.as_deref(),
        )
        .await;
        let made = match made {
            Ok(made) => made,
            Err(failure) => {
                // The keys that were renewed before are in use: they are told whatever becomes of the rest.
                if !out.is_table() && !renewed.is_empty() {
                    out.json("lgsp.keys.renewed/1", told(&renewed, ends_at.as_deref()));
                }
                return Err(failure);
            }
        };
        if out.is_table() {
            let values: [(&str, &dyn std::fmt::Display); 4] =
                [("app", &key.app), ("old", &key.access_key), ("new", &made.0), ("path", &made.1)];
            out.done(t::RENEWED, &values);
        }
        renewed.push(
            json!({ "app": key.app, "old": key.access_key, "new": made.0, "profile_file": made.1 }),
        );
    }
    if out.is_table() {
        let until = ends_at.unwrap_or_else(|| now.to_string());
        out.say(out.fill(t::RENEWED_UNTIL, &[("until", &until)]));
    } else {
        out.json("lgsp.keys.renewed/1", told(&renewed, ends_at.as_deref()));
    }
    Ok(Exit::Ok)
}

/// What was renewed, for programs.
fn told(renewed: &[Value], ends_at: Option<&str>) -> Value {
    json!({ "renewed": renewed, "old_until": ends_at })
}

/// Issues a key like the old one into files of its own, and then lets the old one end.
async fn replace(
    context: &Context,
    client: &Client,
    (loaded, authority): (&Loaded, &[CertificateDer<'static>]),
    (old, directory): (&Key, &Path),
    ends_at: Option<&str>,
) -> Result<(model::AccessKey, String), Failure> {
    let lang = context.out.lang;
    let algorithm: KeyAlgorithm = old.algorithm.parse().unwrap_or(KeyAlgorithm::HmacSha256);
    let new = NewKey {
        app: old.app.clone(),
        algorithm: Some(algorithm),
        public_key: None,
        legacy: old.legacy.then_some(true),
        hmac_sha1: old.hmac_sha1.then_some(true),
    };
    let issued = client.issue_key(&new).await.map_err(context.failed_doing(f::LOOK_KEYS))?;
    let path = directory.join(format!("{}-{}.toml", old.app, issued.access_key));
    let key = (issued.access_key.clone(), algorithm);
    let secret = issued.secret_key.as_ref();
    profile::write(lang, &path, loaded.profile.urls.clone(), authority, key, secret)
        .map_err(|failure| failure.fix(context.out.text(f::LOOK_KEYS)))?;
    client.revoke_key(&old.access_key, ends_at).await.map_err(context.failed())?;
    Ok((issued.access_key, path.display().to_string()))
}

/// A directory that its owner alone can enter; one that is there stays as it is.
fn make_directory(out: &Out, path: &Path) -> Result<(), Failure> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| Failure::file(out.lang, path, &error))
}

/// So many days from now, by the cluster's date: a clock that is ahead would name a moment that is refused.
/// None is at once.
fn ends_at(now: Moment, days: u32) -> Option<String> {
    (days > 0).then(|| now.plus(DAY * days).to_string())
}

fn nothing(out: &Out, node: NodeId) -> Exit {
    if out.is_table() {
        out.say(out.text(t::EXPOSED_NONE));
    } else {
        out.json("lgsp.keys.renewed/1", json!({ "renewed": [], "node": node }));
    }
    Exit::Ok
}

fn not_removed(out: &Out, node: NodeId) -> Failure {
    Failure::new(Exit::NotFound, out.fill(t::NOT_REMOVED, &[("node", &node)]))
        .fix(out.text(f::FIX_NODE_UNKNOWN))
        .code(1006)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: u8, algorithm: &str, issued_tick: u64) -> Key {
        serde_json::from_value(json!({
            "access_key": model::AccessKey::from_random([name; 20]),
            "app": "qlvb-01",
            "algorithm": algorithm,
            "status": "active",
            "issued_at": "2026-11-28T04:59:59.000Z",
            "issued_tick": issued_tick,
        }))
        .expect("a key")
    }

    fn removed(tick: Option<u64>) -> NodeStatus {
        serde_json::from_value(json!({
            "node": 3, "role": "removed", "removed_at": "2026-11-28T05:00:00.000Z", "removed_tick": tick
        }))
        .expect("a node")
    }

    #[test]
    fn exposed_is_what_a_removed_node_could_read_and_still_signs() {
        let mut keys = vec![
            key(1, "hmac-sha256", 1000),
            key(2, "ed25519", 1000),
            key(3, "hmac-sha256", 1001),
            key(4, "hmac-sha256", 999),
            key(5, "hmac-sha256", 999),
        ];
        keys[3].status = "revoked".into();
        keys[4].ends_at = Some("2026-12-05T05:00:00.000Z".into());
        let found = |keys: &[Key], tick| {
            let exposed = exposed(keys, &removed(tick)).into_iter();
            exposed.map(|key| key.access_key.clone()).collect::<Vec<_>>()
        };
        assert_eq!(found(&keys, Some(1000)), [keys[0].access_key.clone()]);
        // Dates that stepped back, or forth, change nothing.
        keys[0].issued_at = Some("2026-11-28T06:00:00.000Z".into());
        keys[2].issued_at = Some("2026-11-27T00:00:00.000Z".into());
        assert_eq!(found(&keys, Some(1000)), [keys[0].access_key.clone()]);
        // What is not told is taken for exposed.
        keys[0].issued_tick = None;
        assert_eq!(found(&keys, Some(0)), [keys[0].access_key.clone()]);
        assert_eq!(found(&keys, None).len(), 2);
    }
}
