//! What happens in the demonstration, step by step. Every step has a deadline and checks what it
//! shows: a step that does not go as it must ends the demonstration with a failure.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use client::{Client, Credentials, File, NewApp, NewKey, NewPacket, Packet, Status, Submitted};
use model::{Digest, Grant, NodeId, PacketId, UnitCode, lengths::millis_of};
use sha2::Digest as _;
use tokio::{sync::mpsc, task::JoinHandle, time::sleep};

use super::{
    Show,
    cluster::{Cluster, NODES},
    founding::{client_of, found, ready, write_profile},
    office::{Heard, Received, listen},
    report::{
        CanaryReport, KeyReport, KilledReport, OfficeReport, PurgeReport, Report, UploadReport,
    },
    samples::{UNITS, edxml, pdf},
};
use crate::{
    cli::{Failure, size_text},
    texts::{Text, demo as d},
    verbs::{self, ADMIN_PROFILE},
};

/// How long a node may take to be ready, and the cluster to reach a state that it must reach.
pub(super) const STEP_MAX: Duration = Duration::from_secs(60);
/// Between two looks.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(100);
/// What offices can have said before anybody listens: a handful of packets and reconnects.
const HEARD_MAX: usize = 256;

/// The offices: the source of the edXML document and its two targets.
const OFFICES: [&str; 3] = ["H41.08", "H41.101", "H41.230"];

pub(super) struct Office {
    pub(super) report: OfficeReport,
    pub(super) client: Client,
}

pub(super) struct Sent {
    pub(super) submitted: Submitted,
    pub(super) title: &'static str,
    pub(super) targets: Vec<UnitCode>,
    pub(super) size: u64,
    pub(super) digest: Digest,
    pub(super) begun: Instant,
    pub(super) received: BTreeMap<UnitCode, Received>,
}

pub(super) struct Scene<'a> {
    pub(super) show: Show,
    pub(super) begun: Instant,
    pub(super) cluster: &'a mut Cluster,
    pub(super) admin: Client,
    pub(super) authority: Vec<u8>,
    pub(super) canary: String,
    pub(super) heard: mpsc::Receiver<Heard>,
    pub(super) tell: mpsc::Sender<Heard>,
    pub(super) listeners: Vec<JoinHandle<()>>,
    pub(super) sent: Vec<Sent>,
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
pub(super) struct Parts {
    pub(super) units: u64,
    pub(super) offices: Vec<Office>,
    pub(super) upload: UploadReport,
    pub(super) killed: KilledReport,
    pub(super) purge: PurgeReport,
    pub(super) canary: CanaryReport,
    pub(super) admin: KeyReport,
}

impl Scene<'_> {
    /// The two further nodes, each by a token of its own.
    pub(super) async fn join(&mut self) -> Result<(), Failure> {
        for index in 1..NODES {
            let token =
                self.admin.join_token(None).await.map_err(self.show.refused(d::STEP_START))?;
            self.cluster.join(index, token.token.expose()).await?;
            self.cluster.start(index)?;
            ready(self.show, self.cluster, &self.authority, index).await?;
            let node = &self.cluster.nodes[index];
            self.show.tell(d::JOINED, &[("node", &node.number), ("url", &node.addresses.url())]);
        }
        let status = self
            .until_status(d::STEP_START, |status| {
                voters(status) == NODES && status.leader.is_some()
            })
            .await?;
        let leader = status.leader.unwrap_or_default();
        self.show.tell(d::STARTED, &[("leader", &leader)]);
        Ok(())
    }

    /// Units, applications and keys.
    pub(super) async fn register(&mut self) -> Result<(u64, Vec<Office>), Failure> {
        let show = self.show;
        let refused = show.refused(d::STEP_REGISTER);
        let units = verbs::read_units(show.out.lang, Path::new("nghe-an-units.csv"), UNITS)?;
        let units: Vec<_> = units.into_iter().map(|listed| listed.unit).collect();
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
    pub(super) async fn listen(&mut self, offices: &[Office]) -> Result<(), Failure> {
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

    pub(super) fn received_directory(&self) -> PathBuf {
        self.cluster.root.join("received")
    }

    /// A letter and an edXML document, each in one round trip.
    pub(super) async fn send_small(&mut self, offices: &[Office]) -> Result<(), Failure> {
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

    pub(super) async fn submit(
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

    pub(super) fn note_sent(&mut self, source: &Office, sent: Sent) {
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
    pub(super) async fn hear(&mut self, step: Text) -> Result<Heard, Failure> {
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

    pub(super) fn too_long(&self, step: Text, what: &str) -> Failure {
        let values: [(&str, &dyn std::fmt::Display); 2] =
            [("seconds", &STEP_MAX.as_secs()), ("what", &what)];
        self.show.failed(step, self.show.out.fill(d::TOO_LONG, &values))
    }

    /// Waits until every target of every packet has received it, and checks the digests.
    pub(super) async fn await_receipts(&mut self) -> Result<(), Failure> {
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

    pub(super) async fn leader(&self) -> Result<NodeId, Failure> {
        let status = self
            .until_status(d::STEP_START, |status| {
                status.leader.is_some_and(|node| (1..=NODES as u64).contains(&node.0))
            })
            .await?;
        Ok(status.leader.unwrap_or_default())
    }

    pub(super) async fn until_status(
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
    pub(super) async fn until_packets(
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
    pub(super) async fn packet(
        &self,
        offices: &[Office],
        packet: PacketId,
    ) -> Result<Packet, client::Error> {
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
}

impl Sent {
    /// From its beginning to the last receipt.
    pub(super) fn milliseconds(&self) -> u64 {
        let last = self.received.values().map(|received| received.at).max().unwrap_or(self.begun);
        millis_of(last.duration_since(self.begun))
    }
}

/// Voters that answer. Not the cluster's health: a newcomer's disk that is rather full only warns.
pub(super) fn voters(status: &Status) -> usize {
    let votes = |node: &&client::NodeStatus| node.votes() && node.reachable;
    status.nodes.iter().filter(votes).count()
}

pub(super) fn new_packet(
    title: &str,
    media_type: &str,
    targets: &[UnitCode],
    size: Option<u64>,
) -> NewPacket {
    NewPacket {
        targets: targets.to_vec(),
        title: title.parse().expect("the titles here are short lines"),
        importance: None,
        media_type: media_type.parse().expect("the media types here are well formed"),
        size,
        policy: None,
    }
}
