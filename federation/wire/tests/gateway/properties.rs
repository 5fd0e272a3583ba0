//! What holds of any request, token and header: read after write is the same, and no octets panic.

use std::time::Duration;

use lgsp_wire::{
    gateway::{
        ErrorCode, PartnerToken, PopulationCall, Refused, Style, Token, TokenAnswer, TokenRequest,
        read_bearer,
    },
    vxp::Secret,
};
use model::Moment;
use proptest::{collection::vec, option, prelude::*};

use crate::fields;

fn request() -> impl Strategy<Value = TokenRequest> {
    let style = prop_oneof![Just(Style::Basic), Just(Style::Form), Just(Style::Json)];
    (style, "[ -9;-~]{1,40}", "[ -~]{1,40}", option::of("[ -~]{1,40}")).prop_map(
        |(style, client, secret, scope)| {
            let secret = Secret::new(secret);
            TokenRequest::new(style, &client, secret, scope.as_deref()).expect("a client")
        },
    )
}

fn answer() -> impl Strategy<Value = TokenAnswer> {
    let text = || option::of(any::<String>());
    let token =
        ("[!-~]{1,80}", text(), option::of(any::<u64>())).prop_map(|(access, scope, secs)| {
            let lifetime = secs.map(Duration::from_secs);
            TokenAnswer::Issued(Token::new(Secret::new(access), scope, lifetime).expect("a token"))
        });
    let code = prop_oneof![
        any::<String>().prop_map(|word| ErrorCode::parse(&word)),
        Just(ErrorCode::InvalidScope),
    ];
    let refused = (code, text(), text()).prop_map(|(code, description, uri)| {
        TokenAnswer::Refused(Refused { code, description, uri })
    });
    prop_oneof![token, refused]
}

/// Text that is nearly a request or an answer, so that it comes far into the parsers.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "grant_type",
        "=",
        "&",
        "client_credentials",
        "client_id",
        "client_secret",
        "scope",
        "%",
        "%20",
        "+",
        "{",
        "}",
        "\"",
        ":",
        ",",
        "\"access_token\"",
        "\"token_type\"",
        "\"Bearer\"",
        "\"error\"",
        "Basic ",
        "Bearer ",
        "YTpi",
        "e30=",
        "application/json",
        ";",
        "1",
        "<",
        "é",
    ];
    let piece = proptest::sample::select(pieces.to_vec());
    prop_oneof![
        vec(piece, 0..16).prop_map(|pieces| pieces.concat().into_bytes()),
        vec(any::<u8>(), 0..60)
    ]
}

proptest! {
    #[test]
    fn a_request_comes_back_as_it_went(request in request()) {
        let built = request.build();
        let read = TokenRequest::parse(&fields(&built.headers), built.body.as_bytes());
        let read = read.expect("the same request");
        prop_assert_eq!(&read, &request);
        prop_assert!(read.build() == built);
        // The same without a Content-Type, as the SDKs of NGSP send it.
        let bare: Vec<_> = fields(&built.headers)
            .into_iter()
            .filter(|field| field.0 != "Content-Type")
            .collect();
        let read = TokenRequest::parse(&bare, built.body.as_bytes()).expect("the same request");
        prop_assert_eq!(read, request);
    }

    #[test]
    fn an_answer_comes_back_as_it_went(answer in answer()) {
        let http = if matches!(answer, TokenAnswer::Issued(_)) { 200 } else { 400 };
        prop_assert_eq!(TokenAnswer::read(http, &answer.write()).expect("the same answer"), answer);
    }

    #[test]
    fn a_partner_comes_back_as_it_went(keys in vec("\\PC{1,20}", 2), texts in vec(any::<String>(), 3)) {
        let token = PartnerToken {
            access_key: Secret::new(keys[0].as_str()),
            secret_key: Secret::new(keys[1].as_str()),
            app_name: texts[0].clone(),
            partner_code: texts[1].clone(),
            partner_code_cus: texts[2].clone(),
        };
        let header = token.header().expect("a short token");
        prop_assert_eq!(&PartnerToken::parse(&[header.field()]).expect("the same token"), &token);
        let header = token.authorization().expect("a short token");
        let read = PartnerToken::parse_authorization(&[header.field()]);
        prop_assert_eq!(read.expect("the same token"), token);
    }

    #[test]
    fn a_proof_comes_back_as_it_went(url: String, user in "[ -9;-~]{1,40}", at: u64, secret: String) {
        let secret = Secret::new(secret);
        let call = PopulationCall::prove(&url, &user, Moment(at), &secret).expect("a user");
        let headers = call.headers();
        let read = PopulationCall::parse(&fields(&headers)).expect("the same proof");
        prop_assert!(read.is_proved(&url, &secret));
        prop_assert_eq!(read, call);
    }

    #[test]
    fn no_octets_panic(body in nearly(), first in nearly(), second in nearly(), http: u16) {
        let names = ["Authorization", "Content-Type", "lgspaccesstoken", "Timestamp"];
        let values = [&first, &second, &first, &second];
        let all: Vec<_> = names.into_iter().zip(values).map(|(n, v)| (n, v.as_slice())).collect();
        let _ = TokenRequest::parse(&all, &body);
        let _ = TokenRequest::parse(&all[..1], &body);
        let _ = TokenRequest::parse(&[], &body);
        let _ = TokenAnswer::read(http, &body);
        let _ = TokenAnswer::read(200, &body);
        let _ = read_bearer(&all);
        let _ = PartnerToken::parse(&all);
        let _ = PartnerToken::parse_authorization(&all);
        let _ = PopulationCall::parse(&all);
    }
}
