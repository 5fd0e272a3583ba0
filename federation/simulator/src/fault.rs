//! Faults by switch: which call goes wrong, how, and how often.
//!
//! A switch is written `family.call=fault:probability`, as in `vxp.sendEdoc=lost-answer:0.1`; the call may be `*`.
//! Whether it strikes follows from the seed and from how often the call was made, never from the time.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Serialize, Serializer};
use wire::vxp::Endpoint;

use crate::seed::Seed;

/// Which part of the national side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// The axis of documents.
    Vxp,
    /// The gateway with OAuth2.
    Gateway,
    /// The security server of X-Road, and the adapter before it.
    XRoad,
    /// What carries all of them.
    Connection,
}

const FAMILIES: [(Family, &str); 4] = [
    (Family::Vxp, "vxp"),
    (Family::Gateway, "gateway"),
    (Family::XRoad, "xroad"),
    (Family::Connection, "connection"),
];

/// The calls of the gateway that can be named.
const GATEWAY_CALLS: [&str; 5] = ["token", "enterprise", "category", "metadata", "population"];
/// The calls of X-Road that can be named.
const XROAD_CALLS: [&str; 7] =
    ["rest", "listClients", "listMethods", "allowedMethods", "soap", "wsdl", "forward"];
/// The one thing that a connection does.
const CONNECTION_CALLS: [&str; 1] = ["accept"];

impl Family {
    /// Its name in switches and in the ledger.
    pub fn as_str(self) -> &'static str {
        let row = FAMILIES.iter().find(|(family, _)| *family == self);
        row.expect("every family stands in the table").1
    }

    /// The calls that it has, by the names that switches use.
    pub fn calls(self) -> Vec<&'static str> {
        match self {
            Self::Vxp => Endpoint::all().map(Endpoint::name).collect(),
            Self::Gateway => GATEWAY_CALLS.to_vec(),
            Self::XRoad => XROAD_CALLS.to_vec(),
            Self::Connection => CONNECTION_CALLS.to_vec(),
        }
    }
}

/// How a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The answer comes late.
    Slow,
    /// The status 500 instead of an effect.
    Error500,
    /// The answer ends in its middle, after the effect.
    Cut,
    /// The connection ends without an answer, after the effect.
    LostAnswer,
    /// JSON that is broken, after the effect.
    WrongJson,
    /// A page for people instead of an effect, with the status 200.
    Html,
    /// The status 200 and nothing else, after the effect.
    Empty,
    /// A token that is good is called expired, and is so from now on.
    ExpiredToken,
    /// What is sent is delivered twice.
    Duplicate,
    /// A list has no order.
    Unordered,
    /// A list forgets rows.
    Forgetful,
    /// A directory loses a part of its rows.
    Shrinking,
    /// The clock of the national side is off.
    ClockOff,
    /// The certificate of somebody else.
    ForeignTls,
    /// HTTP without TLS where TLS should be.
    PlainHttp,
}

/// Which calls a fault fits.
#[derive(Clone, Copy)]
enum Fits {
    AnyCall,
    Calls(Family, &'static [&'static str]),
    /// Calls that date something.
    Dated,
}

const DATED: [(Family, &[&str]); 3] = [
    (Family::Vxp, &["sendEdoc", "updateStatus", "registerAgency", "deleteAgency"]),
    (Family::Gateway, &["token", "enterprise", "category", "metadata", "population"]),
    (Family::XRoad, &["forward"]),
];

const LISTS: Fits = Fits::Calls(
    Family::Vxp,
    &[
        "getAgenciesList",
        "getAgenciesListQD20",
        "getSynchronizeUnit",
        "getReceivedEdocList",
        "getSentEdocList",
    ],
);
const DIRECTORIES: Fits =
    Fits::Calls(Family::Vxp, &["getAgenciesList", "getAgenciesListQD20", "getSynchronizeUnit"]);
const WITH_TOKEN: Fits = Fits::Calls(Family::Gateway, &["enterprise", "category", "metadata"]);
const ACCEPT: Fits = Fits::Calls(Family::Connection, &CONNECTION_CALLS);

const FAULTS: [(Fault, &str, Fits); 15] = [
    (Fault::Slow, "slow", Fits::AnyCall),
    (Fault::Error500, "error-500", Fits::AnyCall),
    (Fault::Cut, "cut", Fits::AnyCall),
    (Fault::LostAnswer, "lost-answer", Fits::AnyCall),
    (Fault::WrongJson, "wrong-json", Fits::AnyCall),
    (Fault::Html, "html", Fits::AnyCall),
    (Fault::Empty, "empty", Fits::AnyCall),
    (Fault::ExpiredToken, "expired-token", WITH_TOKEN),
    (Fault::Duplicate, "duplicate", Fits::Calls(Family::Vxp, &["sendEdoc"])),
    (Fault::Unordered, "unordered", LISTS),
    (Fault::Forgetful, "forgetful", LISTS),
    (Fault::Shrinking, "shrinking", DIRECTORIES),
    (Fault::ClockOff, "clock-off", Fits::Dated),
    (Fault::ForeignTls, "foreign-tls", ACCEPT),
    (Fault::PlainHttp, "plain-http", ACCEPT),
];

impl Fault {
    /// Every fault.
    pub fn all() -> impl Iterator<Item = Self> {
        FAULTS.iter().map(|(fault, ..)| *fault)
    }

    /// Its name in switches and in the ledger.
    pub fn as_str(self) -> &'static str {
        self.row().1
    }

    fn row(self) -> &'static (Self, &'static str, Fits) {
        FAULTS.iter().find(|(fault, ..)| *fault == self).expect("every fault stands in the table")
    }

    fn fits(self, family: Family, call: &str) -> bool {
        match self.row().2 {
            Fits::AnyCall => family != Family::Connection,
            Fits::Calls(of, calls) => family == of && calls.contains(&call),
            Fits::Dated => DATED.iter().any(|(of, calls)| family == *of && calls.contains(&call)),
        }
    }
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

/// How often, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Chance(u32);

const ALWAYS: u32 = 1_000_000;
const DIGITS: usize = 6;

impl Chance {
    fn parse(text: &str) -> Option<Self> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
        if !is_number(whole) || !is_number(part) || part.len() > DIGITS {
            return None;
        }
        let part: u32 = format!("{part:0<DIGITS$}").parse().ok()?;
        let sum = whole.parse::<u32>().ok()?.checked_mul(ALWAYS)?.checked_add(part)?;
        (sum <= ALWAYS).then_some(Self(sum))
    }
}

impl fmt::Display for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = format!("{:0DIGITS$}", self.0 % ALWAYS);
        let part = part.trim_end_matches('0');
        let dot = if part.is_empty() { "" } else { "." };
        write!(f, "{}{dot}{part}", self.0 / ALWAYS)
    }
}

/// One switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switch {
    family: Family,
    /// None for every call of the family that the fault fits.
    call: Option<&'static str>,
    fault: Fault,
    chance: Chance,
}

/// Why a text is no switch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SwitchError {
    /// It has not the form of one.
    #[error("a fault is written family.call=fault:probability, as in vxp.sendEdoc=lost-answer:0.1")]
    Form,
    /// There is no such family.
    #[error("the family is none of vxp, gateway, xroad, connection")]
    Family,
    /// The family has no such call.
    #[error("{} has no such call; it has {}", .0.as_str(), .0.calls().join(", "))]
    Call(Family),
    /// There is no such fault.
    #[error("there is no such fault")]
    Fault,
    /// The fault cannot happen to this call.
    #[error("{} cannot happen to this call", .0.as_str())]
    Unfit(Fault),
    /// The probability is no number from 0 to 1 with six digits after the point at most.
    #[error("the probability is a number from 0 to 1, with six digits after the point at most")]
    Chance,
    /// Without TLS, there is nothing that plain HTTP could replace.
    #[error("plain-http needs a simulator that speaks TLS")]
    NoTls,
}

impl FromStr for Switch {
    type Err = SwitchError;

    fn from_str(text: &str) -> Result<Self, SwitchError> {
        let (place, how) = text.trim().split_once('=').ok_or(SwitchError::Form)?;
        let (family, call) = place.split_once('.').ok_or(SwitchError::Form)?;
        let (fault, chance) = how.split_once(':').ok_or(SwitchError::Form)?;
        let family = FAMILIES.iter().find(|(_, name)| *name == family);
        let family = family.ok_or(SwitchError::Family)?.0;
        let calls = family.calls();
        let call = match call {
            "*" => None,
            call => Some(*calls.iter().find(|c| **c == call).ok_or(SwitchError::Call(family))?),
        };
        let fault = FAULTS.iter().find(|(_, name, _)| *name == fault);
        let fault = fault.ok_or(SwitchError::Fault)?.0;
        let chance = Chance::parse(chance).ok_or(SwitchError::Chance)?;
        let fits = match call {
            Some(call) => fault.fits(family, call),
            None => calls.iter().any(|call| fault.fits(family, call)),
        };
        if fits { Ok(Self { family, call, fault, chance }) } else { Err(SwitchError::Unfit(fault)) }
    }
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (family, call) = (self.family.as_str(), self.call.unwrap_or("*"));
        write!(f, "{family}.{call}={}:{}", self.fault.as_str(), self.chance)
    }
}

impl Switch {
    /// Whether it makes no sense without TLS.
    pub(crate) fn needs_tls(&self) -> bool {
        self.fault == Fault::PlainHttp
    }
}

/// The faults that strike one call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Struck(Vec<Fault>);

impl Struck {
    pub(crate) fn by(&self, fault: Fault) -> bool {
        self.0.contains(&fault)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The switches that are on, and how often each call was made. The table of faults and calls bounds both.
#[derive(Default)]
pub(crate) struct Faults {
    switches: Vec<Switch>,
    made: BTreeMap<(Family, &'static str), u64>,
}

impl Faults {
    /// Turns a switch; the probability 0 turns it off. A switch of one call goes before one of all calls, and one of
    /// all calls replaces those of single calls that were turned before it.
    pub(crate) fn turn(&mut self, switch: Switch) {
        let is_same = |old: &Switch| (old.family, old.fault) == (switch.family, switch.fault);
        let is_meant = |old: &Switch| switch.call.is_none() || old.call == switch.call;
        self.switches.retain(|old| !is_same(old) || !is_meant(old));
        // Zero for one call is still needed while the fault is on for all.
        if switch.chance.0 > 0 || self.switches.iter().any(|old| is_same(old) && old.call.is_none())
        {
            self.switches.push(switch);
        }
    }

    pub(crate) fn on(&self) -> Vec<String> {
        self.switches.iter().map(ToString::to_string).collect()
    }

    /// A call is made: what strikes it.
    pub(crate) fn strike(&mut self, seed: Seed, family: Family, call: &'static str) -> Struck {
        if self.switches.is_empty() {
            return Struck::default();
        }
        let made = self.made.entry((family, call)).or_default();
        *made += 1;
        let of_family = |switch: &&Switch| switch.family == family;
        let narrow = |fault: Fault| {
            let mut switches = self.switches.iter().filter(of_family);
            switches.find(|switch| switch.fault == fault && switch.call == Some(call))
        };
        let mut struck = Vec::new();
        for switch in self.switches.iter().filter(of_family) {
            let is_meant = match switch.call {
                Some(of) => of == call,
                None => narrow(switch.fault).is_none(),
            };
            let words = ["fault", family.as_str(), call, switch.fault.as_str()];
            let roll = seed.roll(&words, *made) % u64::from(ALWAYS);
            let strikes = roll < u64::from(switch.chance.0) && switch.fault.fits(family, call);
            if is_meant && strikes {
                struck.push(switch.fault);
            }
        }
        Struck(struck)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_is_read_as_it_is_written() {
        for text in [
            "vxp.sendEdoc=lost-answer:0.1",
            "vxp.*=slow:1",
            "gateway.category=expired-token:0.000001",
            "connection.accept=foreign-tls:0.5",
        ] {
            assert_eq!(text.parse::<Switch>().expect("a switch").to_string(), text);
        }
        for (text, error) in [
            ("vxp.sendEdoc", SwitchError::Form),
            ("nda.sendEdoc=slow:1", SwitchError::Family),
            ("vxp.sendedoc=slow:1", SwitchError::Call(Family::Vxp)),
            ("vxp.sendEdoc=late:1", SwitchError::Fault),
            ("vxp.sendEdoc=shrinking:1", SwitchError::Unfit(Fault::Shrinking)),
            ("xroad.*=duplicate:1", SwitchError::Unfit(Fault::Duplicate)),
            ("xroad.rest=clock-off:1", SwitchError::Unfit(Fault::ClockOff)),
            ("connection.accept=slow:1", SwitchError::Unfit(Fault::Slow)),
            ("vxp.sendEdoc=slow:1.1", SwitchError::Chance),
            ("vxp.sendEdoc=slow:-1", SwitchError::Chance),
            ("vxp.sendEdoc=slow:0.1234567", SwitchError::Chance),
        ] {
            assert_eq!(text.parse::<Switch>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_tenth_is_about_a_tenth_and_the_same_in_each_run() {
        let strikes = |seed| {
            let mut faults = Faults::default();
            faults.turn("vxp.*=cut:0.1".parse().expect("a switch"));
            let mut strike = || faults.strike(Seed(seed), Family::Vxp, "getEdoc");
            (0..10_000).map(|_| strike().by(Fault::Cut)).collect::<Vec<_>>()
        };
        let count = strikes(7).iter().filter(|struck| **struck).count();
        assert!((850..1150).contains(&count), "{count}");
        assert_eq!(strikes(7), strikes(7));
        assert_ne!(strikes(7), strikes(8));
    }

    #[test]
    fn zero_turns_a_switch_off_and_another_chance_replaces_it() {
        let mut faults = Faults::default();
        faults.turn("vxp.getEdoc=cut:0.1".parse().expect("a switch"));
        faults.turn("vxp.getEdoc=cut:1".parse().expect("a switch"));
        assert_eq!(faults.on(), ["vxp.getEdoc=cut:1"]);
        faults.turn("vxp.getEdoc=cut:0".parse().expect("a switch"));
        assert!(faults.on().is_empty());
    }

    #[test]
    fn a_switch_of_one_call_goes_before_one_of_all_calls() {
        let mut faults = Faults::default();
        let turn = |faults: &mut Faults, text: &str| faults.turn(text.parse().expect("a switch"));
        let struck = |faults: &mut Faults, call| faults.strike(Seed(1), Family::Vxp, call);
        turn(&mut faults, "vxp.*=cut:1");
        turn(&mut faults, "vxp.getEdoc=cut:0");
        assert!(struck(&mut faults, "sendEdoc").by(Fault::Cut));
        assert!(!struck(&mut faults, "getEdoc").by(Fault::Cut), "it was turned off for this call");
        turn(&mut faults, "vxp.*=cut:1");
        assert!(struck(&mut faults, "getEdoc").by(Fault::Cut), "the later word is for all calls");
        turn(&mut faults, "vxp.*=cut:0");
        assert!(faults.on().is_empty());
    }
}
