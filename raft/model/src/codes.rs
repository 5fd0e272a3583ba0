//! Codes: of units (Decision 20/2020/QĐ-TTg), zones, applications, and access keys.

use crate::{Malformed, names::text_word};

text_word!(
    /// The code of a unit (mã định danh), compared case by case.
    ///
    /// Either a code of Decision 20/2020 (`H41.02`), or the opaque code of a remote party
    /// (`000.00.00.G22`); which of the two may be registered where is the machine's to say.
    UnitCode, "unit code", check_unit_code, trimmed
);
text_word!(
    /// A zone (vùng triển khai): the level-1 code that all its own units begin with, as `H41`.
    Zone, "zone", check_zone
);
text_word!(
    /// The name of an application in its cluster: lower-case letters, digits and hyphens, 2 to 40.
    AppId, "application id", check_app_id
);
text_word!(
    /// An access key (khoá truy xuất): `AK` and 20 characters of base32; public.
    AccessKey, "access key", check_access_key
);

impl AppId {
    /// Characters that it has at the least.
    pub const LEN_MIN: usize = 2;
    /// Characters that it has at the most.
    pub const LEN_MAX: usize = 40;
}

impl UnitCode {
    /// Characters that it has at the most, all of them ASCII.
    pub const LEN_MAX: usize = 64;

    /// Whether this is a well-formed code of Decision 20/2020: groups of digits and capitals
    /// under a level 1 of a letter and two digits, 3 to 35 characters.
    pub fn is_decision_20(&self) -> bool {
        let text = self.as_str();
        let mut groups = text.split('.');
        (3..=35).contains(&text.len())
            && groups.next().is_some_and(|first| check_zone(first).is_ok())
            && groups.all(|group| {
                !group.is_empty()
                    && group.bytes().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase())
            })
    }

    /// Whether this unit belongs to the zone: the zone itself, or a strict code under it.
    pub fn is_in(&self, zone: &Zone) -> bool {
        self.is_decision_20()
            && self
                .as_str()
                .strip_prefix(zone.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    /// The code one level up: `H41.02` for `H41.02.01`; none at level 1.
    pub fn parent(&self) -> Option<Self> {
        self.as_str().rsplit_once('.').and_then(|(parent, _)| parent.parse().ok())
    }
}

impl AccessKey {
    /// Makes the key of 20 random octets (the upper bits of each are not used).
    pub fn from_random(random: [u8; 20]) -> Self {
        const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let mut text = String::from("AK");
        text.extend(random.map(|octet| BASE32[usize::from(octet & 31)] as char));
        Self(text.into())
    }
}

/// Whoever copies a code takes the space beside it along.
fn trimmed(text: String) -> String {
    text.trim().to_owned()
}

// The remote, opaque form; our own zone's codes are held to Decision 20/2020 where they are added.
fn check_unit_code(text: &str) -> Result<(), &'static str> {
    if !(1..=UnitCode::LEN_MAX).contains(&text.len()) {
        return Err("1 to 64 characters are expected");
    }
    if !text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-')) {
        return Err("letters without marks, digits, full stop, hyphen and underscore are allowed");
    }
    // A path segment in URLs: these two would walk out of it.
    if text.bytes().all(|c| c == b'.') {
        return Err("a code has at least one letter or digit");
    }
    Ok(())
}

fn check_zone(text: &str) -> Result<(), &'static str> {
    match text.as_bytes() {
        [b'A'..=b'Z', b'0'..=b'9', b'0'..=b'9'] => Ok(()),
        _ => Err("a capital letter and two digits are expected, as H41"),
    }
}

fn check_app_id(text: &str) -> Result<(), &'static str> {
    if !(AppId::LEN_MIN..=AppId::LEN_MAX).contains(&text.len()) {
        return Err("2 to 40 characters are expected");
    }
    if text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
    {
        Ok(())
    } else {
        Err("lower-case letters, digits and inner hyphens are allowed")
    }
}

fn check_access_key(text: &str) -> Result<(), &'static str> {
    let rest = text.strip_prefix("AK").ok_or("it begins with AK")?;
    if rest.len() == 20 && rest.bytes().all(|c| matches!(c, b'A'..=b'Z' | b'2'..=b'7')) {
        Ok(())
    } else {
        Err("20 characters of base32 follow AK")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unit(text: &str) -> UnitCode {
        text.parse().expect("a code of the examples")
    }

    #[test]
    fn codes_of_decision_20_are_known() {
        for code in ["H41", "H41.02", "G22.01.003", "H37.DN.001"] {
            assert!(unit(code).is_decision_20(), "{code}");
        }
        for code in
            ["000.00.00.H41", "h41", "H4", "H41.", "H41..1", "H41.a", "0.0.H30", "vxp.saas.03"]
        {
            assert!(!unit(code).is_decision_20(), "{code}");
        }
        let long = format!("H41.{}", "A".repeat(32));
        assert!(!unit(&long).is_decision_20());
    }

    #[test]
    fn a_unit_is_in_its_zone_only() {
        let zone: Zone = "H41".parse().expect("a zone");
        assert!(unit("H41").is_in(&zone) && unit("H41.02").is_in(&zone));
        assert!(!unit("H42.02").is_in(&zone) && !unit("H410").is_in(&zone));
        assert!(!unit("000.00.00.H41").is_in(&zone));
    }

    #[test]
    fn paths_cannot_be_codes() {
        for text in ["", ".", "..", "a/b", "a b", "H41.Đ", &"x".repeat(65)] {
            assert!(text.parse::<UnitCode>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_a_parser_panic(text in any::<String>()) {
            let _ = text.parse::<UnitCode>().map(|c| (c.is_decision_20(), c.parent()));
            let _ = (text.parse::<AppId>().is_ok(), text.parse::<Zone>().is_ok());
            let _ = text.parse::<AccessKey>();
        }

        #[test]
        fn random_octets_make_an_access_key(random in any::<[u8; 20]>()) {
            let key = AccessKey::from_random(random);
            prop_assert_eq!(key.as_str().parse::<AccessKey>(), Ok(key.clone()));
        }
    }
}
