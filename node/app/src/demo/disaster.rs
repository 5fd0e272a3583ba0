//! The large file through the leader, and the leader's end in the middle of it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use client::{Client, Credentials, File, Secret};
use model::{
    Digest, NodeId,
    lengths::{in_memory, millis_of},
};
use sha2::Digest as _;
use tokio::sync::mpsc;

use super::{
    founding::client_of,
    report::{KilledReport, UploadReport},
    samples::{BIG_SIZE, BigFile},
    scene::{Office, STEP_MAX, Scene, Sent, new_packet},
};
use crate::{
    cli::{Failure, size_text},
    profile,
    texts::demo as d,
};

/// The share of the large file after which the leader is killed, in percent.
const KILL_AT_PERCENT: u64 = 40;

impl Scene<'_> {
    /// The large file, through the leader, which is killed in the middle of it.
    pub(super) async fn send_large(
        &mut self,
        offices: &[Office],
    ) -> Result<(UploadReport, KilledReport), Failure> {
        let show = self.show;
        let leader = self.leader().await?;
        let index = in_memory(leader.0) - 1;
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
                        offsets.send((offset, url.to_owned())).ok();
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
        let index = in_memory(leader.0) - 1;
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
        let milliseconds = millis_of(dead.elapsed());
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
}
