//! What a node shows in TLS and whom it trusts: a certificate that renews itself without a restart, and
//! the authorities as the state knows them (decisions 0005 and 0014).

use std::{net::IpAddr, sync::Arc};

use certs::{IsMember, NodeKey, Presented};
use delivery::{Authorities, Exchange};
use mesh::{Channel, Claim, Mesh, Names};
use model::NodeId;
use parking_lot::Mutex;
use rustls_pki_types::CertificateDer;

use super::{Directory, Renewal, members::Members};
use crate::links::Topic;

/// How nodes are named in this cluster's certificates.
#[derive(Clone)]
pub(super) struct ClusterNames(pub(super) String);

impl Names for ClusterNames {
    fn server_name(&self, node: NodeId) -> String {
        certs::node_name(node, &self.0)
    }

    fn claim_of(&self, certificate: &[u8]) -> Option<Claim> {
        let node = certs::identity_of(certificate, &self.0).ok()?;
        Some(Claim { node, key: certs::key_digest(certificate).ok()? })
    }
}

/// What a node shows and whom it trusts, in memory and in its directory.
pub(super) struct NodeTls {
    node: NodeId,
    directory: Directory,
    key: NodeKey,
    hosts: (Vec<String>, Vec<IpAddr>),
    /// What is shown to peers, and over HTTPS where the operator has given nothing else.
    pub(super) presented: Arc<Presented>,
    members: Arc<Members>,
    is_member: IsMember,
    trusted: Mutex<Vec<CertificateDer<'static>>>,
}

impl NodeTls {
    /// Reads it from the node's directory. The hosts are what its certificate is to carry.
    pub(super) fn open(
        node: NodeId,
        directory: Directory,
        hosts: (Vec<String>, Vec<IpAddr>),
        (names, members): (ClusterNames, Arc<Members>),
    ) -> anyhow::Result<Self> {
        let key = NodeKey::load(&directory.node_key())?;
        let trusted = certs::certificates_from_pem(&directory.authority())?;
        let chain = certs::certificates_from_pem(&directory.node_chain())?;
        let presented = Presented::new(chain, &key.private_key())?;
        let known = members.clone();
        let is_member: IsMember = Arc::new(move |certificate| {
            let claim = names.claim_of(certificate)?;
            known.knows(claim).then(|| names.server_name(claim.node))
        });
        let trusted = Mutex::new(trusted);
        Ok(Self { node, directory, key, hosts, presented, members, is_member, trusted })
    }

    /// What the mesh needs of it.
    pub(super) fn mesh_identity(&self) -> anyhow::Result<mesh::Identity> {
        let (trusted, is_member) = (self.trusted.lock(), || self.is_member.clone());
        let presented = || self.presented.clone();
        Ok(mesh::Identity {
            server: Arc::new(certs::mesh_server_config(&trusted, is_member(), presented())?),
            client: Arc::new(certs::mesh_client_config(&trusted, is_member(), presented())?),
        })
    }

    /// Renews the certificate if it is time, or if another authority certifies now; and follows the
    /// authorities that the state names.
    pub(super) async fn keep(&self, exchange: &Exchange, mesh: &Mesh) -> anyhow::Result<()> {
        let (now, authorities) = (exchange.now(), exchange.authorities());
        let mut certificate = self.presented.certificate();
        let (names, addresses) = &self.hosts;
        let is_of_another = match &authorities {
            Some(authorities) => !certs::is_issued_by(&certificate, &authorities.trusted[0])?,
            None => false,
        };
        // The operator may have given the node other names since it was certified.
        let is_due = is_of_another
            || certs::needs_renewal(&certificate, now)?
            || !certs::carries_hosts(&certificate, names, addresses)?;
        if is_due {
            certificate = self.certify(exchange, mesh).await?;
        } else if !authorities.as_ref().is_some_and(|now| self.has_changed(now)) {
            return Ok(());
        }
        let (trusted, behind) = match authorities {
            Some(authorities) => (ders(authorities.trusted), ders(authorities.chain)),
            None => {
                let trusted = self.trusted.lock().clone();
                (trusted.clone(), trusted)
            }
        };
        let chain: Vec<_> = std::iter::once(certificate).chain(behind).collect();
        self.directory.set_chain(&chain, &trusted)?;
        self.presented.replace(chain, &self.key.private_key())?;
        *self.trusted.lock() = trusted;
        mesh.set_identity(&self.mesh_identity()?)?;
        if is_due {
            tracing::info!("the node's certificate was renewed");
        } else {
            tracing::info!("the authorities that are trusted have changed");
        }
        Ok(())
    }

    /// Whether others are trusted now than this node has written down and shows.
    fn has_changed(&self, now: &Authorities) -> bool {
        let trusted = self.trusted.lock();
        let same = trusted.iter().map(AsRef::<[u8]>::as_ref);
        let behind = self.presented.chain();
        let shown = behind.iter().skip(1).map(AsRef::<[u8]>::as_ref);
        !same.eq(now.trusted.iter()) || !shown.eq(now.chain.iter())
    }

    /// This node can certify itself: the authority's key lies in the state of each node. Others are
    /// asked only while this node has no state.
    async fn certify(
        &self,
        exchange: &Exchange,
        mesh: &Mesh,
    ) -> anyhow::Result<CertificateDer<'static>> {
        let renewal = Renewal {
            request: self.key.request()?,
            names: self.hosts.0.clone(),
            addresses: self.hosts.1.iter().map(ToString::to_string).collect(),
        };
        if exchange.cluster().is_some() {
            let request = renewal.into_request(self.node, exchange);
            return Ok(CertificateDer::from(exchange.renew_certificate(&request)?));
        }
        let question = minicbor::to_vec(&renewal).expect("a vector takes every octet");
        for (peer, _) in self.members.addresses() {
            let asked = mesh.request(peer, Channel::Control, Topic::Renewal.wrap(&question));
            match asked.await {
                Ok(answer) if !answer.is_empty() => {
                    return Ok(CertificateDer::from(answer.to_vec()));
                }
                _ => {}
            }
        }
        anyhow::bail!("no member could be asked")
    }
}

fn ders(octets: Vec<Vec<u8>>) -> Vec<CertificateDer<'static>> {
    octets.into_iter().map(CertificateDer::from).collect()
}
