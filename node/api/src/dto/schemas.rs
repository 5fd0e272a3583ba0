//! Schemas of words, so that the document lists what a field may say.

use model::{DeliveryState, Grant, Importance, KeyAlgorithm, KeyStatus, PacketState, UnitKind};
use utoipa::openapi::{
    Array, ArrayBuilder, KnownFormat, Object, ObjectBuilder, SchemaFormat,
    schema::{SchemaType, Type},
};

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
}

pub(crate) fn grants() -> Array {
    ArrayBuilder::new().items(one_of(Grant::ALL.iter().map(|grant| grant.as_str()))).build()
}

pub(crate) fn packet_id() -> Object {
    text("pk_01KM3Z8Q9TC4V0J7N2XW5R6YAB").pattern(Some("^pk_[0-7][0-9A-HJKMNP-TV-Z]{25}$")).build()
}

pub(crate) fn space_id() -> Object {
    text("sp_01KM3Z8Q9TF1S8E4D2C7B6A5GH").pattern(Some("^sp_[0-7][0-9A-HJKMNP-TV-Z]{25}$")).build()
}

pub(crate) fn unit_code() -> Object {
    text("H41.05").pattern(Some("^[A-Za-z0-9._-]{1,64}$")).build()
}

pub(crate) fn app_id() -> Object {
    text("qlvb-01").pattern(Some("^[a-z0-9][a-z0-9-]{0,38}[a-z0-9]$")).build()
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

pub(crate) fn title() -> Object {
    text("Công văn số 12 về phòng chống thiên tai")
        .min_length(Some(1))
        .max_length(Some(500))
        .build()
}

pub(crate) fn label() -> Object {
    text("Sở Nông nghiệp và Môi trường").min_length(Some(1)).max_length(Some(200)).build()
}

pub(crate) fn media_type() -> Object {
    text("application/pdf").max_length(Some(127)).build()
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

macro_rules! or_null {
    ($($name:ident = $of:ident,)*) => {
        $(
            /// The same, or null: what an answer does not know yet is null in it, never left out.
            pub(crate) fn $name() -> Object {
                let mut object = $of();
                object.schema_type = SchemaType::from_iter([Type::String, Type::Null]);
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
}
