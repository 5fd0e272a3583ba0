//! Who issued, revoked, added and removed is shown, and a unit hears who may act for it.

use serde_json::{Value, json};

use crate::{
    house::{Ask, House},
    text,
};

fn item<'a>(list: &'a Value, name: &str, value: &str) -> &'a Value {
    let items = list["items"].as_array().expect("a list");
    items.iter().find(|item| item[name] == value).unwrap_or_else(|| panic!("{value} in {list}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_another_unit_is_known_by_who_issued_it() {
    let house = House::found().await;
    let victim = house.party("H41.03", &["send"]).await;
    let admin = house.party("H41.02", &["admin"]).await;
    let list = |path: &'static str| house.ask(Ask::new("GET", path).signed(&admin));

    // An administrator of one unit becomes another one.
    let key = json!({"app": "app-h41-03"});
    let issue = Ask::new("POST", "/v1/admin/keys").json(key).signed(&admin);
    let issued = house.ask(issue).await.ok(201);
    let issued = text(&issued, "/access_key");
    let by = json!({"access_key": admin.access_key(), "app": "app-h41-02"});
    let founder = json!({"access_key": house.admin.access_key(), "app": "quan-tri"});

    let keys = list("/v1/admin/keys?limit=200").await.ok(200);
    let shown = item(&keys, "access_key", issued);
    assert_eq!((&shown["issued_by"], &shown["revoked_by"]), (&by, &Value::Null));
    let first = item(&keys, "access_key", victim.access_key().as_str());
    assert_eq!(first["issued_by"], founder);
    let founding = item(&keys, "access_key", house.admin.access_key().as_str());
    assert_eq!(founding["issued_by"], Value::Null);
    let apps = list("/v1/admin/apps?limit=200").await.ok(200);
    assert_eq!(item(&apps, "app", "app-h41-03")["added_by"], founder);
    assert_eq!(item(&apps, "app", "quan-tri")["added_by"], Value::Null);
    let units = list("/v1/units?limit=200").await.ok(200);
    assert_eq!(item(&units, "code", "H41.03")["added_by"], founder);

    let revoke = Ask::new("POST", format!("/v1/admin/keys/{issued}/revoke"));
    house.ask(revoke.signed(&house.admin)).await.ok(200);
    let keys = list("/v1/admin/keys?limit=200").await.ok(200);
    let shown = item(&keys, "access_key", issued);
    assert_eq!((&shown["issued_by"], &shown["revoked_by"]), (&by, &founder));

    // Every application of the unit hears of it, whatever it may do.
    let poll = Ask::new("GET", "/v1/events?after=0&limit=200&wait=0")
        .header("accept", "application/cloudevents-batch+json");
    let events = house.ask(poll.signed(&victim)).await.ok(200);
    let events = events.as_array().expect("a list");
    let told = |event: &Value| {
        let kind = text(event, "/type").trim_start_matches("vn.gov.nghean.lgsp.");
        format!("{kind} by {} of {}", text(event, "/data/by/app"), text(event, "/data/by_unit"))
    };
    assert_eq!(
        events.iter().map(told).collect::<Vec<_>>(),
        [
            "app.added.v1 by quan-tri of H41",
            "key.issued.v1 by quan-tri of H41",
            "key.issued.v1 by app-h41-02 of H41.02",
            "key.revoked.v1 by quan-tri of H41",
        ]
    );
    assert_eq!(text(&events[2], "/data/access_key"), issued);
    assert_eq!(
        (text(&events[2], "/subject"), text(&events[2], "/data/app")),
        (issued, "app-h41-03")
    );
    assert_eq!(
        (text(&events[0], "/subject"), &events[0]["data"]["access_key"]),
        ("app-h41-03", &Value::Null)
    );
    assert_eq!(
        (text(&events[2], "/sourceunit"), text(&events[2], "/targetunit")),
        ("H41.02", "H41.03")
    );
    assert_eq!(events[3]["data"]["ends_at"], Value::Null);
}
