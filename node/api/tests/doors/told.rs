//! Refusals that tell the way out: which code, which values, how long, what range.

use serde_json::{Value, json};

use crate::{
    house::{Ask, House},
    new_packet, one_round, text,
};

/// Finding 5: the commonest mistake of all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_units_are_named_with_what_was_meant() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    house.party("H41.05", &["receive"]).await;
    let mut request = new_packet("H41.05");
    request["targets"] = json!([" H41.05", "h41.02", "H4105", "H41.77"]);
    let errors = |nearest: &str, none: &str| {
        json!([
            {"pointer": "/targets/1", "detail": format!("{nearest}: h41.02 (H41.02)")},
            {"pointer": "/targets/2", "detail": format!("{nearest}: H4105 (H41.05)")},
            {"pointer": "/targets/3", "detail": format!("{none}: H41.77")},
        ])
    };
    let none = "không đơn vị nào mang mã này";
    let nearest = format!("{none}; trong ngoặc là mã gần nhất");
    for ask in [Ask::new("POST", "/v1/packets").json(request.clone()), one_round(&request, "tin")] {
        let problem = house.ask(ask.signed(&source)).await.problem(404, "unit_unknown");
        assert_eq!(problem["errors"], errors(&nearest, none));
    }
    let english = one_round(&request, "tin").header("accept-language", "en").signed(&source);
    let problem = house.ask(english).await.problem(404, "unit_unknown");
    let none = "no unit has this code";
    assert_eq!(problem["errors"], errors(&format!("{none}; in brackets is the nearest one"), none));

    // The space beside a code is none of it.
    request["targets"] = json!([" H41.05 "]);
    house.ask(one_round(&request, "tin").signed(&source)).await.ok(201);
    let show = Ask::new("GET", "/v1/units/H4105").signed(&source);
    let problem = house.ask(show).await.problem(404, "unit_unknown");
    assert!(text(&problem, "/errors/0/detail").ends_with("H4105 (H41.05)"), "{problem}");
    let app = json!({"app": "app-x", "unit": "h41.05", "name": "X", "grants": ["send"], "targets": ["H41.05", "x"]});
    let app = Ask::new("POST", "/v1/admin/apps").json(app).signed(&house.admin);
    let problem = house.ask(app).await.problem(404, "unit_unknown");
    let places: Vec<_> = problem["errors"].as_array().expect("errors").iter().collect();
    let places: Vec<_> = places.into_iter().map(|error| text(error, "/pointer")).collect();
    assert_eq!(places, ["/unit", "/targets/1"]);
}

/// Finding 9: what a value may be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_and_lengths_are_told() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    let mut packet = new_packet("H41.02");
    packet["importance"] = json!("khẩn");
    packet["title"] = json!("x".repeat(501));
    let units = json!({"units": [{"code": "H41.03", "name": "x".repeat(201), "kind": "sở"}]});
    let app = json!({"app": "app-x", "unit": "H41.02", "name": "X", "grants": ["gửi"]});
    let key = json!({"app": "app-x", "algorithm": "rsa"});
    for (path, body, signer, pointer, detail) in [
        ("/v1/packets", &packet, &source, "/importance", "normal, urgent, very_urgent, flash"),
        ("/v1/packets", &packet, &source, "/title", "500 ký tự"),
        ("/v1/admin/units", &units, &house.admin, "/units/0/name", "200 ký tự"),
        ("/v1/admin/units", &units, &house.admin, "/units/0/kind", "department, commune, ward"),
        ("/v1/admin/apps", &app, &house.admin, "/grants/0", "send, receive, admin"),
        ("/v1/admin/keys", &key, &house.admin, "/algorithm", "hmac-sha256, rsa-v1_5-sha256"),
    ] {
        let answer = house.ask(Ask::new("POST", path).json(body.clone()).signed(signer)).await;
        let problem = answer.problem(422, "fields_malformed");
        let errors = problem["errors"].as_array().expect("errors");
        let error = errors.iter().find(|error| error["pointer"] == pointer).expect("the field");
        assert!(text(error, "/detail").contains(detail), "{error}");
    }
}

/// Finding 8: a query.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_are_named_with_what_they_may_be() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    let refused = async |query: &str| -> Value {
        let ask = Ask::new("GET", format!("/v1/packets?{query}")).signed(&source);
        house.send(ask.request()).await.problem(400, "query_malformed")
    };
    let unknown = refused("limt=5").await;
    assert_eq!(
        (text(&unknown, "/parameter"), text(&unknown, "/expected")),
        ("limt", "cursor, limit")
    );
    let strange = refused(&format!("%3Cscript%3E{}=1", "x".repeat(500))).await;
    assert!(text(&strange, "/parameter").len() <= 64, "{strange}");
    for query in ["limit=0", "limit=x", "limit="] {
        let range = refused(query).await;
        assert_eq!(text(&range, "/parameter"), "limit");
        assert_eq!((&range["min"], &range["max"]), (&json!(1), &json!(200)), "{query}");
    }
}
