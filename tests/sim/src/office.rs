//! Simulated offices: each sends, receives and confirms through whichever node is up, repeats what
//! was not answered, and tells the ledger what it was promised and what it got.

use std::{future::Future, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use conductor::{
    Error, Exchange, NewKey, OpenRequest, PickupProof, SpaceAccess, Submission, intake,
};
use futures_util::StreamExt;
use machine::{AddApp, ExchangePolicy, NewUnit, Receipt, Request};
use model::{
    Digest, Grant, IdempotencyKey, Importance, KeyAlgorithm, NodeId, PacketId, UnitCode, UnitKind,
};
use sha2::{Digest as _, Sha256};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    clocks::Replays,
    oracle::Ledger,
    remains,
    world::{Credentials, World, canary},
};

/// Offices of a simulated province.
const OFFICE_COUNT: usize = 4;
/// How long an office waits for an answer before it asks another node.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How long an office repeats one request: longer than any outage of a plan lasts, so giving up
/// is a promise broken.
const GIVE_UP_AFTER: Duration = Duration::from_secs(120);
/// The same where a majority of the clocks is wrong for minutes: who signs by a right one waits for it.
const GIVE_UP_ON_CLOCKS_AFTER: Duration = Duration::from_secs(900);
/// Small contents, in octets.
const SMALL_MAX: u64 = 20_000;
/// Large contents, in octets, and the pieces that they come in.
const LARGE_MAX: u64 = 400_000;
const PIECE_MAX: u64 = 90_000;

/// The offices at work.
pub struct Offices {
    sending: watch::Sender<bool>,
    senders: JoinSet<()>,
    receivers: JoinSet<()>,
    offices: Vec<Arc<Office>>,
}

impl Offices {
    /// No new packets; waits until those under way are acknowledged or given up.
    pub async fn finish_sending(&self) {
        self.sending.send_replace(false);
        self.sending.closed().await;
    }

    /// After the last fault each node by itself takes a new packet.
    pub async fn every_node_takes_one(&self) {
        let Some(first) = self.offices.first() else { return };
        for (node, office) in first.world.nodes().into_iter().zip(self.offices.iter().cycle()) {
            office.send_small(Some(node)).await;
        }
    }

    /// Everybody goes home.
    pub fn close(mut self) {
        self.senders.abort_all();
        self.receivers.abort_all();
    }
}

struct Office {
    world: World,
    ledger: Ledger,
    unit: UnitCode,
    credentials: Credentials,
    everybody: Arc<Vec<UnitCode>>,
    replays: Replays,
}

/// Registers the offices and lets them work.
pub async fn open_all(world: &World, ledger: &Ledger) -> Offices {
    let codes: Vec<UnitCode> = (1..=OFFICE_COUNT)
        .map(|number| format!("H41.{number:02}").parse().expect("a code"))
        .collect();
    let everybody = Arc::new(codes);
    let (sending, watch) = watch::channel(true);
    let (mut senders, mut receivers) = (JoinSet::new(), JoinSet::new());
    let (mut offices, replays) = (Vec::new(), Replays::default());
    for unit in everybody.iter() {
        let credentials = register(world, unit).await;
        let office = Arc::new(Office {
            world: world.clone(),
            ledger: ledger.clone(),
            unit: unit.clone(),
            credentials,
            everybody: everybody.clone(),
            replays: replays.clone(),
        });
        senders.spawn(office.clone().send_until(watch.clone()));
        receivers.spawn(office.clone().receive());
        if world.clocks_jump() {
            receivers.spawn(office.clone().replay());
        }
        offices.push(office);
    }
    Offices { sending, senders, receivers, offices }
}

async fn register(world: &World, unit: &UnitCode) -> Credentials {
    let exchange = world.any_exchange().expect("nobody has crashed yet");
    let sign = || world.sign(&exchange, world.admin(), "POST", "/v1/admin");
    let new = NewUnit {
        code: unit.clone(),
        name: format!("Sở {unit}").parse().expect("a name"),
        kind: UnitKind::Department,
        parent: unit.parent(),
        aliases: Vec::new(),
    };
    exchange.registry().add_units(&sign(), vec![new]).await.expect("a new unit");
    let app: model::AppId =
        unit.as_str().to_lowercase().replace('.', "-").parse().expect("an application");
    let add = AddApp {
        app: app.clone(),
        unit: unit.clone(),
        name: "Văn bản".parse().expect("a name"),
        grants: [Grant::Send, Grant::Receive].into_iter().collect(),
        targets: Vec::new(),
    };
    exchange.registry().add_app(&sign(), add).await.expect("a new application");
    let new = NewKey {
        app,
        algorithm: KeyAlgorithm::HmacSha256,
        public_key: None,
        legacy: false,
        hmac_sha1: false,
    };
    let issued = exchange.registry().issue_key(&sign(), new).await.expect("a new key");
    World::credentials(issued.access_key, &issued.secret.expect("HMAC keys have a secret"))
}

/// Whether trying again may help.
///
/// While faults befall the cluster a request may also meet a node with a wrong clock, or a store
/// whose node crashes under it, or whose space another node takes over. In good weather none of
/// these is an answer.
fn is_passing(error: &Error, bad_weather: bool) -> bool {
    use content::Error as Store;
    match error {
        Error::Unavailable { .. }
        | Error::Unknown
        | Error::SpaceBusy
        | Error::OffsetMismatch { .. }
        | Error::ContentUnreachable
        | Error::Refused(machine::Refusal::EpochStale) => true,
        Error::Signature(auth::Rejection::ClockOutOfWindow { .. })
        | Error::Refused(machine::Refusal::ClockOutOfWindow)
        | Error::Content(
            Store::Failed
            | Store::Disk { .. }
            | Store::Missing { .. }
            | Store::Damaged { .. }
            | Store::Forged { .. },
        ) => bad_weather,
        _ => false,
    }
}

impl Office {
    /// Does something at one node, or at a random one that is up, until it is answered for good.
    async fn persist<T, F>(
        &self,
        what: &str,
        at: Option<NodeId>,
        act: impl Fn(Exchange) -> F,
    ) -> Option<Result<T, Error>>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let begun = Instant::now();
        let mut last = "no node was up".to_owned();
        let give_up_after =
            if self.world.clocks_jump() { GIVE_UP_ON_CLOCKS_AFTER } else { GIVE_UP_AFTER };
        while begun.elapsed() < give_up_after {
            let exchange = match at {
                Some(node) => self.world.exchange(node),
                None => self.world.any_exchange(),
            };
            if let Some(exchange) = exchange {
                match timeout(PATIENCE, act(exchange)).await {
                    Ok(Err(error)) if is_passing(&error, self.world.in_bad_weather()) => {
                        last = format!("{error:?}");
                    }
                    Ok(answer) => return Some(answer),
                    Err(_) => last = "no answer came".into(),
                }
            }
            sleep(Duration::from_millis(50 + self.world.dice().below(300))).await;
        }
        let at = at.map(|node| format!(" at node {node}")).unwrap_or_default();
        self.ledger.violation(format!("{what}{at} was given up after {give_up_after:?}: {last}"));
        None
    }

    async fn send_until(self: Arc<Self>, sending: watch::Receiver<bool>) {
        while *sending.borrow() {
            let pause = (20 + self.world.dice().below(600)) * self.world.pace();
            sleep(Duration::from_millis(pause)).await;
            if self.world.dice().chance(120) {
                self.send_large().await;
            } else {
                self.send_small(None).await;
            }
        }
    }

    fn request(&self) -> Request {
        let pick = || {
            let index = self.world.dice().below(self.everybody.len() as u64) as usize;
            self.everybody[index].clone()
        };
        let mut targets = vec![pick()];
        if self.world.dice().chance(300) {
            targets.push(pick());
            targets.sort();
            targets.dedup();
        }
        Request {
            targets,
            title: "Công văn".parse().expect("a title"),
            importance: Importance::Normal,
            media_type: "application/octet-stream".parse().expect("a media type"),
            policy: ExchangePolicy::default(),
        }
    }

    fn idempotency_key(&self) -> IdempotencyKey {
        format!("{:032x}", self.world.dice().bits()).parse().expect("32 characters")
    }

    async fn send_small(&self, at: Option<NodeId>) {
        let content = canary(self.world.dice(), self.world.dice().below(SMALL_MAX) as usize + 1);
        let submission = Submission {
            request: self.request(),
            file_name: Some("công văn.pdf".parse().expect("a file name")),
            content: content.clone(),
            idempotency_key: Some(self.idempotency_key()),
        };
        let targets = submission.request.targets.clone();
        self.ledger.tried(&content, targets);
        let Some(first) = self.submit(&submission, at).await else { return };
        self.ledger.acknowledged(first, &content);
        remains::sample(&self.world, &self.ledger, first, false);
        if self.world.dice().chance(150)
            && let Some(again) = self.submit(&submission, None).await
            && again != first
        {
            self.ledger
                .violation(format!("one idempotency key made two packets: {first}, {again}"));
        }
    }

    async fn submit(&self, submission: &Submission, at: Option<NodeId>) -> Option<PacketId> {
        let answer = self.persist("a submit", at, async |exchange: Exchange| {
            let caller =
                self.world.try_sign(&exchange, &self.credentials, "POST", "/v1/packets")?;
            let accepted = exchange.intake().submit(&caller, submission).await?;
            if self.world.clocks_jump() {
                self.replays.keep(&self.world, caller, self.unit.clone());
            }
            Ok(accepted)
        });
        match answer.await? {
            Ok(accepted) => Some(accepted.packet),
            Err(error) => {
                self.ledger.violation(format!("a good packet was refused: {error:?}"));
                None
            }
        }
    }

    async fn send_large(&self) {
        let content = canary(self.world.dice(), self.world.dice().below(LARGE_MAX) as usize + 1);
        let request = self.request();
        self.ledger.tried(&content, request.targets.clone());
        let open = OpenRequest {
            request,
            size: Some(content.len() as u64),
            idempotency_key: Some(self.idempotency_key()),
        };
        let opened = self.persist("a request for a space", None, async |exchange: Exchange| {
            let caller =
                self.world.try_sign(&exchange, &self.credentials, "POST", "/v1/packets")?;
            Ok(exchange.intake().open(&caller, open.clone()).await?)
        });
        let opened = match opened.await {
            Some(Ok(opened)) => opened,
            Some(Err(error)) => {
                return self.ledger.violation(format!("a good request was refused: {error:?}"));
            }
            None => return,
        };
        let mut told = 0;
        let changes_its_mind = self.world.dice().chance(150);
        while told < content.len() as u64 {
            if changes_its_mind && told > 0 {
                return self.take_back(opened.packet).await;
            }
            match self.send_piece(&opened, &content, told).await {
                Some(offset) if offset < told => {
                    let space = opened.space;
                    return self
                        .ledger
                        .violation(format!("{space} went back from {told} to {offset}"));
                }
                Some(offset) => told = offset,
                None => return,
            }
        }
        self.commit(opened.packet, &content).await;
        if self.world.dice().chance(100) {
            self.take_back(opened.packet).await;
        }
    }

    /// Takes a packet back, unless it has come to its end meanwhile.
    async fn take_back(&self, packet: PacketId) {
        self.ledger.takes_back(packet);
        let cancelled = self.persist("a cancellation", None, async |exchange: Exchange| {
            let caller = self.world.try_sign(&exchange, &self.credentials, "POST", "/cancel")?;
            Ok(exchange.intake().cancel(&caller, packet).await?)
        });
        match cancelled.await {
            Some(Ok(())) => self.ledger.cancelled(packet),
            Some(Err(Error::Refused(machine::Refusal::AlreadyEnded))) | None => {}
            Some(Err(error)) => {
                self.ledger.violation(format!("a good cancellation was refused: {error:?}"));
            }
        }
    }

    /// Sends one piece; the answer is the offset that was told.
    async fn send_piece(
        &self,
        opened: &conductor::Opened,
        content: &Bytes,
        from: u64,
    ) -> Option<u64> {
        let token = SpaceAccess::Token(opened.token.as_str());
        let length = 1 + self.world.dice().below(PIECE_MAX);
        let sent = self.persist("a piece", None, async |exchange: Exchange| {
            let mut upload =
                match exchange.intake().upload(opened.space, token, Some(from), None).await {
                    Ok(upload) => upload,
                    // Another node had more than this office was told, which is fine.
                    Err(intake::Error::OffsetMismatch { offset }) => return Ok(offset),
                    Err(error) => return Err(error.into()),
                };
            let end = (from + length).min(content.len() as u64);
            upload.write(content.slice(from as usize..end as usize)).await?;
            Ok(upload.sync().await?)
        });
        match sent.await? {
            Ok(offset) => Some(offset),
            Err(error) => {
                self.ledger.violation(format!("a good piece was refused: {error:?}"));
                None
            }
        }
    }

    async fn commit(&self, packet: PacketId, content: &Bytes) {
        let digest = Digest(Sha256::digest(content).into());
        let sealed = self.persist("a commit", None, async |exchange: Exchange| {
            let caller = self.world.try_sign(&exchange, &self.credentials, "POST", "/commit")?;
            let size = content.len() as u64;
            Ok(exchange.intake().seal(&caller, packet, digest, size, None).await?)
        });
        match sealed.await {
            Some(Ok(accepted)) => {
                self.ledger.acknowledged(accepted.packet, content);
                remains::sample(&self.world, &self.ledger, accepted.packet, true);
            }
            Some(Err(error)) => {
                self.ledger.violation(format!("a good commit was refused: {error:?}"));
            }
            None => {}
        }
    }

    /// Where clocks jump, the last office is away until they are right for good: what is sent to it
    /// waits all the time.
    fn is_away(&self) -> bool {
        let last = self.everybody.last() == Some(&self.unit);
        last && self.world.clocks_jump() && !self.world.is_calm()
    }

    /// Tries to have signatures pass again that have passed.
    async fn replay(self: Arc<Self>) {
        loop {
            let pause = (200 + self.world.dice().below(4_000)) * self.world.pace().min(4);
            sleep(Duration::from_millis(pause)).await;
            let (Some(exchange), Some((caller, unit))) =
                (self.world.any_exchange(), self.replays.any(&self.world))
            else {
                continue;
            };
            let submission = Submission {
                request: Request { targets: vec![unit], ..self.request() },
                file_name: None,
                content: canary(self.world.dice(), 100),
                idempotency_key: None,
            };
            self.ledger.tried(&submission.content, submission.request.targets.clone());
            let passed = timeout(PATIENCE, exchange.intake().submit(&caller, &submission)).await;
            self.world.count("signatures tried again");
            if let Ok(Ok(accepted)) = passed {
                let packet = accepted.packet;
                self.ledger.violation(format!("a signature passed twice and made {packet}"));
            }
        }
    }

    async fn receive(self: Arc<Self>) {
        loop {
            let pause = (50 + self.world.dice().below(400)) * self.world.pace();
            sleep(Duration::from_millis(pause)).await;
            if self.is_away() {
                continue;
            }
            let Some(exchange) = self.world.any_exchange() else { continue };
            // Whatever fails here is tried again with the next look into the inbox.
            let _ = timeout(PATIENCE, self.empty_inbox(&exchange)).await;
        }
    }

    async fn empty_inbox(&self, exchange: &Exchange) -> Result<(), Error> {
        let sign = || self.world.try_sign(exchange, &self.credentials, "POST", "/v1/inbox");
        let waiting = exchange.packets().inbox(sign()?.caller(), None, 20).await?;
        let mut receipts = Vec::new();
        for record in waiting {
            let is_back = self.ledger.is_cancelled(record.packet);
            let pickup = exchange.pickups().accept(&sign()?, record.packet).await?;
            if is_back {
                let packet = record.packet;
                self.ledger.violation(format!("{packet} was accepted after it was taken back"));
            }
            let proof = PickupProof::Token(pickup.token.as_str());
            let mut download = exchange.pickups().download(record.packet, proof, None).await?;
            let mut stream = download.stream.take().expect("a download streams");
            let mut received = BytesMut::new();
            while let Some(piece) = stream.next().await {
                received.extend_from_slice(&piece?);
            }
            let digest = Digest(Sha256::digest(&received).into());
            if digest != pickup.digest {
                self.ledger.violation(format!("{} was altered on its way", record.packet));
            }
            self.ledger.received(record.packet, digest, &self.unit);
            if self.world.dice().chance(80) {
                self.ledger.refuses(record.packet, &self.unit);
                let reason = "Gửi nhầm đơn vị".parse().expect("a reason");
                exchange.pickups().reject(&sign()?, record.packet, reason).await?;
                self.ledger.rejected(record.packet, &self.unit);
            } else {
                receipts.push(Receipt { packet: record.packet, digest });
            }
        }
        if !receipts.is_empty() {
            for answer in exchange.pickups().confirm(&sign()?, receipts).await? {
                match answer.refusal {
                    None => self.ledger.confirmed(answer.packet, &self.unit),
                    // A refusal that this office did not wait for to the end may have come first.
                    Some(_) if self.ledger.may_have_ended(answer.packet, &self.unit) => {}
                    Some(refusal) => self.ledger.violation(format!(
                        "a good receipt was refused: {refusal} of {}",
                        answer.packet
                    )),
                }
            }
        }
        Ok(())
    }
}
