//! Signed notes and checkpoints against the specifications' examples and the notes of other programs.

#![allow(clippy::unwrap_used, reason = "a test that fails says enough")]

use ed25519_dalek::{Signature, Signer as _, SigningKey, Verifier as _, VerifyingKey};
use lgsp_model::{
    checkpoint::{Checkpoint, KeyName, NOTE_OCTETS_MAX, Note, NoteError, NoteKey, Signer},
    tree::{Frontier, LeafHash, TreeHash, TreeHead},
};
use proptest::prelude::*;

/// The example of `c2sp.org/tlog-checkpoint`.
const EXAMPLE: &str = "example.com/behind-the-sofa\n\
    20852163\n\
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\
    \n\
    \u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";

/// The example of `c2sp.org/signed-note`, with an empty line in its text.
const POEM: &str = "Ognuno sta solo sul cuor della terra\n\
    trafitto da un raggio di sole:\n\
    \n\
    ed è subito sera.\n\
    \n\
    \u{2014} quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";

/// A key and its note, as the programs of the Go project make and check them.
const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const PETER_SECRET: &str = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const PETER_TEXT: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n";
const PETER_LINE: &str = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

struct Hand {
    name: &'static str,
    key: SigningKey,
}

impl Signer for Hand {
    fn key(&self) -> NoteKey {
        let public = self.key.verifying_key().to_bytes();
        NoteKey { name: self.name.parse().unwrap(), public }
    }

    fn sign(&self, octets: &[u8]) -> [u8; 64] {
        self.key.sign(octets).to_bytes()
    }
}

fn hand(name: &'static str, seed: u8) -> Hand {
    Hand { name, key: SigningKey::from_bytes(&[seed; 32]) }
}

fn check(public: &[u8; 32], octets: &[u8], signature: &[u8; 64]) -> bool {
    let Ok(key) = VerifyingKey::from_bytes(public) else { return false };
    key.verify(octets, &Signature::from_bytes(signature)).is_ok()
}

fn head(size: u64) -> TreeHead {
    let mut tree = Frontier::default();
    (0..size).for_each(|n| tree.push(LeafHash::of(&n.to_be_bytes())));
    tree.head()
}

#[test]
fn a_note_of_another_program_is_verified_and_made_again() {
    let key: NoteKey = PETER.parse().unwrap();
    assert_eq!((key.id(), key.to_string().as_str()), (0xc74f_20a3, PETER));
    let text = format!("{PETER_TEXT}\n{PETER_LINE}");
    let note: Note = text.parse().unwrap();
    assert_eq!(note.to_string(), text);
    assert_eq!(note.verify(std::slice::from_ref(&key), check), Ok(PETER_TEXT));

    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let secret: [u8; 33] = STANDARD.decode(PETER_SECRET).unwrap().try_into().unwrap();
    let peter = Hand {
        name: "PeterNeumann",
        key: SigningKey::from_bytes(&secret[1..].try_into().unwrap()),
    };
    let mut made = Note::new(PETER_TEXT.to_owned()).unwrap();
    made.sign(&peter);
    assert_eq!(made, note, "the same octets");
}

#[test]
fn the_specifications_examples_are_read() {
    let note: Note = EXAMPLE.parse().unwrap();
    assert_eq!((note.to_string().as_str(), note.signatures().len()), (EXAMPLE, 1));
    assert_eq!(note.signatures()[0].id, 0x033d_e0ae);
    let (text, _) = EXAMPLE.rsplit_once("\n\n").unwrap();
    let checkpoint: Checkpoint = format!("{text}\n").parse().unwrap();
    assert_eq!(checkpoint.origin.as_str(), "example.com/behind-the-sofa");
    assert_eq!(checkpoint.head.size, 20_852_163);
    assert_eq!(
        checkpoint.head.root.to_string(),
        "0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62"
    );
    assert_eq!(format!("{checkpoint}\n").as_str(), &EXAMPLE[..text.len() + 2]);

    let poem: Note = POEM.parse().unwrap();
    assert_eq!((poem.to_string().as_str(), poem.signatures().len()), (POEM, 1));
}

#[test]
fn a_checkpoint_is_believed_only_as_its_log_signed_it() {
    let log = hand("history.lgsp.example", 7);
    let mut note = Checkpoint::signed(head(5), &log);
    let verified = |text: &str| Checkpoint::verified(text, &log.key(), check);
    assert_eq!(verified(&note.to_string()).unwrap().head, head(5));

    // Witnesses whom we do not know say nothing, neither for it nor against it.
    note.sign(&hand("witness.example", 8));
    assert_eq!(verified(&note.to_string()).unwrap().head, head(5));
    let witness = hand("witness.example", 8).key();
    let text = note.to_string();
    assert!(matches!(
        Checkpoint::verified(&text, &witness, check),
        Err(NoteError::OtherOrigin { origin }) if origin == "history.lgsp.example"
    ));

    // A key of the same name is another key.
    let other = hand("history.lgsp.example", 9);
    assert_eq!(Checkpoint::verified(&text, &other.key(), check), Err(NoteError::Unknown));
    let larger = text.replacen("\n5\n", "\n6\n", 1);
    assert!(matches!(verified(&larger), Err(NoteError::Wrong { .. })));
}

#[test]
fn what_is_no_checkpoint_is_refused() {
    let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
    for text in [
        format!("log\n07\n{root}\n"),
        format!("log\n+7\n{root}\n"),
        format!("log\n\n{root}\n"),
        format!("log\n18446744073709551616\n{root}\n"),
        format!("log\n7\n{}\n", &root[4..]),
        format!("log\n7\n{root}"),
        format!("log\n7\n{root}\nmore\n"),
        format!("a log\n7\n{root}\n"),
        format!("\n7\n{root}\n"),
        "log\n7\n".to_owned(),
    ] {
        assert!(text.parse::<Checkpoint>().is_err(), "{text:?}");
    }
    let empty: Checkpoint = format!("log\n0\n{root}\n").parse().unwrap();
    assert_eq!(empty.head.size, 0);
    let line = EXAMPLE.rsplit_once("\n\n").unwrap().1;
    for note in [
        format!("text\n{line}"),
        format!("text\n\n{}", line.trim_end()),
        format!("te\txt\n\n{line}"),
        format!("text\n\n{line}{}", line.replace('\u{2014}', "-")),
        format!("text\n\n{}", line.replace("sofa ", "sofa+ ")),
        "text\n\n\u{2014} name AAAAAA==\n".to_owned(),
        "text\n\n".to_owned(),
        format!("text\n\n{}", line.repeat(65)),
        format!("{}\n\n{line}", "x".repeat(NOTE_OCTETS_MAX)),
    ] {
        assert!(note.parse::<Note>().is_err(), "{note:.80?}");
    }
    for key in ["", "a+b", "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"] {
        assert!(key.parse::<NoteKey>().is_err(), "{key}");
    }
    assert!(["", "a b", "a+b", "a\u{a0}b"].iter().all(|name| name.parse::<KeyName>().is_err()));
}

proptest! {
    #[test]
    fn any_changed_octet_is_noticed(size in any::<u64>(), root in any::<[u8; 32]>(), at in any::<usize>(), bit in 0..8_u8) {
        let log = hand("history.lgsp.example", 7);
        let head = TreeHead { size, root: TreeHash(root) };
        let text = Checkpoint::signed(head, &log).to_string();
        prop_assert_eq!(Checkpoint::verified(&text, &log.key(), check).unwrap().head, head);
        let mut octets = text.into_bytes();
        let at = at % octets.len();
        octets[at] ^= 1 << bit;
        if let Ok(text) = String::from_utf8(octets) {
            prop_assert!(Checkpoint::verified(&text, &log.key(), check).is_err());
        }
    }
}
