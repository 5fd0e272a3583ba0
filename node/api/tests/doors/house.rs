//! One node in this process, behind the API's router: simulated log, state and disk, real rules.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use auth::{Scheme, Secret, SignRequest, Signer, SigningKey, content_digest_sha256};
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode},
};
use bytes::Bytes;
use certs::{ClusterKey, Keyring};
use conductor::{Conductor, Exchange, HandedPart, Nodes, Parts, Riding, Vitals};
use consensus::{Attachments, Clock, Consensus, Lane, NetworkError, SystemClock, sim};
use content::{
    Content, ContentKey, FrameSink, FrameSource, KeyError, KeySealer, PeerError, Peers, SimDisk,
};
use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use machine::{AddApp, Command, Found, IssueKey, NewNode, Proposal, Proposer, TurnClusterKey};
use model::{AccessKey, CommandId, Grant, KeyAlgorithm, NodeId, Nonce, SpaceId};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::task::JoinHandle;
use tower::ServiceExt;

use crate::document;

/// The name that clients call the node by.
pub const AUTHORITY: &str = "lgsp.example.vn";
/// Another of its names.
pub const SECOND_AUTHORITY: &str = "localhost:8443";

static NUMBER: AtomicU64 = AtomicU64::new(1);

/// A node and its API.
pub struct House {
    pub router: Router,
    pub exchange: Exchange,
    pub admin: Signer,
    pub content: Content,
    /// What the other nodes were told.
    pub told: Arc<Told>,
    conductor: JoinHandle<()>,
    wire: Wire,
}

impl Drop for House {
    fn drop(&mut self) {
        self.conductor.abort();
    }
}

struct Alone;

/// What the other nodes were told.
#[derive(Default)]
pub struct Told {
    /// Spaces that they were asked to destroy.
    pub discarded: Mutex<Vec<SpaceId>>,
    /// Parts of contents that this node has handed out.
    pub handed: Mutex<Vec<HandedPart>>,
    /// Facts that this node lacks and nobody gives.
    pub facts_wanted: Arc<AtomicU64>,
}

/// Other nodes, none of which answers; what they are told is kept.
struct Others(Arc<Told>);

/// What joins the node to a second one, once there is one; it can be cut.
#[derive(Clone, Default)]
struct Wire(Arc<Mutex<Ends>>);

#[derive(Default)]
struct Ends {
    nodes: BTreeMap<NodeId, Consensus>,
    cut: bool,
}

impl Wire {
    fn to(&self, node: NodeId) -> Result<Consensus, NetworkError> {
        let ends = self.0.lock();
        let peer = ends.nodes.get(&node).filter(|_| !ends.cut).cloned();
        peer.ok_or_else(|| NetworkError::Unreachable("there is nobody".into()))
    }
}

struct End {
    own: NodeId,
    wire: Wire,
}

impl consensus::Network for End {
    fn request(
        &self,
        to: NodeId,
        _: Lane,
        message: Bytes,
    ) -> BoxFuture<'static, Result<Bytes, NetworkError>> {
        let (from, wire) = (self.own, self.wire.clone());
        Box::pin(async move {
            let answer = wire.to(to)?.handle(from, message).await;
            // The answer needs the wire too.
            wire.to(to).map(|_| answer)
        })
    }
}

impl Peers for Alone {
    fn request(&self, _: NodeId, _: Bytes) -> BoxFuture<'static, Result<Bytes, PeerError>> {
        Box::pin(async { Err(PeerError::Unreachable) })
    }

    fn open_stream(
        &self,
        _: NodeId,
        _: Bytes,
    ) -> BoxFuture<'static, Result<(Box<dyn FrameSink>, Box<dyn FrameSource>), PeerError>> {
        Box::pin(async { Err(PeerError::Unreachable) })
    }
}

impl Nodes for Others {
    fn vitals(&self, _: NodeId) -> BoxFuture<'static, Option<Vitals>> {
        Box::pin(async { None })
    }

    fn cluster_key(&self, _: NodeId, _: u32) -> BoxFuture<'static, Option<conductor::KeyOctets>> {
        Box::pin(async { None })
    }

    fn facts(&self, _: NodeId, _: u64, _: u64) -> BoxFuture<'static, Option<Bytes>> {
        Box::pin(async { None })
    }

    fn discard(&self, space: SpaceId) -> BoxFuture<'static, ()> {
        self.0.discarded.lock().push(space);
        Box::pin(async {})
    }

    fn tell_handed(&self, parts: Vec<HandedPart>) -> BoxFuture<'static, ()> {
        self.0.handed.lock().extend(parts);
        Box::pin(async {})
    }

    fn own_vitals(&self) -> Vitals {
        let facts_wanted = self.0.facts_wanted.load(Ordering::Relaxed);
        let (now, standing) = (SystemClock.now(), "full".into());
        Vitals { now, standing, facts_wanted, ..Vitals::default() }
    }
}

struct SystemRandom;

impl conductor::Random for SystemRandom {
    fn fill(&self, octets: &mut [u8]) {
        certs::system_random(octets);
    }
}

struct Sealer(Arc<Keyring>);

impl KeySealer for Sealer {
    fn seal(&self, aad: &[u8], key: &ContentKey) -> Result<Vec<u8>, KeyError> {
        Ok(self.0.seal(aad, key.as_slice()))
    }

    fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<ContentKey, KeyError> {
        let opened = self.0.open(aad, sealed).map_err(|_| KeyError)?;
        Ok(ContentKey::new(opened.as_slice().try_into().map_err(|_| KeyError)?))
    }
}

/// A request to be sent.
pub struct Ask {
    authority: &'static str,
    method: &'static str,
    target: String,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

impl Ask {
    pub fn new(method: &'static str, target: impl Into<String>) -> Self {
        let (headers, body) = (Vec::new(), Bytes::new());
        Self { authority: AUTHORITY, method, target: target.into(), headers, body }
    }

    /// Calls the node by another name.
    pub fn at(mut self, authority: &'static str) -> Self {
        self.authority = authority;
        self
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub fn octets(&self) -> &Bytes {
        &self.body
    }

    pub fn json(self, body: Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    pub fn bearer(self, token: &Value) -> Self {
        let token = token.as_str().expect("a token is text");
        self.header("authorization", format!("Bearer {token}"))
    }

    /// Signs what was given so far.
    pub fn signed(mut self, signer: &Signer) -> Self {
        let digest =
            (!self.body.is_empty()).then(|| content_digest_sha256(&certs::sha256(&self.body)));
        let nonce: Nonce = format!("nonce-of-a-test-{:08}", NUMBER.fetch_add(1, Ordering::Relaxed))
            .parse()
            .expect("a nonce");
        let covered = [
            "idempotency-key",
            "packet-digest",
            "authorization",
            "upload-length",
            "upload-offset",
            "upload-metadata",
        ];
        let headers: Vec<_> = self
            .headers
            .iter()
            .filter(|(name, _)| covered.contains(name))
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let signed = signer.sign(&SignRequest {
            method: self.method,
            scheme: Scheme::Https,
            authority: self.authority,
            path_and_query: &self.target,
            content_digest: digest.as_deref(),
            headers: &headers,
            created: SystemClock.now(),
            nonce: Some(&nonce),
        });
        let signed = signed.expect("an HMAC key signs everything");
        self.headers.extend(digest.map(|digest| ("content-digest", digest)));
        self.headers.push(("signature-input", signed.signature_input));
        self.headers.push(("signature", signed.signature));
        self
    }

    pub fn request(&self) -> Request<Body> {
        let mut request =
            Request::builder().method(self.method).uri(&self.target).header("host", self.authority);
        if !self.body.is_empty() {
            request = request.header("content-length", self.body.len());
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        request.body(Body::from(self.body.clone())).expect("a request")
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("{} {:?} {:?}", self.status, self.headers, self.body))
    }

    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("{name} is missing: {self:?}"));
        value.to_str().expect("text")
    }

    /// Checks the status and gives the JSON.
    #[track_caller]
    pub fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{:?}", self.body);
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// Checks that it is a content.
    #[track_caller]
    pub fn ok_octets(&self, content: &str) {
        assert_eq!((self.status.as_u16(), &self.body[..]), (200, content.as_bytes()));
    }

    /// Checks that it is a problem of this status and word.
    #[track_caller]
    pub fn problem(&self, status: u16, word: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{:?}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let json = self.json();
        assert_eq!(json["word"], word);
        assert_eq!(json["trace_id"], self.header("trace-id"));
        assert!(json["code"].as_str().is_some_and(|code| code.starts_with("LGSP-")));
        json
    }
}

impl House {
    /// Founds a cluster of one and opens its doors.
    pub async fn found() -> Self {
        Self::found_keeping(std::time::Duration::from_millis(machine::ENDED_KEPT_MS)).await
    }

    /// The same; packets leave the state so long after their end.
    pub async fn found_keeping(ended_kept: std::time::Duration) -> Self {
        Self::found_with(ended_kept, |history| Arc::new(conductor::HistoryLog(history))).await
    }

    /// The same; facts go where it is said.
    pub async fn found_with(ended_kept: std::time::Duration, log: MakeLog) -> Self {
        let keyring = Arc::new(Keyring::new(ClusterKey::generate(1, &mut |octets| {
            certs::system_random(octets)
        })));
        let node = NodeId(1);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let wire = Wire::default();
        let content = Content::open(content::Options {
            disk: Arc::new(SimDisk::new(1)),
            peers: Arc::new(Alone),
            keys: Arc::new(Sealer(keyring.clone())),
            random: Arc::new(certs::system_random),
            reserve: 0,
            segment_bytes: 4 << 20,
        });
        let content = content.await.expect("a simulated disk opens");
        let riding = Arc::new(Riding(content.clone()));
        let (consensus, history) = start(node, &wire, riding, log).await;
        let told = Arc::<Told>::default();
        let exchange = Exchange::new(Parts {
            node,
            consensus: consensus.clone(),
            history,
            content: content.clone(),
            cluster_key: keyring.clone(),
            clock: clock.clone(),
            random: Arc::new(SystemRandom),
            nodes: Arc::new(Others(told.clone())),
            public_names: auth::PublicNames::new(
                [AUTHORITY, SECOND_AUTHORITY].map(|name| format!("https://{name}")),
            )
            .expect("names"),
            content_max: 1 << 30,
            ended_kept,
            open_max: conductor::OpenMax { packets_a_target: 100_000, octets_a_unit: 1 << 40 },
            uploads_max: conductor::UPLOADS_MAX,
            facts_wanted: told.facts_wanted.clone(),
        });
        let (admin, found) = founding(&keyring, &clock);
        consensus.found(found).await.expect("it founds").expect("the first command is in order");
        let conductor = tokio::spawn(Conductor::new(exchange.clone()).run());
        let mut settings = lgsp_api::Settings::new(format!("https://{AUTHORITY}"));
        settings.cors_origins = vec!["https://console.example.vn".into()];
        let router = lgsp_api::router(exchange.clone(), settings);
        let house = Self { router, exchange, admin, content, told, conductor, wire };
        house.wait_until_ready().await;
        house
    }

    /// What orders the node's commands.
    pub fn consensus(&self) -> Consensus {
        self.wire.to(NodeId(1)).expect("the node runs")
    }

    /// A second node votes from now on. It has no doors and keeps no contents.
    pub async fn grow(&self) {
        let second = NodeId(2);
        // It keeps what rides where the first one does.
        let riding = Arc::new(Riding(self.content.clone()));
        start(second, &self.wire, riding, |history| Arc::new(conductor::HistoryLog(history))).await;
        let first = self.wire.to(NodeId(1)).expect("the node runs");
        first.admit(second).await.expect("it is admitted");
        until("both vote", async || first.status().voters.contains(&second)).await;
    }

    /// The cluster key has turned, and this node cannot get the version that is active now.
    pub async fn miss_a_cluster_key(&mut self) {
        // It would follow and make a version of its own.
        self.conductor.abort();
        let ended = (&mut self.conductor).await;
        assert!(ended.is_err_and(|ended| ended.is_cancelled()), "it runs until it is stopped");
        let rotate = Ask::new("POST", "/v1/admin/cluster-key/rotate").signed(&self.admin);
        self.ask(rotate).await.ok(202);
        let consensus = self.wire.to(NodeId(1)).expect("the node runs");
        let (version, check) = (2, model::Digest([9; 32]));
        let steps =
            [TurnClusterKey::Stage { version, check }, TurnClusterKey::Activate { version }];
        for step in steps {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let id = CommandId::mint(SystemClock.now(), number.into());
            let command = Command::TurnClusterKey(step);
            let answer =
                consensus.propose(Proposal { id, by: Proposer::Node(NodeId(1)), command }).await;
            answer.expect("it is taken").expect("it is in order");
        }
    }

    /// Cuts the node off from the second one, or joins them again.
    pub fn cut(&self, cut: bool) {
        self.wire.0.lock().cut = cut;
    }

    async fn wait_until_ready(&self) {
        until("the node is ready", async || {
            self.ask(Ask::new("GET", "/readyz")).await.status == 200
        })
        .await;
    }

    /// Asks, and checks that question and answer are as the document says.
    pub async fn ask(&self, ask: Ask) -> Answer {
        let request = ask.request();
        let (method, headers) = (request.method().clone(), request.headers().clone());
        let path = request.uri().path().to_owned();
        let answer = self.send(request).await;
        document::check(&method, &path, (&headers, &ask.body), &answer);
        answer
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("the router never fails");
        let (head, body) = response.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        Answer { status: head.status, headers: head.headers, body }
    }

    /// Registers a unit with an application and a key, through the API's own doors.
    pub async fn party(&self, unit: &str, grants: &[&str]) -> Signer {
        let units = serde_json::json!({"units": [{"code": unit, "name": format!("Đơn vị {unit}"), "kind": "department", "parent": "H41"}]});
        self.ask(Ask::new("POST", "/v1/admin/units").json(units).signed(&self.admin)).await.ok(200);
        let app = format!("app-{}", unit.to_lowercase().replace('.', "-"));
        self.app(&app, unit, grants, &[]).await
    }

    /// Registers an application of a unit, bound to targets if there are any, with a key.
    pub async fn app(&self, app: &str, unit: &str, grants: &[&str], targets: &[&str]) -> Signer {
        let new = serde_json::json!({"app": app, "unit": unit, "name": "Ứng dụng", "grants": grants, "targets": targets});
        self.ask(Ask::new("POST", "/v1/admin/apps").json(new).signed(&self.admin)).await.ok(201);
        let key = serde_json::json!({"app": app});
        let issued = self
            .ask(Ask::new("POST", "/v1/admin/keys").json(key).signed(&self.admin))
            .await
            .ok(201);
        let text = |name: &str| issued[name].as_str().expect("text").to_owned();
        signer(
            text("access_key").parse().expect("an access key"),
            &Secret::from_octets(text("secret_key")),
        )
    }

    /// Revokes a key.
    pub async fn revoke(&self, key: &Signer) {
        let path = format!("/v1/admin/keys/{}/revoke", key.access_key());
        self.ask(Ask::new("POST", path).signed(&self.admin)).await.ok(200);
    }
}

/// Makes of a history the place where the facts of the state go.
pub type MakeLog = fn(Arc<history::History>) -> Arc<dyn consensus::FactLog>;

async fn start(
    node: NodeId,
    wire: &Wire,
    attachments: Arc<dyn Attachments>,
    log_of: MakeLog,
) -> (Consensus, Arc<history::History>) {
    let mut options = consensus::Options::new(node, "simulated");
    options.attachments = attachments;
    let (log, state) = (sim::Log::new(), sim::State::new());
    let end = Arc::new(End { own: node, wire: wire.clone() });
    let disk = Arc::new(history::disk::sim::SimDisk::new(1));
    let history =
        history::History::open_on(disk, history::Limits::default(), conductor::history_keys());
    let history = Arc::new(history.expect("a simulated disk opens"));
    let facts = log_of(history.clone());
    let stores = (&log, &state);
    let started = Consensus::start_with(options, stores, facts, end, Arc::new(SystemClock)).await;
    let consensus = started.expect("a simulated log opens");
    wire.0.lock().nodes.insert(node, consensus.clone());
    (consensus, history)
}

/// Looks again and again until it holds, for a bounded time.
pub async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    found(what, async || holds().await.then_some(())).await;
}

/// Looks again and again until there is something, for a bounded time.
pub async fn found<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let look = async {
        loop {
            match look().await {
                Some(found) => return found,
                None => tokio::task::yield_now().await,
            }
        }
    };
    let looked = tokio::time::timeout(std::time::Duration::from_secs(30), look).await;
    looked.unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// The authority of every house.
pub static CERTIFIES: std::sync::LazyLock<certs::Authority> = std::sync::LazyLock::new(|| {
    certs::Authority::create("c0", 1, SystemClock.now()).expect("an authority")
});

/// A join token that nobody has issued.
pub fn made_up_token() -> certs::JoinToken {
    certs::JoinToken::generate(CERTIFIES.certificate(), &mut certs::system_random)
}

/// Who signs with a secret.
pub fn signer(key: AccessKey, secret: &Secret) -> Signer {
    Signer::new(key, SigningKey::from_secret(secret))
}

fn founding(keyring: &Keyring, clock: &Arc<dyn Clock>) -> (Signer, Proposal) {
    let (mut name, mut octets) = ([0; 20], [0; 32]);
    certs::system_random(&mut name);
    certs::system_random(&mut octets);
    let (key, secret) = (AccessKey::from_random(name), Secret::from_random(&octets));
    let app: model::AppId = "quan-tri".parse().expect("an application");
    let command = Command::Found(Found {
        name: "Thử".parse().expect("a name"),
        zone: "H41".parse().expect("a zone"),
        cluster: "c0".into(),
        authority: CERTIFIES.certificate().to_vec(),
        authority_key_sealed: keyring.seal(conductor::AUTHORITY_PURPOSE, &CERTIFIES.key_pkcs8()),
        node: NewNode {
            name: "nut-1".parse().expect("a name"),
            mesh_address: "127.0.0.1:7443".into(),
            api_url: format!("https://{AUTHORITY}"),
            version: "0".into(),
            rules_max: machine::RULES_KNOWN,
        },
        admin: AddApp {
            app: app.clone(),
            unit: "H41".parse().expect("a unit"),
            name: "Quản trị".parse().expect("a name"),
            grants: [Grant::Admin].into_iter().collect(),
            targets: Vec::new(),
        },
        admin_key: IssueKey {
            key: key.clone(),
            app,
            algorithm: KeyAlgorithm::HmacSha256,
            material: conductor::seal_secret(keyring, &key, secret.expose()),
            legacy: false,
            hmac_sha1: false,
            sealed_under: 1,
        },
        node_key: model::Digest([1; 32]),
        key_check: keyring.sealing().check(),
    });
    let id = CommandId::mint(clock.now(), 1);
    (signer(key, &secret), Proposal { id, by: Proposer::Node(NodeId(1)), command })
}
