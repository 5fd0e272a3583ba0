//! The arguments of `lgsp simulate`. What they say of themselves is in `texts::simulate`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

#[derive(Debug, Subcommand)]
pub enum SimulateVerb {
    National(NationalArgs),
}

#[derive(Debug, Args)]
pub struct NationalArgs {
    #[arg(long, default_value_t = 18_089)]
    pub port: u16,
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    pub seed: u64,
    #[arg(long, value_name = "FAMILY.CALL=FAULT:CHANCE")]
    pub fault: Vec<String>,
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub scene: Option<PathBuf>,
    #[arg(long, value_name = "CODE")]
    pub system: Vec<String>,
    #[arg(long, value_name = "BODY=STATUS:AFTER,…")]
    pub script: Vec<String>,
    #[arg(long, value_name = "YYYY/MM/DD HH:MM:SS")]
    pub standing_clock: Option<String>,
    #[arg(long, value_name = "PROTOCOL:CODE=URL")]
    pub provide: Vec<String>,
    #[arg(long, value_name = "SPAN")]
    pub slow: Option<String>,
    #[arg(long)]
    pub tls: bool,
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "tls")]
    pub authority: Option<PathBuf>,
    #[arg(long)]
    pub old_error_names: bool,
}
