//! The end of the demonstration: the content is gone, and what was seen is told.

use std::{path::Path, time::Instant};

use model::lengths::{in_memory, millis_of};

use super::{
    founding::ready,
    report::{
        CanaryReport, KeyReport, KilledReport, NodeReport, OfficeReport, PacketReport, PurgeReport,
        Report,
    },
    scene::{Office, Parts, Scene},
};
use crate::{
    cli::{Failure, size_text},
    node::AUTHORITY_PEM,
    profile,
    texts::demo as d,
    trial::{Searched, forms_of, search},
    verbs,
};

impl Scene<'_> {
    /// The content is gone where nodes live; the killed one pays its debt when it is back.
    pub(super) async fn purge(
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
        let index = in_memory(dead.0) - 1;
        self.cluster.start(index)?;
        ready(show, self.cluster, &self.authority, index).await?;
        self.until_packets(offices, d::STEP_RESTART, |packet| packet.purge_debt.is_empty()).await?;
        let paid = millis_of(begun.elapsed());
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

    /// Every octet of every node, its log included, and of the received files to show that the search
    /// finds.
    pub(super) fn search_canary(&self) -> Result<CanaryReport, Failure> {
        let show = self.show;
        let needles = forms_of("canary", self.canary.as_bytes());
        let look = |directory: &Path| {
            search(directory, &needles)
                .map_err(|error| show.failed(d::STEP_CANARY, error.to_string()))
        };
        let mut directories: Vec<_> =
            self.cluster.nodes.iter().map(|node| node.directory.clone()).collect();
        directories.push(self.cluster.logs());
        let mut nodes = Searched::default();
        for directory in &directories {
            nodes = nodes.and(look(directory)?);
        }
        let (found, control) = (nodes.found_in(), look(&self.received_directory())?.found_in());
        show.tell(
            d::CANARY,
            &[
                ("files", &nodes.files),
                ("size", &size_text(nodes.octets)),
                ("found", &found.len()),
                ("control", &control.len()),
            ],
        );
        if let Some(path) = found.first() {
            return Err(show.failed(
                d::STEP_CANARY,
                show.out.fill(d::FOUND_CANARY, &[("path", &path.display())]),
            ));
        }
        if control.is_empty() {
            return Err(show.failed(d::STEP_CANARY, show.out.text(d::CONTROL)));
        }
        Ok(CanaryReport {
            directories,
            files: nodes.files,
            octets: nodes.octets,
            found,
            control: control.len(),
        })
    }

    pub(super) async fn report(&mut self, parts: Parts) -> Result<Report, Failure> {
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
            url: node.addresses.url(),
            mesh: node.addresses.mesh.to_string(),
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
        let url = self.cluster.nodes[0].addresses.url();
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
            // The names of the connection guide, so that its examples run as pasted.
            format!(
                "export LGSP_URL={url} LGSP_KEY={} LGSP_SECRET_FILE={} LGSP_CA={} LGSP_UNIT={}",
                offices[0].access_key,
                quoted(&profile::secret_path(&offices[0].profile)),
                quoted(&authority),
                offices[0].unit
            ),
        ]
    }
}
