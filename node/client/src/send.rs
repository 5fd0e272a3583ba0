//! One request to whichever node takes it: signed anew for each attempt, and bounded.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use https::{CONNECT_MAX, Https, Method, Request, Response, Trust};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};

use crate::{
    Credentials, Error, Problem, Secret,
    body::BODY_MAX,
    sign::{self, ToSign},
    waiting::{Waiting, Watcher},
};

/// How often one request is tried, over all nodes: three rounds over three nodes and some, which
/// outlasts the election of a new leader.
pub const ATTEMPTS_MAX: usize = 12;
/// The first pause after every node was tried; it doubles.
pub(crate) const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause: a cluster elects a leader in less.
pub(crate) const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How long a connection may take to stand where another node can be asked instead: one that is down
/// blinds nobody for long.
const CONNECT_MAX_OF_SEVERAL: Duration = Duration::from_millis(1500);

/// The status of what the caller has already.
const NOT_MODIFIED: u16 = 304;

/// The language that titles and details of problems are asked for in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Language {
    /// Vietnamese.
    #[default]
    Vi,
    /// English.
    En,
}

impl Language {
    /// The tag of BCP 47.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vi => "vi",
            Self::En => "en",
        }
    }
}

/// What a client is made of.
#[derive(Debug, Clone)]
pub struct Options {
    /// The nodes, as `https://host:port`, in the order they are tried.
    pub base_urls: Vec<String>,
    /// Whom to believe that they are the cluster.
    pub trust: Trust,
    /// What to sign with; none for the few requests that need no signature.
    pub credentials: Option<Credentials>,
    /// The language of problems.
    pub language: Language,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How long all attempts of one request may take together.
    pub patience: Duration,
}

impl Options {
    /// The usual options.
    pub fn new(base_urls: Vec<String>, trust: Trust, credentials: Option<Credentials>) -> Self {
        Self {
            base_urls,
            trust,
            credentials,
            language: Language::default(),
            timeout: Duration::from_secs(30),
            patience: Duration::from_secs(30),
        }
    }
}

/// Speaks to a cluster. Cheap to clone; connections are shared.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    http: Https,
    urls: Vec<String>,
    /// The node that answered last.
    current: AtomicUsize,
    credentials: Option<Credentials>,
    language: Language,
    timeout: Duration,
    patience: Duration,
    watcher: OnceLock<Watcher>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("urls", &self.inner.urls).finish_non_exhaustive()
    }
}

/// What allows a request.
#[derive(Clone)]
pub(crate) enum Proof {
    Signed,
    Bearer(Secret),
    Nothing,
}

/// Whether a request may be sent again when nobody knows if it was heard.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    Harmless,
    OnlyUnsent,
}

/// One request, before it is signed.
#[derive(Clone)]
pub(crate) struct Call {
    pub method: Method,
    /// Path and query, percent-encoded.
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Option<(String, Bytes)>,
    pub proof: Proof,
    pub repeat: Repeat,
    /// How long the head of the answer may take; the body of a stream takes as long as it takes.
    pub timeout: Option<Duration>,
    pub streams: bool,
}

impl Call {
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            headers: Vec::new(),
            body: None,
            proof: Proof::Signed,
            repeat: Repeat::Harmless,
            timeout: None,
            streams: false,
        }
    }

    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::Get, path)
    }

    pub fn post(path: impl Into<String>, body: &impl serde::Serialize) -> Self {
        let octets = serde_json::to_vec(body).expect("bodies have text keys and no failing parts");
        Self::new(Method::Post, path).body("application/json", octets)
    }

    pub fn body(mut self, media_type: &str, octets: impl Into<Bytes>) -> Self {
        self.body = Some((media_type.to_owned(), octets.into()));
        self
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn proof(mut self, proof: Proof) -> Self {
        self.proof = proof;
        self
    }

    pub fn only_unsent(mut self) -> Self {
        self.repeat = Repeat::OnlyUnsent;
        self
    }
}

/// The head of a good answer; its body is still to come.
#[derive(Debug)]
pub(crate) struct Answer {
    pub url: String,
    pub response: Response,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.header(name)
    }

    pub fn number(&self, name: &str) -> Result<u64, Error> {
        let value = self.header(name).and_then(|text| text.parse().ok());
        value.ok_or_else(|| Error::Protocol {
            url: self.url.clone(),
            what: format!("no number in {name}"),
        })
    }

    pub async fn json<T: DeserializeOwned>(self) -> Result<T, Error> {
        let body = self.response.whole(BODY_MAX).await?;
        serde_json::from_slice(&body).map_err(|error| Error::Protocol {
            url: self.url,
            what: format!("unexpected JSON ({error})"),
        })
    }
}

impl Client {
    /// Sets a client up; nothing is sent yet.
    pub fn new(options: Options) -> Result<Self, Error> {
        if options.base_urls.is_empty() {
            return Err(Error::Options { what: "no node's address is given".into() });
        }
        let urls: Vec<String> =
            options.base_urls.iter().map(|url| https::origin(url)).collect::<Result<_, _>>()?;
        let http = Https::new(&https::Options {
            trust: options.trust,
            // A request says by its signature who calls.
            identity: None,
            connect_max: if urls.len() > 1 { CONNECT_MAX_OF_SEVERAL } else { CONNECT_MAX },
            user_agent: concat!("lgsp-client/", env!("CARGO_PKG_VERSION")),
        })?;
        Ok(Self {
            inner: Arc::new(Inner {
                http,
                urls,
                current: AtomicUsize::new(0),
                credentials: options.credentials,
                language: options.language,
                timeout: options.timeout,
                patience: options.patience,
                watcher: OnceLock::new(),
            }),
        })
    }

    pub(crate) fn set_watcher(&self, watcher: Watcher) {
        self.inner.watcher.set(watcher).ok();
    }

    /// Tells who waits.
    pub(crate) fn tell(&self, waiting: Waiting<'_>, since: Duration) {
        if let Some(watcher) = self.inner.watcher.get() {
            watcher(waiting, since);
        }
    }

    /// How long one node may be silent while it sends a content, so that within the caller's time each of them
    /// can be asked.
    pub(crate) fn silence_max(&self) -> Duration {
        let nodes = u32::try_from(self.inner.urls.len()).unwrap_or(u32::MAX);
        self.inner.timeout / nodes.max(1)
    }

    /// The nodes' addresses.
    pub fn urls(&self) -> &[String] {
        &self.inner.urls
    }

    /// The node that the next request goes to.
    pub fn current_url(&self) -> &str {
        &self.inner.urls[self.inner.current.load(Ordering::Relaxed) % self.inner.urls.len()]
    }

    /// Lets the next request go to another node than this one.
    pub(crate) fn leave(&self, url: &str) {
        if let Some(index) = self.inner.urls.iter().position(|u| u == url) {
            let next = (index + 1) % self.inner.urls.len();
            // Somebody else may have moved on already; then their choice stands.
            let (current, relaxed) = (&self.inner.current, Ordering::Relaxed);
            current.compare_exchange(index, next, relaxed, relaxed).ok();
        }
    }

    /// Sends until a node takes it, and reads the JSON it answers.
    pub(crate) async fn json<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        self.send(call).await?.json().await
    }

    /// Sends until a node takes it: the next one when one cannot be reached or says 503.
    pub(crate) async fn send(&self, call: Call) -> Result<Answer, Error> {
        self.send_until(call, &mut false).await
    }

    /// The same; `doubt` tells that an attempt before the last may have been heard, so that a refusal
    /// may be the echo of our own deed.
    pub(crate) async fn send_until(&self, call: Call, doubt: &mut bool) -> Result<Answer, Error> {
        let begun = Instant::now();
        let deadline = begun + self.inner.patience;
        let mut pause = PAUSE_MIN;
        let mut attempt = 1;
        let mut said = None;
        loop {
            let (error, wait) = match self.once_watched(&call, begun).await {
                Ok(answer) => return Ok(answer),
                Err(Failed { error, wait }) => (error, wait),
            };
            let again = is_tried_again(&error, call.repeat)
                && (!matches!(error, Error::Tls { .. }) || attempt < self.inner.urls.len());
            let round_over = attempt % self.inner.urls.len() == 0;
            let wait = if round_over {
                pause.max(wait.unwrap_or_default().min(PAUSE_MAX))
            } else {
                Duration::ZERO
            };
            if !again || attempt >= ATTEMPTS_MAX || Instant::now() + wait >= deadline {
                return Err(more_telling(said, error));
            }
            if round_over {
                self.tell(Waiting::Again(&error), begun.elapsed());
                sleep(wait).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
            *doubt |= error.may_have_happened();
            said = Some(more_telling(said, error));
            attempt += 1;
        }
    }

    /// Sends once, to the current node; on a failure the next request goes to another.
    pub(crate) async fn once(&self, call: &Call) -> Result<Answer, Failed> {
        let url = self.current_url().to_owned();
        let result = self.attempt(&url, call).await;
        if let Err(Failed { error, .. }) = &result
            && (error.may_retry() || matches!(error, Error::Tls { .. }))
        {
            self.leave(&url);
        }
        result
    }

    async fn attempt(&self, url: &str, call: &Call) -> Result<Answer, Failed> {
        let timeout = call.timeout.unwrap_or(self.inner.timeout);
        let target = format!("{url}{}", call.path);
        let headers = self.headers(&target, call)?;
        let request = Request {
            method: call.method,
            origin: url,
            path: &call.path,
            headers: &headers,
            body: call.body.as_ref().map(|(_, octets)| octets.clone()),
            timeout,
            streams: call.streams,
        };
        let response = self.inner.http.send(request).await.map_err(Error::from)?;
        if matches!(response.status(), 200..=299 | NOT_MODIFIED) {
            return Ok(Answer { url: url.to_owned(), response });
        }
        let wait = response.header("retry-after").and_then(|value| value.parse().ok());
        let wait = wait.map(Duration::from_secs);
        Err(Failed { error: problem_of(response).await, wait })
    }

    fn headers(&self, target: &str, call: &Call) -> Result<Vec<(String, String)>, Error> {
        let mut plain: Vec<(String, String)> = Vec::with_capacity(call.headers.len() + 4);
        plain.extend(call.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        if let Some((media_type, _)) = &call.body {
            plain.push(("content-type".into(), media_type.clone()));
        }
        plain.push(("accept-language".into(), self.inner.language.as_str().into()));
        match &call.proof {
            Proof::Nothing => {}
            Proof::Bearer(token) => {
                plain.push(("authorization".into(), format!("Bearer {}", token.expose())))
            }
            Proof::Signed => {
                let credentials = self.inner.credentials.as_ref().ok_or_else(|| {
                    Error::Options { what: "this request needs a key to sign with".into() }
                })?;
                let body = call.body.as_ref().map(|(_, octets)| octets.as_ref());
                let signed = sign::sign(
                    credentials,
                    &ToSign { method: call.method.as_str(), target, headers: &plain, body },
                )?;
                plain.extend(signed);
            }
        }
        Ok(plain)
    }
}

/// What a node has answered says more than that another one was not reached; else the later one, which
/// may have been heard.
fn more_telling(before: Option<Error>, last: Error) -> Error {
    match before {
        Some(before)
            if before.status().is_some()
                && matches!(last, Error::Unreachable { .. })
                && !last.may_have_happened() =>
        {
            before
        }
        _ => last,
    }
}

/// A failed attempt, and how long the node asked to be left alone.
#[derive(Debug)]
pub(crate) struct Failed {
    pub error: Error,
    pub wait: Option<Duration>,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, wait: None }
    }
}

/// Whether another attempt may help, and does no harm.
fn is_tried_again(error: &Error, repeat: Repeat) -> bool {
    let may_help = match error {
        Error::Problem { status, .. } => *status == 503,
        Error::Unreachable { .. } | Error::Timeout { .. } | Error::Tls { .. } => true,
        _ => false,
    };
    may_help && (repeat == Repeat::Harmless || !error.may_have_happened())
}

/// Reads a problem; what is no problem document keeps at least its status.
async fn problem_of(response: Response) -> Error {
    let status = response.status();
    let body = match response.whole(BODY_MAX).await {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let mut problem: Problem = serde_json::from_slice(&body).unwrap_or_default();
    if problem.status == 0 {
        problem.status = status;
        problem.retryable = status == 503;
    }
    Error::Problem { status, problem: Box::new(problem) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(status: u16, word: &str) -> Error {
        let problem = Problem { word: word.into(), ..Problem::default() };
        Error::Problem { status, problem: Box::new(problem) }
    }

    #[test]
    fn what_may_have_happened_is_repeated_only_where_that_is_harmless() {
        let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let url = || "https://127.0.0.1:1".to_owned();
        for (error, harmless, only_unsent) in [
            (problem(503, "unavailable"), true, true),
            (problem(503, "too_many"), true, true),
            (problem(503, "outcome_unknown"), true, false),
            // What stands between says nothing of what the node did.
            (problem(503, ""), true, false),
            (problem(500, "internal"), false, false),
            (problem(409, "app_exists"), false, false),
            (Error::Timeout { url: url(), after: PAUSE_MIN }, true, false),
            (Error::Unreachable { url: url(), source: broken.into() }, true, false),
        ] {
            assert_eq!(is_tried_again(&error, Repeat::Harmless), harmless, "{error}");
            assert_eq!(is_tried_again(&error, Repeat::OnlyUnsent), only_unsent, "{error}");
        }
    }

    #[tokio::test]
    async fn an_answer_says_more_than_a_node_that_is_away() {
        let away = async || nobody_listens().await.error;
        let full = || problem(507, "disk_full");
        assert_eq!(more_telling(Some(full()), away().await).status(), Some(507));
        assert_eq!(more_telling(Some(away().await), full()).status(), Some(507));
        assert_eq!(more_telling(Some(full()), problem(503, "unavailable")).status(), Some(503));
        // What may have been heard outweighs every answer of another node.
        let url = || "https://10.0.0.1:8443".to_owned();
        let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let cut = Error::Unreachable { url: url(), source: broken.into() };
        let late = Error::Timeout { url: url(), after: PAUSE_MIN };
        for doubtful in [cut, late] {
            assert!(more_telling(Some(full()), doubtful).may_have_happened());
        }
    }

    #[tokio::test]
    async fn what_was_never_sent_is_repeated() {
        let failed = nobody_listens().await;
        assert!(!failed.error.may_have_happened());
        assert!(is_tried_again(&failed.error, Repeat::OnlyUnsent));
    }

    async fn nobody_listens() -> Failed {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let closed = listener.local_addr().expect("an address");
        drop(listener);
        let trust = Trust::PinnedAuthority([0; 32]);
        let client = Client::new(Options::new(vec![format!("https://{closed}")], trust, None));
        let call = Call::get("/livez").proof(Proof::Nothing);
        client.expect("a client").once(&call).await.expect_err("nobody listens")
    }
}
