//! The proof of the population database.

use lgsp_wire::{
    gateway::{PopulationCall, PopulationError, USER_MAX},
    vxp::{HeaderError, Secret},
};
use model::Moment;

use crate::fields;

const URL: &str = "http://10.0.0.1:8080/dancuquocgia/037";
const AT: Moment = Moment(1_795_334_903_100);

fn secret() -> Secret {
    Secret::new("bi-mat")
}

fn call() -> PopulationCall {
    PopulationCall::prove(URL, "nghean", AT, &secret()).expect("a user")
}

#[test]
fn as_it_is_sent() {
    let headers = call().headers();
    assert_eq!((headers[0].name(), headers[0].value()), ("Timestamp", "1795334903100"));
    // printf 'http://10.0.0.1:8080/dancuquocgia/037nghean1795334903100bi-mat' | sha256sum, then base64 of user:digits.
    let expected = include_str!("../vectors/population.txt").trim();
    assert_eq!((headers[1].name(), headers[1].value()), ("Authorization", expected));
    let read = PopulationCall::parse(&fields(&headers)).expect("a proof");
    assert_eq!(read, call());
    assert_eq!((read.user(), read.at()), ("nghean", AT));
    assert!(read.is_proved(URL, &secret()));
    assert!(!format!("{read:?}").contains(&expected[20..30]));
}

#[test]
fn each_part_is_bound() {
    assert!(!call().is_proved("http://10.0.0.1:8080/dancuquocgia/033", &secret()));
    assert!(!call().is_proved(URL, &Secret::new("bi-mau")));
    let headers = call().headers();
    let later = [("Timestamp", &b"1795334903101"[..]), headers[1].field()];
    assert!(!PopulationCall::parse(&later).expect("a proof").is_proved(URL, &secret()));
    let other = PopulationCall::prove(URL, "hatinh", AT, &secret()).expect("a user").headers();
    let swapped = [headers[0].field(), other[1].field()];
    let swapped = PopulationCall::parse(&swapped).expect("a proof");
    assert!(swapped.is_proved(URL, &secret()) && swapped.user() == "hatinh");
}

#[test]
fn wrong_ones() {
    let headers = call().headers();
    let (at, proof) = (headers[0].field(), headers[1].field());
    for missing in [at, proof] {
        let error = PopulationCall::parse(&[missing]).expect_err("the other is missing");
        assert!(matches!(error, PopulationError::Headers(HeaderError::Missing { .. })));
    }
    for text in ["", "-1", "+1", "01", "1.5", "x", "18446744073709551616", "1795334903100 "] {
        let read = PopulationCall::parse(&[("Timestamp", text.as_bytes()), proof]);
        assert_eq!(read, Err(PopulationError::Timestamp), "{text:?}");
    }
    // Nothing, another scheme, no base64, no colon, no digest, and a digest in capitals.
    let capitals = "Basic YTpBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQQ==";
    for text in ["", "Bearer YTpi", "Basic !", "Basic YWI=", "Basic YTpi", capitals] {
        let read = PopulationCall::parse(&[at, ("Authorization", text.as_bytes())]);
        assert_eq!(read, Err(PopulationError::Authorization), "{text}");
    }
    for user in ["", "a:b", "é", "a\n", &"u".repeat(USER_MAX + 1)] {
        let proved = PopulationCall::prove(URL, user, AT, &secret());
        assert_eq!(proved, Err(PopulationError::User), "{user:?}");
    }
}
