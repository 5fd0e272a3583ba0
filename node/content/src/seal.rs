//! Seals: frames under the content's key, the content's key under the cluster key.
//!
//! A content has a fresh 256-bit key. A frame is AES-256-GCM with the nonce epoch (u32) and
//! sequence (u64); an epoch has one writer and a writer seals a sequence once, so a key and a
//! nonce never meet twice. What a frame is and where it belongs is authenticated with it.

use std::sync::Arc;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest::{Context, SHA256},
};
use bytes::{BufMut, Bytes, BytesMut};
use model::{Digest, PacketId, SpaceId, lengths::in_form};
use zeroize::Zeroizing;

use crate::{
    ContentKey, Error, KeySealer, META_MAX, Random, SLOT_MAX, SMALL_MAX, SealedRecord,
    layout::Layout,
    record::{
        FRAME, FRAME_HEAD, FrameHead, FrameKind, Identity, RECORD_HEAD, RecordHead, RecordKind,
        TAG, VERSION,
    },
};

/// What an AAD begins with, so that no seal of another purpose passes here.
const SLOT_PURPOSE: &[u8; 20] = b"lgsp content slot v1";
const FRAME_AAD: usize = 42;

/// A content's key, ready for use.
pub struct Cipher {
    space: SpaceId,
    key: LessSafeKey,
}

/// A frame that is to be sealed.
pub struct NewFrame<'a> {
    pub kind: FrameKind,
    pub epoch: u32,
    pub sequence: u64,
    /// Plaintext octets before it.
    pub offset: u64,
    pub plaintext: &'a [u8],
}

/// What a seal frame says.
pub struct SealBody {
    pub digest: Digest,
    pub size: u64,
    pub layout: Layout,
}

/// Draws a content key.
fn fresh_key(random: &Random) -> ContentKey {
    let mut key = Zeroizing::new([0; 32]);
    random(&mut key[..]);
    key
}

/// Draws a slot's generation: it tells a slot from every other that this space ever had.
fn fresh_generation(random: &Random) -> u64 {
    let mut octets = [0; 8];
    random(&mut octets);
    u64::from_be_bytes(octets)
}

/// What a slot is sealed for. The slot of a small content is bound to size and digest; those of a large
/// content are in its seal frame.
pub struct SlotOwner {
    pub space: SpaceId,
    pub packet: PacketId,
    pub generation: u64,
    pub small: Option<Sealed>,
}

/// The plaintext of a small content.
#[derive(Clone, Copy)]
pub struct Sealed {
    pub size: u64,
    pub digest: Digest,
}

impl SlotOwner {
    /// The owner of a file's slot.
    pub fn of(identity: &Identity) -> Self {
        let Identity { space, packet, generation, .. } = *identity;
        Self { space, packet, generation, small: None }
    }

    fn aad(&self) -> [u8; 101] {
        let mut aad = [0; 101];
        aad[..20].copy_from_slice(SLOT_PURPOSE);
        aad[20] = u8::from(self.small.is_some());
        aad[21..37].copy_from_slice(&self.space.to_bytes());
        aad[37..53].copy_from_slice(&self.packet.to_bytes());
        aad[53..61].copy_from_slice(&self.generation.to_be_bytes());
        if let Some(Sealed { size, digest }) = &self.small {
            aad[61..69].copy_from_slice(&size.to_be_bytes());
            aad[69..].copy_from_slice(&digest.0);
        }
        aad
    }

    pub fn seal(&self, keys: &dyn KeySealer, key: &ContentKey) -> Result<Vec<u8>, Error> {
        let slot = keys
            .seal(&self.aad(), key)
            .map_err(|source| Error::Key { space: self.space, source })?;
        if slot.is_empty() || slot.len() > SLOT_MAX {
            return Err(Error::TooLarge { what: "a key slot", max: SLOT_MAX as u64 });
        }
        Ok(slot)
    }

    pub fn open(&self, keys: &dyn KeySealer, slot: &[u8]) -> Result<Cipher, Error> {
        let key = keys
            .open(&self.aad(), slot)
            .map_err(|source| Error::Key { space: self.space, source })?;
        Ok(Cipher::new(self.space, &key))
    }
}

impl Cipher {
    pub fn new(space: SpaceId, key: &ContentKey) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, &key[..]).expect("32 octets are a key of AES-256");
        Self { space, key: LessSafeKey::new(key) }
    }

    /// Appends a frame to a buffer.
    pub fn seal(
        &self,
        buffer: &mut BytesMut,
        NewFrame { kind, epoch, sequence, offset, plaintext }: NewFrame<'_>,
    ) -> FrameHead {
        let len = in_form(plaintext.len());
        let mut head = FrameHead { kind, epoch, sequence, offset, len, body_crc: 0 };
        let start = buffer.len();
        buffer.reserve(head.total());
        buffer.put_bytes(0, FRAME_HEAD);
        buffer.extend_from_slice(plaintext);
        let body = start + FRAME_HEAD;
        let tag = self
            .key
            .seal_in_place_separate_tag(
                nonce(&head),
                Aad::from(self.aad(&head)),
                &mut buffer[body..],
            )
            .expect("a frame is far below the cipher's limit");
        buffer.extend_from_slice(tag.as_ref());
        head.body_crc = crc32fast::hash(&buffer[body..]);
        buffer[start..body].copy_from_slice(&head.encode(self.space));
        head
    }

    /// Opens a whole frame in place: its head, and its plaintext.
    pub fn open(&self, mut frame: BytesMut) -> Option<(FrameHead, BytesMut)> {
        let head = FrameHead::parse(&frame, self.space)?;
        if frame.len() != head.total() {
            return None;
        }
        let mut body = frame.split_off(FRAME_HEAD);
        self.key.open_in_place(nonce(&head), Aad::from(self.aad(&head)), &mut body[..]).ok()?;
        body.truncate(body.len() - TAG);
        Some((head, body))
    }

    /// Seals what completes a content.
    pub fn seal_body(digest: Digest, size: u64, layout: &Layout) -> Vec<u8> {
        let mut body = Vec::with_capacity(40 + layout.runs().len() * 21);
        body.extend_from_slice(&size.to_be_bytes());
        body.extend_from_slice(&digest.0);
        body.extend_from_slice(&layout.encode());
        body
    }

    /// Opens a seal frame.
    pub fn open_seal(&self, frame: BytesMut) -> Option<SealBody> {
        let (head, body) = self.open(frame)?;
        let (size, rest) = body.split_first_chunk::<8>()?;
        let (digest, table) = rest.split_first_chunk::<32>()?;
        let (size, layout) = (u64::from_be_bytes(*size), Layout::parse(table)?);
        let sound =
            head.kind == FrameKind::Seal && layout.offset == size && layout.next == head.sequence;
        sound.then_some(SealBody { digest: Digest(*digest), size, layout })
    }

    fn aad(&self, head: &FrameHead) -> [u8; FRAME_AAD] {
        let mut aad = [0; FRAME_AAD];
        aad[0] = VERSION;
        aad[1] = head.kind as u8;
        aad[2..18].copy_from_slice(&self.space.to_bytes());
        aad[18..22].copy_from_slice(&head.epoch.to_be_bytes());
        aad[22..30].copy_from_slice(&head.sequence.to_be_bytes());
        aad[30..38].copy_from_slice(&head.offset.to_be_bytes());
        aad[38..].copy_from_slice(&head.len.to_be_bytes());
        aad
    }
}

fn nonce(head: &FrameHead) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[..4].copy_from_slice(&head.epoch.to_be_bytes());
    nonce[4..].copy_from_slice(&head.sequence.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

/// SHA-256 of octets in memory.
pub fn digest_of(octets: &[u8]) -> Digest {
    finished(digest_context(octets))
}

fn digest_context(octets: &[u8]) -> Context {
    let mut context = Context::new(&SHA256);
    context.update(octets);
    context
}

fn finished(context: Context) -> Digest {
    Digest(context.finish().as_ref().try_into().expect("a SHA-256 has 32 octets"))
}

/// A SHA-256 under way.
#[derive(Clone)]
pub struct Hash(Context);

impl Hash {
    pub fn new() -> Self {
        Self(Context::new(&SHA256))
    }
    pub fn update(&mut self, octets: &[u8]) {
        self.0.update(octets);
    }
    pub fn digest(&self) -> Digest {
        finished(self.0.clone())
    }
}

/// A small content that is to be sealed.
pub struct SmallContent {
    pub space: SpaceId,
    pub packet: PacketId,
    pub meta: Bytes,
    pub plaintext: Bytes,
}

/// A record that was just built, and the octets that it stands in.
pub struct Built {
    /// The prefix that was asked for, and the record.
    pub message: Bytes,
    pub record: SealedRecord,
}

/// Seals contents under fresh keys, and the keys under the cluster key.
pub struct Sealer {
    keys: Arc<dyn KeySealer>,
    random: Random,
}

impl Sealer {
    pub fn new(keys: Arc<dyn KeySealer>, random: Random) -> Self {
        Self { keys, random }
    }

    /// Draws the key of a large content.
    pub fn begin(&self, space: SpaceId, packet: PacketId) -> Result<(Identity, Cipher), Error> {
        let (key, generation) = (fresh_key(&self.random), fresh_generation(&self.random));
        let owner = SlotOwner { space, packet, generation, small: None };
        let slot = owner.seal(&*self.keys, &key)?;
        Ok((Identity { space, packet, generation, slot }, Cipher::new(space, &key)))
    }

    /// Opens the key of a large content.
    pub fn open(&self, identity: &Identity) -> Result<Cipher, Error> {
        SlotOwner::of(identity).open(&*self.keys, &identity.slot)
    }

    /// Builds the sealed record of a small content, once for this disk and all peers. The octets
    /// `prefix` stand before it, so that a message of one record needs no copy.
    pub fn record(&self, content: &SmallContent, prefix: &[u8]) -> Result<Built, Error> {
        let SmallContent { space, packet, ref meta, ref plaintext } = *content;
        let too_large = |what, max| Error::TooLarge { what, max: max as u64 };
        if plaintext.len() > SMALL_MAX {
            return Err(too_large("a small content", SMALL_MAX));
        }
        if meta.len() > META_MAX {
            return Err(too_large("a meta", META_MAX));
        }
        let (size, digest) = (plaintext.len() as u64, digest_of(plaintext));
        let (key, generation) = (fresh_key(&self.random), fresh_generation(&self.random));
        let small = Some(Sealed { size, digest });
        let slot = SlotOwner { space, packet, generation, small }.seal(&*self.keys, &key)?;
        let cipher = Cipher::new(space, &key);
        let mut head = RecordHead {
            kind: RecordKind::Content,
            slot_len: u16::try_from(slot.len()).expect("a slot is at most SLOT_MAX"),
            total: 0,
            meta_len: in_form(meta.len()),
            space,
            packet,
            generation,
            size,
            digest,
            body_crc: 0,
        };
        let body_len = head.body_len().expect("size and meta were compared with their limits");
        let total = RecordHead::total_of(body_len);
        head.total = in_form(total);
        let mut buffer = BytesMut::with_capacity(prefix.len() + total);
        buffer.extend_from_slice(prefix);
        buffer.put_bytes(0, RECORD_HEAD);
        buffer.extend_from_slice(&slot);
        let frame = |kind, sequence, offset, plaintext| NewFrame {
            kind,
            epoch: 0,
            sequence,
            offset,
            plaintext,
        };
        cipher.seal(&mut buffer, frame(FrameKind::Meta, 0, 0, meta));
        for (piece, index) in plaintext.chunks(FRAME).zip(0..) {
            let data = frame(FrameKind::Data, index + 1, index * FRAME as u64, piece);
            cipher.seal(&mut buffer, data);
        }
        buffer.resize(prefix.len() + total, 0);
        let body = prefix.len() + RECORD_HEAD;
        head.body_crc = crc32fast::hash(&buffer[body..]);
        buffer[prefix.len()..body].copy_from_slice(&head.encode());
        let message = buffer.freeze();
        let record = SealedRecord::built(message.slice(prefix.len()..), head);
        Ok(Built { message, record })
    }
}
