//! The commands and their arguments. What they say of themselves is in `texts::help`.

use std::{net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use clap::{
    Args, Parser, Subcommand, ValueHint,
    builder::{PossibleValuesParser, TypedValueParser},
};
use model::{
    AccessKey, AppId, Digest, Grant, IdempotencyKey, Importance, KeyAlgorithm, Label, MediaType,
    NodeId, PacketId, UnitCode, UnitKind, Zone,
};

use super::{EdxmlVerb, Output, SimulateVerb, out::Colour};
use crate::{
    config::{ApiUrl, HostPort, Span},
    texts::Lang,
};

/// The program.
#[derive(Debug, Parser)]
#[command(name = "lgsp", version, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub verb: Verb,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub struct Global {
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value = "table",
        hide_possible_values = true
    )]
    pub output: Output,
    #[arg(long, global = true, value_enum, hide_possible_values = true)]
    pub lang: Option<Lang>,
    #[arg(long, global = true, value_enum, default_value = "auto", hide_possible_values = true)]
    pub color: Colour,
    #[arg(long, global = true, env = "LGSP_PROFILE", value_name = "FILE")]
    pub profile: Option<PathBuf>,
    #[arg(long, global = true, default_value = "30 s", value_name = "SPAN")]
    pub timeout: Span,
    #[arg(long, global = true)]
    pub debug: bool,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    Demo(DemoArgs),
    Init(InitArgs),
    Join(JoinArgs),
    Run(RunArgs),
    Status,
    #[command(alias = "doctor")]
    Check(CheckArgs),
    Recover(RecoverArgs),
    #[command(subcommand)]
    Cluster(ClusterVerb),
    #[command(subcommand)]
    Member(MemberVerb),
    #[command(subcommand)]
    Unit(UnitVerb),
    #[command(subcommand)]
    App(AppVerb),
    #[command(subcommand)]
    Key(KeyVerb),
    #[command(subcommand)]
    Packet(PacketVerb),
    Verify(VerifyArgs),
    #[command(subcommand)]
    Edxml(EdxmlVerb),
    #[command(subcommand)]
    Simulate(SimulateVerb),
    #[command(subcommand)]
    Config(ConfigVerb),
    Completion {
        #[arg(hide_possible_values = true)]
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub struct DemoArgs {
    #[arg(long)]
    pub once: bool,
    #[arg(long)]
    pub keep: bool,
}

/// What `init` and `join` say of the node.
#[derive(Debug, Args)]
pub struct NodeArgs {
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data_dir: PathBuf,
    #[arg(long)]
    pub name: Label,
    #[arg(long, default_value = "0.0.0.0:7443", value_name = "ADDRESS")]
    pub mesh_listen: SocketAddr,
    #[arg(long, value_name = "HOST:PORT")]
    pub mesh_advertise: HostPort,
    #[arg(long, default_value = "0.0.0.0:8443", value_name = "ADDRESS")]
    pub api_listen: SocketAddr,
    #[arg(long, required = true, value_name = "URL")]
    pub api_url: Vec<ApiUrl>,
    #[arg(long, value_name = "HOST")]
    pub host: Vec<String>,
}

#[derive(Debug, Args)]
pub struct InitArgs {
    #[command(flatten)]
    pub node: NodeArgs,
    #[arg(long, default_value = "H41")]
    pub zone: Zone,
    #[arg(long, default_value = "lgsp", value_name = "NAME")]
    pub cluster_name: Label,
}

#[derive(Debug, Args)]
pub struct JoinArgs {
    pub url: ApiUrl,
    #[arg(long, env = "LGSP_JOIN_TOKEN", hide_env_values = true)]
    pub token: String,
    #[command(flatten)]
    pub node: NodeArgs,
}

#[derive(Debug, Args)]
pub struct RunArgs {
    #[arg(long, value_name = "FILE", conflicts_with = "data_dir")]
    pub config: Option<PathBuf>,
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data_dir: Option<PathBuf>,
    #[arg(long, value_name = "HOST:PORT")]
    pub peer: Vec<HostPort>,
    #[arg(long)]
    pub moved: bool,
    /// Stops the node when its standard input ends: for parents that may die.
    #[arg(long, hide = true)]
    pub attached: bool,
}

#[derive(Debug, Args)]
pub struct RecoverArgs {
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data_dir: PathBuf,
    #[arg(long, conflicts_with = "as_source")]
    pub trust: bool,
    #[arg(long)]
    pub as_source: bool,
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    #[arg(long)]
    pub nagios: bool,
}

#[derive(Debug, Subcommand)]
pub enum ClusterVerb {
    #[command(subcommand)]
    Key(ClusterKeyVerb),
    #[command(subcommand)]
    Authority(AuthorityVerb),
    #[command(subcommand)]
    Time(TimeVerb),
}

#[derive(Debug, Subcommand)]
pub enum AuthorityVerb {
    Show {
        #[arg(long)]
        pem: bool,
    },
    Rotate {
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(0..=366))]
        overlap_days: u32,
    },
    End {
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum TimeVerb {
    Show(DataDirArgs),
    Confirm(DataDirArgs),
}

/// Which node of this machine is asked.
#[derive(Debug, Args)]
pub struct DataDirArgs {
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data_dir: PathBuf,
}

#[derive(Debug, Subcommand)]
pub enum MemberVerb {
    List,
    Token {
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1440))]
        minutes: Option<u32>,
    },
    Remove {
        node: NodeId,
        #[arg(long)]
        force: bool,
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum ClusterKeyVerb {
    Rotate {
        #[arg(long)]
        end_tokens: bool,
    },
}

#[derive(Debug, Args)]
pub struct ListArgs {
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub limit: u32,
    #[arg(long)]
    pub all: bool,
}

#[derive(Debug, Subcommand)]
pub enum UnitVerb {
    Add {
        code: UnitCode,
        #[arg(long)]
        name: String,
        #[arg(long, default_value = "other", hide_possible_values = true,
            value_parser = one_of::<UnitKind>(UnitKind::ALL.iter().map(|kind| kind.as_str())))]
        kind: UnitKind,
        #[arg(long)]
        parent: Option<UnitCode>,
        #[arg(long)]
        alias: Vec<UnitCode>,
    },
    Import(ImportArgs),
    Rename {
        code: UnitCode,
        #[arg(long)]
        name: Label,
    },
    Remove {
        code: UnitCode,
        #[arg(long)]
        yes: bool,
    },
    Show {
        code: UnitCode,
    },
    List(ListArgs),
    Search {
        words: Vec<String>,
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
    },
}

#[derive(Debug, Args)]
pub struct ImportArgs {
    pub file: PathBuf,
    #[arg(long)]
    pub dry_run: bool,
    #[arg(long)]
    pub update: bool,
}

#[derive(Debug, Subcommand)]
pub enum AppVerb {
    Add {
        app: AppId,
        #[arg(long)]
        unit: UnitCode,
        #[arg(long)]
        name: Option<String>,
        #[arg(long, value_delimiter = ',', default_value = "send,receive", hide_possible_values = true,
            value_parser = one_of::<Grant>(Grant::ALL.iter().map(|grant| grant.as_str())))]
        grant: Vec<Grant>,
        #[arg(long, value_delimiter = ',')]
        target: Vec<UnitCode>,
    },
    List(ListArgs),
}

#[derive(Debug, Subcommand)]
pub enum KeyVerb {
    Issue(IssueArgs),
    List(ListArgs),
    Renew(RenewArgs),
    Revoke {
        access_key: AccessKey,
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub struct RenewArgs {
    #[arg(long, value_name = "NODE")]
    pub since_removal: NodeId,
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub to_dir: PathBuf,
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(0..=90))]
    pub overlap_days: u32,
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct IssueArgs {
    pub app: AppId,
    #[arg(long, default_value = "hmac-sha256", hide_possible_values = true,
        value_parser = one_of::<KeyAlgorithm>(KeyAlgorithm::ALL.iter().map(|word| word.as_str())))]
    pub algorithm: KeyAlgorithm,
    #[arg(long, value_name = "FILE")]
    pub public_key: Option<PathBuf>,
    #[arg(long)]
    pub legacy: bool,
    #[arg(long, requires = "legacy")]
    pub hmac_sha1: bool,
    #[arg(long, value_name = "FILE")]
    pub secret_file: Option<PathBuf>,
    #[arg(long, value_name = "FILE", conflicts_with = "secret_file")]
    pub profile_file: Option<PathBuf>,
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Subcommand)]
pub enum PacketVerb {
    Send(SendArgs),
    List {
        #[command(flatten)]
        list: ListArgs,
        #[arg(long)]
        inbox: bool,
    },
    Show {
        packet: PacketId,
        #[arg(long)]
        watch: bool,
    },
    Receipts {
        packet: PacketId,
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        to: Option<PathBuf>,
    },
    Lost {
        #[command(flatten)]
        list: ListArgs,
        #[arg(long)]
        close: bool,
        #[arg(long)]
        yes: bool,
    },
    Receive(ReceiveArgs),
    Cancel {
        #[arg(required = true)]
        packets: Vec<PacketId>,
        #[arg(long)]
        yes: bool,
    },
    Reject {
        #[arg(required = true)]
        packets: Vec<PacketId>,
        #[arg(long)]
        reason: Label,
    },
    Confirm {
        packet: PacketId,
        #[arg(
            long,
            value_name = "FILE",
            required_unless_present = "digest",
            conflicts_with = "digest"
        )]
        file: Option<PathBuf>,
        #[arg(long)]
        digest: Option<Digest>,
    },
}

#[derive(Debug, Args)]
pub struct SendArgs {
    pub file: PathBuf,
    #[arg(long, required = true, value_delimiter = ',', value_name = "CODE")]
    pub to: Vec<UnitCode>,
    #[arg(long)]
    pub title: Option<String>,
    #[arg(long, default_value = "normal", hide_possible_values = true,
        value_parser = one_of::<Importance>(Importance::ALL.iter().map(|word| word.as_str())))]
    pub importance: Importance,
    #[arg(long = "type", value_name = "MEDIA/TYPE")]
    pub media_type: Option<MediaType>,
    #[arg(long, value_name = "RFC3339")]
    pub deliver_by: Option<String>,
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<IdempotencyKey>,
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "60 s", value_name = "SPAN")]
    pub wait: Option<Span>,
}

#[derive(Debug, Args)]
pub struct ReceiveArgs {
    pub packet: Option<PacketId>,
    #[arg(long, default_value = ".", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub to_dir: PathBuf,
    #[arg(long)]
    pub confirm: bool,
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "60 s", value_name = "SPAN", conflicts_with = "packet")]
    pub wait: Option<Span>,
}

#[derive(Debug, Args)]
pub struct VerifyArgs {
    pub receipt: PathBuf,
    #[arg(long, value_name = "FILE")]
    pub keys: Option<PathBuf>,
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum ConfigVerb {
    Check { file: PathBuf },
    Show { file: PathBuf },
}

/// One word of a closed list: completion knows the list, and a wrong word is answered with it.
fn one_of<T>(words: impl Iterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err = model::Malformed> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(words.collect::<Vec<_>>()).try_map(|word| word.parse())
}

impl Global {
    /// How long one attempt of a request may take.
    pub fn timeout(&self) -> Duration {
        self.timeout.0
    }
}
