//! Strict decoding: octets that this program would not have written itself are not read.
//!
//! The derived decoders skip a field that they do not know, and two versions of the program would then apply
//! the same entry in two ways. So a value is encoded again after it was decoded, and each octet is compared.
//! That finds an unknown field, a field in another order and octets behind the value alike, and allocates
//! nothing.

use minicbor::{Decode, Encode, encode::Write};

/// Octets that this program cannot have written.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Not of the form, or with a number that is not known.
    #[error("it is not of the form that is expected: {0}")]
    Form(#[from] minicbor::decode::Error),
    /// With a field that is not known, or not in the one order.
    #[error("it says more than this program understands, from octet {0} on")]
    Foreign(usize),
}

/// The value that these octets are, whole.
pub fn decode<T>(octets: &[u8]) -> Result<T, Unreadable>
where
    T: Encode<()> + for<'b> Decode<'b, ()>,
{
    let (value, length) = decode_one(octets)?;
    if length == octets.len() { Ok(value) } else { Err(Unreadable::Foreign(length)) }
}

/// The value at the beginning of these octets, and how many of them it is.
pub fn decode_one<T>(octets: &[u8]) -> Result<(T, usize), Unreadable>
where
    T: Encode<()> + for<'b> Decode<'b, ()>,
{
    let mut decoder = minicbor::Decoder::new(octets);
    let value: T = decoder.decode()?;
    let read = &octets[..decoder.position()];
    let mut same = Same { expected: read, at: 0 };
    let encoded = minicbor::encode(&value, &mut same);
    match encoded {
        Ok(()) if same.at == read.len() => Ok((value, read.len())),
        _ => Err(Unreadable::Foreign(same.at)),
    }
}

/// Takes what is expected and nothing else.
struct Same<'o> {
    expected: &'o [u8],
    at: usize,
}

/// What is written differs from what is expected.
#[derive(Debug)]
struct Differs;

impl Write for Same<'_> {
    type Error = Differs;

    fn write_all(&mut self, octets: &[u8]) -> Result<(), Differs> {
        let end = self.at + octets.len();
        if self.expected.get(self.at..end) != Some(octets) {
            return Err(Differs);
        }
        self.at = end;
        Ok(())
    }
}
