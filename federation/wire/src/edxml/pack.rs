//! A ZIP of one entry, written while the file comes: for types that the national SDK zips.
//!
//! Deflate is `miniz_oxide`'s. Sizes and checksum stand after the entry, since nobody knows them before;
//! the date is the oldest that a ZIP can say, since nobody here has a clock.

use crc32fast::Hasher;
use miniz_oxide::{
    DataFormat, MZFlush, MZStatus,
    deflate::{CompressionLevel, core::CompressorOxide, stream::deflate},
};

use super::{
    limits::{PACK_RATIO_MAX, ZIP_RATIO_FROM_OCTETS},
    words::Word,
};

/// How hard deflate tries: its usual middle.
const LEVEL: CompressionLevel = CompressionLevel::DefaultLevel;

const OUT_LENGTH: usize = 16 * 1_024;

/// Version 2.0: deflate.
const VERSION: u16 = 20;
/// Sizes come after the entry; names are UTF-8.
const FLAGS: u16 = 0x0808;
const DEFLATED: u16 = 8;
/// 1980-01-01, 00:00.
const OLDEST: [u8; 4] = [0, 0, 0x21, 0];

/// A ZIP that is being written.
pub(super) struct Pack {
    name: Vec<u8>,
    deflate: Box<CompressorOxide>,
    out: Box<[u8]>,
    crc: Hasher,
    packed: u64,
    unpacked: u64,
}

impl Pack {
    /// Begins a ZIP with one entry; the name is that of the file.
    pub(super) fn begin(name: &str, out: &mut Vec<u8>) -> Result<Self, Word> {
        let name = name.as_bytes().to_vec();
        let length = u16::try_from(name.len()).map_err(|_| Word::FieldTooLong)?;
        out.extend_from_slice(b"PK\x03\x04");
        for half in [VERSION, FLAGS, DEFLATED] {
            out.extend_from_slice(&half.to_le_bytes());
        }
        out.extend_from_slice(&OLDEST);
        out.extend_from_slice(&[0; 12]);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&name);
        let mut deflate = Box::<CompressorOxide>::default();
        deflate.set_format_and_level(DataFormat::Raw, LEVEL as u8);
        let window = vec![0; OUT_LENGTH].into();
        Ok(Self { name, deflate, out: window, crc: Hasher::new(), packed: 0, unpacked: 0 })
    }

    /// More octets of the file.
    pub(super) fn push(&mut self, octets: &[u8], out: &mut Vec<u8>) -> Result<(), Word> {
        self.crc.update(octets);
        self.unpacked += u64::try_from(octets.len()).expect("a slice is shorter than 2^64 octets");
        // More needs the 64-bit extension, which the other side may not know.
        if u32::try_from(self.unpacked).is_err() {
            return Err(Word::AttachmentTooLong);
        }
        self.deflate(octets, MZFlush::None, out)?;
        let is_bomb = self.unpacked > self.packed.saturating_mul(PACK_RATIO_MAX);
        // A reader would take it for one.
        if is_bomb && self.unpacked > ZIP_RATIO_FROM_OCTETS {
            return Err(Word::ZipBomb);
        }
        Ok(())
    }

    /// The file is over.
    pub(super) fn finish(mut self, out: &mut Vec<u8>) -> Result<(), Word> {
        self.deflate(&[], MZFlush::Finish, out)?;
        let small = |size: u64| u32::try_from(size).map_err(|_| Word::AttachmentTooLong);
        let sums = [self.crc.clone().finalize(), small(self.packed)?, small(self.unpacked)?];
        let sums: Vec<u8> = sums.iter().flat_map(|sum| sum.to_le_bytes()).collect();
        out.extend_from_slice(b"PK\x07\x08");
        out.extend_from_slice(&sums);
        let length = u16::try_from(self.name.len()).map_err(|_| Word::FieldTooLong)?;
        // The directory: the entry again, which began with the first octet.
        let mut directory = b"PK\x01\x02".to_vec();
        for half in [VERSION, VERSION, FLAGS, DEFLATED] {
            directory.extend_from_slice(&half.to_le_bytes());
        }
        directory.extend_from_slice(&OLDEST);
        directory.extend_from_slice(&sums);
        directory.extend_from_slice(&length.to_le_bytes());
        directory.extend_from_slice(&[0; 16]);
        directory.extend_from_slice(&self.name);
        let size = u32::try_from(directory.len()).map_err(|_| Word::FieldTooLong)?;
        // Header and name, the octets, mark and sums.
        let begins_at = small(30 + u64::from(length) + self.packed + 16)?;
        out.extend_from_slice(&directory);
        out.extend_from_slice(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
        out.extend_from_slice(&size.to_le_bytes());
        out.extend_from_slice(&begins_at.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        Ok(())
    }

    fn deflate(&mut self, mut rest: &[u8], flush: MZFlush, out: &mut Vec<u8>) -> Result<(), Word> {
        loop {
            let step = deflate(&mut self.deflate, rest, &mut self.out, flush);
            rest = &rest[step.bytes_consumed..];
            self.packed += u64::try_from(step.bytes_written).expect("a window is some pages");
            out.extend_from_slice(&self.out[..step.bytes_written]);
            let is_over = match flush {
                MZFlush::Finish => step.status == Ok(MZStatus::StreamEnd),
                _ => rest.is_empty() && step.bytes_written < OUT_LENGTH,
            };
            if is_over {
                return Ok(());
            }
            if step.bytes_consumed == 0 && step.bytes_written == 0 {
                return Err(Word::ZipBroken);
            }
        }
    }
}
