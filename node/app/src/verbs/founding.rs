//! `init` and `join`: a node's directory, its configuration, and what to type next.

use std::path::{Path, PathBuf};

use certs::{Access, JoinToken};
use rustls_pki_types::CertificateDer;
use serde_json::json;

use super::{Context, Done};
use crate::{
    cli::{Exit, Failure, InitArgs, JoinArgs, NodeArgs, Out},
    config::{self, Api, Config, Mesh},
    node::{self, AUTHORITY_PEM},
    options::{InitOptions, JoinOptions},
    profile,
    texts::{failures as t, reasons, words},
    written,
};

/// The administrator's profile in a data directory.
pub const ADMIN_PROFILE: &str = "admin.toml";

/// Founds a cluster.
pub async fn init(context: &Context, args: InitArgs) -> Done {
    let out = &context.out;
    let config = prepare(out, "lgsp init", &args.node)?;
    let directory = config.data_dir.clone();
    let options = InitOptions {
        config: config.clone(),
        cluster_name: args.cluster_name.clone(),
        zone: args.zone.clone(),
    };
    let founded =
        node::init(options).await.map_err(|error| Failure::node(out.lang, t::FAILED, &error))?;
    let authority = [CertificateDer::from(founded.authority)];
    write_config(out, &config)?;
    let admin = directory.join(ADMIN_PROFILE);
    let key = (founded.access_key.clone(), model::KeyAlgorithm::HmacSha256);
    profile::write(
        out.lang,
        &admin,
        config.api.public_urls.clone(),
        &authority,
        key,
        Some(&founded.secret_key),
    )?;

    let commands = next_commands(&config, &admin, &args.node);
    if !out.is_table() {
        out.json("lgsp.init/1", json!({
            "node": founded.node, "cluster": founded.cluster, "name": args.cluster_name, "zone": args.zone,
            "data_dir": directory, "config": directory.join(config::FILE), "admin_profile": admin,
            "authority": directory.join(AUTHORITY_PEM), "fingerprint": fingerprint(&authority[0]),
            "access_key": founded.access_key, "next": commands.iter().map(|(_, line)| line).collect::<Vec<_>>(),
        }));
        return Ok(Exit::Ok);
    }
    out.done(
        words::FOUNDED,
        &[
            ("name", &args.cluster_name),
            ("zone", &args.zone),
            ("node", &founded.node),
            ("path", &directory.display()),
        ],
    );
    out.done(words::FINGERPRINT, &[("fingerprint", &fingerprint(&authority[0]))]);
    out.done(words::ADMIN_PROFILE, &[("path", &admin.display())]);
    out.say(format_args!("\n{}", out.text(words::NEXT)));
    for (text, line) in commands {
        out.say(format_args!("  {}", out.fill(text, &[("command", &line)])));
    }
    Ok(Exit::Ok)
}

/// Joins a cluster.
pub async fn join(context: &Context, args: JoinArgs) -> Done {
    let out = &context.out;
    let token = token_of(out, &args.token)?;
    let config = prepare(out, "lgsp join", &args.node)?;
    let directory = config.data_dir.clone();
    let existed = directory.exists();
    let options = JoinOptions { config: config.clone(), url: args.url, token };
    let joined = match node::join(options).await {
        Ok(joined) => joined,
        Err(error) => {
            // What another process has put there in between is not ours to clear.
            if error.downcast_ref::<node::DirectoryError>().is_none() {
                clear(&directory, existed);
            }
            let failure = Failure::node(out.lang, t::FAILED, &error);
            return Err(match error.downcast_ref::<client::Error>() {
                Some(error) if error.is_about_dates() => failure,
                Some(client::Error::Tls { .. }) => failure.fix(out.text(t::FIX_TLS_JOIN)),
                // The token is spent by the first request that is heard.
                Some(error) if error.may_have_happened() => failure.fix(out.text(t::LOOK_JOINED)),
                _ => failure,
            });
        }
    };
    let authority = [CertificateDer::from(joined.authority)];
    write_config(out, &config)?;
    let run = format!("lgsp run --data-dir {}", quoted(&directory));
    if !out.is_table() {
        out.json("lgsp.join/1", json!({
            "node": joined.node, "cluster": joined.cluster, "name": joined.cluster_name, "data_dir": directory,
            "config": directory.join(config::FILE), "fingerprint": fingerprint(&authority[0]), "next": [run],
        }));
        return Ok(Exit::Ok);
    }
    out.done(
        words::JOINED,
        &[("node", &joined.node), ("name", &joined.cluster_name), ("path", &directory.display())],
    );
    out.done(words::FINGERPRINT, &[("fingerprint", &fingerprint(&authority[0]))]);
    out.say(format_args!(
        "\n{}\n  {}",
        out.text(words::NEXT),
        out.fill(words::INIT_NEXT_RUN, &[("command", &run)])
    ));
    Ok(Exit::Ok)
}

/// A join token. One that was saved in a file may have brought the file's mark along.
pub fn token_of(out: &Out, text: &str) -> Result<JoinToken, Failure> {
    written::without_mark(text).trim().parse().map_err(|error: certs::Error| {
        Failure::new(Exit::Usage, out.text(t::TOKEN_MALFORMED))
            .why(reasons::of_token(out.lang, &error))
            .fix(out.text(t::FIX_TOKEN))
            .code(9202)
    })
}

/// A refused token must not leave a directory behind that the next try finds "not empty". It was
/// empty or absent before, so all that is in it now was made by this process.
fn clear(directory: &Path, existed: bool) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        // What cannot be removed is told by the next try.
        let removed = if path.is_dir() {
            std::fs::remove_dir_all(&path)
        } else {
            std::fs::remove_file(&path)
        };
        removed.ok();
    }
    if !existed {
        std::fs::remove_dir(directory).ok();
    }
}

/// The node's configuration, checked, for a directory that is absent or empty.
fn prepare(out: &Out, command: &str, args: &NodeArgs) -> Result<Config, Failure> {
    let directory = std::path::absolute(&args.data_dir).unwrap_or_else(|_| args.data_dir.clone());
    let taken = std::fs::read_dir(&directory).is_ok_and(|mut entries| entries.next().is_some());
    if taken || directory.is_file() {
        let shown = directory.display();
        return Err(Failure::new(Exit::Conflict, out.fill(t::DATA_DIR, &[("path", &shown)]))
            .why(out.text(t::DATA_DIR_WHY))
            .fix(out.fill(t::FIX_DATA_DIR, &[("path", &shown)]))
            .code(9203));
    }
    let mesh = Mesh {
        listen: args.mesh_listen,
        advertise: args.mesh_advertise.clone(),
        peers: Vec::new(),
    };
    let api = Api {
        listen: args.api_listen,
        public_urls: args.api_url.clone(),
        hosts: args.host.clone(),
        tls_cert: None,
        tls_key: None,
        cors_origins: Vec::new(),
    };
    let config = Config::new(directory, args.name.clone(), mesh, api);
    // There is no file yet: it is the arguments that are wrong.
    config.check().map_err(|error| {
        Failure::new(Exit::Usage, out.text(t::USAGE))
            .why(error.in_lang(out.lang))
            .fix(out.fill(t::USAGE_HELP, &[("command", &command)]))
            .code(9201)
    })?;
    Ok(config)
}

fn write_config(out: &Out, config: &Config) -> Result<(), Failure> {
    // The file lies in the directory, which may be moved as a whole.
    let written = Config { data_dir: ".".into(), ..config.clone() };
    let path = config.data_dir.join(config::FILE);
    let text = config::to_toml(&written);
    certs::write_file(&path, text.as_bytes(), Access::Public)
        .map_err(|error| Failure::unwritten(out.lang, &path, &error))
}

fn next_commands(
    config: &Config,
    admin: &Path,
    args: &NodeArgs,
) -> Vec<(crate::texts::Text, String)> {
    let url = config.api.public_urls.first().map(ToString::to_string).unwrap_or_default();
    let directory = quoted(&config.data_dir);
    let ports = format!(
        "--mesh-listen 0.0.0.0:{} --mesh-advertise HOST:{} --api-listen 0.0.0.0:{} --api-url https://HOST:{}",
        args.mesh_listen.port(),
        config.mesh.advertise.port,
        args.api_listen.port(),
        args.api_listen.port(),
    );
    let profile = quoted(admin);
    vec![
        (words::INIT_NEXT_RUN, format!("lgsp run --data-dir {directory}")),
        (words::INIT_NEXT_TOKEN, format!("lgsp member token --profile {profile}")),
        (
            words::INIT_NEXT_JOIN,
            format!("LGSP_JOIN_TOKEN=jn_… lgsp join {url} --data-dir DIR --name nut-2 {ports}"),
        ),
        (words::INIT_NEXT_STATUS, format!("lgsp status --profile {profile}")),
    ]
}

/// A path as a shell takes it.
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = text.bytes().all(|c| c.is_ascii_alphanumeric() || b"/._-~+=:@,".contains(&c));
    if plain { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// The SHA-256 of the authority's certificate, in groups that people compare.
pub fn fingerprint(authority: &CertificateDer<'_>) -> String {
    let hex = hex::encode_upper(&certs::sha256(authority)[..16]);
    hex.as_bytes()
        .chunks(4)
        .map(|group| String::from_utf8_lossy(group).into_owned())
        .collect::<Vec<_>>()
        .join("-")
}

/// The configuration that `run` uses: the file, or the one in the data directory.
pub fn config_path(config: Option<PathBuf>, data_dir: Option<PathBuf>) -> PathBuf {
    config.unwrap_or_else(|| data_dir.unwrap_or_else(|| "/var/lib/lgsp".into()).join(config::FILE))
}
