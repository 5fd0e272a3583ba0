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
        let (now, authorities) = (exchange.now(), exchange.authorities());
        let certificate = self.presented.certificate();
        let (names, addresses) = &self.hosts;
        let is_of_another = match &authorities {
            Some(authorities) => !certs::is_issued_by(&certificate, &authorities.certificate)?,
            None => false,
        };
        // The operator may have given the node other names since it was certified.
        let is_due = is_of_another
            || certs::needs_renewal(&certificate, now)?
            || !certs::carries_hosts(&certificate, names, addresses)?;
        if !is_due && !authorities.as_ref().is_some_and(|now| self.has_changed(now)) {
            return Ok(());
        }
        // A node that cannot be certified now goes on with what it has, and follows the authorities.
        let certified = match is_due {
            true => Some(self.certify(exchange, mesh).await),
            false => None,
        };
        let (renewed, failed) = match certified {
            Some(Ok(certificate)) => (Some(certificate), None),
            Some(Err(error)) => (None, Some(error)),
            None => (None, None),
        };
        let (authority, behind) = match authorities {
            Some(now) => (CertificateDer::from(now.certificate), ders(now.chain)),
            None => {
                let authority = self.authority.lock().clone();
                (authority.clone(), vec![authority])
            }
        };
        let is_renewed = renewed.is_some();
        let own = renewed.unwrap_or(certificate);
        let chain: Vec<_> = std::iter::once(own).chain(behind).collect();
        if is_renewed || chain != self.presented.chain() || authority != *self.authority.lock() {
            self.show(chain, authority, mesh).await?;
            tracing::info!(is_renewed, "the node shows another certificate, or another chain");
        }
        failed.map_or(Ok(()), Err)
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

    /// Whether another one certifies now than this node has written down, or others have to be shown.
    fn has_changed(&self, now: &Authorities) -> bool {
        let behind = self.presented.chain();
        let shown = behind.iter().skip(1).map(AsRef::<[u8]>::as_ref);
        **self.authority.lock() != *now.certificate || !shown.eq(now.chain.iter())
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
