//! The gateway: tokens in three shapes, and the services behind it.

use serde_json::{Value, json};
use wire::{
    gateway::{ErrorCode, PopulationCall, Style, Token, TokenAnswer, TokenRequest, bearer},
    vxp::{Header, Secret},
};

use crate::{
    NOW,
    client::{Client, Heard},
};

async fn ask(client: &Client, headers: &[(&str, &str)], body: &str) -> TokenAnswer {
    let heard = client.http("POST", "/token", headers, body.as_bytes()).await;
    TokenAnswer::read(heard.http, &heard.body).expect("it can be read")
}

async fn request(client: &Client, style: Style, secret: Secret) -> TokenAnswer {
    let (name, _) = client.running.settings().gateway_client();
    let built = TokenRequest::new(style, name, secret, None).expect("a request").build();
    let headers: Vec<_> = built.headers.iter().map(|h| (h.name(), h.value())).collect();
    ask(client, &headers, &built.body).await
}

async fn token(client: &Client) -> Token {
    let secret = client.running.settings().gateway_client().1;
    match request(client, Style::Basic, secret).await {
        TokenAnswer::Issued(token) => token,
        TokenAnswer::Refused(refused) => panic!("refused: {refused:?}"),
    }
}

async fn with(client: &Client, token: &Token, method: &str, target: &str, body: &str) -> Heard {
    let header = bearer(token);
    let headers = [(header.name(), header.value()), ("Accept", "application/json")];
    client.http(method, target, &headers, body.as_bytes()).await
}

#[tokio::test]
async fn a_token_is_issued_in_every_shape_and_without_a_content_type() {
    let client = Client::quiet(&[]).await;
    let (name, secret) = client.running.settings().gateway_client();
    for style in [Style::Basic, Style::Form, Style::Json] {
        let answer = request(&client, style, secret.clone()).await;
        let TokenAnswer::Issued(token) = answer else { panic!("{answer:?}") };
        assert_eq!(token.lifetime.map(|life| life.as_secs()), Some(3600));
    }
    let form = format!(
        "grant_type=client_credentials&client_id={name}&client_secret={}",
        secret.expose().replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
    );
    let misspelt = [("ContentType", "application/x-www-form-urlencoded")];
    for headers in [&misspelt[..], &[]] {
        assert!(matches!(ask(&client, headers, &form).await, TokenAnswer::Issued(_)));
    }
    let wrong = request(&client, Style::Basic, Secret::new("wrong")).await;
    let TokenAnswer::Refused(refused) = wrong else { panic!("{wrong:?}") };
    assert_eq!(refused.code, ErrorCode::InvalidClient);
    let text = client.get("/_sim/ledger").await.text();
    assert!(!text.contains(secret.expose()), "the ledger has no secret");
}

#[tokio::test]
async fn services_want_a_token_that_is_good() {
    let client = Client::quiet(&[]).await;
    let target = "/apiCSDLDKDN/1.0/chiTietDoanhNghiep?msdn=2900325526";
    let heard = client.get(target).await;
    assert_eq!((heard.http, heard.json()["fault"]["code"].clone()), (401, json!(900_902)));
    let token = token(&client).await;
    assert_eq!(with(&client, &token, "GET", target, "").await.http, 200);
    client.forward("59 min").await;
    assert_eq!(with(&client, &token, "GET", target, "").await.http, 200);
    client.forward("1 min").await;
    let heard = with(&client, &token, "GET", target, "").await;
    assert_eq!((heard.http, heard.json()["fault"]["code"].clone()), (401, json!(900_901)));
}

#[tokio::test]
async fn a_token_expires_in_mid_day() {
    let client = Client::quiet(&["gateway.category=expired-token:1"]).await;
    let first = token(&client).await;
    let target = "/dmdc/Category/magioitinh";
    assert_eq!(with(&client, &first, "GET", target, "").await.http, 401);
    client.turn("gateway.category=expired-token:0").await;
    assert_eq!(with(&client, &first, "GET", target, "").await.http, 401, "it stays expired");
    let second = token(&client).await;
    assert_eq!(with(&client, &second, "GET", target, "").await.http, 200);
}

#[tokio::test]
async fn the_business_register_has_its_blocks() {
    let client = Client::quiet(&[]).await;
    let token = token(&client).await;
    let mut found = Vec::new();
    for number in 2_900_325_520_u64..2_900_325_540 {
        let target = format!("/apiCSDLDKDN/chiTietDoanhNghiep?msdn={number}");
        found.push(with(&client, &token, "GET", &target, "").await.json());
    }
    let is_there = |one: &&Value| one["Status"] == "1";
    let there: Vec<_> = found.iter().filter(is_there).collect();
    assert!(there.len() > 10 && there.len() < 20, "some numbers are nobody's: {}", there.len());
    for block in ["MainInformation", "HOAdress", "BusinessActivity", "Member", "DataCount"] {
        assert!(there.iter().all(|one| !one[block].is_null()), "{block}");
    }
    let target = "/apiCSDLDKDN/chiTietDoanhNghiep?msdn=x";
    let nobody = with(&client, &token, "GET", target, "").await.json();
    assert_eq!((&nobody["Status"], &nobody["DataCount"]), (&json!("0"), &json!(0)));
}

#[tokio::test]
async fn shared_lists_are_read_described_and_added_to_once() {
    let client = Client::quiet(&[]).await;
    let token = token(&client).await;
    let bodies = with(&client, &token, "GET", "/dmdc/1.0/Category/qlvanbandieuhanhcap1", "").await;
    let bodies = bodies.json();
    let bodies = bodies.as_array().expect("rows");
    assert!(bodies.iter().any(|row| row["MaDinhDanhCap1"] == "H41"));
    let columns = with(&client, &token, "GET", "/dmdc/Metadata/magioitinh", "").await.json();
    assert_eq!(columns[0]["PropertyCode"], "MaGioiTinh");
    let row = r#"{"MaGioiTinh":"9","TenGioiTinh":"Khác"}"#;
    let add = async || with(&client, &token, "POST", "/dmdc/Category/magioitinh", row).await.json();
    assert_eq!(add().await, json!({ "MSG": "Done", "Count": 1 }));
    assert_eq!(add().await["Count"], 0, "it is a duplicate");
    let rows = with(&client, &token, "GET", "/dmdc/Category/magioitinh", "").await.json();
    assert_eq!(rows.as_array().expect("rows").len(), 4);
    assert_eq!(with(&client, &token, "GET", "/dmdc/Category/khongco", "").await.http, 404);
}

/// A question for the population database; the fields in this order.
fn question(fields: &[(&str, &str)]) -> String {
    let fields = fields.iter().map(|(name, value)| format!("<{name}>{value}</{name}>"));
    format!(
        "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><d:TraCuuThongTinCongDan \
         xmlns:d=\"http://dancuquocgia.bca\">{}</d:TraCuuThongTinCongDan></s:Body></s:Envelope>",
        fields.collect::<String>()
    )
}

const FIELDS: [(&str, &str); 6] = [
    ("MaYeuCau", "1"),
    ("MaDVC", "037"),
    ("MaTichHop", "H41"),
    ("MaCanBo", "cb1"),
    ("SoDinhDanh", "040090000001"),
    ("HoVaTen", "Nguyễn Văn An"),
];

async fn population(client: &Client, at: model::Moment, url: &str, body: &str) -> Heard {
    let (user, secret, _) = client.running.settings().population_user();
    let proof = PopulationCall::prove(url, user, at, &secret).expect("a proof").headers();
    let mut headers: Vec<_> = proof.iter().map(|h: &Header| (h.name(), h.value())).collect();
    headers.extend([
        ("X-Road-Client", "VN/GOV/000.00.00.H41/lgsp"),
        ("ApiKey", "x"),
        ("SOAPAction", "\"\""),
    ]);
    client.http("POST", "/csdldc/037", &headers, body.as_bytes()).await
}

#[tokio::test]
async fn the_population_database_wants_its_proof_and_its_order() {
    let client = Client::quiet(&[]).await;
    let url = client.running.settings().population_user().2;
    let heard = population(&client, NOW, url, &question(&FIELDS)).await;
    assert_eq!(heard.http, 200);
    let text = heard.text();
    assert!(
        text.contains("TraCuuThongTinCongDanResponse") && text.contains("040090000001"),
        "{text}"
    );
    assert_eq!(population(&client, NOW, "http://elsewhere", &question(&FIELDS)).await.http, 401);
    let late = model::Moment(NOW.0 - 300_001);
    assert_eq!(population(&client, late, url, &question(&FIELDS)).await.http, 401);
    let mut mixed = FIELDS;
    mixed.swap(0, 1);
    let heard = population(&client, NOW, url, &question(&mixed)).await;
    assert_eq!(heard.http, 500);
    assert!(heard.text().contains("not in their order"), "{}", heard.text());
    let heard = client.http("POST", "/csdldc/037", &[], question(&FIELDS).as_bytes()).await;
    assert_eq!(heard.http, 401);
}
