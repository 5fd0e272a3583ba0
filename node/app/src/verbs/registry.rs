//! Units, applications and keys.

use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
};

use client::{App, By, Client, IssuedKey, Key, NewApp, NewKey, NewUnit, Page, Unit};
use model::{AccessKey, KeyAlgorithm, UnitCode};
use rustls_pki_types::CertificateDer;
use serde_json::json;

use super::{Context, Done};
use crate::{
    cli::{Exit, Failure, IssueArgs, ListArgs, Out},
    profile::{self, Loaded, Reserved},
    texts::{Lang, failures as t, states, words as w},
    written,
};

/// Adds one unit.
pub async fn add_unit(context: &Context, unit: NewUnit) -> Done {
    let (client, _) = context.client()?;
    client
        .add_units(std::slice::from_ref(&unit))
        .await
        .map_err(context.failed_doing(t::LOOK_UNITS))?;
    if context.out.is_table() {
        context.out.done(w::DONE_UNIT_ADDED, &[("code", &unit.code)]);
    } else {
        context.out.json("lgsp.unit.added/1", &unit);
    }
    Ok(Exit::Ok)
}

/// Shows one unit.
pub async fn show_unit(context: &Context, code: &UnitCode) -> Done {
    let (client, _) = context.client()?;
    let unit = client.unit(code).await.map_err(context.failed())?;
    if context.out.is_table() {
        show_units(&context.out, vec![unit]);
    } else {
        context.out.json("lgsp.unit/1", unit);
    }
    Ok(Exit::Ok)
}

/// Lists units.
pub async fn list_units(context: &Context, list: ListArgs) -> Done {
    let (client, _) = context.client()?;
    let page =
        collect(limit(&list), async |cursor, limit| client.units(None, cursor, limit).await).await;
    finish(context, "lgsp.units/1", page.map_err(context.failed())?, show_units)
}

/// Searches units.
pub async fn search_units(context: &Context, words: &str, limit: u32) -> Done {
    let (client, _) = context.client()?;
    let page = client.units(Some(words), None, limit).await.map_err(context.failed())?;
    finish(context, "lgsp.units/1", Page { next: None, ..page }, show_units)
}

fn show_units(out: &Out, units: Vec<Unit>) {
    let rows = units.into_iter().map(|unit| {
        vec![
            unit.code.to_string(),
            unit.name,
            states::kind(out.lang, &unit.kind),
            unit.parent.map(|code| code.to_string()).unwrap_or_default(),
        ]
    });
    out.rows(&[w::COL_CODE, w::COL_NAME, w::COL_KIND, w::COL_PARENT], rows.collect());
}

/// Adds an application.
pub async fn add_app(context: &Context, app: NewApp) -> Done {
    let (client, _) = context.client()?;
    client.add_app(&app).await.map_err(context.failed_doing(t::LOOK_APPS))?;
    if context.out.is_table() {
        context.out.done(w::DONE_APP_ADDED, &[("app", &app.app), ("unit", &app.unit)]);
        let next = format!("lgsp key issue {} --profile-file {}.toml", app.app, app.app);
        context.out.say(format_args!("{}\n  {next}", context.out.text(w::NEXT)));
    } else {
        context.out.json("lgsp.app.added/1", &app);
    }
    Ok(Exit::Ok)
}

/// Lists applications.
pub async fn list_apps(context: &Context, list: ListArgs) -> Done {
    let (client, _) = context.client()?;
    let page = collect(limit(&list), async |cursor, limit| client.apps(cursor, limit).await).await;
    finish(context, "lgsp.apps/1", page.map_err(context.failed())?, |out, apps: Vec<App>| {
        let rows = apps.into_iter().map(|app| {
            let targets: Vec<String> = app.targets.iter().map(ToString::to_string).collect();
            let grants = app.grants.iter().map(|word| states::grant(out.lang, word));
            let grants: Vec<String> = grants.collect();
            let targets = if targets.is_empty() {
                out.text(w::ALL_UNITS).to_owned()
            } else {
                targets.join(", ")
            };
            vec![
                app.app.to_string(),
                app.unit.map(|unit| unit.to_string()).unwrap_or_default(),
                app.name,
                grants.join(", "),
                targets,
                by(app.added_by),
            ]
        });
        out.rows(
            &[w::COL_APP, w::COL_UNIT, w::COL_NAME, w::COL_GRANTS, w::COL_TARGETS, w::COL_BY],
            rows.collect(),
        );
    })
}

/// Issues a key; its secret goes to a file, or once to the terminal.
pub async fn issue_key(context: &Context, args: IssueArgs) -> Done {
    let out = &context.out;
    let (client, loaded) = context.client()?;
    // Said before a key exists: afterwards its secret would be lost.
    let to_file = args.secret_file.is_some() || args.profile_file.is_some();
    if args.algorithm.is_symmetric() && !to_file && !std::io::stdout().is_terminal() {
        return Err(Failure::new(Exit::Usage, out.text(t::SECRET_REFUSED))
            .why(out.text(t::SECRET_NOWHERE))
            .fix(out.text(t::FIX_SECRET))
            .code(9304));
    }
    let public_key = match &args.public_key {
        Some(path) => Some(public_key_of(out.lang, path)?),
        None => None,
    };
    let authority = match &args.profile_file {
        Some(_) => super::authority::settled(context, &client, &loaded).await?,
        None => Vec::new(),
    };
    let files = Reserved::make(out.lang, &files_of(&args), args.yes)?;
    let key = NewKey {
        app: args.app.clone(),
        algorithm: Some(args.algorithm),
        public_key,
        legacy: args.legacy.then_some(true),
        hmac_sha1: args.hmac_sha1.then_some(true),
    };
    let issued = client.issue_key(&key).await.map_err(context.failed_doing(t::LOOK_KEYS))?;
    files.keep();
    // The key is there, but nobody holds its secret: that is worth more words than a full disk.
    keep(out.lang, &args, (&loaded, &authority), args.algorithm, &issued)
        .map_err(|failure| failure.fix(out.text(t::LOOK_KEYS)))?;
    told(out, &args, &issued, to_file);
    Ok(Exit::Ok)
}

/// An agency's public key.
pub fn public_key_of(lang: Lang, path: &Path) -> Result<String, Failure> {
    let read = written::read(path).map_err(|error| Failure::file(lang, path, &error))?;
    // The cluster would refuse it, but then it would have left its owner.
    if read.contains("PRIVATE KEY-----") {
        let values: [(&str, &dyn std::fmt::Display); 1] = [("path", &path.display())];
        return Err(Failure::new(Exit::Usage, t::KEY_PRIVATE.fill(lang, &values))
            .why(t::KEY_PRIVATE_WHY.in_lang(lang))
            .fix(t::FIX_KEY_PRIVATE.fill(lang, &values))
            .code(9306));
    }
    Ok(read.to_string())
}

/// The files that will hold what was issued.
fn files_of(args: &IssueArgs) -> Vec<PathBuf> {
    let secret = args.profile_file.as_deref().map(profile::secret_path);
    let secret = args.secret_file.clone().or(secret).filter(|_| args.algorithm.is_symmetric());
    args.profile_file.iter().cloned().chain(secret).collect()
}

fn keep(
    lang: Lang,
    args: &IssueArgs,
    (loaded, authority): (&Loaded, &[CertificateDer<'static>]),
    algorithm: KeyAlgorithm,
    issued: &IssuedKey,
) -> Result<(), Failure> {
    if let (Some(path), Some(secret)) = (&args.secret_file, &issued.secret_key) {
        profile::write_secret(lang, path, secret)?;
    }
    if let Some(path) = &args.profile_file {
        let key = (issued.access_key.clone(), algorithm);
        let secret = issued.secret_key.as_ref();
        profile::write(lang, path, loaded.profile.all_urls(), authority, key, secret)?;
    }
    Ok(())
}

fn told(out: &Out, args: &IssueArgs, issued: &IssuedKey, to_file: bool) {
    let secret = issued.secret_key.as_ref().filter(|_| !to_file).map(client::Secret::expose);
    if !out.is_table() {
        let mut document = json!({ "access_key": issued.access_key, "app": args.app, "algorithm": issued.algorithm });
        let members = [
            ("secret_key", secret.map(str::to_owned)),
            ("secret_file", args.secret_file.as_ref().map(|path| path.display().to_string())),
            ("profile_file", args.profile_file.as_ref().map(|path| path.display().to_string())),
        ];
        for (name, value) in members {
            if let Some(value) = value {
                document[name] = json!(value);
            }
        }
        return out.json("lgsp.key.issued/1", document);
    }
    out.done(
        w::DONE_KEY_ISSUED,
        &[("key", &issued.access_key), ("app", &args.app), ("algorithm", &issued.algorithm)],
    );
    if let Some(path) = &args.secret_file {
        out.done(w::SECRET_WRITTEN, &[("path", &path.display())]);
    }
    if let Some(path) = &args.profile_file {
        out.done(w::PROFILE_WRITTEN, &[("path", &path.display())]);
        let next = format!("lgsp packet list --inbox --profile {}", super::founding::quoted(path));
        out.say(format_args!("{}\n  {next}", out.text(w::NEXT)));
    }
    if let Some(secret) = secret {
        out.say(out.text(w::SECRET_ONCE));
        out.print(secret);
    }
}

/// Lists keys.
pub async fn list_keys(context: &Context, list: ListArgs) -> Done {
    let (client, _) = context.client()?;
    let page = collect(limit(&list), async |cursor, limit| client.keys(cursor, limit).await).await;
    finish(context, "lgsp.keys/1", page.map_err(context.failed())?, |out, keys: Vec<Key>| {
        let rows = keys.into_iter().map(|key| {
            let note = match (key.hmac_sha1, key.legacy) {
                (true, _) => out.text(w::HMAC_SHA1),
                (false, true) => out.text(w::LEGACY),
                _ => "",
            };
            vec![
                key.access_key.to_string(),
                key.app.to_string(),
                key.algorithm,
                states::key(out.lang, &key.status),
                by(key.issued_by),
                by(key.revoked_by),
                note.to_owned(),
            ]
        });
        out.rows(
            &[
                w::COL_KEY,
                w::COL_APP,
                w::COL_ALGORITHM,
                w::COL_STATUS,
                w::COL_ISSUED_BY,
                w::COL_REVOKED_BY,
                w::COL_NOTES,
            ],
            rows.collect(),
        );
    })
}

/// The application of whoever did something, for a table.
fn by(by: Option<By>) -> String {
    by.map(|by| by.app.to_string()).unwrap_or_default()
}

/// Every key, up to a limit.
pub async fn all_keys(client: &Client, max: u32) -> Result<Vec<Key>, client::Error> {
    Ok(collect(max, async |cursor, limit| client.keys(cursor, limit).await).await?.items)
}

/// Revokes a key, after asking for its name.
pub async fn revoke_key(context: &Context, key: AccessKey, yes: bool) -> Done {
    let (client, _) = context.client()?;
    context.confirm(w::ASK_REVOKE, key.as_str(), yes)?;
    client.revoke_key(&key, None).await.map_err(context.failed())?;
    if context.out.is_table() {
        context.out.done(w::DONE_KEY_REVOKED, &[("key", &key)]);
    } else {
        context.out.json("lgsp.key.revoked/1", json!({ "access_key": key, "status": "revoked" }));
    }
    Ok(Exit::Ok)
}

/// How many items a list is asked for.
pub fn limit(list: &ListArgs) -> u32 {
    if list.all { u32::MAX } else { list.limit }
}

/// Pages until there are enough; what is left over is said by a cursor that is still there.
pub async fn collect<T>(
    max: u32,
    fetch: impl AsyncFn(Option<&str>, u32) -> Result<Page<T>, client::Error>,
) -> Result<Page<T>, client::Error> {
    let mut all = Page { items: Vec::new(), next: None };
    loop {
        let left = max - u32::try_from(all.items.len()).unwrap_or(max).min(max);
        let page = fetch(all.next.as_deref(), left.min(client::PAGE_MAX)).await?;
        let empty = page.items.is_empty();
        all.items.extend(page.items);
        all.next = page.next;
        if all.next.is_none() || empty || all.items.len() >= max as usize {
            return Ok(all);
        }
    }
}

/// Prints a list.
pub fn finish<T: serde::Serialize>(
    context: &Context,
    schema: &str,
    page: Page<T>,
    show: impl FnOnce(&Out, Vec<T>),
) -> Done {
    let out = &context.out;
    if !out.is_table() {
        out.json(schema, json!({ "items": page.items, "more": page.next.is_some() }));
        return Ok(Exit::Ok);
    }
    let more = page.next.is_some();
    show(out, page.items);
    if more {
        out.say(out.text(w::MORE));
    }
    Ok(Exit::Ok)
}
