//! What happens in the demonstration, step by step. Every step has a deadline and checks what it
//! shows: a step that does not go as it must ends the demonstration with a failure.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use client::{
    Client, Credentials, File, NewApp, NewKey, NewPacket, Packet, Secret, Status, Submitted,
};
use model::{Digest, Grant, NodeId, PacketId, UnitCode};
use sha2::Digest as _;
use tokio::{sync::mpsc, task::JoinHandle, time::sleep};

use super::{
    Show,
    canary::{Searched, search},
    cluster::{Cluster, NODES},
    founding::{client_of, found, ready, write_profile},
    office::{Heard, Received, listen},
    report::{
        CanaryReport, KeyReport, KilledReport, NodeReport, OfficeReport, PacketReport, PurgeReport,
        Report, UploadReport,
    },
    samples::{BIG_SIZE, BigFile, UNITS, edxml, pdf},
};
use crate::{
    cli::{Failure, size_text},
    profile,
    texts::{Text, demo as d},
    verbs::{self, ADMIN_PROFILE, AUTHORITY_PEM},
};

/// How long a node may take to be ready, and the cluster to reach a state that it must reach.
pub const STEP_MAX: Duration = Duration::from_secs(60);
/// Between two looks.
pub const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The share of the large file after which the leader is killed, in percent.
const KILL_AT_PERCENT: u64 = 40;
/// What offices can have said before anybody listens: a handful of packets and reconnects.
const HEARD_MAX: usize = 256;

/// The offices: the source of the edXML document and its two targets.
const OFFICES: [&str; 3] = ["H41.08", "H41.101", "H41.230"];

struct Office {
    report: OfficeReport,
    client: Client,
}

struct Sent {
    submitted: Submitted,
    title: &'static str,
    targets: Vec<UnitCode>,
    size: u64,
    digest: Digest,
    begun: Instant,
    received: BTreeMap<UnitCode, Received>,
}

struct Scene<'a> {
    show: Show,
    begun: Instant,
    cluster: &'a mut Cluster,
    admin: Client,
    authority: Vec<u8>,
    canary: String,
    heard: mpsc::Receiver<Heard>,
    tell: mpsc::Sender<Heard>,
    listeners: Vec<JoinHandle<()>>,
    sent: Vec<Sent>,
}

impl Drop for Scene<'_> {
    fn drop(&mut self) {
        self.listeners.iter().for_each(JoinHandle::abort);
    }
}

/// Plays the whole demonstration.
pub async fn play(show: Show, cluster: &mut Cluster) -> Result<Report, Failure> {
    let begun = Instant::now();
    let (admin, authority, access_key) = found(show, cluster).await?;
    let (tell, heard) = mpsc::channel(HEARD_MAX);
    let canary = format!("LGSP-CANARY-{}", hex::encode(rand::random::<[u8; 16]>()));
    let mut scene = Scene {
        show,
        begun,
        cluster,
        admin,
        authority,
        canary,
        heard,
        tell,
        listeners: Vec::new(),
        sent: Vec::new(),
    };
    scene.join().await?;
    let admin_profile = scene.cluster.root.join(ADMIN_PROFILE);
    let (units, offices) = scene.register().await?;
    scene.listen(&offices).await?;
    scene.send_small(&offices).await?;
    let (upload, killed) = scene.send_large(&offices).await?;
    let purge = scene.purge(&offices, &killed).await?;
    let canary = scene.search_canary()?;
    scene
        .report(Parts {
            units,
            offices,
            upload,
            killed,
            purge,
            canary,
            admin: KeyReport { access_key, profile: admin_profile },
        })
        .await
}

/// What the steps have seen, on the way to the report.
struct Parts {
    units: u64,
    offices: Vec<Office>,
    upload: UploadReport,
    killed: KilledReport,
    purge: PurgeReport,
    canary: CanaryReport,
    admin: KeyReport,
}

impl Scene<'_> {
    /// The two further nodes, each by a token of its own.
    async fn join(&mut self) -> Result<(), Failure> {
        for index in 1..NODES {
            let token =
                self.admin.join_token(None).await.map_err(self.show.refused(d::STEP_START))?;
            self.cluster.join(index, token.token.expose()).await?;
            self.cluster.start(index)?;
            ready(self.show, self.cluster, &self.authority, index).await?;
            let node = &self.cluster.nodes[index];
            self.show.tell(d::JOINED, &[("node", &node.number), ("url", &node.url)]);
        }
        let status = self
            .until_status(d::STEP_START, |status| {
                status.health == "healthy" && voters(status) == NODES && status.leader.is_some()
            })
            .await?;
        let leader = status.leader.unwrap_or_default();
        self.show.tell(d::STARTED, &[("leader", &leader)]);
        Ok(())
    }

    /// Units, applications and keys.
    async fn register(&mut self) -> Result<(u64, Vec<Office>), Failure> {
        let show = self.show;
        let refused = show.refused(d::STEP_REGISTER);
        let units = verbs::read_units(show.out.lang, Path::new("nghe-an-units.csv"), UNITS)?;
        // The zone's own unit came with the founding.
        let own = units.iter().filter(|unit| unit.parent.is_none()).count() as u64;
        let further: Vec<_> = units.iter().filter(|unit| unit.parent.is_some()).cloned().collect();
        let added =
            own + self.admin.add_units(&further).await.map_err(show.refused(d::STEP_REGISTER))?;
        show.tell(d::UNITS, &[("count", &added)]);
        let mut offices = Vec::with_capacity(OFFICES.len());
        for (index, code) in OFFICES.iter().enumerate() {
            let unit: UnitCode = code.parse().expect("the offices have unit codes");
            let name = units
                .iter()
                .find(|unit| unit.code.as_str() == *code)
                .map(|unit| unit.name.clone())
                .unwrap_or_default();
            let word = format!("van-ban-{}", code.to_lowercase().replace('.', "-"));
            let app: model::AppId =
                word.parse().expect("lower-case codes and hyphens are an application id");
            let grants = vec![Grant::Send, Grant::Receive];
            self.admin
                .add_app(&NewApp {
                    app: app.clone(),
                    unit: unit.clone(),
                    name: name.clone(),
                    grants,
                    targets: Vec::new(),
                })
                .await
                .map_err(&refused)?;
            let key =
                NewKey { app, algorithm: None, public_key: None, legacy: None, hmac_sha1: None };
            let issued = self.admin.issue_key(&key).await.map_err(&refused)?;
            let secret =
                issued.secret_key.ok_or_else(|| show.failed(d::STEP_REGISTER, "secret_key"))?;
            let profile =
                self.cluster.root.join(format!("{}.toml", code.to_lowercase().replace('.', "-")));
            write_profile(
                show,
                self.cluster,
                &profile,
                &self.authority,
                &issued.access_key,
                &secret,
            )?;
            let credentials = Credentials::hmac(issued.access_key.clone(), &secret);
            // Each office speaks to another node: any node takes any request.
            let client = client_of(show, self.cluster, &self.authority, Some(credentials), index)?;
            let report = OfficeReport { unit, name, access_key: issued.access_key, profile };
            offices.push(Office { report, client });
        }
        show.tell(d::KEYS, &[("count", &offices.len())]);
        let query = "thanh vinh";
        let found = offices[0]
            .client
            .units(Some(query), None, 5)
            .await
            .map_err(show.refused(d::STEP_SEARCH))?;
        let names: Vec<String> =
            found.items.iter().map(|unit| format!("{} {}", unit.code, unit.name)).collect();
        if names.is_empty() {
            return Err(show.failed(d::STEP_SEARCH, query));
        }
        show.tell(d::SEARCH, &[("query", &query), ("found", &names.join(", "))]);
        Ok((added, offices))
    }

    /// The two targets listen; nothing is sent before they do.
    async fn listen(&mut self, offices: &[Office]) -> Result<(), Failure> {
        let directory = self.received_directory();
        std::fs::create_dir_all(&directory)
            .map_err(|error| Failure::file(self.show.out.lang, &directory, &error))?;
        for office in &offices[1..] {
            let task = listen(
                office.report.unit.clone(),
                office.client.clone(),
                directory.clone(),
                self.tell.clone(),
            );
            self.listeners.push(task);
        }
        let mut listening = 0;
        while listening < offices.len() - 1 {
            if let Heard::Listening = self.hear(d::STEP_RECEIVE).await? {
                listening += 1;
            }
        }
        Ok(())
    }

    fn received_directory(&self) -> PathBuf {
        self.cluster.root.join("received")
    }

    /// A letter and an edXML document, each in one round trip.
    async fn send_small(&mut self, offices: &[Office]) -> Result<(), Failure> {
        let letter = pdf(&self.canary);
        self.submit(
            offices,
            &offices[1..2],
            "Công văn số 12",
            "application/pdf",
            "cong-van-12.pdf",
            &letter,
        )
        .await?;
        let document = edxml(&self.canary);
        self.submit(
            offices,
            &offices[1..],
            "1542/SKHCN-CĐS",
            "application/edxml+xml",
            "1542.edxml",
            &document,
        )
        .await?;
        self.await_receipts().await
    }

    async fn submit(
        &mut self,
        offices: &[Office],
        to: &[Office],
        title: &'static str,
        media_type: &str,
        name: &str,
        octets: &[u8],
    ) -> Result<(), Failure> {
        let targets: Vec<UnitCode> = to.iter().map(|office| office.report.unit.clone()).collect();
        let begun = Instant::now();
        let name = format!("{}-{name}", self.canary)
            .parse()
            .expect("the canary and a plain name are a file name");
        let packet = new_packet(title, media_type, &targets, None);
        let file = File { name: &name, octets };
        let submitted = offices[0]
            .client
            .submit(&packet, file, None)
            .await
            .map_err(self.show.refused(d::STEP_SEND))?;
        let digest = Digest(sha2::Sha256::digest(octets).into());
        self.note_sent(
            &offices[0],
            Sent {
                submitted,
                title,
                targets,
                size: octets.len() as u64,
                digest,
                begun,
                received: BTreeMap::new(),
            },
        );
        Ok(())
    }

    fn note_sent(&mut self, source: &Office, sent: Sent) {
        let targets: Vec<String> = sent.targets.iter().map(ToString::to_string).collect();
        self.show.tell(
            d::SENT,
            &[
                ("title", &sent.title),
                ("size", &size_text(sent.size)),
                ("source", &source.report.unit),
                ("targets", &targets.join(", ")),
            ],
        );
        self.sent.push(sent);
    }

    /// What an office says next.
    async fn hear(&mut self, step: Text) -> Result<Heard, Failure> {
        let show = self.show;
        match tokio::time::timeout(STEP_MAX, self.heard.recv()).await {
            Ok(Some(Heard::Failed(unit, error))) => {
                let mut failure = show.refused(step)(error);
                failure.why =
                    Some(format!("{unit}: {}", failure.why.as_deref().unwrap_or_default()));
                Err(failure)
            }
            Ok(Some(heard)) => Ok(heard),
            Ok(None) | Err(_) => Err(self.too_long(step, "SSE")),
        }
    }

    fn too_long(&self, step: Text, what: &str) -> Failure {
        let values: [(&str, &dyn std::fmt::Display); 2] =
            [("seconds", &STEP_MAX.as_secs()), ("what", &what)];
        self.show.failed(step, self.show.out.fill(d::TOO_LONG, &values))
    }

    /// Waits until every target of every packet has received it, and checks the digests.
    async fn await_receipts(&mut self) -> Result<(), Failure> {
        let show = self.show;
        while self.sent.iter().any(|sent| sent.received.len() < sent.targets.len()) {
            let Heard::Received(received) = self.hear(d::STEP_RECEIVE).await? else { continue };
            let Some(sent) =
                self.sent.iter_mut().find(|sent| sent.submitted.packet == received.packet)
            else {
                continue;
            };
            if received.digest != sent.digest {
                return Err(show.failed(
                    d::STEP_RECEIVE,
                    format!("{}: {} ≠ {}", received.packet, received.digest, sent.digest),
                ));
            }
            show.tell(d::RECEIVED, &[("target", &received.unit), ("packet", &received.packet)]);
            sent.received.insert(received.unit.clone(), *received);
            if sent.received.len() == sent.targets.len() {
                let ms = sent.milliseconds();
                show.tell(d::COMPLETED, &[("packet", &sent.submitted.packet), ("ms", &ms)]);
            }
        }
        Ok(())
    }

    /// The large file, through the leader, which is killed in the middle of it.
    async fn send_large(
        &mut self,
        offices: &[Office],
    ) -> Result<(UploadReport, KilledReport), Failure> {
        let show = self.show;
        let leader = self.leader().await?;
        let index = leader.0 as usize - 1;
        let source = &offices[0];
        let title = "Bản đồ quy hoạch (64 MiB)";
        let targets = vec![offices[2].report.unit.clone()];
        let begun = Instant::now();
        let loaded = profile::Loaded::read(&source.report.profile, show.out.lang)?;
        let client = self.client_through(&loaded, index)?;
        let opened = client
            .open(&new_packet(title, "application/octet-stream", &targets, Some(BIG_SIZE)), None)
            .await
            .map_err(show.refused(d::STEP_UPLOAD))?;
        show.tell(d::BIG_BEGIN, &[("node", &leader)]);

        let (offsets, mut at) = mpsc::unbounded_channel();
        let mut file = BigFile::new(&self.canary);
        let upload = {
            let client = client.clone();
            let space = opened.space.clone();
            tokio::spawn(async move {
                client
                    .upload(&space, BIG_SIZE, &mut file, |offset, url| {
                        drop(offsets.send((offset, url.to_owned())))
                    })
                    .await
            })
        };
        let killed = self.kill_in_the_middle(&mut at, leader, offices).await?;
        let mut told = Instant::now();
        while let Some((offset, url)) = at.recv().await {
            if told.elapsed() > Duration::from_millis(500) || offset == BIG_SIZE {
                told = Instant::now();
                show.tell(
                    d::BIG_AT,
                    &[("done", &size_text(offset)), ("total", &size_text(BIG_SIZE)), ("url", &url)],
                );
            }
        }
        let sent = upload
            .await
            .map_err(|error| show.failed(d::STEP_UPLOAD, error.to_string()))?
            .map_err(show.refused(d::STEP_UPLOAD))?;
        let seconds = begun.elapsed().as_secs_f64();
        let shown = format!("{seconds:.1}");
        show.tell(
            d::BIG_DONE,
            &[("seconds", &shown), ("resumed", &sent.resumed), ("digest", &sent.digest)],
        );
        let submitted = client
            .commit(opened.packet, sent.digest, BIG_SIZE, None)
            .await
            .map_err(show.refused(d::STEP_UPLOAD))?;
        let packet = opened.packet;
        self.note_sent(
            source,
            Sent {
                submitted,
                title,
                targets,
                size: BIG_SIZE,
                digest: sent.digest,
                begun,
                received: BTreeMap::new(),
            },
        );
        self.await_receipts().await?;
        Ok((UploadReport { packet, size: BIG_SIZE, seconds, resumed: sent.resumed }, killed))
    }

    fn client_through(&self, loaded: &profile::Loaded, first: usize) -> Result<Client, Failure> {
        let path = loaded.path.with_extension("secret");
        let secret = std::fs::read_to_string(&path)
            .map_err(|error| Failure::file(self.show.out.lang, &path, &error))?;
        let credentials =
            Credentials::hmac(loaded.profile.access_key.clone(), &Secret::new(secret.trim()));
        client_of(self.show, self.cluster, &self.authority, Some(credentials), first)
    }

    async fn kill_in_the_middle(
        &mut self,
        at: &mut mpsc::UnboundedReceiver<(u64, String)>,
        leader: NodeId,
        offices: &[Office],
    ) -> Result<KilledReport, Failure> {
        let show = self.show;
        let index = leader.0 as usize - 1;
        let mut offset = 0;
        while offset * 100 < BIG_SIZE * KILL_AT_PERCENT {
            let next = tokio::time::timeout(STEP_MAX, at.recv()).await;
            // The upload has ended early: it tells why itself.
            let Ok(Some((reached, _))) = next else {
                return Err(self.too_long(d::STEP_UPLOAD, &size_text(offset)));
            };
            offset = reached;
        }
        let pid = self.cluster.nodes[index].pid();
        self.cluster.kill(index).await;
        let dead = Instant::now();
        let percent = offset * 100 / BIG_SIZE;
        show.tell(d::KILLED, &[("node", &leader), ("percent", &percent)]);
        // Another office goes on writing: its next packet shows how long nobody could.
        let (source, target) = (&offices[1], &offices[2]);
        let canary = self.canary.clone();
        let name = "thu.txt".parse().expect("a plain name is a file name");
        let targets = vec![target.report.unit.clone()];
        let packet = new_packet("Thư ngắn sau sự cố", "text/plain", &targets, None);
        let file = File { name: &name, octets: canary.as_bytes() };
        let submitted =
            source.client.submit(&packet, file, None).await.map_err(show.refused(d::STEP_KILL))?;
        let milliseconds = dead.elapsed().as_millis() as u64;
        let status = self
            .until_status(d::STEP_KILL, |status| status.leader.is_some_and(|node| node != leader))
            .await?;
        let new_leader = status.leader;
        show.tell(
            d::WRITES_AGAIN,
            &[("ms", &milliseconds), ("leader", &new_leader.unwrap_or_default())],
        );
        let digest = Digest(sha2::Sha256::digest(canary.as_bytes()).into());
        let size = canary.len() as u64;
        self.note_sent(
            source,
            Sent {
                submitted,
                title: "Thư ngắn sau sự cố",
                targets,
                size,
                digest,
                begun: dead,
                received: BTreeMap::new(),
            },
        );
        Ok(KilledReport {
            node: leader,
            pid,
            at_offset: offset,
            writes_again_milliseconds: milliseconds,
            new_leader,
        })
    }

    async fn leader(&self) -> Result<NodeId, Failure> {
        let status = self
            .until_status(d::STEP_START, |status| {
                status.leader.is_some_and(|node| (1..=NODES as u64).contains(&node.0))
            })
            .await?;
        Ok(status.leader.unwrap_or_default())
    }

    async fn until_status(
        &self,
        step: Text,
        is_so: impl Fn(&Status) -> bool,
    ) -> Result<Status, Failure> {
        let deadline = Instant::now() + STEP_MAX;
        loop {
            match self.admin.status().await {
                Ok(status) if is_so(&status) => return Ok(status),
                Err(error) if !error.may_retry() => return Err(self.show.refused(step)(error)),
                _ if Instant::now() > deadline => return Err(self.too_long(step, "status")),
                _ => sleep(LOOK_EVERY).await,
            }
        }
    }

    /// The packets as their source sees them, once each is as it must be.
    async fn until_packets(
        &self,
        offices: &[Office],
        step: Text,
        is_so: impl Fn(&Packet) -> bool,
    ) -> Result<Vec<Packet>, Failure> {
        let deadline = Instant::now() + STEP_MAX;
        let mut packets = Vec::with_capacity(self.sent.len());
        for sent in &self.sent {
            loop {
                let packet = self
                    .packet(offices, sent.submitted.packet)
                    .await
                    .map_err(self.show.refused(step))?;
                if is_so(&packet) {
                    packets.push(packet);
                    break;
                }
                if Instant::now() > deadline {
                    return Err(self.too_long(step, &format!("{} {}", packet.packet, packet.state)));
                }
                sleep(LOOK_EVERY).await;
            }
        }
        Ok(packets)
    }

    /// A packet, asked of the office that sent it.
    async fn packet(&self, offices: &[Office], packet: PacketId) -> Result<Packet, client::Error> {
        let mut last = offices[0].client.packet(packet).await;
        for office in &offices[1..] {
            // Targets see only their own delivery: the source sees holders and purge too.
            match last {
                Ok(found) if found.source.as_ref() == Some(&offices[0].report.unit) => {
                    return Ok(found);
                }
                _ => {}
            }
            last = office.client.packet(packet).await;
            if last.as_ref().is_ok_and(|found| found.source.as_ref() == Some(&office.report.unit)) {
                return last;
            }
        }
        last
    }

    /// The content is gone where nodes live; the killed one pays its debt when it is back.
    async fn purge(
        &mut self,
        offices: &[Office],
        killed: &KilledReport,
    ) -> Result<PurgeReport, Failure> {
        let show = self.show;
        let dead = killed.node;
        self.until_packets(offices, d::STEP_PURGE, |packet| {
            packet.state == "completed" && packet.purge_debt.iter().all(|node| *node == dead)
        })
        .await?;
        let status = self.admin.status().await.map_err(show.refused(d::STEP_PURGE))?;
        let debt = status
            .nodes
            .iter()
            .find(|node| node.node == dead)
            .and_then(|node| node.purge_debt)
            .unwrap_or_default();
        show.tell(d::PURGED, &[("node", &dead), ("debt", &debt)]);

        let begun = Instant::now();
        let index = dead.0 as usize - 1;
        self.cluster.start(index)?;
        ready(show, self.cluster, &self.authority, index).await?;
        self.until_packets(offices, d::STEP_RESTART, |packet| packet.purge_debt.is_empty()).await?;
        let paid = begun.elapsed().as_millis() as u64;
        show.tell(d::RESTARTED, &[("node", &dead), ("ms", &paid)]);

        let fetch_again_status = self.fetch_again(offices).await?;
        Ok(PurgeReport { debt_of_killed: debt, paid_milliseconds: paid, fetch_again_status })
    }

    /// A target that fetches again, with what once allowed it, is refused.
    async fn fetch_again(&self, offices: &[Office]) -> Result<u16, Failure> {
        let again = self.sent.iter().flat_map(|sent| sent.received.values()).next();
        let client = again
            .and_then(|received| offices.iter().find(|office| office.report.unit == received.unit));
        let (Some(received), Some(office)) = (again, client) else {
            return Err(self.too_long(d::STEP_PURGE, "packet"));
        };
        match office.client.content(&received.accepted, 1 << 20).await {
            Ok(_) => Err(self.show.failed(d::STEP_PURGE, "200")),
            Err(error) => {
                let status =
                    error.status().ok_or_else(|| self.show.refused(d::STEP_PURGE)(error))?;
                self.show.tell(d::GONE, &[("status", &status)]);
                Ok(status)
            }
        }
    }

    /// Every octet of every node, and of the received files to show that the search finds.
    fn search_canary(&self) -> Result<CanaryReport, Failure> {
        let show = self.show;
        let (mut nodes, mut control) = (Searched::default(), Searched::default());
        let needle = self.canary.as_bytes();
        for node in &self.cluster.nodes {
            search(&node.directory, needle, &mut nodes)
                .map_err(|error| show.failed(d::STEP_CANARY, error.to_string()))?;
        }
        search(&self.received_directory(), needle, &mut control)
            .map_err(|error| show.failed(d::STEP_CANARY, error.to_string()))?;
        show.tell(
            d::CANARY,
            &[
                ("files", &nodes.files),
                ("size", &size_text(nodes.octets)),
                ("found", &nodes.found.len()),
                ("control", &control.found.len()),
            ],
        );
        if let Some(path) = nodes.found.first() {
            return Err(show.failed(
                d::STEP_CANARY,
                show.out.fill(d::FOUND_CANARY, &[("path", &path.display())]),
            ));
        }
        if control.found.is_empty() {
            return Err(show.failed(d::STEP_CANARY, show.out.text(d::CONTROL)));
        }
        Ok(CanaryReport {
            files: nodes.files,
            octets: nodes.octets,
            found: nodes.found,
            control: control.found.len(),
        })
    }

    async fn report(&mut self, parts: Parts) -> Result<Report, Failure> {
        let out = self.show.out;
        let mut packets = Vec::with_capacity(self.sent.len());
        for sent in &self.sent {
            let packet = self
                .packet(&parts.offices, sent.submitted.packet)
                .await
                .map_err(self.show.refused(d::STEP_RECEIVE))?;
            packets.push(PacketReport {
                packet: packet.packet,
                title: packet.title.clone(),
                source: packet
                    .source
                    .clone()
                    .unwrap_or_else(|| parts.offices[0].report.unit.clone()),
                targets: sent.targets.clone(),
                size: sent.size,
                digest: sent.digest,
                state: packet.state.clone(),
                milliseconds: sent.milliseconds(),
                way: verbs::steps(&out, &packet),
                lines: verbs::lines(&out, &packet),
            });
        }
        let nodes = self.cluster.nodes.iter().map(|node| NodeReport {
            node: node.id(),
            url: node.url.clone(),
            mesh: node.mesh.clone(),
            pid: node.pid(),
            data_dir: node.directory.clone(),
        });
        let offices: Vec<OfficeReport> =
            parts.offices.into_iter().map(|office| office.report).collect();
        Ok(Report {
            ok: true,
            seconds: self.begun.elapsed().as_secs_f64(),
            nodes: nodes.collect(),
            units: parts.units,
            packets,
            upload: parts.upload,
            killed: parts.killed,
            purge: parts.purge,
            canary: parts.canary,
            next: self.next_commands(&parts.admin, &offices),
            admin: parts.admin,
            offices,
        })
    }

    fn next_commands(&self, admin: &KeyReport, offices: &[OfficeReport]) -> Vec<String> {
        let (lgsp, quoted) = (self.cluster.program(), verbs::quoted);
        let authority = self.cluster.nodes[0].directory.join(AUTHORITY_PEM);
        let url = &self.cluster.nodes[0].url;
        vec![
            format!("{lgsp} status --profile {}", quoted(&admin.profile)),
            format!("{lgsp} check --profile {}", quoted(&admin.profile)),
            format!(
                "{lgsp} packet send README.md --to {} --profile {}",
                offices[1].unit,
                quoted(&offices[0].profile)
            ),
            format!(
                "{lgsp} packet receive --confirm --to-dir /tmp --profile {}",
                quoted(&offices[1].profile)
            ),
            format!("curl --cacert {} {url}/readyz", quoted(&authority)),
        ]
    }
}

impl Sent {
    /// From its beginning to the last receipt.
    fn milliseconds(&self) -> u64 {
        let last = self.received.values().map(|received| received.at).max().unwrap_or(self.begun);
        last.duration_since(self.begun).as_millis() as u64
    }
}

fn voters(status: &Status) -> usize {
    status.nodes.iter().filter(|node| matches!(node.role.as_str(), "leader" | "voter")).count()
}

fn new_packet(title: &str, media_type: &str, targets: &[UnitCode], size: Option<u64>) -> NewPacket {
    NewPacket {
        targets: targets.to_vec(),
        title: title.parse().expect("the titles here are short lines"),
        importance: None,
        media_type: media_type.parse().expect("the media types here are well formed"),
        size,
        policy: None,
    }
}
