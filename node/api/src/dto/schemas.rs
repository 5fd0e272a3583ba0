//! Schemas of words, so that the document says what a field may hold: the limits are those that the checks use.

use conductor::{Health, MemberRole};
use machine::{
    ALIASES_MAX, LOST_A_COMMAND_MAX, PACKETS_A_COMMAND_MAX, TARGETS_MAX, UNITS_A_COMMAND_MAX,
};
use model::{
    AppId, DeliveryState, Grant, IdempotencyKey, Importance, KeyAlgorithm, KeyStatus, Label,
    MediaType, PacketState, Title, UnitCode, UnitKind, lengths::in_memory, tree::CONSISTENCY_MAX,
};
use serde_json::Value;
use utoipa::openapi::{
    Array, ArrayBuilder, KnownFormat, Object, ObjectBuilder, Ref, SchemaFormat,
    schema::{ArrayItems, SchemaType, Type},
};

use super::cluster;

fn text(example: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).examples([example])
}

fn one_of<'a>(words: impl Iterator<Item = &'a str>) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words.collect::<Vec<_>>()))
        .build()
}

macro_rules! lists {
    ($($name:ident = $list:ident,)*) => {
        $(pub(crate) fn $name() -> Object {
            one_of($list::ALL.iter().map(|word| word.as_str()))
        })*
    };
}
lists! {
    packet_state = PacketState,
    delivery_state = DeliveryState,
    importance = Importance,
    unit_kind = UnitKind,
    key_algorithm = KeyAlgorithm,
    key_status = KeyStatus,
    health = Health,
    member_role = MemberRole,
}

fn list(items: impl Into<ArrayItems>, least: usize, most: usize) -> ArrayBuilder {
    let least = (least > 0).then_some(least);
    ArrayBuilder::new().items(items).min_items(least).max_items(Some(most))
}

pub(crate) fn grants() -> Array {
    ArrayBuilder::new().items(one_of(Grant::ALL.iter().map(|grant| grant.as_str()))).build()
}

/// Where a packet goes.
pub(crate) fn targets() -> Array {
    list(unit_code(), 1, TARGETS_MAX)
        .unique_items(true)
        .description(Some(format!("1 to {TARGETS_MAX} units, each once.")))
        .examples([serde_json::json!(["H41.05", "H41.02"])])
        .build()
}

/// Where an application may send to.
pub(crate) fn reach() -> Array {
    list(unit_code(), 0, TARGETS_MAX)
        .description(Some("Units that it may send to; every unit when not given, or when empty."))
        .build()
}

pub(crate) fn aliases() -> Array {
    list(unit_code(), 0, ALIASES_MAX).description(Some("Other codes of the same unit.")).build()
}

pub(crate) fn unit_codes() -> Array {
    ArrayBuilder::new().items(unit_code()).build()
}

pub(crate) fn new_units() -> Array {
    list(Ref::from_schema_name("AddUnit"), 1, UNITS_A_COMMAND_MAX)
        .description(Some(format!(
            "1 to {UNITS_A_COMMAND_MAX}; a unit above stands before those below it."
        )))
        .build()
}

pub(crate) fn receipts() -> Array {
    list(Ref::from_schema_name("NewReceipt"), 1, PACKETS_A_COMMAND_MAX)
        .description(Some(format!("1 to {PACKETS_A_COMMAND_MAX}.")))
        .build()
}

pub(crate) fn lost_packets() -> Array {
    list(packet_id(), 1, LOST_A_COMMAND_MAX)
        .description(Some(format!("1 to {LOST_A_COMMAND_MAX}.")))
        .build()
}

pub(crate) fn packet_id() -> Object {
    text("pk_01KM3Z8Q9TC4V0J7N2XW5R6YAB").pattern(Some("^pk_[0-7][0-9A-HJKMNP-TV-Z]{25}$")).build()
}

pub(crate) fn space_id() -> Object {
    text("sp_01KM3Z8Q9TF1S8E4D2C7B6A5GH").pattern(Some("^sp_[0-7][0-9A-HJKMNP-TV-Z]{25}$")).build()
}

/// At least one letter or digit: a code is a segment of paths.
pub(crate) fn unit_code() -> Object {
    text("H41.05")
        .pattern(Some("^[A-Za-z0-9._-]*[A-Za-z0-9_-][A-Za-z0-9._-]*$"))
        .min_length(Some(1))
        .max_length(Some(UnitCode::LEN_MAX))
        .build()
}

pub(crate) fn app_id() -> Object {
    text("qlvb-01")
        .pattern(Some("^[a-z0-9][a-z0-9-]*[a-z0-9]$"))
        .min_length(Some(AppId::LEN_MIN))
        .max_length(Some(AppId::LEN_MAX))
        .build()
}

pub(crate) fn access_key() -> Object {
    text("AKMZXW6YTBOI2DGNBVHA4Q").pattern(Some("^AK[A-Z2-7]{20}$")).build()
}

pub(crate) fn digest() -> Object {
    text("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")
        .pattern(Some("^[0-9a-fA-F]{64}$"))
        .description(Some("SHA-256 in hexadecimal"))
        .build()
}

/// Characters that end a line, or turn the direction of text.
const NOT_IN_A_LINE: &str = "\0-\u{1f}\u{7f}-\u{9f}\u{2028}\u{2029}\u{61c}\u{200e}\u{200f}\u{202a}-\u{202e}\u{2066}-\u{2069}";
/// Characters that take no room, of those below 64 Ki: regular expressions know the others by different spellings.
const INVISIBLE: &str = " \u{a0}\u{1680}\u{2000}-\u{200d}\u{202f}\u{205f}\u{3000}\u{ad}\u{34f}\u{115f}\u{1160}\
    \u{17b4}\u{17b5}\u{180b}-\u{180f}\u{2060}-\u{2065}\u{2800}\u{3164}\u{fe00}-\u{fe0f}\u{feff}\u{ffa0}";

/// One line with something to see in it.
fn line(example: &str, chars_max: usize) -> Object {
    let any = format!("[^{NOT_IN_A_LINE}]");
    text(example)
        .pattern(Some(format!("^{any}*[^{NOT_IN_A_LINE}{INVISIBLE}]{any}*$")))
        .min_length(Some(1))
        .max_length(Some(chars_max))
        .build()
}

pub(crate) fn title() -> Object {
    line("Công văn số 12 về phòng chống thiên tai", Title::CHARS_MAX)
}

pub(crate) fn label() -> Object {
    line("Sở Nông nghiệp và Môi trường", Label::CHARS_MAX)
}

pub(crate) fn media_type() -> Object {
    text("application/pdf")
        .pattern(Some("^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+ *(;[ -~]*)?$"))
        .max_length(Some(MediaType::LEN_MAX))
        .build()
}

pub(crate) fn moment() -> Object {
    text("2026-11-22T08:07:31.204Z")
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .build()
}

pub(crate) fn url() -> Object {
    text("https://lgsp.nghean.gov.vn/v1/spaces/sp_01KM3Z8Q9TF1S8E4D2C7B6A5GH")
        .format(Some(SchemaFormat::Custom("uri".into())))
        .build()
}

pub(crate) fn zone() -> Object {
    text("H41").pattern(Some("^[A-Z][0-9]{2}$")).build()
}

/// A number of a node.
pub(crate) fn node_id() -> Object {
    whole(0).minimum(Some(1)).examples([3]).build()
}

/// A whole number from so many on, in 64 bits.
fn whole(from: usize) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(from)).maximum(Some(usize::MAX))
}

pub(crate) fn octets() -> Object {
    whole(0).description(Some("Octets")).examples([1_048_576]).build()
}

pub(crate) fn position() -> Object {
    whole(0).description(Some("A position in the feed of a unit")).examples([17]).build()
}

/// How many facts the history has, or which of them.
pub(crate) fn facts() -> Object {
    whole(0)
        .description(Some("A number of facts, or the position of one"))
        .examples([1_024])
        .build()
}

pub(crate) fn hash() -> Object {
    text("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d")
        .pattern(Some("^[0-9a-f]{64}$"))
        .description(Some("A hash of the history's tree (RFC 6962), in hexadecimal"))
        .build()
}

/// As many as the longest proof needs.
pub(crate) fn hashes() -> Array {
    list(hash(), 0, CONSISTENCY_MAX).build()
}

pub(crate) fn base64url() -> Object {
    text("eyJraW5kIjoiYWNjZXB0ZWQifQ").pattern(Some("^[A-Za-z0-9_-]+$")).build()
}

pub(crate) fn signed_note() -> Object {
    text("lgsp-7f3a/history\n1024\nbjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=\n\n\u{2014} lgsp-7f3a/history AAAA\n")
        .build()
}

/// A position that was never given may be beyond 64 bits: the feed begins anew.
pub(crate) fn seen() -> Object {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).examples([17]).build()
}

pub(crate) fn minutes() -> Object {
    whole(0).examples([30]).build()
}

pub(crate) fn limit() -> Object {
    whole(1).examples([50]).build()
}

pub(crate) fn seconds() -> Object {
    whole(0).examples([30]).build()
}

/// Base64url of the item that a page ended with; the longest names a unit.
pub(crate) fn cursor() -> Object {
    text("SDQxLjA1")
        .pattern(Some("^[A-Za-z0-9_-]+$"))
        .max_length(Some((UnitCode::LEN_MAX * 4).div_ceil(3)))
        .build()
}

pub(crate) fn search() -> Object {
    text("so nong nghiep").max_length(Some(Label::CHARS_MAX)).build()
}

/// One word, or a string of RFC 9651 in quotes.
pub(crate) fn idempotency_key() -> Object {
    let max = IdempotencyKey::LEN_MAX;
    text("cv-1204")
        .pattern(Some(format!(
            r#"^([!#-+\--\[\]-~]{{1,{max}}}|"([ !#-\[\]-~]|\\["\\]){{1,{max}}}")$"#
        )))
        .build()
}

pub(crate) fn range() -> Object {
    text("bytes=1048576-").build()
}

pub(crate) fn entity_tag() -> Object {
    text("\"sha256-9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"").build()
}

pub(crate) fn content_digest() -> Object {
    text("sha-256=:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=:")
        .pattern(Some(
            "^sha-(256=:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=:|512=:[A-Za-z0-9+/]{85}[AQgw]==:)$",
        ))
        .build()
}

pub(crate) fn packet_digest() -> Object {
    text("sha-256=:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=:")
        .pattern(Some("^sha-256=:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=:$"))
        .build()
}

pub(crate) fn upload_checksum() -> Object {
    text("sha256 n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=")
        .pattern(Some(
            "^(sha1 [A-Za-z0-9+/]{26}[AEIMQUYcgkosw048]=|sha256 [A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=)$",
        ))
        .build()
}

/// Pairs of a key and base64, as tus has them.
pub(crate) fn upload_metadata() -> Object {
    text("filename Q8O0bmcgdsSDbi5wZGY=")
        .pattern(Some("^[ -~]*$"))
        .max_length(Some(crate::tus::METADATA_MAX))
        .build()
}

pub(crate) fn tus_version() -> Object {
    one_of(["1.0.0"].into_iter())
}

pub(crate) fn join_token() -> Object {
    text("jn_AQ").pattern(Some("^jn_[A-Za-z0-9_-]+$")).build()
}

/// A port without zeros before it.
const PORT: &str =
    "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])";

/// Brackets hold an address of IPv6, which only its own grammar knows.
fn host() -> String {
    format!(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{{1,{}}})", cluster::HOST_MAX)
}

pub(crate) fn mesh_address() -> Object {
    text("10.0.0.2:7443").pattern(Some(format!("^{}:{PORT}$", host()))).build()
}

pub(crate) fn api_url() -> Object {
    text("https://10.0.0.2:8443")
        .pattern(Some(format!(
            "^https://({}:{PORT}|[A-Za-z0-9._-]{{1,{}}})/?$",
            host(),
            cluster::HOST_MAX
        )))
        .build()
}

pub(crate) fn dns_names() -> Array {
    let name = text("node-2.lgsp.example.vn")
        .pattern(Some("^[A-Za-z0-9._-]+$"))
        .min_length(Some(1))
        .max_length(Some(cluster::HOST_MAX));
    list(name, 0, cluster::NAMES_MAX)
        .description(Some(format!(
            "Host names for its certificate; {} together with the addresses.",
            cluster::NAMES_MAX
        )))
        .build()
}

pub(crate) fn ip_addresses() -> Array {
    list(text("10.0.0.2"), 0, cluster::NAMES_MAX)
        .description(Some(format!(
            "Addresses of IPv4 or IPv6 for its certificate; {} together with the host names.",
            cluster::NAMES_MAX
        )))
        .build()
}

pub(crate) fn certificate_request() -> Object {
    text("MIHH")
        .pattern(Some("^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"))
        .max_length(Some(cluster::REQUEST_MAX))
        .build()
}

pub(crate) fn version() -> Object {
    text("0.1.0")
        .pattern(Some("^[!-~]+$"))
        .min_length(Some(1))
        .max_length(Some(cluster::VERSION_MAX))
        .build()
}

pub(crate) fn rules() -> Object {
    let object = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
    object.maximum(Some(usize::from(u16::MAX))).examples([2]).build()
}

pub(crate) fn overlap_days() -> Object {
    let mut object = ObjectBuilder::new()
        .minimum(Some(0))
        .maximum(Some(in_memory(super::authority::OVERLAP_DAYS_MAX)))
        .examples([30])
        .build();
    object.schema_type = SchemaType::from_iter([Type::Integer, Type::Null]);
    object
}

macro_rules! or_null {
    ($($name:ident = $of:ident,)*) => {
        $(
            /// The same, or null: in an answer what is not known yet, in a request what is not given.
            pub(crate) fn $name() -> Object {
                let mut object = $of();
                let kinds = match object.schema_type {
                    SchemaType::Type(kind) => [kind, Type::Null],
                    _ => unreachable!("each word is of one type"),
                };
                object.schema_type = SchemaType::from_iter(kinds);
                if let Some(words) = &mut object.enum_values {
                    words.push(Value::Null);
                }
                object
            }
        )*
    };
}
or_null! {
    unit_code_or_null = unit_code,
    app_id_or_null = app_id,
    digest_or_null = digest,
    label_or_null = label,
    moment_or_null = moment,
    importance_or_null = importance,
    key_algorithm_or_null = key_algorithm,
    octets_or_null = octets,
    minutes_or_null = minutes,
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use regex::Regex;

    use super::*;

    fn pattern(schema: Object) -> Regex {
        Regex::new(&schema.pattern.expect("a pattern")).expect("well-formed")
    }

    /// Every character up to 64 Ki, alone and among others: the pattern takes what the word takes.
    #[track_caller]
    fn agree<T: FromStr>(schema: Object, around: &[(&str, &str)]) {
        let pattern = pattern(schema);
        for c in ('\0'..='\u{ffff}').filter(|c| *c < '\u{3100}' || *c > '\u{d7ff}') {
            for (before, after) in around {
                let text = format!("{before}{c}{after}");
                // White space around a text is taken off, so the pattern need not say so.
                let trimmed = text.trim() != text;
                assert!(
                    trimmed || pattern.is_match(&text) == text.parse::<T>().is_ok(),
                    "{text:?}"
                );
            }
        }
    }

    #[test]
    fn patterns_take_what_the_words_take() {
        agree::<Title>(title(), &[("", ""), ("a", "b"), ("\u{ad}", "\u{ad}")]);
        agree::<Label>(label(), &[("", ""), ("a", "b")]);
        agree::<UnitCode>(unit_code(), &[("", ""), (".", "."), ("H", "1")]);
        agree::<AppId>(app_id(), &[("a", "b"), ("a", ""), ("", "b"), ("", "")]);
        agree::<MediaType>(media_type(), &[("", "/b"), ("a/", ""), ("a/b", ";"), ("a/b;", "c")]);
        agree::<model::Digest>(digest(), &[("", &"a".repeat(63)), (&"F".repeat(63), "")]);
        agree::<model::Zone>(zone(), &[("", "41"), ("H", "1"), ("H4", "")]);
        agree::<model::AccessKey>(access_key(), &[("AK", "AAAAAAAAAAAAAAAAAAA")]);
        agree::<model::PacketId>(
            packet_id(),
            &[("pk_", "0000000000000000000000000"), ("pk_0", "000000000000000000000000")],
        );
        agree::<model::SpaceId>(space_id(), &[("sp_", "0000000000000000000000000")]);
    }
}
