//! The files that are sent: a letter in PDF, an edXML document, and a large file that is made
//! while it is read. Each carries the canary that is searched for in the end.

use std::{
    io::{self, SeekFrom},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};

/// The units of the province, as the project's sample data has them.
pub const UNITS: &[u8] = include_bytes!("../../data/nghe-an-units.csv");
/// A document as offices exchange it.
const EDXML: &[u8] = include_bytes!("../../data/document-new.edxml");

/// The large file's size.
pub const BIG_SIZE: u64 = 64 * 1024 * 1024;

/// The edXML document, with the canary in a comment after its root.
pub fn edxml(canary: &str) -> Vec<u8> {
    let mut document = EDXML.to_vec();
    document.extend_from_slice(format!("<!-- {canary} -->\n").as_bytes());
    document
}

/// A letter of one page in PDF 1.4, with the canary as its second line.
pub fn pdf(canary: &str) -> Vec<u8> {
    let text =
        format!("BT /F1 18 Tf 72 770 Td (Cong van so 12) Tj 0 -28 Td /F1 11 Tf ({canary}) Tj ET");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>".to_owned(),
        format!("<< /Length {} >>\nstream\n{text}\nendstream", text.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    let mut pdf = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n".to_vec();
    let mut offsets = Vec::with_capacity(objects.len());
    for (index, object) in objects.iter().enumerate() {
        offsets.push(pdf.len());
        pdf.extend_from_slice(format!("{} 0 obj\n{object}\nendobj\n", index + 1).as_bytes());
    }
    let table = pdf.len();
    pdf.extend_from_slice(
        format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).as_bytes(),
    );
    for offset in offsets {
        pdf.extend_from_slice(format!("{offset:010} 00000 n \n").as_bytes());
    }
    let size = objects.len() + 1;
    pdf.extend_from_slice(
        format!("trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n").as_bytes(),
    );
    pdf
}

/// A large file that is never on a disk here: each octet follows from its place alone.
#[derive(Debug)]
pub struct BigFile {
    canary: Vec<u8>,
    at: u64,
}

/// The canary stands at the beginning of each so many octets.
const CANARY_EVERY: u64 = 1024 * 1024;

impl BigFile {
    /// The file, at its beginning.
    pub fn new(canary: &str) -> Self {
        Self { canary: canary.as_bytes().to_vec(), at: 0 }
    }

    fn fill(&self, mut at: u64, mut buffer: &mut [u8]) {
        while !buffer.is_empty() {
            let in_block = (at % CANARY_EVERY) as usize;
            let length =
                if let Some(rest) = self.canary.get(in_block..).filter(|rest| !rest.is_empty()) {
                    let length = rest.len().min(buffer.len());
                    buffer[..length].copy_from_slice(&rest[..length]);
                    length
                } else {
                    let word = mix(at / 8).to_le_bytes();
                    let from = (at % 8) as usize;
                    let length = (8 - from).min(buffer.len());
                    buffer[..length].copy_from_slice(&word[from..from + length]);
                    length
                };
            at += length as u64;
            buffer = &mut buffer[length..];
        }
    }
}

/// Spreads a number over 64 bits (SplitMix64): no two words are alike, so nothing compresses.
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl AsyncRead for BigFile {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let left = usize::try_from(BIG_SIZE.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let length = buffer.remaining().min(left);
        let at = self.at;
        self.fill(at, &mut buffer.initialize_unfilled_to(length)[..length]);
        buffer.advance(length);
        self.at += length as u64;
        Poll::Ready(Ok(()))
    }
}

impl AsyncSeek for BigFile {
    fn start_seek(mut self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        let target = match position {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => BIG_SIZE.checked_add_signed(by),
        };
        self.at = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Poll::Ready(Ok(self.at))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncSeekExt};

    use super::*;

    #[tokio::test]
    async fn the_large_file_is_the_same_from_any_place() {
        let mut whole = vec![0; 3 * CANARY_EVERY as usize];
        BigFile::new("canary").read_exact(&mut whole).await.expect("it is long enough");
        assert!(
            whole.starts_with(b"canary") && whole[CANARY_EVERY as usize..].starts_with(b"canary")
        );
        for at in [0u64, 1, 5, 6, 7, 1_048_575, 1_048_579, 2_000_003] {
            let mut file = BigFile::new("canary");
            file.seek(SeekFrom::Start(at)).await.expect("a place in it");
            let mut piece = vec![0; 99];
            file.read_exact(&mut piece).await.expect("it is long enough");
            assert_eq!(piece, whole[at as usize..at as usize + 99], "{at}");
        }
        let mut end = BigFile::new("canary");
        end.seek(SeekFrom::Start(BIG_SIZE)).await.expect("its end");
        assert_eq!(end.read(&mut [0]).await.expect("nothing"), 0);
    }

    #[test]
    fn the_letter_is_a_pdf_whose_table_is_right() {
        let pdf = pdf("LGSP-CANARY-1");
        let text = String::from_utf8_lossy(&pdf).into_owned();
        assert!(
            pdf.starts_with(b"%PDF-1.4")
                && text.ends_with("%%EOF\n")
                && text.contains("LGSP-CANARY-1")
        );
        let start: usize = text
            .rsplit("startxref\n")
            .next()
            .and_then(|rest| rest.lines().next()?.parse().ok())
            .expect("a table");
        assert!(pdf[start..].starts_with(b"xref"));
        let rows: Vec<&str> = std::str::from_utf8(&pdf[start..])
            .expect("ASCII")
            .lines()
            .filter(|line| line.ends_with(" n "))
            .collect();
        assert_eq!(rows.len(), 5);
        for (index, row) in rows.iter().enumerate() {
            let offset: usize = row[..10].parse().expect("an offset");
            assert!(pdf[offset..].starts_with(format!("{} 0 obj", index + 1).as_bytes()));
        }
    }
}
