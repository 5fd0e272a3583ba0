//! A profile: how the command line reaches a cluster, and what it signs with.
//!
//! The secret itself is in a file of its own, so that a profile can be shown; both belong to
//! their owner alone.

use std::{
    io::Write,
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use certs::Access;
use client::{Client, Credentials, Options, Secret, Trust};
use model::{AccessKey, KeyAlgorithm};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde::{Deserialize, Serialize};

use crate::{
    cli::{Exit, Failure, Global},
    config::ApiUrl,
    texts::{Lang, failures as t, reasons},
    written,
};

/// A profile as it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The nodes' APIs, in the order they are tried.
    pub urls: Vec<ApiUrl>,
    /// The other nodes' APIs, as the cluster has told: tried after those.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learned: Vec<ApiUrl>,
    /// The authority to trust: PEM, or the path of a PEM file.
    pub authority: String,
    /// The access key.
    pub access_key: AccessKey,
    /// Its algorithm.
    #[serde(default = "hmac")]
    pub algorithm: KeyAlgorithm,
    /// The file of its secret key, or of its private key; relative to the profile.
    pub secret_file: PathBuf,
}

impl Profile {
    /// Every address of the cluster, in the order they are tried.
    pub fn all_urls(&self) -> Vec<ApiUrl> {
        let more = self.learned.iter().filter(|url| !self.urls.contains(url));
        self.urls.iter().chain(more).cloned().collect()
    }
}

fn hmac() -> KeyAlgorithm {
    KeyAlgorithm::HmacSha256
}

/// A profile that was read, and where.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Where it was read.
    pub path: PathBuf,
    /// What it says.
    pub profile: Profile,
    lang: Lang,
}

/// Where the profile is: the flag or LGSP_PROFILE, else the user's configuration directory.
pub fn path(global: &Global) -> PathBuf {
    if let Some(path) = &global.profile {
        return path.clone();
    }
    let directory = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".config")))
        .unwrap_or_default();
    directory.join("lgsp/profile.toml")
}

impl Loaded {
    /// Reads the profile that the arguments name.
    pub fn find(global: &Global, lang: Lang) -> Result<Self, Failure> {
        Self::read(&path(global), lang)
    }

    /// Reads a profile.
    pub fn read(path: &Path, lang: Lang) -> Result<Self, Failure> {
        let shown = path.display();
        let text = written::read(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Failure::new(Exit::NotFound, t::PROFILE_MISSING.fill(lang, &[("path", &shown)]))
                    .fix(t::FIX_PROFILE_MISSING.in_lang(lang))
                    .code(9301)
            }
            _ => Failure::file(lang, path, &error),
        })?;
        let profile: Profile = written::from_toml(&text).map_err(|misplaced| {
            let values: [(&str, &dyn std::fmt::Display); 3] = [
                ("line", &misplaced.line),
                ("column", &misplaced.column),
                ("reason", &misplaced.reason.in_lang(lang)),
            ];
            wrong(lang, path, &t::PROFILE_MALFORMED.fill(lang, &values))
        })?;
        if profile.urls.is_empty() {
            return Err(wrong(lang, path, &format!("urls: {}", t::UNFIT_NO_URL.in_lang(lang))));
        }
        Ok(Self { path: path.to_owned(), profile, lang })
    }

    /// The path as people see it.
    pub fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// A client that signs with the profile's key.
    pub fn client(&self, timeout: std::time::Duration) -> Result<Client, Failure> {
        self.client_of(self.profile.all_urls().iter().map(ToString::to_string).collect(), timeout)
    }

    /// Takes over where the nodes are, as the cluster tells. The file is replaced whole; owner and mode
    /// stay. Nothing else in it changes, what its owner has written included.
    pub fn learn(&self, told: &[ApiUrl]) -> std::io::Result<()> {
        let learned: Vec<&ApiUrl> =
            told.iter().filter(|url| !self.profile.urls.contains(url)).collect();
        if learned.iter().copied().eq(&self.profile.learned) {
            return Ok(());
        }
        // A link stays one.
        let path = std::fs::canonicalize(&self.path)?;
        let text = std::fs::read_to_string(&path)?;
        let (mark, text) = written::mark_and_rest(&text);
        let quoted: Vec<String> = learned.iter().map(|url| format!("\"{url}\"")).collect();
        let line = format!("{LEARNED}[{}]\n", quoted.join(", "));
        let kept = text.split_inclusive('\n').filter(|line| !line.starts_with(LEARNED));
        let text = std::iter::once(line.as_str()).chain(kept).collect::<String>();
        // Whoever has written the line in another way keeps it so.
        let reads = toml::from_str::<Profile>(&text).is_ok_and(|profile| {
            profile.urls == self.profile.urls && profile.learned.iter().eq(learned)
        });
        if reads { replace(&path, &format!("{mark}{text}")) } else { Ok(()) }
    }

    /// Takes over whom to trust, as the cluster tells (PEM): a profile that trusts an authority of the
    /// cluster follows its rotation, in the profile itself or in the file that it names. Authorities of
    /// others stay.
    ///
    /// Answers the authority where it is another than before.
    pub fn follow(&self, told: &str) -> Result<Option<CertificateDer<'static>>, String> {
        let ours = self.authority().map_err(|failure| failure.what.clone())?;
        let Some(new) = followed(&ours, told)? else { return Ok(None) };
        let replaced = self.replace_authority(&new).map_err(|error| error.to_string())?;
        Ok(replaced.then(|| new[0].clone()))
    }

    /// Whom to trust, if this profile followed what the cluster tells now (PEM).
    pub fn authority_as_told(&self, told: &str) -> Result<Vec<CertificateDer<'static>>, Failure> {
        let ours = self.authority()?;
        let new = followed(&ours, told).map_err(|why| wrong(self.lang, &self.path, &why))?;
        Ok(new.unwrap_or(ours))
    }

    fn replace_authority(&self, new: &[CertificateDer<'static>]) -> std::io::Result<bool> {
        let pem = certs::certificates_to_pem(new);
        if !self.is_inline() {
            let path = std::fs::canonicalize(self.beside(Path::new(&self.profile.authority)))?;
            // A file with more in it than certificates is its owner's.
            if std::fs::read_to_string(&path)?.contains("PRIVATE KEY") {
                return Ok(false);
            }
            return replace(&path, &pem).map(|()| true);
        }
        // A link stays one.
        let path = std::fs::canonicalize(&self.path)?;
        let text = std::fs::read_to_string(&path)?;
        let (mark, text) = written::mark_and_rest(&text);
        let (Some(from), Some(to)) = (text.find(PEM_BEGIN), text.rfind(PEM_END)) else {
            return Ok(false);
        };
        let text = format!("{}{}{}", &text[..from], pem.trim_end(), &text[to + PEM_END.len()..]);
        // Whoever has written it in another way keeps it so.
        let reads = toml::from_str::<Profile>(&text).is_ok_and(|profile| {
            profile.authority.trim() == pem.trim() && profile.urls == self.profile.urls
        });
        if reads { replace(&path, &format!("{mark}{text}")).map(|()| true) } else { Ok(false) }
    }

    fn is_inline(&self) -> bool {
        self.profile.authority.trim_start().starts_with("-----BEGIN")
    }

    /// The same for these nodes alone.
    pub fn client_of(
        &self,
        urls: Vec<String>,
        timeout: std::time::Duration,
    ) -> Result<Client, Failure> {
        let trust = Trust::Authorities(self.authority()?.iter().map(|der| der.to_vec()).collect());
        let mut options = Options::new(urls, trust, Some(self.credentials()?));
        options.language = self.lang.for_client();
        options.timeout = timeout;
        options.patience = timeout;
        Client::new(options).map_err(|error| Failure::client(self.lang, &self.shown(), &error))
    }

    /// The authority's certificates.
    pub fn authority(&self) -> Result<Vec<CertificateDer<'static>>, Failure> {
        let text = &self.profile.authority;
        let pem = if self.is_inline() {
            text.clone().into_bytes()
        } else {
            let path = self.beside(Path::new(text));
            let read = written::read_pem(&path);
            read.map_err(|error| Failure::file(self.lang, &path, &error))?.to_vec()
        };
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        all.ok()
            .filter(|all| !all.is_empty())
            .ok_or_else(|| wrong(self.lang, &self.path, t::PROFILE_AUTHORITY.in_lang(self.lang)))
    }

    fn credentials(&self) -> Result<Credentials, Failure> {
        let path = self.beside(&self.profile.secret_file);
        let failed = |error: std::io::Error| Failure::file(self.lang, &path, &error);
        let metadata = std::fs::metadata(&path).map_err(failed)?;
        if metadata.mode() & 0o077 != 0 {
            return Err(Failure::new(
                Exit::NotPermitted,
                t::FILE.fill(self.lang, &[("path", &path.display())]),
            )
            .why(t::PROFILE_OPEN.in_lang(self.lang))
            .fix(t::FIX_PROFILE_OPEN.fill(self.lang, &[("path", &path.display())]))
            .code(9303));
        }
        let text = written::read(&path).map_err(failed)?;
        let key = self.profile.access_key.clone();
        match self.profile.algorithm {
            KeyAlgorithm::HmacSha256 => Ok(Credentials::hmac(key, &Secret::new(text.trim()))),
            algorithm => {
                Credentials::private_key(key, algorithm, text.as_bytes()).map_err(|error| {
                    let what = match &error {
                        client::Error::Options { what } => reasons::of_setup(self.lang, what),
                        other => other.to_string(),
                    };
                    wrong(self.lang, &path, &what)
                })
            }
        }
    }

    fn beside(&self, file: &Path) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(file)
    }
}

/// Whom to trust after what a cluster tells (PEM), given whom to trust now; none where nothing changes. Of the
/// cluster's authorities it is the one that is told; those of others stay.
fn followed(
    ours: &[CertificateDer<'static>],
    told: &str,
) -> Result<Option<Vec<CertificateDer<'static>>>, String> {
    let told: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(told.as_bytes()).collect();
    let told = told.map_err(|error| error.to_string())?;
    let Some(first) = told.first() else { return Ok(None) };
    let is_the_clusters =
        |our: &CertificateDer<'static>| certs::are_of_one_cluster(our, first).unwrap_or(false);
    // Who has come to trust the cluster by another authority goes on doing so.
    if !ours.iter().any(is_the_clusters) {
        return Ok(None);
    }
    let others = ours.iter().filter(|our| !is_the_clusters(our));
    let new: Vec<_> = told.iter().chain(others).cloned().collect();
    Ok((new != ours).then_some(new))
}

/// How a certificate in PEM begins, and how it ends.
const PEM_BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const PEM_END: &str = "-----END CERTIFICATE-----";

/// How the line of a profile begins that the program keeps itself.
const LEARNED: &str = "learned = ";

/// Writes a file anew, whole or not at all, with the owner and the mode that it has.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let before = std::fs::metadata(path)?;
    let fresh = path.with_extension(format!("{}.new", std::process::id()));
    let written = (|| {
        let mut file =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        let made = file.metadata()?;
        if (made.uid(), made.gid()) != (before.uid(), before.gid()) {
            std::os::unix::fs::fchown(&file, Some(before.uid()), Some(before.gid()))?;
        }
        file.set_permissions(before.permissions())?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)
    })();
    if written.is_err() {
        // The first error matters more; what stays behind holds no secret.
        std::fs::remove_file(&fresh).ok();
    }
    written
}

fn wrong(lang: Lang, path: &Path, why: &str) -> Failure {
    Failure::new(Exit::Usage, t::PROFILE_WRONG.fill(lang, &[("path", &path.display())]))
        .why(why)
        .fix(t::FIX_PROFILE_WRONG.in_lang(lang))
        .code(9302)
}

/// Where a profile's secret lies: beside it.
pub fn secret_path(profile: &Path) -> PathBuf {
    profile.with_extension("secret")
}

/// Files that will hold a secret. They are made before the secret exists, for one that cannot be
/// written afterwards is lost; dropped unused, they are gone again.
#[derive(Debug)]
pub struct Reserved {
    made: Vec<PathBuf>,
}

impl Reserved {
    /// Makes the files, for their owner alone. One that is there is refused, or kept for `write` to
    /// replace if it was said that it may be.
    pub fn make(lang: Lang, paths: &[PathBuf], replace: bool) -> Result<Self, Failure> {
        let mut reserved = Self { made: Vec::new() };
        for path in paths {
            let mut options = std::fs::OpenOptions::new();
            options.write(true).mode(0o600);
            match options.create_new(true).open(path) {
                Ok(_) => reserved.made.push(path.clone()),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                    if !replace {
                        let what = t::SECRET_THERE.fill(lang, &[("path", &path.display())]);
                        return Err(Failure::new(Exit::Conflict, what)
                            .why(t::SECRET_THERE_WHY.in_lang(lang))
                            .fix(t::FIX_SECRET_THERE.in_lang(lang))
                            .code(9305));
                    }
                }
                Err(error) => return Err(Failure::file(lang, path, &error)),
            }
        }
        Ok(reserved)
    }

    /// The secret is in them, or goes there now.
    pub fn keep(mut self) {
        self.made.clear();
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        for path in &self.made {
            // An empty file that stays behind is told by the next try.
            std::fs::remove_file(path).ok();
        }
    }
}

/// Writes a secret where its owner alone can read it.
pub fn write_secret(lang: Lang, path: &Path, secret: &Secret) -> Result<(), Failure> {
    write_private(lang, path, format!("{}\n", secret.expose()).as_bytes())
}

/// Writes a profile, and the secret in a file beside it (`….secret`).
pub fn write(
    lang: Lang,
    path: &Path,
    urls: Vec<ApiUrl>,
    authority: &[CertificateDer<'_>],
    key: (AccessKey, KeyAlgorithm),
    secret: Option<&Secret>,
) -> Result<(), Failure> {
    let secret_path = secret_path(path);
    if let Some(secret) = secret {
        write_secret(lang, &secret_path, secret)?;
    }
    let profile = Profile {
        urls,
        learned: Vec::new(),
        authority: certs::certificates_to_pem(authority),
        access_key: key.0,
        algorithm: key.1,
        secret_file: secret_path.file_name().unwrap_or_default().into(),
    };
    let text = toml::to_string_pretty(&profile).expect("a profile is a table of texts");
    write_private(lang, path, text.as_bytes())
}

fn write_private(lang: Lang, path: &Path, octets: &[u8]) -> Result<(), Failure> {
    certs::write_file(path, octets, Access::Secret)
        .map_err(|error| Failure::unwritten(lang, path, &error))?;
    // A file that was there before keeps no wider rights.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(|error| Failure::file(lang, path, &error))
}
