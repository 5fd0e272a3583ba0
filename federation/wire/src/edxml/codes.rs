//! Codes of edXML, as types that cannot be wrong, and what the wire says instead.

use std::fmt;

/// What a document spells where a code or a date belongs: understood, or kept as it was.
///
/// Real traffic has codes that no list knows, and a document that is passed on must not lose them. A writer
/// refuses [`Said::Other`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said<T> {
    /// A value of the list or form.
    Known(T),
    /// Something else, as it stood, without the spaces around it.
    Other(String),
}

impl<T: Code> Said<T> {
    /// Reads a text, which never fails: what is not understood is kept.
    pub fn read(text: &str) -> Self {
        T::read(text).map_or_else(|| Self::Other(text.to_owned()), Self::Known)
    }

    /// The value, where it was understood.
    pub const fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Other(_) => None,
        }
    }
}

impl<T: Code> fmt::Display for Said<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(value) => value.spell(f),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl<T> From<T> for Said<T> {
    fn from(value: T) -> Self {
        Self::Known(value)
    }
}

/// A value that has one spelling on the wire.
pub trait Code: Sized {
    /// The value of a text; none where the text is no such value.
    fn read(text: &str) -> Option<Self>;

    /// Its spelling.
    ///
    /// # Errors
    /// Those of the formatter only.
    fn spell(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// Declares a list of codes: the type, its members, their spelling.
macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$member_doc:meta])* $member:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$member_doc])* $member,)+
        }

        impl $name {
            /// Every member, in the order of the list.
            pub const ALL: &[Self] = &[$(Self::$member,)+];

            /// As the wire spells it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$member => $text,)+
                }
            }
        }

        impl Code for $name {
            fn read(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$member),)+
                    _ => None,
                }
            }

            fn spell(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

codes! {
    /// `BussinessDocType`: what a document message is for.
    Business {
        /// A new document.
        New = "0",
        /// The sender takes a document back (thu hồi).
        Recall = "1",
        /// The sender changes what it sent, or to whom.
        Update = "2",
        /// The document stands for another one.
        Replace = "3",
    }
}

codes! {
    /// `ReceiverType` in an update: what happens to a receiver.
    ReceiverChange {
        /// It no longer receives the document.
        Removed = "0",
        /// It receives the document from now on.
        Added = "1",
    }
}

codes! {
    /// `Priority`: how urgent a document is.
    Priority {
        /// Thường.
        Normal = "0",
        /// Khẩn.
        Urgent = "1",
        /// Thượng khẩn.
        VeryUrgent = "2",
        /// Hoả tốc.
        Express = "3",
        /// Hoả tốc hẹn giờ.
        ExpressTimed = "4",
    }
}

codes! {
    /// `SteeringType`: whether a document gives orders.
    Steering {
        /// It is no document of steering.
        None = "1",
        /// It steers.
        Steering = "2",
        /// It reports on steering.
        Report = "3",
    }
}

codes! {
    /// `StatusCode`: what became of a document. 07 to 12 and 14 are defined nowhere that we know of.
    StatusCode {
        /// It arrived and no clerk has handled it.
        Arrived = "01",
        /// It is refused.
        Refused = "02",
        /// It is accepted and registered as incoming.
        Accepted = "03",
        /// It is being assigned.
        Assigned = "04",
        /// It is being processed.
        Processing = "05",
        /// It is finished.
        Finished = "06",
        /// The sender asks to take it back, with a reason.
        TakeBack = "13",
        /// The receiver agrees to a recall or an update.
        RecallAgreed = "15",
        /// The receiver refuses a recall or an update.
        RecallRefused = "16",
    }
}

codes! {
    /// `Direction`: spelt as a boolean; what it means is not written anywhere that we know of.
    Direction {
        /// `true`.
        Yes = "true",
        /// `false`.
        No = "false",
    }
}

/// A number of pages, of copies or of a list: `DocumentType/Type`, `PageAmount`, `PromulgationAmount`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count(pub u32);

impl Code for Count {
    fn read(text: &str) -> Option<Self> {
        let digits = text.bytes().all(|octet| octet.is_ascii_digit());
        // One spelling a value: what is read is written back alike.
        let plain = digits && (text == "0" || !text.starts_with('0'));
        text.parse().ok().filter(|_| plain).map(Self)
    }

    fn spell(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The code of a body, opaque: `^[0-9A-Za-z._-]{1,64}$`.
///
/// Both legal forms, hub codes and test codes stand on the wire, so nothing more is asked of it. Codes are
/// compared as they are, never in another case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrganCode(String);

/// How long the code of a body may be: Decision 20/2020 allows 35, hubs use more.
pub const ORGAN_CODE_LENGTH_MAX: usize = 64;

impl OrganCode {
    /// As it stands on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it has a form that the law knows: that of Decision 20/2020 (`H41.08`), that of
    /// QCVN 102:2016 (`000.00.00.H41`), or a short one of the latter (`28.22.H17`).
    pub fn is_lawful(&self) -> bool {
        let text = self.0.as_str();
        let capital = |octet: u8| octet.is_ascii_digit() || octet.is_ascii_uppercase();
        let mut capitals = text.split('.');
        let begins = capitals.next().is_some_and(is_level_1);
        if begins && capitals.all(|group| !group.is_empty() && group.bytes().all(capital)) {
            return text.len() <= 35;
        }
        let is_number = |group: &str| {
            (1..=3).contains(&group.len()) && group.bytes().all(|octet| octet.is_ascii_digit())
        };
        let mut numbers = text.rsplit('.');
        let ends = numbers.next().is_some_and(is_level_1);
        // None of the short forms that were seen has more than four groups before the last.
        ends && text.split('.').count() <= 5 && numbers.all(is_number)
    }
}

/// One capital letter and two digits.
fn is_level_1(group: &str) -> bool {
    matches!(group.as_bytes(), [letter, a, b]
        if letter.is_ascii_uppercase() && a.is_ascii_digit() && b.is_ascii_digit())
}

impl Code for OrganCode {
    fn read(text: &str) -> Option<Self> {
        let allowed = |octet: u8| octet.is_ascii_alphanumeric() || b"._-".contains(&octet);
        let good = (1..=ORGAN_CODE_LENGTH_MAX).contains(&text.len()) && text.bytes().all(allowed);
        good.then(|| Self(text.to_owned()))
    }

    fn spell(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_read_as_it_is_spelt() {
        for code in StatusCode::ALL {
            assert_eq!(StatusCode::read(code.as_str()), Some(*code));
        }
        for text in ["", "1", "07", "14", " 01", "01 "] {
            assert_eq!(StatusCode::read(text), None, "{text:?}");
        }
        assert_eq!(Said::<Priority>::read("9"), Said::Other("9".to_owned()));
        assert_eq!(Count::read("25"), Some(Count(25)));
        for text in ["", "+1", "-1", "01", "4294967296", "1.0"] {
            assert_eq!(Count::read(text), None, "{text:?}");
        }
    }

    #[test]
    fn codes_of_bodies_are_opaque_and_bounded() {
        for code in ["H41", "H41.08", "000.00.00.H41", "28.22.H17", "0.0.H30", "H37.DN.001"] {
            assert!(OrganCode::read(code).expect("a code").is_lawful(), "{code}");
        }
        for code in ["vxp.saas.03", "001.00.20.TT2", "h41", "H41.", "1.2.3.4.5.H41", "H41.a"] {
            assert!(!OrganCode::read(code).expect("a code").is_lawful(), "{code}");
        }
        assert!(OrganCode::read(&"A".repeat(64)).is_some());
        for code in ["", "H41/08", "H41 08", "Uỷ", "a\0b", &"A".repeat(65)] {
            assert!(OrganCode::read(code).is_none(), "{code:?}");
        }
    }
}
