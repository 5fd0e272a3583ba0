//! The versions of the cluster key that a node holds, in memory and in its file.
//!
//! A new version is *staged* first: it opens, and seals nothing. Once enough nodes hold it, it becomes
//! *active*: it seals and derives. Tokens of older versions are honoured up to a named version, and
//! versions that nothing needs are forgotten. Each step is durable before anything follows from it.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use model::Digest;
use zeroize::Zeroizing;

use crate::{
    ClusterKey, Error,
    files::{destroy_left_over, replace_secret},
    key::sealed_under,
    read_secret, sha256,
};

const MAGIC: &[u8; 8] = b"LGSPKEY2";
/// Versions that a ring holds. The rules stop administrators long before (they count the versions that may
/// still open a content); beyond that only removals of members add to it, which must never be refused.
/// So large a ring is a file of 36 KiB.
const VERSIONS_MAX: usize = 1024;
/// The active version, the oldest whose tokens are honoured, and the count of records.
const HEAD: usize = 4 + 4 + 2;
/// A version and its 32 octets.
const RECORD: usize = 4 + 32;

/// The versions of the cluster key that a node holds: the active one seals, all of them open.
///
/// What changes it is written to its file first, if it has one.
pub struct Keyring {
    ring: RwLock<Ring>,
    file: Option<PathBuf>,
}

#[derive(Clone)]
struct Ring {
    keys: BTreeMap<u32, Arc<ClusterKey>>,
    active: u32,
    tokens_from: u32,
}

impl Keyring {
    /// A ring with one key, which is active. It has no file.
    pub fn new(key: ClusterKey) -> Self {
        let active = key.version();
        let keys = BTreeMap::from([(active, Arc::new(key))]);
        Self { ring: RwLock::new(Ring { keys, active, tokens_from: active }), file: None }
    }

    /// The version that seals.
    pub fn active(&self) -> u32 {
        self.now().active
    }

    /// The oldest version that is held.
    pub fn oldest(&self) -> u32 {
        *self.now().keys.keys().next().expect("a ring keeps its active version")
    }

    /// The version of this number, if it is held.
    pub fn version(&self, version: u32) -> Option<Arc<ClusterKey>> {
        self.now().keys.get(&version).cloned()
    }

    /// Whether the very key is held that the state means by this version.
    pub fn holds(&self, version: u32, check: Digest) -> bool {
        self.version(version).is_some_and(|key| key.check() == check)
    }

    /// Adds a version that does not seal yet. It takes the place of whatever was staged before it: that
    /// came to nothing. A version that has sealed is never replaced.
    pub fn stage(&self, key: ClusterKey) -> Result<(), Error> {
        self.change(|ring| {
            let active = ring.active;
            if key.version() <= active {
                return Err(Error::Keyring("that version has been active"));
            }
            ring.keys.retain(|held, _| *held <= active);
            ring.add(key)
        })
    }

    /// Adds a version that was active elsewhere while this node was away, beside others of that time: the very
    /// one that the state means. It takes the place of another one of its number, which was staged here in
    /// vain, and never that of the one that seals.
    pub fn take_over(&self, key: ClusterKey) -> Result<(), Error> {
        self.change(|ring| {
            if key.version() == ring.active {
                return Err(Error::Keyring("that version is active"));
            }
            ring.add(key)
        })
    }

    /// Seals and derives with this version from now on. An older one than now changes nothing.
    pub fn activate(&self, version: u32) -> Result<(), Error> {
        self.change(|ring| {
            if !ring.keys.contains_key(&version) {
                return Err(Error::KeyVersion(version));
            }
            ring.active = ring.active.max(version);
            Ok(())
        })
    }

    /// Honours no token of a version before this one any more.
    pub fn honour_from(&self, version: u32) -> Result<(), Error> {
        self.change(|ring| {
            ring.tokens_from = ring.tokens_from.max(version);
            Ok(())
        })
    }

    /// Forgets the versions before the given one; the active one and what comes after it stay. The
    /// octets of what is forgotten are overwritten in the file.
    pub fn forget_before(&self, version: u32) -> Result<(), Error> {
        self.change(|ring| {
            let kept = version.min(ring.active);
            ring.keys.retain(|held, _| *held >= kept);
            Ok(())
        })
    }

    /// Seals under the active version.
    pub fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
        self.sealing().seal(aad, plaintext)
    }

    /// The active version, for who must know under which one it seals.
    pub fn sealing(&self) -> Arc<ClusterKey> {
        let ring = self.now();
        ring.keys.get(&ring.active).expect("the active version is held").clone()
    }

    /// Opens under whichever version sealed.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let version = sealed_under(sealed)?;
        self.version(version).ok_or(Error::KeyVersion(version))?.open(aad, sealed)
    }

    /// The versions under which a token may have been derived, the newest first.
    pub fn honoured(&self) -> Vec<Arc<ClusterKey>> {
        let ring = self.now();
        ring.keys.range(ring.tokens_from..).rev().map(|(_, key)| key.clone()).collect()
    }

    /// The ring in octets, as its file holds it.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        self.now().to_bytes()
    }

    /// The ring as a joining node receives it: without versions that are only staged, which may come
    /// to nothing. It asks for those that the state names.
    pub fn for_newcomer(&self) -> Zeroizing<Vec<u8>> {
        let mut ring = self.now().clone();
        let active = ring.active;
        ring.keys.retain(|version, _| *version <= active);
        ring.to_bytes()
    }

    /// Reads such octets.
    pub fn from_bytes(octets: &[u8]) -> Result<Self, Error> {
        Ok(Self { ring: RwLock::new(Ring::from_bytes(octets)?), file: None })
    }

    /// Writes the ring to a file that only its owner may read, durably.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        replace_secret(path, &self.to_bytes())
    }

    /// Reads the ring from such a file, and follows it with every change.
    pub fn load(path: &Path) -> Result<Self, Error> {
        destroy_left_over(path)?;
        let ring = RwLock::new(Ring::from_bytes(&read_secret(path)?)?);
        Ok(Self { ring, file: Some(path.to_owned()) })
    }

    fn now(&self) -> std::sync::RwLockReadGuard<'_, Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a change durable, and then visible. One that changes nothing writes nothing.
    fn change(&self, change: impl FnOnce(&mut Ring) -> Result<(), Error>) -> Result<(), Error> {
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = ring.clone();
        change(&mut next)?;
        let octets = next.to_bytes();
        if *octets == *ring.to_bytes() {
            return Ok(());
        }
        if let Some(file) = &self.file {
            replace_secret(file, &octets)?;
        }
        *ring = next;
        Ok(())
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ring = self.now();
        write!(f, "Keyring({:?}, {} is active)", ring.keys.keys(), ring.active)
    }
}

impl Ring {
    fn add(&mut self, key: ClusterKey) -> Result<(), Error> {
        if self.keys.len() >= VERSIONS_MAX && !self.keys.contains_key(&key.version()) {
            return Err(Error::Keyring("too many versions"));
        }
        self.keys.insert(key.version(), Arc::new(key));
        Ok(())
    }

    fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let size = MAGIC.len() + HEAD + self.keys.len() * RECORD + 32;
        let mut octets = Zeroizing::new(Vec::with_capacity(size));
        octets.extend_from_slice(MAGIC);
        octets.extend_from_slice(&self.active.to_be_bytes());
        octets.extend_from_slice(&self.tokens_from.to_be_bytes());
        let count = u16::try_from(self.keys.len()).expect("at most VERSIONS_MAX versions");
        octets.extend_from_slice(&count.to_be_bytes());
        for key in self.keys.values() {
            octets.extend_from_slice(&key.version().to_be_bytes());
            octets.extend_from_slice(&*key.octets());
        }
        let sum = sha256(&octets);
        octets.extend_from_slice(&sum);
        octets
    }

    fn from_bytes(octets: &[u8]) -> Result<Self, Error> {
        let cut = || Error::Keyring("cut short");
        let (body, sum) = octets.split_last_chunk::<32>().ok_or_else(cut)?;
        let rest = body.strip_prefix(MAGIC).ok_or(Error::Keyring("another kind of file"))?;
        if sha256(body) != *sum {
            return Err(Error::Keyring("damaged"));
        }
        let (active, rest) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
        let (tokens_from, rest) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
        let (count, records) = rest.split_first_chunk::<2>().ok_or_else(cut)?;
        let count = usize::from(u16::from_be_bytes(*count));
        if count == 0 || count > VERSIONS_MAX || records.len() != count * RECORD {
            return Err(Error::Keyring("a wrong number of versions"));
        }
        let mut keys = BTreeMap::new();
        for record in records.chunks_exact(RECORD) {
            let (version, secret) = record.split_at(4);
            let version = u32::from_be_bytes(version.try_into().expect("split at 4"));
            let mut octets = Zeroizing::new([0; 32]);
            octets.copy_from_slice(secret);
            keys.insert(version, Arc::new(ClusterKey::from_octets(version, octets)));
        }
        let (active, tokens_from) = (u32::from_be_bytes(*active), u32::from_be_bytes(*tokens_from));
        if !keys.contains_key(&active) {
            return Err(Error::Keyring("without its active version"));
        }
        Ok(Self { keys, active, tokens_from })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(version: u32) -> ClusterKey {
        ClusterKey::generate(version, &mut crate::system_random)
    }

    #[test]
    fn a_staged_version_opens_and_does_not_seal_until_it_is_active() {
        let (ring, two) = (Keyring::new(key(1)), key(2));
        let derive = |key: &ClusterKey| key.derive(b"space", b"x");
        let honours = |token: [u8; 32]| ring.honoured().iter().any(|key| derive(key) == token);
        let (old, token) = (ring.seal(b"a", b"old"), derive(&ring.sealing()));
        let (octets, check) = (two.octets(), two.check());
        let early = two.seal(b"a", b"of a node that is ahead");
        ring.stage(two).unwrap();
        assert!(ring.holds(2, check) && !ring.holds(1, check) && !ring.holds(3, check));
        assert!(!Keyring::from_bytes(&ring.for_newcomer()).unwrap().holds(2, check));
        assert_eq!(ring.active(), 1);
        assert_eq!(&**ring.open(b"a", &early).unwrap(), b"of a node that is ahead");
        assert_eq!(ring.seal(b"a", b"")[..5], old[..5], "the old version seals");
        let ahead = ClusterKey::from_octets(2, octets);
        assert!(honours(derive(&ahead)));

        ring.activate(2).unwrap();
        assert_eq!(ring.sealing().version(), 2);
        assert_eq!(&**ring.open(b"a", &old).unwrap(), b"old");
        assert!(honours(token), "old tokens live on");
        ring.honour_from(2).unwrap();
        assert!(!honours(token), "until they are cut off");
        assert_eq!(&**ring.open(b"a", &old).unwrap(), b"old");
        ring.forget_before(2).unwrap();
        assert!(matches!(ring.open(b"a", &old), Err(Error::KeyVersion(1))));
        assert_eq!(format!("{ring:?}"), "Keyring([2], 2 is active)");
    }

    #[test]
    fn what_has_sealed_is_never_replaced_and_the_active_version_stays() {
        let ring = Keyring::new(key(1));
        assert!(matches!(ring.activate(2), Err(Error::KeyVersion(2))));
        let in_vain = key(2).check();
        ring.stage(key(2)).unwrap();
        ring.stage(key(2)).unwrap();
        assert!(!ring.holds(2, in_vain));
        ring.activate(2).unwrap();
        assert!(ring.stage(key(2)).is_err() && ring.stage(key(1)).is_err());
        ring.activate(1).unwrap();
        ring.forget_before(9).unwrap();
        assert_eq!((ring.active(), ring.oldest()), (2, 2));
    }

    #[test]
    fn what_was_staged_in_vain_makes_room() {
        let ring = Keyring::new(key(1));
        for version in 2..40 {
            ring.stage(key(version)).unwrap();
            assert_eq!(ring.now().keys.keys().copied().collect::<Vec<_>>(), [1, version]);
        }
        // Those of the time that this node was away stay beside each other, and beside a staged one of
        // their number's place.
        let (mine, real) = (ring.version(39).unwrap().check(), key(39));
        let check = real.check();
        assert!(ring.holds(39, mine));
        ring.take_over(real).unwrap();
        ring.take_over(key(40)).unwrap();
        assert!(ring.holds(39, check) && ring.version(40).is_some());
        ring.activate(40).unwrap();
        ring.stage(key(41)).unwrap();
        assert_eq!(ring.now().keys.keys().copied().collect::<Vec<_>>(), [1, 39, 40, 41]);
        assert!(ring.take_over(key(40)).is_err(), "it has sealed");
    }

    #[test]
    fn a_ring_has_room_for_many_rotations_and_an_end() {
        let ring = Keyring::new(key(1));
        for version in 2..=VERSIONS_MAX as u32 {
            ring.stage(key(version)).unwrap();
            ring.activate(version).unwrap();
        }
        let next = VERSIONS_MAX as u32 + 1;
        assert!(ring.stage(key(next)).is_err());
        assert_eq!(Keyring::from_bytes(&ring.to_bytes()).unwrap().active(), ring.active());
        ring.forget_before(3).unwrap();
        ring.stage(key(next)).unwrap();
    }

    #[test]
    fn every_step_is_in_the_file_and_nothing_forgotten_is_on_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cluster.key");
        let one = key(1);
        let secret = *one.octets();
        Keyring::new(one).save(&path).unwrap();
        let ring = Keyring::load(&path).unwrap();
        // Whoever reads by a descriptor from before reads what becomes of the old octets.
        let before = std::fs::File::open(&path).unwrap();
        ring.stage(key(2)).unwrap();
        ring.activate(2).unwrap();
        ring.honour_from(2).unwrap();
        assert_eq!(*Keyring::load(&path).unwrap().to_bytes(), *ring.to_bytes());
        ring.forget_before(2).unwrap();
        let again = Keyring::load(&path).unwrap();
        assert_eq!((again.oldest(), again.active()), (2, 2));
        let mut octets = Vec::new();
        std::io::Read::read_to_end(&mut &before, &mut octets).unwrap();
        assert!(!octets.is_empty() && octets.iter().all(|octet| *octet == 0), "overwritten");
        for entry in std::fs::read_dir(directory.path()).unwrap() {
            let octets = std::fs::read(entry.unwrap().path()).unwrap();
            assert!(!octets.windows(32).any(|part| part == secret));
        }
    }

    #[test]
    fn a_damaged_ring_is_refused() {
        let octets = Keyring::new(key(1)).to_bytes();
        for index in 0..octets.len() {
            let mut damaged = octets.to_vec();
            damaged[index] ^= 1;
            assert!(Keyring::from_bytes(&damaged).is_err());
            assert!(Keyring::from_bytes(&octets[..index]).is_err());
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_a_ring_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..160)) {
            prop_assert!(Keyring::from_bytes(&octets).is_err());
            let mut octets = octets;
            octets.splice(0..0, MAGIC.iter().copied());
            let sum = sha256(&octets);
            octets.extend_from_slice(&sum);
            if let Ok(ring) = Keyring::from_bytes(&octets) {
                prop_assert_eq!(&**ring.to_bytes(), &octets[..]);
            }
        }
    }
}
