//! What a node shows in TLS and whom it trusts: a certificate that renews itself without a restart, and
//! the authorities as the state knows them (decisions 0005 and 0014).

use std::{net::IpAddr, sync::Arc};

use certs::{IsMember, NodeKey, Presented};
use conductor::Exchange;
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
    names: ClusterNames,
    /// The authority that certifies, as far as this node knows.
    authority: Mutex<CertificateDer<'static>>,
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
        let authority = certs::certificates_from_pem(&directory.authority())?.remove(0);
        let chain = certs::certificates_from_pem(&directory.node_chain())?;
        let presented = Presented::new(chain, &key.private_key())?;
        let (known, own_names) = (members.clone(), names.clone());
        let is_member: IsMember = Arc::new(move |certificate| {
            let claim = names.claim_of(certificate)?;
            known.knows(claim).then(|| names.server_name(claim.node))
        });
        let authority = Mutex::new(authority);
        Ok(Self {
            node,
            directory,
            key,
            hosts,
            presented,
            members,
            is_member,
            names: own_names,
            authority,
        })
    }

    /// What the mesh needs of it.
    pub(super) fn mesh_identity(&self) -> anyhow::Result<mesh::Identity> {
        let authority = self.authority.lock().clone();
        self.mesh_identity_of(&authority)
    }

    fn mesh_identity_of(
        &self,
        authority: &CertificateDer<'static>,
    ) -> anyhow::Result<mesh::Identity> {
        let presented = || self.presented.clone();
        let (called, calls) = (self.is_member.clone(), self.members.clone());
        let names = self.names.clone();
        // Who calls and was removed is to hear that it was.
        let has_been = Arc::new(move |certificate: &[u8]| {
            let claim = names.claim_of(certificate)?;
            calls.has_been(claim).then(|| names.server_name(claim.node))
        });
        Ok(mesh::Identity {
            server: Arc::new(certs::mesh_server_config(authority, has_been, presented())?),
            client: Arc::new(certs::mesh_client_config(authority, called, presented())?),
        })
    }

    /// Renews the certificate if it is time, or if another authority certifies now; and follows the
    /// authorities that the state names.
    pub(super) async fn keep(&self, exchange: &Exchange, mesh: &Mesh) -> anyhow::Result<()> {
        let before = (self.presented.chain(), self.authority.lock().clone());
        let (mut chain, mut authority) = before.clone();
        let mut is_of_another = false;
        if let Some(named) = exchange.authority().authorities() {
            is_of_another = !certs::is_issued_by(&chain[0], &named.certificate)?;
            authority = CertificateDer::from(named.certificate);
            chain.truncate(1);
            chain.extend(named.chain.into_iter().map(CertificateDer::from));
        }
        let (names, addresses) = &self.hosts;
        // The operator may have given the node other names since it was certified.
        let is_due = is_of_another
            || certs::needs_renewal(&chain[0], exchange.now())?
            || !certs::carries_hosts(&chain[0], names, addresses)?;
        let certified = match is_due {
            true => self.certify(exchange, mesh).await.map(|new| chain[0] = new),
            false => Ok(()),
        };
        // A node that cannot be certified now goes on with what it has, and follows the authorities.
        if (&chain, &authority) != (&before.0, &before.1) {
            self.show(chain, authority, mesh).await?;
            tracing::info!("the node shows another certificate, or another chain");
        }
        certified
    }

    /// Writes down what is shown and whom to trust, and then shows it.
    async fn show(
        &self,
        chain: Vec<CertificateDer<'static>>,
        authority: CertificateDer<'static>,
        mesh: &Mesh,
    ) -> anyhow::Result<()> {
        let identity = self.mesh_identity_of(&authority)?;
        let (directory, written) = (self.directory.clone(), (chain.clone(), authority.clone()));
        let written =
            tokio::task::spawn_blocking(move || directory.set_chain(&written.0, &written.1));
        written.await??;
        self.presented.replace(chain, &self.key.private_key())?;
        mesh.set_identity(&identity)?;
        *self.authority.lock() = authority;
        Ok(())
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
            return Ok(CertificateDer::from(exchange.members().renew_certificate(&request)?));
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
