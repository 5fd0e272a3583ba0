//! What went wrong, as people are told: what, why, how to mend, which code.

use std::{error::Error as _, path::Path};

use client::Problem;
use serde::{Serialize, Serializer};

use crate::{
    texts::{Lang, Text, failures as t, reasons},
    written::Encoding,
};

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It is done.
    Ok = 0,
    /// It could not be done.
    Failed = 1,
    /// The command is not written right.
    Usage = 2,
    /// It is done, but the cluster is degraded.
    Degraded = 3,
    /// The cluster cannot be reached, or not in time.
    Unreachable = 4,
    /// It is not permitted.
    NotPermitted = 5,
    /// There is no such thing.
    NotFound = 6,
    /// Something else has happened in between.
    Conflict = 7,
    /// This node was removed from its cluster: starting it again does not help.
    Removed = 8,
    /// This node lives elsewhere, or its directory is a copy: starting it again does not help.
    Twice = 9,
}

impl Serialize for Exit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(*self as u8)
    }
}

/// One failure. On the heap: results should be small where all goes well.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Failure(Box<Details>);

/// What a failure tells.
#[derive(Debug, Clone, Serialize)]
pub struct Details {
    /// What happened.
    pub what: String,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The command to type, or what to look at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// The stable code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What the operator finds in the logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// The exit code.
    pub exit: Exit,
    /// The technical chain, for `--debug`.
    #[serde(skip)]
    pub chain: Vec<String>,
}

impl Failure {
    /// A failure of which only the sentence is known yet.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        let what = what.into();
        Self(Box::new(Details {
            what,
            why: None,
            fix: None,
            code: None,
            trace: None,
            exit,
            chain: Vec::new(),
        }))
    }

    /// Says why.
    pub fn why(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into()).filter(|why: &String| !why.is_empty());
        self
    }

    /// Says how to mend it.
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// Gives it a code of the command line's own, 9000 and above.
    pub fn code(mut self, number: u16) -> Self {
        self.code = Some(format!("LGSP-{number}"));
        self
    }

    /// A file that cannot be used.
    pub fn file(lang: Lang, path: &Path, error: &std::io::Error) -> Self {
        let shown = path.display();
        let exit = match error.kind() {
            std::io::ErrorKind::NotFound => Exit::NotFound,
            std::io::ErrorKind::PermissionDenied => Exit::NotPermitted,
            _ => Exit::Failed,
        };
        let fix = match Encoding::of(error) {
            Some(encoding) => encoding.fix(lang, path),
            None => t::FIX_FILE.fill(lang, &[("path", &shown)]),
        };
        let mut failure = Self::new(exit, t::FILE.fill(lang, &[("path", &shown)]))
            .why(reasons::of_io(lang, error))
            .fix(fix)
            .code(9105);
        failure.chain = vec![error.to_string()];
        failure
    }

    /// A configuration that cannot be used.
    pub fn config(lang: Lang, path: &Path, error: &crate::config::Error) -> Self {
        let fix = match error {
            crate::config::Error::Encoding { encoding, .. } => encoding.fix(lang, path),
            _ => t::FIX_CONFIG.fill(lang, &[("path", &path.display())]),
        };
        Self::new(Exit::Usage, t::CONFIG.in_lang(lang)).why(error.in_lang(lang)).fix(fix).code(9201)
    }

    /// What the client says. `profile` is named in what to look at.
    pub fn client(lang: Lang, profile: &str, error: &client::Error) -> Self {
        let mut failure = of_client(lang, profile, error);
        failure.chain = chain(error);
        failure
    }

    /// Whatever stands at the end of a chain of the node's own errors.
    pub fn any(lang: Lang, text: Text, error: &anyhow::Error) -> Self {
        if let Some(error) = error.chain().find_map(|cause| cause.downcast_ref::<client::Error>()) {
            return Self::client(lang, "", error);
        }
        let mut failure = Self::new(Exit::Failed, text.in_lang(lang))
            .why(super::node_failure::technical(lang, format_args!("{error:#}")))
            .code(9001);
        failure.chain = error.chain().map(ToString::to_string).collect();
        failure
    }
}

impl std::ops::Deref for Failure {
    type Target = Details;
    fn deref(&self) -> &Details {
        &self.0
    }
}

impl std::ops::DerefMut for Failure {
    fn deref_mut(&mut self) -> &mut Details {
        &mut self.0
    }
}

fn chain(error: &client::Error) -> Vec<String> {
    let mut all = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        all.push(cause.to_string());
        next = cause.source();
    }
    all
}

fn of_client(lang: Lang, profile: &str, error: &client::Error) -> Failure {
    use client::Error as E;
    let source = match error.refused_certificate() {
        Some(refused) => reasons::of_certificate(lang, refused),
        None => error.source().map(|cause| reasons::of_connection(lang, cause)).unwrap_or_default(),
    };
    match error {
        E::Problem { status, problem } => of_problem(lang, profile, *status, problem),
        E::Unreachable { url, .. } => Failure::new(Exit::Unreachable, t::UNREACHABLE.in_lang(lang))
            .why(format!("{url}: {source}"))
            .fix(match profile {
                // Whoever joins has no profile yet.
                "" => t::FIX_UNREACHABLE_URL.in_lang(lang).to_owned(),
                profile => t::FIX_UNREACHABLE.fill(lang, &[("profile", &profile)]),
            })
            .code(9101),
        E::Tls { url, .. } if error.is_about_dates() => {
            let now = crate::verbs::own_clock();
            Failure::new(Exit::Unreachable, t::TLS_DATES.fill(lang, &[("url", url), ("now", &now)]))
                .why(source)
                .fix(t::FIX_TLS_DATES.in_lang(lang))
                .code(9109)
        }
        E::Tls { url, .. } => Failure::new(Exit::Unreachable, t::TLS.fill(lang, &[("url", url)]))
            .why(source)
            .fix(t::FIX_TLS.fill(lang, &[("profile", &profile)]))
            .code(9102),
        E::Timeout { url, after } => {
            let after = crate::config::Span(*after);
            Failure::new(
                Exit::Unreachable,
                t::TIMEOUT.fill(lang, &[("url", url), ("after", &after)]),
            )
            .fix(t::FIX_RETRY.in_lang(lang))
            .code(9103)
        }
        E::Protocol { url, what } => {
            Failure::new(Exit::Failed, t::PROTOCOL.fill(lang, &[("url", url)]))
                .why(reasons::of_answer(lang, what))
                .fix(t::FIX_PROTOCOL.in_lang(lang))
                .code(9104)
        }
        E::File { path, source } => Failure::file(lang, path, source),
        E::Altered => Failure::new(Exit::Failed, t::ALTERED.in_lang(lang))
            .fix(t::FIX_ALTERED.in_lang(lang))
            .code(9106),
        E::Size { size } => Failure::new(Exit::Failed, t::SIZE.fill(lang, &[("size", size)]))
            .fix(t::FIX_SIZE.in_lang(lang))
            .code(9107),
        E::Options { what } => Failure::new(Exit::Usage, t::CLIENT.in_lang(lang))
            .why(reasons::of_setup(lang, what))
            .fix(t::FIX_PROFILE_WRONG.in_lang(lang))
            .code(9108),
    }
}

fn of_problem(lang: Lang, profile: &str, status: u16, problem: &Problem) -> Failure {
    let exit = match status {
        401 | 403 => Exit::NotPermitted,
        404 | 410 => Exit::NotFound,
        409 | 412 | 423 => Exit::Conflict,
        408 | 429 | 502..=504 => Exit::Unreachable,
        _ => Exit::Failed,
    };
    let title = match problem.title.as_str() {
        "" => t::REFUSED.fill(lang, &[("status", &status)]),
        title => title.to_owned(),
    };
    let mut failure = Failure::new(exit, title);
    let fields = problem.errors.iter();
    let fields = fields.map(|field| match option_of(&field.pointer) {
        // It is about the whole request.
        "" => field.detail.clone(),
        option => format!("{option}: {}", field.detail),
    });
    // What the API has in a field of its own, people read with the rest.
    let reason = problem.more.get("reason").and_then(|reason| reason.as_str());
    let reason = reason.filter(|_| problem.word == "key_unusable");
    let why: Vec<String> = Some(for_people(&problem.detail))
        .into_iter()
        .filter(|text| !text.is_empty())
        .chain(reason.map(|reason| reasons::of_key(lang, reason)))
        .chain(fields)
        .collect();
    failure = failure.why(why.join("; "));
    failure.fix = fix_of(lang, profile, status, problem);
    failure.code = Some(problem.code.clone()).filter(|code| !code.is_empty());
    failure.trace = Some(problem.trace_id.clone()).filter(|trace| !trace.is_empty());
    let (what, why) = match problem.word.as_str() {
        "token_unknown" => (t::TOKEN_UNKNOWN, None),
        "token_used" => (t::TOKEN_USED, Some(t::TOKEN_USED_WHY)),
        "token_expired" => (t::TOKEN_EXPIRED, Some(t::TOKEN_EXPIRED_WHY)),
        _ => return failure,
    };
    failure.what = what.in_lang(lang).to_owned();
    if let Some(why) = why {
        failure.why = Some(why.in_lang(lang).to_owned());
    }
    failure.exit = Exit::Conflict;
    failure
}

/// A detail without the sentences that say what a program should send: who types commands has our own advice
/// instead.
fn for_people(detail: &str) -> String {
    let of_the_api = |sentence: &&str| {
        let others = sentence.replace("`lgsp ", "");
        ["/v1/", " `", "RFC 9421", "HTTP"].iter().any(|mark| others.contains(mark))
    };
    let sentences = detail.split_inclusive(". ").filter(|sentence| !of_the_api(sentence));
    sentences.collect::<String>().trim_end().to_owned()
}

/// The option of the command line that a field of a request comes from.
fn option_of(pointer: &str) -> &str {
    const OPTIONS: [(&str, &str); 11] = [
        ("/targets", "--to"),
        ("/title", "--title"),
        ("/importance", "--importance"),
        ("/media_type", "--type"),
        ("/policy/deliver_by", "--deliver-by"),
        ("/name", "--name"),
        ("/reason", "--reason"),
        ("/unit", "--unit"),
        ("/grants", "--grant"),
        ("/public_key", "--public-key"),
        ("/minutes", "--minutes"),
    ];
    let under = |field: &str| {
        pointer.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let known = OPTIONS.iter().find(|(field, _)| under(field));
    known.map_or_else(|| pointer.trim_start_matches('/'), |(_, option)| option)
}

fn fix_of(lang: Lang, profile: &str, status: u16, problem: &Problem) -> Option<String> {
    let skew =
        problem.more.get("skew_seconds").map(ToString::to_string).unwrap_or_else(|| "?".into());
    let text = match problem.word.as_str() {
        "unit_unknown" | "parent_unknown" => t::FIX_UNIT,
        "code_malformed" | "code_outside_zone" => t::FIX_CODE,
        "token_unknown" | "token_used" | "token_expired" => t::FIX_TOKEN,
        "app_unknown" => t::FIX_APP,
        "packet_unknown" => t::FIX_PACKET,
        "not_accepted" => t::FIX_NOT_ACCEPTED,
        "already_ended" => t::FIX_ENDED,
        "digest_mismatch" => t::FIX_ALTERED,
        "clock_out_of_window" => {
            let server = problem.more.get("server_time").and_then(|time| time.as_str());
            let server = server.unwrap_or("?");
            return Some(t::FIX_CLOCK.fill(lang, &[("skew", &skew), ("server", &server)]));
        }
        _ if status == 401 => return Some(t::FIX_SIGNATURE.fill(lang, &[("profile", &profile)])),
        _ if status == 403 => t::FIX_PERMISSION,
        _ if status == 503 || problem.retryable => t::FIX_RETRY,
        _ => return None,
    };
    Some(text.in_lang(lang).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(status: u16, word: &str) -> client::Error {
        let problem = Problem {
            title: "Không có đơn vị này".into(),
            detail: "chưa đăng ký".into(),
            code: "LGSP-1206".into(),
            word: word.into(),
            trace_id: "4bf9".into(),
            ..Problem::default()
        };
        client::Error::Problem { status, problem: Box::new(problem) }
    }

    #[test]
    fn problems_become_what_why_fix_and_code() {
        let failure = Failure::client(Lang::Vi, "p", &problem(404, "unit_unknown"));
        assert_eq!((failure.exit, failure.code.as_deref()), (Exit::NotFound, Some("LGSP-1206")));
        assert_eq!(failure.why.as_deref(), Some("chưa đăng ký"));
        assert!(failure.fix.as_ref().expect("a fix").contains("lgsp unit search"));
        assert_eq!(failure.trace.as_deref(), Some("4bf9"));
    }

    #[test]
    fn every_status_has_its_exit_code() {
        for (status, exit) in [
            (401, 5),
            (403, 5),
            (404, 6),
            (410, 6),
            (409, 7),
            (412, 7),
            (503, 4),
            (422, 1),
            (507, 1),
        ] {
            assert_eq!(
                Failure::client(Lang::En, "p", &problem(status, "x")).exit as i32,
                exit,
                "{status}"
            );
        }
    }

    /// Finding 10: who types a command hears of its options, not of requests.
    #[test]
    fn no_failure_speaks_of_the_api() {
        let mut told = Problem {
            title: "Yêu cầu chưa đúng".into(),
            detail: "Sửa các trường nêu trong `errors` rồi gửi lại.".into(),
            word: "fields_malformed".into(),
            ..Problem::default()
        };
        for (pointer, detail) in
            [("/policy/deliver_by", "đã qua"), ("/targets/1", "không có"), ("", "quá dài")]
        {
            let (pointer, detail) = (pointer.into(), detail.into());
            told.errors.push(client::FieldError { pointer, detail });
        }
        let error = client::Error::Problem { status: 422, problem: Box::new(told.clone()) };
        let failure = Failure::client(Lang::Vi, "p", &error);
        assert_eq!(failure.why.as_deref(), Some("--deliver-by: đã qua; --to: không có; quá dài"));
        told.errors.clear();
        told.word = "not_accepted".into();
        told.detail = "Gọi POST /v1/packets/{id}/accept trước khi tải nội dung.".into();
        let error = client::Error::Problem { status: 409, problem: Box::new(told) };
        let failure = Failure::client(Lang::Vi, "p", &error);
        assert_eq!(failure.why, None);
        assert!(failure.fix.as_ref().is_some_and(|fix| fix.contains("lgsp packet receive")));
        // Finding 8: three faults are told as three.
        let mut told = Problem { word: "key_unusable".into(), ..Problem::default() };
        told.detail = "Khoá phải là PEM; `reason` cho biết chỗ sai.".into();
        told.more.insert("reason".into(), "it is a weak Ed25519 key".into());
        let error = client::Error::Problem { status: 422, problem: Box::new(told) };
        let failure = Failure::client(Lang::Vi, "p", &error);
        assert_eq!(failure.why.as_deref(), Some("khoá Ed25519 này yếu"));
        assert_eq!(option_of("/units/3/kind"), "units/3/kind");
        let mixed = "Mã không có trong danh bạ. Tìm bằng tên: GET /v1/units?q=….";
        assert_eq!(for_people(mixed), "Mã không có trong danh bạ.");
        let ours = "Mã đã có trong danh bạ. Kiểm tra bằng `lgsp unit show`.";
        assert_eq!(for_people(ours), ours);
    }

    /// Finding 22: whoever joins has no profile, and none is named.
    #[test]
    fn who_has_no_profile_hears_of_none() {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let error =
            client::Error::Unreachable { url: "https://h:1".into(), source: refused.into() };
        for (lang, word) in [(Lang::Vi, "hồ sơ"), (Lang::En, "profile")] {
            let of = |profile| Failure::client(lang, profile, &error).fix.clone().expect("a fix");
            assert!(of("p.toml").contains(word) && !of("").contains(word), "{}", of(""));
        }
    }

    #[test]
    fn spent_tokens_are_told_apart() {
        for (word, text) in [
            ("token_used", t::TOKEN_USED),
            ("token_expired", t::TOKEN_EXPIRED),
            ("token_unknown", t::TOKEN_UNKNOWN),
        ] {
            let failure = Failure::client(Lang::En, "p", &problem(403, word));
            assert_eq!(failure.what, text.en);
            assert!(failure.fix.as_ref().expect("a fix").contains("lgsp member token"));
        }
    }
}
