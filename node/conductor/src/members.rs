//! Members: status for operators, join tokens, the admission of a node, its removal, and the renewal
//! of certificates (D6).

use std::{net::IpAddr, sync::Arc, time::Duration};

use auth::{Signed, VerifiedCaller, Whole};
use certs::{JoinToken, Keyring, NodeRequest};
use content::Content;
use futures_util::future::join_all;
use machine::{
    AdmitNode, AuthorityRecord, ClusterRecord, Command, ConfirmTime, IssueJoinToken, LeaveNode,
    NewNode, NodeRecord, Outcome, Refusal, UpdateNode, View,
};
use model::{Grant, Label, Moment, NodeId};
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::{
    authority::{self, Authorities, AuthorityDoor},
    cluster_key::{ClusterKeyStatus, ClusterKeys},
    door::{self, Core, require},
    gate::{self, Gate},
    ports::{Nodes, Vitals},
    words::{Health, MemberRole, WarningKind},
};

/// The longest life of a join token; the usual one is 30 minutes.
pub const JOIN_TOKEN_TIME_MAX: Duration = Duration::from_secs(24 * 3600);

/// A clock that differs from ours by more is worth a warning, Article 9(4).
const CLOCK_OFFSET_WARNED_MS: i64 = 500;

/// Less than this part of the disk free is worth a warning.
pub const DISK_FREE_WARNED_PERCENT: u64 = 15;

/// The trusted date ahead of the cluster's by more refuses signatures that are good.
pub const TRUST_AHEAD_WARNED_MS: i64 = 60_000;

/// Behind by more, nonces are kept for a day longer than they need be.
pub const TRUST_BEHIND_WARNED_MS: i64 = 24 * 3_600_000;

/// A node that wants to join.
#[derive(Debug)]
pub struct JoinRequest {
    /// What the operator was given.
    pub token: JoinToken,
    /// The node as it presents itself.
    pub node: NewNode,
    /// Its certificate request, DER.
    pub certificate_request: Vec<u8>,
    /// Host names under which applications reach it.
    pub names: Vec<String>,
    /// Addresses under which applications reach it.
    pub addresses: Vec<IpAddr>,
}

/// What a node gets that may join.
pub struct Admission {
    /// Its number, never given to another.
    pub node: NodeId,
    /// The cluster.
    pub cluster: ClusterRecord,
    /// The certificate of the authority, DER.
    pub authority: Vec<u8>,
    /// Its certificate, DER.
    pub certificate: Vec<u8>,
    /// The keys that seal secrets.
    pub cluster_key: Zeroizing<Vec<u8>>,
    /// Where the present members are reached over the mesh.
    pub members: Vec<NodeRecord>,
}

/// Whoever removes a member waits so long for the contents that need it: two disks full of packets are copied later,
/// and a client's connection is kept that long.
const REMOVAL_WAIT: Duration = Duration::from_secs(45);

/// One node in a status.
#[derive(Debug, Clone)]
pub struct MemberStatus {
    /// What the state says of it.
    pub record: NodeRecord,
    /// What it is to the cluster.
    pub role: MemberRole,
    /// What it says of itself; none when it does not answer.
    pub vitals: Option<Vitals>,
    /// How far its clock is ahead of the cluster's date, in milliseconds.
    pub clock_offset_ms: Option<i64>,
    /// Packets whose content it has yet to destroy, counted up to a limit.
    pub purge_debt_count: u64,
    /// Whether it takes part in votes and acknowledgements, as a word of [`consensus::Standing`]: what
    /// it says now, or, where it does not answer, said last.
    pub standing: Option<String>,
    /// Whether it has told of committed entries that no other member that answers holds.
    pub holds_more: bool,
}

impl MemberStatus {
    /// Whether it answers, and counts for a majority.
    fn takes_part(&self) -> bool {
        let told = self.vitals.as_ref().map(|vitals| vitals.standing.as_str());
        told == Some("full")
    }
}

/// What clocks show.
#[derive(Debug, Clone)]
pub struct Clocks {
    /// This node's own clock.
    pub own: Moment,
    /// The cluster's date.
    pub date: Moment,
    /// How far the trusted date is ahead of the cluster's, in milliseconds.
    pub trusted_ahead_ms: Option<i64>,
    /// Of every node that was not removed: its name, and how far its clock is ahead of the date.
    pub nodes: Vec<(NodeId, Label, Option<i64>)>,
}

/// Something that an operator should see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What it is about.
    pub kind: WarningKind,
    /// Which node it is about.
    pub node: NodeId,
    /// A number that belongs to the kind (milliseconds, per cent, packets).
    pub value: i64,
    /// What else is to be known, for people.
    pub note: String,
}

/// The cluster as an operator sees it.
#[derive(Debug, Clone)]
pub struct Status {
    /// The cluster's record.
    pub cluster: ClusterRecord,
    /// How it is.
    pub health: Health,
    /// How many more nodes may die.
    pub tolerates: usize,
    /// The cluster's date.
    pub now: Moment,
    /// How far the trusted date is ahead of it, in milliseconds.
    pub trusted_ahead_ms: Option<i64>,
    /// Every node, the removed ones too.
    pub members: Vec<MemberStatus>,
    /// Who leads.
    pub leader: Option<NodeId>,
    /// The term.
    pub term: u64,
    /// The log index that this node has applied.
    pub applied: u64,
    /// Live packets whose content no node holds, counted up to a limit.
    pub lost_count: u64,
    /// What to look at.
    pub warnings: Vec<Warning>,
    /// How far the cluster key has turned.
    pub cluster_key: Option<ClusterKeyStatus>,
    /// The authorities that are trusted.
    pub authorities: Option<Authorities>,
}

/// Why members do not change, or a node is not certified.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The rules say no, or the cluster cannot be asked.
    #[error(transparent)]
    Door(#[from] door::Error),
    /// This node cannot know now whether a token is known.
    #[error(transparent)]
    Gate(#[from] gate::Error),
    /// The authority cannot certify.
    #[error(transparent)]
    Authority(#[from] authority::Error),
    /// A certificate could not be made, or its request not be read.
    #[error("a certificate or a sealed secret failed")]
    Certs(#[from] certs::Error),
    /// A join token that is not one, or not of this cluster.
    #[error("the join token is not one of this cluster")]
    JoinToken,
    /// A joining node asks for what cannot be certified: its key, or the names of its hosts.
    #[error("the joining node's request cannot be certified: {field}")]
    JoinRequest {
        /// The field that is wrong.
        field: &'static str,
        /// What is wrong with it.
        #[source]
        source: certs::Error,
    },
    /// A member that holds what no other member does.
    #[error("node {node} may hold what no other node does")]
    OnlyCopy {
        /// Which node.
        node: NodeId,
        /// Whether it holds entries that the others lack.
        entries: bool,
        /// Contents that no other node that answers holds, counted up to a limit.
        contents: usize,
    },
}

door::through_core!(Error: Refusal, consensus::Unavailable);

/// What the door of members needs.
pub(crate) struct Needs {
    pub(crate) core: Core,
    pub(crate) gate: Arc<Gate>,
    pub(crate) authority: Arc<AuthorityDoor>,
    pub(crate) cluster_keys: ClusterKeys,
    pub(crate) content: Content,
    pub(crate) ring: Arc<Keyring>,
    pub(crate) nodes: Arc<dyn Nodes>,
}

/// The door of members: how they are, how they come, how they go.
pub struct Members(pub(crate) Needs);

impl Members {
    /// The cluster as this node sees it; answered even without a majority.
    pub async fn status(&self, caller: &VerifiedCaller) -> Result<Status, Error> {
        require(caller, Grant::Admin)?;
        let cluster = self.0.core.cluster().ok_or(Error::from(Refusal::NotFounded))?;
        let status = self.0.core.consensus.status();
        let now = self.0.core.now();
        let nodes = self.0.core.consensus.peek(|rows| View::new(rows).nodes());
        let mut members: Vec<_> =
            join_all(nodes.into_iter().map(|record| self.member_status(record, &status))).await;
        self.tell_who_holds_more(&mut members);
        let present = |member: &&MemberStatus| member.record.removed_at.is_none();
        let voters = members.iter().filter(|member| member.role.votes());
        let (voter_count, alive_count) = voters.fold((0usize, 0usize), |(all, alive), member| {
            (all + 1, alive + usize::from(member.takes_part()))
        });
        let majority = voter_count / 2 + 1;
        let fresh = self.0.core.consensus.fresh().is_ok();
        let all_well = members.iter().filter(present).all(|member| member.vitals.is_some());
        let trusted_ahead_ms = self.trusted_ahead_ms();
        let mut warnings = warnings(&members);
        warnings.extend(self.warning_of_time(trusted_ahead_ms));
        let rows = self.0.core.consensus.shared_view().await;
        for member in &mut members {
            member.purge_debt_count = View::new(&*rows).debt_count(member.record.node);
        }
        let lost_count = View::new(&*rows).lost_count();
        if lost_count > 0 {
            let value = lost_count as i64;
            let (kind, note) = (WarningKind::ContentLost, String::new());
            warnings.push(Warning { kind, node: self.0.core.node, value, note });
        }
        Ok(Status {
            cluster,
            health: match (fresh, all_well && warnings.is_empty()) {
                (false, _) => Health::Unavailable,
                (true, true) => Health::Healthy,
                (true, false) => Health::Degraded,
            },
            tolerates: alive_count.saturating_sub(majority),
            now,
            trusted_ahead_ms,
            leader: status.leader,
            term: status.term,
            applied: status.applied.unwrap_or_default(),
            members,
            lost_count,
            warnings,
            cluster_key: self.0.cluster_keys.state(),
            authorities: self.0.authority.authorities(),
        })
    }

    async fn member_status(&self, record: NodeRecord, status: &consensus::Status) -> MemberStatus {
        let node = record.node;
        let asked = Instant::now();
        let vitals = match node {
            _ if record.removed_at.is_some() => None,
            node if node == self.0.core.node => Some(self.0.nodes.own_vitals()),
            node => self.0.nodes.vitals(node).await,
        };
        // The answer was made somewhere between asking and now: the middle is the best guess.
        let middle = self.0.core.now().minus(asked.elapsed() / 2);
        MemberStatus {
            role: match () {
                () if record.removed_at.is_some() => MemberRole::Removed,
                () if record.leaving.is_some() => MemberRole::Leaving,
                () if status.leader == Some(node) => MemberRole::Leader,
                () if status.voters.contains(&node) => MemberRole::Voter,
                () if status.learners.contains(&node) => MemberRole::Learner,
                () => MemberRole::Waiting,
            },
            clock_offset_ms: vitals.as_ref().map(|vitals| vitals.now.0 as i64 - middle.0 as i64),
            standing: vitals.as_ref().map(|vitals| vitals.standing.clone()),
            holds_more: false,
            vitals,
            // Counted for all of them in one view, where somebody asks.
            purge_debt_count: 0,
            record,
        }
    }

    /// What clocks show, for whoever is at this node: nobody signs for it.
    pub async fn clocks(&self) -> Clocks {
        let status = self.0.core.consensus.status();
        let nodes = self.0.core.consensus.peek(|rows| View::new(rows).nodes());
        let present = nodes.into_iter().filter(|record| record.removed_at.is_none());
        let asked = present.map(|record| self.member_status(record, &status));
        let members = join_all(asked).await.into_iter();
        Clocks {
            own: self.0.core.clock.now(),
            date: self.0.core.now(),
            trusted_ahead_ms: self.trusted_ahead_ms(),
            nodes: members
                .map(|member| (member.record.node, member.record.now.name, member.clock_offset_ms))
                .collect(),
        }
    }

    /// Whoever is at this node has seen that the clocks are right; see [`machine::ConfirmTime`].
    pub async fn confirm_time(&self) -> Result<(), Error> {
        let confirm = Command::ConfirmTime(ConfirmTime {});
        self.0.core.propose(confirm).await?;
        Ok(())
    }

    fn trusted_ahead_ms(&self) -> Option<i64> {
        self.0.core.consensus.peek(|rows| {
            let view = View::new(rows);
            let (trusted, _) = view.trusted()?;
            Some(trusted.0 as i64 - view.clock().date.0 as i64)
        })
    }

    fn warning_of_time(&self, trusted_ahead_ms: Option<i64>) -> Option<Warning> {
        let kind = match trusted_ahead_ms? {
            ahead if ahead > TRUST_AHEAD_WARNED_MS => WarningKind::TimeAhead,
            ahead if ahead < -TRUST_BEHIND_WARNED_MS => WarningKind::TimeBehind,
            _ => return None,
        };
        Some(Warning {
            kind,
            node: self.0.core.node,
            value: trusted_ahead_ms?,
            note: String::new(),
        })
    }

    /// Whether this node can take requests now, and if not, why.
    pub fn ready(&self) -> Result<(), Vec<&'static str>> {
        let mut reasons = Vec::new();
        if self.0.core.cluster().is_none() {
            reasons.push("not_founded");
        }
        if self.0.core.consensus.fresh().is_err() {
            reasons.push("no_majority");
        }
        if *self.0.content.failed().borrow() {
            reasons.push("content_store_failed");
        }
        let standing = self.0.core.consensus.status().standing;
        if !standing.is_full() {
            reasons.push(standing.word());
        }
        if self.0.gate.lacks_cluster_key() {
            reasons.push("cluster_key_missing");
        }
        if reasons.is_empty() { Ok(()) } else { Err(reasons) }
    }

    /// Makes a join token; answers it and its end. It is shown once.
    pub async fn join_token(
        &self,
        caller: &Signed<Whole>,
        valid: Duration,
    ) -> Result<(Zeroizing<String>, Moment), Error> {
        require(caller, Grant::Admin)?;
        // A node that is behind would pin an authority that is none any more.
        self.0.core.consensus.read_index().await?;
        self.0.authority.rotated().await;
        let authority = self.authority_record()?;
        let random = &self.0.core.random;
        let token = JoinToken::generate(&authority.certificate, &mut |octets| random.fill(octets));
        let expires_at = self.0.core.now().plus(valid.min(JOIN_TOKEN_TIME_MAX));
        let secret_digest = token.secret_digest();
        let issue = Command::IssueJoinToken(IssueJoinToken { secret_digest, expires_at });
        self.0.core.propose_for(caller, issue).await?;
        Ok((Zeroizing::new(token.to_string()), expires_at))
    }

    /// Admits a node that shows a join token. It becomes a voter once it is up and has caught up.
    pub async fn join(&self, join: JoinRequest) -> Result<Admission, Error> {
        let cluster = self.0.core.cluster().ok_or(Error::from(Refusal::NotFounded))?;
        let authority = self.authority_record()?;
        let older = authority.older.iter().map(|older| &older.certificate);
        let is_ours = std::iter::once(&authority.certificate).chain(older);
        if !is_ours.into_iter().any(|certificate| join.token.pins(certificate)) {
            return Err(Error::JoinToken);
        }
        // Before the token is spent and a number given: what is wrong here would leave a node behind
        // that never comes.
        let asked = certs::check_request(&join.certificate_request, &join.names, &join.addresses);
        let key = asked.map_err(|source| Error::JoinRequest {
            field: match source {
                certs::Error::HostName(_) => "dns_names",
                _ => "certificate_request",
            },
            source,
        })?;
        self.check_token(&join.token).await?;
        // It was made before the authority was rotated: whoever has the key of the older one could have
        // deceived the machine that joins.
        if !join.token.pins(&authority.certificate) {
            return Err(Error::from(Refusal::TokenExpired));
        }
        // Nothing is spent by a node that cannot certify. If the authority is rotated from here on, the one that
        // the token pins vouches still: the machine that joins believes no other, and renews its
        // certificate once it runs.
        let certifying = self.0.authority.open(&authority)?;
        let secret_digest = join.token.secret_digest();
        let admit = AdmitNode { secret_digest, node: join.node, key };
        let outcome = self.0.core.propose(Command::AdmitNode(admit)).await?;
        let Outcome::NodeAdmitted(node) = outcome else {
            unreachable!("an admitted node has a number, not {outcome:?}")
        };
        let request = NodeRequest {
            node,
            cluster: cluster.cluster.clone(),
            request: join.certificate_request,
            names: join.names,
            addresses: join.addresses,
        };
        let certificate = certifying.issue(&request, self.0.core.now())?.to_vec();
        let members =
            self.0.core.present_nodes().into_iter().filter(|other| other.node != node).collect();
        let cluster_key = self.0.ring.for_newcomer();
        let authority = authority.certificate;
        Ok(Admission { node, cluster, authority, certificate, cluster_key, members })
    }

    /// Strangers write nothing into the log: only a token that is known, and neither spent nor over, is
    /// worth a proposal. The rule looks again.
    async fn check_token(&self, token: &JoinToken) -> Result<(), Error> {
        let known = || {
            let view = View::new(self.0.core.consensus.latest());
            view.join_token(&token.secret_digest()).map(|token| (token, view.clock()))
        };
        let found = match known() {
            // It may have been issued at another node a moment ago.
            None => {
                self.0.gate.look_for_strangers().await?;
                known()
            }
            found => found,
        };
        let (token, clock) = found.ok_or(Error::from(Refusal::TokenUnknown))?;
        match token.node {
            Some(_) => Err(Error::from(Refusal::TokenUsed)),
            None if clock.tick >= token.expires_tick => Err(Error::from(Refusal::TokenExpired)),
            None => Ok(()),
        }
    }

    /// Renews the certificate of a member that asks over the mesh, for the key that its record pins:
    /// a request for another key is not the member's.
    pub fn renew_certificate(&self, request: &NodeRequest) -> Result<Vec<u8>, Error> {
        let authority = self.authority_record()?;
        let asked = certs::requested_key(&request.request)?;
        let record = self.0.core.consensus.peek(|rows| View::new(rows).node(request.node));
        let is_member = |record: &NodeRecord| record.removed_at.is_none() && record.key == asked;
        if !record.as_ref().is_some_and(is_member) {
            return Err(Error::from(Refusal::NodeUnknown));
        }
        Ok(self.0.authority.open(&authority)?.issue(request, self.0.core.now())?.to_vec())
    }

    /// Removes a member for ever; its certificate is worth nothing from then on. A member that holds
    /// what no other does is removed only by `force`.
    ///
    /// Contents that need it are copied first, slice by slice, by whichever node leads. Where that takes longer
    /// than a caller waits it goes on, and [`Refusal::NodeNeeded`] says so.
    pub async fn remove_member(
        &self,
        caller: &Signed<Whole>,
        node: NodeId,
        force: bool,
    ) -> Result<(), Error> {
        require(caller, Grant::Admin)?;
        let record = self.0.core.consensus.peek(|rows| View::new(rows).node(node));
        if !force && record.is_some_and(|record| record.leaving.is_none()) {
            self.nothing_goes_with(node).await?;
        }
        // What a node that answers holds is copied, and not given up.
        let gives_up = force && self.0.nodes.vitals(node).await.is_none();
        let leave = LeaveNode { node, gives_up: gives_up && node != self.0.core.node };
        self.0.core.propose_for(caller, Command::LeaveNode(leave)).await?;
        let removed = || {
            let record = View::new(self.0.core.consensus.latest()).node(node);
            record.is_none_or(|record| !record.is_present())
        };
        if self.0.core.until(REMOVAL_WAIT, removed).await {
            return Ok(());
        }
        // A node that is removed may not hear of it: another one knows.
        match node == self.0.core.node || self.0.gate.fresh().is_err() {
            true => Err(door::Error::Unknown.into()),
            false => Err(Error::from(Refusal::NodeNeeded)),
        }
    }

    /// Tells the cluster this node's present addresses and version, where they have changed.
    pub async fn announce(&self, now: NewNode) -> Result<(), Error> {
        let node = self.0.core.node;
        let known = self.0.core.consensus.peek(|rows| View::new(rows).node(node));
        if known.is_some_and(|record| record.now == now) {
            return Ok(());
        }
        self.0.core.propose(Command::UpdateNode(UpdateNode { now })).await?;
        Ok(())
    }

    /// Members that were not removed.
    pub fn present(&self) -> Vec<NodeRecord> {
        self.0.core.present_nodes()
    }

    /// Hands leadership over before a clean stop, so that nobody waits for an election.
    pub async fn step_down(&self) {
        self.0.core.step_down().await;
    }

    fn authority_record(&self) -> Result<AuthorityRecord, Error> {
        let authority = View::new(self.0.core.consensus.latest()).authority();
        authority.ok_or(Error::from(Refusal::NotFounded))
    }
}

fn warnings(members: &[MemberStatus]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for member in members.iter().filter(|member| member.record.removed_at.is_none()) {
        let node = member.record.node;
        let mut warn =
            |kind, value| warnings.push(Warning { kind, node, value, note: String::new() });
        match member.standing.as_deref() {
            Some("copied") => warn(WarningKind::NodeCopied, 0),
            Some("went_back") => warn(WarningKind::NodeWentBack, 0),
            Some("catching_up") => warn(WarningKind::NodeCatchingUp, 0),
            Some("apart") => warn(WarningKind::NodeApart, 0),
            _ if member.holds_more => warn(WarningKind::NodeHoldsMore, 0),
            _ => {}
        }
        let Some(vitals) = &member.vitals else {
            warn(WarningKind::NodeUnreachable, 0);
            continue;
        };
        if let Some(offset) = member.clock_offset_ms.filter(|ms| ms.abs() > CLOCK_OFFSET_WARNED_MS)
        {
            warn(WarningKind::ClockOffset, offset);
        }
        if vitals.disk_free <= vitals.disk_reserve {
            warn(WarningKind::DiskFull, (vitals.disk_free >> 20) as i64);
        }
        if let Some(percent) = (vitals.disk_free * 100).checked_div(vitals.disk_total)
            && percent < DISK_FREE_WARNED_PERCENT
        {
            warn(WarningKind::DiskFree, percent as i64);
        }
        if vitals.contents_missing > 0 {
            warn(WarningKind::ContentMissing, vitals.contents_missing as i64);
        }
        if vitals.facts_wanted > 0 {
            warn(WarningKind::HistoryMissing, vitals.facts_wanted as i64);
        }
        if vitals.connections_max < vitals.connections_wanted {
            warn(WarningKind::ConnectionsFew, vitals.connections_max as i64);
        }
        if matches!(member.role, MemberRole::Learner | MemberRole::Waiting) {
            warn(WarningKind::NotAVoter, 0);
        }
    }
    let mut met: Vec<_> = members
        .iter()
        .flat_map(|member| member.vitals.iter().flat_map(|vitals| &vitals.second_lives))
        .map(|second| {
            let note = format!("{}, {}", second.lives_at, second.refused_at);
            Warning { kind: WarningKind::SecondLife, node: second.node, value: 2, note }
        })
        .collect();
    // Several nodes meet the same one.
    met.sort_by(|a, b| (a.node, &a.note).cmp(&(b.node, &b.note)));
    met.dedup();
    warnings.extend(met);
    warnings
}
