//! What we say of an error of the XML reader.

use rxml::{Error as XmlError, error::ErrorContext};

use super::words::Word;

/// The word of an error. Four of them are told apart by what the reader writes, which tests hold.
pub(super) fn word_of(error: XmlError) -> Word {
    match error {
        XmlError::InvalidEof(_) => Word::Cut,
        XmlError::UndeclaredEntity => Word::Entity,
        XmlError::InvalidChar(..) | XmlError::UnexpectedChar(_, '\u{FFFE}' | '\u{FFFF}', _) => {
            Word::Character
        }
        XmlError::InvalidUtf8Byte(_) => Word::Encoding,
        XmlError::DuplicateAttribute => Word::AttributeTwice,
        XmlError::UndeclaredNamespacePrefix(_)
        | XmlError::ReservedNamespacePrefix
        | XmlError::ReservedNamespaceName
        | XmlError::EmptyNamespaceUri => Word::Namespace,
        XmlError::RestrictedXml("processing instructions") => Word::ProcessingInstruction,
        XmlError::RestrictedXml("long name or reference") => Word::TokenTooLong,
        // After `<!` comes a comment, a CDATA section, or a declaration.
        XmlError::InvalidSyntax("malformed cdata or comment section start") => Word::Dtd,
        // The prologue has read the declaration, so what begins like one is none.
        XmlError::InvalidSyntax("space required before attribute names")
        | XmlError::UnexpectedByte(Some(ErrorContext::XmlDeclaration), ..)
        | XmlError::UnexpectedChar(Some(ErrorContext::XmlDeclaration), ..)
        | XmlError::UnexpectedToken(Some(ErrorContext::XmlDeclaration), ..) => {
            Word::ProcessingInstruction
        }
        _ => Word::Syntax,
    }
}
