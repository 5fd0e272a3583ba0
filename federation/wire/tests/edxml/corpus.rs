//! The octets that fuzzing kept are read again by every run of the tests.

use std::{fs, path::Path};

use super::bear;

#[test]
fn the_kept_octets_are_borne() {
    for (target, bears) in [
        ("edxml_document", bear::document as fn(&[u8])),
        ("edxml_zip", bear::zip),
        ("edxml_base64", bear::base64),
    ] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let kept = fs::read_dir(folder).expect("the corpus");
        let kept: Vec<_> = kept.map(|entry| entry.expect("an entry").path()).collect();
        assert!(kept.len() > 5, "the corpus of {target} was found");
        for path in kept {
            bears(&fs::read(path).expect("a file"));
        }
    }
}
