//! Tokens: asked for in three shapes, issued and refused.

use std::time::Duration;

use lgsp_wire::{
    gateway::{
        CREDENTIAL_MAX, ErrorCode, Refused, Style, TOKEN_ANSWER_MAX, TOKEN_BODY_MAX, TOKEN_MAX,
        Token, TokenAnswer, TokenRequest, TokenRequestError, TokenUnreadable, bearer, read_bearer,
    },
    vxp::{Field, HeaderError, Secret},
};

use crate::fields;

const FORM: Field<'_> = ("Content-Type", b"application/x-www-form-urlencoded");
const BODY: &[u8] = b"grant_type=client_credentials";
/// `consumer_key:consumer_secret`, encoded with Python.
const BASIC: Field<'_> = ("Authorization", b"Basic Y29uc3VtZXJfa2V5OmNvbnN1bWVyX3NlY3JldA==");

fn request(style: Style) -> TokenRequest {
    TokenRequest::new(style, "consumer_key", Secret::new("consumer_secret"), None)
        .expect("a client")
}

#[test]
fn the_shapes_as_they_are_sent() {
    let basic = request(Style::Basic).build();
    assert_eq!(fields(&basic.headers), [BASIC, FORM]);
    assert_eq!(basic.body.as_bytes(), BODY);

    let form =
        TokenRequest::new(Style::Form, "a b&c", Secret::new("é".replace('é', "=%+")), Some("x y"));
    let form = form.expect("a client").build();
    assert_eq!(fields(&form.headers), [FORM]);
    let body = "grant_type=client_credentials&client_id=a+b%26c&client_secret=%3D%25%2B&scope=x+y";
    assert_eq!(*form.body, body);

    let json = request(Style::Json).build();
    assert_eq!(fields(&json.headers), [("Content-Type", &b"application/json"[..])]);
    let body = r#"{"grant_type":"client_credentials","client_id":"consumer_key","client_secret":"consumer_secret"}"#;
    assert_eq!(*json.body, body);
}

#[test]
fn content_types_missing_and_misspelt() {
    let misspelt = ("ContentType", FORM.1);
    for types in [
        &[][..],
        &[FORM],
        &[misspelt],
        &[("content-type", b"Application/X-WWW-Form-Urlencoded; charset=UTF-8")],
        // What Java's client adds by itself when the SDK sets the wrong name.
        &[("Content-Type", b"text/plain; charset=ISO-8859-1"), misspelt],
    ] {
        let all = [&[BASIC], types].concat();
        assert_eq!(TokenRequest::parse(&all, BODY).expect("a request"), request(Style::Basic));
    }
    let json = br#" {"grant_type":"client_credentials","client_id":"consumer_key","client_secret":"consumer_secret","x":[]}"#;
    let named: Field<'_> = ("Content-Type", b"application/json;charset=utf-8");
    for types in [&[][..], &[named]] {
        assert_eq!(TokenRequest::parse(types, json).expect("a request"), request(Style::Json));
    }
    let both = br#"{"grant_type":"client_credentials"}"#;
    assert_eq!(TokenRequest::parse(&[BASIC], both).expect("a request"), request(Style::Basic));
    for media in [&b"text/plain"[..], b"", b"application/jsonp", b"multipart/form-data"] {
        let error = TokenRequest::parse(&[BASIC, ("Content-Type", media)], BODY).expect_err("no");
        assert!(matches!(error, TokenRequestError::ContentType), "{media:?}");
    }
}

#[test]
fn wrong_requests_have_their_codes() {
    use ErrorCode::{InvalidClient, InvalidRequest, InvalidScope, UnsupportedGrantType};
    let basic = |value: &'static [u8]| vec![("Authorization", value)];
    let none = Vec::new;
    let long = [BODY, &vec![b'&'; TOKEN_BODY_MAX]].concat();
    let many = [BODY, "&a=b".repeat(32).as_bytes()].concat();
    for (fields, body, code) in [
        (none(), &b""[..], InvalidRequest),
        (none(), BODY, InvalidRequest),
        (none(), b"grant_type=client_credentials&client_id=a", InvalidRequest),
        (none(), b"grant_type=password&client_id=a&client_secret=b", UnsupportedGrantType),
        (none(), b"grant_type=&client_id=a&client_secret=b", UnsupportedGrantType),
        (
            vec![BASIC],
            b"grant_type=client_credentials&grant_type=client_credentials",
            InvalidRequest,
        ),
        (vec![BASIC], b"grant_type=client_credentials&client_secret=b", InvalidRequest),
        (vec![BASIC], b"grant_type=client_credentials&client_id=other", InvalidRequest),
        (vec![BASIC], b"grant_type=client_credentials&scope=", InvalidScope),
        (vec![BASIC], b"grant_type=client_credentials&scope=%C3%A9", InvalidScope),
        (vec![BASIC], b"grant_type=client_credentials&x=%4", InvalidRequest),
        (vec![BASIC], b"grant_type=client_credentials&x=%zz", InvalidRequest),
        (vec![BASIC], b"grant_type=client_credentials&x=%FF", InvalidRequest),
        (vec![BASIC], b"grant_type=client_credentials&x=\xff", InvalidRequest),
        (vec![BASIC], b"{", InvalidRequest),
        (vec![BASIC], b"{\"grant_type\":1}", InvalidRequest),
        (
            vec![BASIC],
            b"{\"grant_type\":\"client_credentials\",\"grant_type\":\"x\"}",
            InvalidRequest,
        ),
        (vec![BASIC], &long, InvalidRequest),
        (vec![BASIC], &many, InvalidRequest),
        (vec![BASIC, ("authorization", b"Basic YTpi")], BODY, InvalidRequest),
        (basic(b"Basic YTpi\n"), BODY, InvalidRequest),
        (basic(b"Basic"), BODY, InvalidClient),
        (basic(b"Basic !"), BODY, InvalidClient),
        (basic(b"Basic YWI="), BODY, InvalidClient),
        (basic(b"Basic OmI="), BODY, InvalidClient),
        (basic(b"Basic YTo="), BODY, InvalidClient),
        (basic(b"Bearer YTpi"), BODY, InvalidClient),
        (none(), b"grant_type=client_credentials&client_id=a%00&client_secret=b", InvalidClient),
        (none(), b"grant_type=client_credentials&client_id=a:&client_secret=b", InvalidClient),
    ] {
        let error = TokenRequest::parse(&fields, body).expect_err("it is wrong");
        assert_eq!(error.code(), code, "{error} {}", String::from_utf8_lossy(body));
    }
    let client =
        |length| TokenRequest::new(Style::Form, &"a".repeat(length), Secret::new("b"), None);
    assert!(client(CREDENTIAL_MAX).is_ok() && client(CREDENTIAL_MAX + 1).is_err());
    let worst = TokenRequest::new(
        Style::Form,
        &"&".repeat(CREDENTIAL_MAX),
        Secret::new("&".repeat(CREDENTIAL_MAX)),
        Some(&"&".repeat(lgsp_wire::gateway::SCOPE_MAX)),
    );
    assert!(worst.expect("a client").build().body.len() < TOKEN_BODY_MAX, "what is built is read");
}

fn token(scope: Option<&str>, secs: Option<u64>) -> Token {
    let access = Secret::new("1f3b7a40-2222-3333-4444-555566667777");
    let lifetime = secs.map(Duration::from_secs);
    Token::new(access, scope.map(str::to_owned), lifetime).expect("a token")
}

#[test]
fn a_token_in_the_shape_of_wso2() {
    let body = r#"{"access_token":"1f3b7a40-2222-3333-4444-555566667777","scope":"am_application_scope default","token_type":"Bearer","expires_in":3600}"#;
    let answer = TokenAnswer::Issued(token(Some("am_application_scope default"), Some(3600)));
    assert_eq!(TokenAnswer::read(200, body.as_bytes()).expect("an answer"), answer);
    assert_eq!(answer.write().as_slice(), body.as_bytes());
    let odd = r#"{"expires_in":"3600","token_type":"bearer","access_token":"1f3b7a40-2222-3333-4444-555566667777","refresh_token":null}"#;
    let read = TokenAnswer::read(201, odd.as_bytes()).expect("an answer");
    assert_eq!(read, TokenAnswer::Issued(token(None, Some(3600))));
    let bare = r#"{"access_token":"1f3b7a40-2222-3333-4444-555566667777","token_type":"Bearer"}"#;
    let read = TokenAnswer::read(200, bare.as_bytes()).expect("an answer");
    assert_eq!(read, TokenAnswer::Issued(token(None, None)));
}

#[test]
fn a_refusal_in_the_shape_of_rfc_6749() {
    let body = r#"{"error_description":"Client Authentication failed.","error":"invalid_client"}"#;
    let refused = TokenAnswer::Refused(Refused {
        code: ErrorCode::InvalidClient,
        description: Some("Client Authentication failed.".to_owned()),
        uri: None,
    });
    for http in [200, 400, 401, 500] {
        assert_eq!(TokenAnswer::read(http, body.as_bytes()).expect("an answer"), refused);
    }
    assert_eq!(refused.write().as_slice(), body.as_bytes());
    assert_eq!(ErrorCode::InvalidClient.http(), 401);
    assert_eq!(ErrorCode::parse("slow_down"), ErrorCode::Other("slow_down".to_owned()));
    for word in ["invalid_request", "invalid_grant", "unauthorized_client", "slow_down"] {
        assert_eq!(ErrorCode::parse(word).as_str(), word);
    }
}

#[test]
fn answers_that_cannot_be_read() {
    use TokenUnreadable::{Contradiction, Empty, Form, Markup, Neither, NoBearer, TooLong};
    let read = |http, body: &str| TokenAnswer::read(http, body.as_bytes());
    assert!(matches!(read(200, " \n"), Err(Empty { http: 200 })));
    assert!(matches!(read(502, "<html>"), Err(Markup { http: 502 })));
    assert!(matches!(read(200, &" ".repeat(TOKEN_ANSWER_MAX + 1)), Err(TooLong)));
    for body in [
        "x",
        "[]",
        "{",
        r#"["a","Bearer"]"#,
        r#"{"access_token":1}"#,
        r#"{"access_token":"a","access_token":"b"}"#,
        r#"{"access_token":"a","token_type":"Bearer","expires_in":-1}"#,
        r#"{"access_token":"a","token_type":"Bearer","expires_in":1.5}"#,
    ] {
        assert!(matches!(read(200, body), Err(Form { http: 200, .. })), "{body}");
    }
    assert!(matches!(read(200, r#"{"fault":{"code":900901}}"#), Err(Neither { http: 200 })));
    for body in [
        r#"{"access_token":"a"}"#,
        r#"{"access_token":"a","token_type":"mac"}"#,
        r#"{"access_token":"","token_type":"Bearer"}"#,
        r#"{"access_token":"a b","token_type":"Bearer"}"#,
        r#"{"access_token":"a\r\nb: c","token_type":"Bearer"}"#,
        r#"{"access_token":"é","token_type":"Bearer"}"#,
    ] {
        assert!(matches!(read(200, body), Err(NoBearer)), "{body}");
    }
    let sound = r#"{"access_token":"a","token_type":"Bearer"}"#;
    assert!(matches!(read(401, sound), Err(Contradiction { http: 401 })));
    let both = r#"{"access_token":"a","token_type":"Bearer","error":"x"}"#;
    assert!(matches!(read(200, both), Err(Contradiction { http: 200 })));
}

#[test]
fn the_token_of_a_call() {
    let header = bearer(&token(None, None));
    assert_eq!(header.value(), "Bearer 1f3b7a40-2222-3333-4444-555566667777");
    let read = read_bearer(&[header.field()]).expect("a header");
    assert_eq!(read.as_ref().map(Secret::expose), Some("1f3b7a40-2222-3333-4444-555566667777"));
    let long = format!("Bearer {}", "a".repeat(TOKEN_MAX + 1));
    for value in ["", "Bearer ", "Bearer", "Basic YTpi", "Bearer a b", "Digest x", &long] {
        assert_eq!(read_bearer(&[("Authorization", value.as_bytes())]), Ok(None), "{value}");
    }
    assert_eq!(read_bearer(&[]), Ok(None));
    let twice = [("Authorization", &b"Bearer a"[..]), ("authorization", b"Bearer b")];
    assert!(matches!(read_bearer(&twice), Err(HeaderError::Repeated { .. })));
}

#[test]
fn nothing_of_it_prints() {
    let request = request(Style::Form);
    let (built, answer) = (request.build(), TokenAnswer::Issued(token(None, None)));
    let printed = format!("{request:?} {built:?} {answer:?} {:?}", bearer(&token(None, None)));
    for secret in ["consumer_secret", "1f3b7a40"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}
