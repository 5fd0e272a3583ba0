//! The arguments of `lgsp edxml`. What they say of themselves is in `texts::edxml_help`.

use std::{path::PathBuf, str::FromStr};

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use wire::edxml::{Business, Code, Count, Day, LocalTime, OrganCode, Priority, StatusCode};

use crate::texts::{Text, edxml as t};

#[derive(Debug, Subcommand)]
pub enum EdxmlVerb {
    Show {
        file: PathBuf,
    },
    Check {
        #[arg(required = true)]
        files: Vec<PathBuf>,
        #[arg(long)]
        strict: bool,
    },
    Extract(ExtractArgs),
    Build(Box<BuildArgs>),
    Status(Box<AnswerArgs>),
    SignTest(SignTestArgs),
}

#[derive(Debug, Args)]
pub struct ExtractArgs {
    pub file: PathBuf,
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub to_dir: PathBuf,
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct BuildArgs {
    #[arg(long, value_name = "CODE[=NAME]")]
    pub from: Body,
    #[arg(long, required = true, value_name = "CODE[=NAME]")]
    pub to: Vec<Body>,
    #[arg(long)]
    pub subject: String,
    #[arg(long)]
    pub number: String,
    #[arg(long)]
    pub notation: String,
    #[arg(long, value_name = "FILE")]
    pub attach: Vec<PathBuf>,
    #[arg(long, default_value = t::PLACE_USUAL)]
    pub place: String,
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub date: Option<Day>,
    #[arg(long = "type", default_value = t::TYPE_USUAL, value_name = "NUMBER=NAME")]
    pub type_: Type,
    #[arg(long, value_enum, hide_possible_values = true)]
    pub priority: Option<Urgency>,
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub due: Option<Day>,
    #[arg(long, value_name = "NAME")]
    pub signer: Option<String>,
    #[arg(long, requires = "signer")]
    pub position: Option<String>,
    #[arg(long, requires = "signer")]
    pub competence: Option<String>,
    #[arg(long)]
    pub content: Option<String>,
    #[arg(long, value_name = "ID")]
    pub document_id: Option<String>,
    #[arg(long, value_enum, default_value = "new", hide_possible_values = true)]
    pub kind: Kind,
    #[arg(long)]
    pub reason: Option<String>,
    #[arg(long, value_name = "ID")]
    pub replaces: Vec<String>,
    #[arg(long, value_name = "CODE")]
    pub add: Vec<Body>,
    #[arg(long, value_name = "CODE")]
    pub remove: Vec<Body>,
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub at: Option<LocalTime>,
}

#[derive(Debug, Args)]
pub struct AnswerArgs {
    pub file: PathBuf,
    #[arg(long, value_parser = status_code)]
    pub code: StatusCode,
    #[arg(long, value_name = "CODE[=NAME]")]
    pub from: Body,
    #[arg(long)]
    pub note: Option<String>,
    #[arg(long, value_name = "NAME")]
    pub staff: Option<String>,
    #[arg(long)]
    pub department: Option<String>,
    #[arg(long)]
    pub mobile: Option<String>,
    #[arg(long)]
    pub email: Option<String>,
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub at: Option<LocalTime>,
}

#[derive(Debug, Args)]
pub struct SignTestArgs {
    pub file: PathBuf,
    #[arg(long, value_name = "FILE")]
    pub secret_file: PathBuf,
}

/// A value that is none of what is needed here, and what would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.en)]
pub struct Unfit(pub Text);

/// A body: its code, and its name where that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// Its code.
    pub code: OrganCode,
    /// Its name.
    pub name: Option<String>,
}

impl FromStr for Body {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        let (code, name) = text.split_once('=').map_or((text, None), |(a, b)| (a, Some(b)));
        let code = OrganCode::read(code.trim()).ok_or(Unfit(t::VALUE_BODY))?;
        let name = name.map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
        Ok(Self { code, name })
    }
}

/// A type of document: its number in the list of QCVN 102:2016, and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Type {
    /// The number.
    pub number: Count,
    /// The name.
    pub name: String,
}

impl FromStr for Type {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        let (number, name) = text.split_once('=').ok_or(Unfit(t::VALUE_TYPE))?;
        let number = Count::read(number.trim()).ok_or(Unfit(t::VALUE_TYPE))?;
        let name = name.trim();
        if name.is_empty() {
            return Err(Unfit(t::VALUE_TYPE));
        }
        Ok(Self { number, name: name.to_owned() })
    }
}

/// What a document is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// It is new.
    New,
    /// It takes another one back.
    Recall,
    /// It changes another one, or its receivers.
    Update,
    /// It stands for another one.
    Replace,
}

impl From<Kind> for Business {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::New => Self::New,
            Kind::Recall => Self::Recall,
            Kind::Update => Self::Update,
            Kind::Replace => Self::Replace,
        }
    }
}

/// How urgent a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Urgency {
    /// Thường.
    Normal,
    /// Khẩn.
    Urgent,
    /// Thượng khẩn.
    VeryUrgent,
    /// Hoả tốc.
    Express,
    /// Hoả tốc hẹn giờ.
    ExpressTimed,
}

impl From<Urgency> for Priority {
    fn from(urgency: Urgency) -> Self {
        match urgency {
            Urgency::Normal => Self::Normal,
            Urgency::Urgent => Self::Urgent,
            Urgency::VeryUrgent => Self::VeryUrgent,
            Urgency::Express => Self::Express,
            Urgency::ExpressTimed => Self::ExpressTimed,
        }
    }
}

/// A day as documents write it, or as ISO 8601 does.
fn day(text: &str) -> Result<Day, Unfit> {
    Day::read(&text.replace('-', "/")).ok_or(Unfit(t::VALUE_DAY))
}

fn time(text: &str) -> Result<LocalTime, Unfit> {
    let text = text.replace('-', "/").replace('T', " ");
    LocalTime::read(&text).ok_or(Unfit(t::VALUE_TIME))
}

fn status_code(text: &str) -> Result<StatusCode, Unfit> {
    StatusCode::read(text).ok_or(Unfit(t::VALUE_STATUS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_people_type_them() {
        let body: Body = "H41.08=Sở Khoa học và Công nghệ".parse().expect("a body");
        assert_eq!(body.code.as_str(), "H41.08");
        assert_eq!(body.name.as_deref(), Some("Sở Khoa học và Công nghệ"));
        assert_eq!("H41".parse::<Body>().expect("a code").name, None);
        assert_eq!("Sở A".parse::<Body>(), Err(Unfit(t::VALUE_BODY)));
        assert_eq!(day("2026-11-20"), day("2026/11/20"));
        assert_eq!(time("2026-11-20T09:15:02"), time("2026/11/20 09:15:02"));
        assert_eq!(day("20/11/2026"), Err(Unfit(t::VALUE_DAY)));
        assert_eq!(status_code("07"), Err(Unfit(t::VALUE_STATUS)));
        assert_eq!("2=".parse::<Type>(), Err(Unfit(t::VALUE_TYPE)));
    }
}
