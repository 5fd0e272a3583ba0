//! The table of rulings: who may ask for what, and which rule answers (Article 15, D13).

use model::{Grant, NodeId};

use crate::{
    authority,
    caller::Caller,
    cluster, cluster_key, holdings, leases, leaving, lost, outbox, receipt_keys, receiving,
    registry, rules, sending,
    tables::Tables,
    time, timers, units,
    v1::{Answer, Command},
};

/// A rule that answers an application.
type BySigner<'c> = Box<dyn FnOnce(&mut Tables, &Caller) -> Answer + 'c>;
/// A rule that answers a node.
type ByNode<'c> = Box<dyn FnOnce(&mut Tables, NodeId) -> Answer + 'c>;
/// A rule that answers whichever node asks.
type ByCluster<'c> = Box<dyn FnOnce(&mut Tables) -> Answer + 'c>;
/// A rule that answers an application, or a node that has checked a token.
type ByEither<'c> = Box<dyn FnOnce(&mut Tables, Option<&Caller>) -> Answer + 'c>;
/// A rule that answers the node that holds a lease.
type ByCarrier<'c> = Box<dyn FnOnce(&mut Tables, &leases::Held) -> Answer + 'c>;

/// Who may propose a command, and the rule that answers. A node always is one that belongs to the cluster.
pub(crate) enum Ruling<'c> {
    /// An application with this grant.
    Signed(Grant, BySigner<'c>),
    /// A node, about itself.
    Node(ByNode<'c>),
    /// Any node, for the cluster: the rule asks the state alone.
    Cluster(ByCluster<'c>),
    /// The node that founds the cluster, before there is one.
    Founder(ByNode<'c>),
    /// An application with this grant, or a node for the bearer of a token that the node has checked.
    SignedOrNode(Grant, ByEither<'c>),
    /// The node that holds a lease, with the lease's present fence.
    Carrier(ByCarrier<'c>),
}

fn signed<'c>(grant: Grant, rule: impl FnOnce(&mut Tables, &Caller) -> Answer + 'c) -> Ruling<'c> {
    Ruling::Signed(grant, Box::new(rule))
}

fn node<'c>(rule: impl FnOnce(&mut Tables, NodeId) -> Answer + 'c) -> Ruling<'c> {
    Ruling::Node(Box::new(rule))
}

fn cluster<'c>(rule: impl FnOnce(&mut Tables) -> Answer + 'c) -> Ruling<'c> {
    Ruling::Cluster(Box::new(rule))
}

fn either<'c>(
    grant: Grant,
    rule: impl FnOnce(&mut Tables, Option<&Caller>) -> Answer + 'c,
) -> Ruling<'c> {
    Ruling::SignedOrNode(grant, Box::new(rule))
}

/// The ruling on a command.
pub(crate) fn ruling(command: &Command) -> Ruling<'_> {
    const ADMIN: Grant = Grant::Admin;
    const SEND: Grant = Grant::Send;
    const RECEIVE: Grant = Grant::Receive;
    match command {
        Command::Found(c) => Ruling::Founder(Box::new(move |t, _| cluster::found(t, c))),
        Command::IssueJoinToken(c) => {
            signed(ADMIN, move |t, who| cluster::issue_join_token(t, who, c))
        }
        // The token is the authority; the node has taken it from whoever joins.
        Command::AdmitNode(c) => cluster(move |t| cluster::admit_node(t, c)),
        Command::UpdateNode(c) => node(move |t, n| cluster::update_node(t, n, c)),
        Command::AdoptRules(c) => cluster(move |t| rules::adopt(t, c)),
        Command::LeaveNode(c) => signed(ADMIN, move |t, who| leaving::leave(t, who, c)),
        Command::ReleaseHoldings(c) => cluster(move |t| leaving::release(t, c)),
        Command::RemoveNode(c) => cluster(move |t| leaving::remove(t, c)),
        Command::AddUnits(c) => signed(ADMIN, move |t, who| registry::add_units(t, who, c)),
        Command::RenameUnit(c) => signed(ADMIN, move |t, who| units::rename(t, who, c)),
        Command::RemoveUnit(c) => signed(ADMIN, move |t, _| units::remove(t, c)),
        Command::AddApp(c) => signed(ADMIN, move |t, who| registry::add_app(t, Some(who), c)),
        Command::IssueKey(c) => signed(ADMIN, move |t, who| registry::issue_key(t, Some(who), c)),
        Command::RevokeKey(c) => signed(ADMIN, move |t, who| registry::revoke_key(t, who, c)),
        Command::RecordReceiptKey(c) => cluster(move |t| receipt_keys::record(t, c)),
        Command::RotateClusterKey(c) => signed(ADMIN, move |t, _| cluster_key::rotate(t, c)),
        Command::TurnClusterKey(c) => node(move |t, n| cluster_key::turn(t, n, c)),
        Command::OrderAuthority(c) => signed(ADMIN, move |t, _| authority::order(t, c)),
        Command::TurnAuthority(c) => cluster(move |t| authority::turn(t, c)),
        Command::OpenPacket(c) => signed(SEND, move |t, who| sending::open(t, who, c)),
        Command::ClaimSpace(c) => either(SEND, move |t, who| sending::claim(t, who, c)),
        Command::AbandonSpace(c) => either(SEND, move |t, who| sending::abandon(t, who, c)),
        Command::SealPacket(c) => signed(SEND, move |t, who| sending::seal(t, who, c)),
        Command::SubmitPacket(c) => signed(SEND, move |t, who| sending::submit(t, who, c)),
        Command::CancelPacket(c) => signed(SEND, move |t, who| sending::cancel(t, who, c)),
        Command::GrantPickup(c) => signed(RECEIVE, move |t, who| receiving::grant(t, who, c)),
        Command::ConfirmReceipts(c) => signed(RECEIVE, move |t, who| receiving::confirm(t, who, c)),
        Command::RejectDelivery(c) => signed(RECEIVE, move |t, who| receiving::reject(t, who, c)),
        Command::RecordPickup(c) => cluster(move |t| receiving::record_pickup(t, c)),
        Command::RecordHolding(c) => node(move |t, n| holdings::record_holding(t, n, c)),
        Command::RecordPurge(c) => node(move |t, n| holdings::record_purge(t, n, c)),
        Command::RecordLost(c) => cluster(move |t| lost::record_lost(t, c)),
        Command::CloseLost(c) => signed(ADMIN, move |t, who| lost::close_lost(t, who, c)),
        Command::PassTime(c) => cluster(move |t| timers::pass_time(t, c)),
        Command::ConfirmTime(_) => node(|t, _| time::confirm(t)),
        Command::Pulse => node(leases::pulse),
        Command::TakeLease(c) => node(move |t, n| leases::take(t, n, c)),
        Command::ReturnLease(c) => node(move |t, n| leases::give_back(t, n, c)),
        Command::PostLetter(c) => cluster(move |t| outbox::post(t, c)),
        Command::ReportLetter(c) => {
            Ruling::Carrier(Box::new(move |t, held| outbox::report(t, held, c)))
        }
    }
}
