//! Circulars at once: together they are more than an entry of the log may do, and each is taken.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    house::{Ask, House},
    new_packet, one_round,
};

/// Targets of a circular: the most that there may be.
const TARGETS: usize = 512;
/// Each writes some 2,600 rows, so that few of them fill an entry.
const CIRCULARS: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn circulars_that_fill_an_entry_are_all_taken() {
    let house = House::found().await;
    let source = house.party("H41.02", &["send"]).await;
    let codes: Vec<String> = (0..TARGETS).map(|number| format!("H41.X{number}")).collect();
    let unit = |code: &String| json!({ "code": code, "name": "Xã", "kind": "commune" });
    let units = json!({ "units": codes.iter().map(unit).collect::<Vec<_>>() });
    house.ask(Ask::new("POST", "/v1/admin/units").json(units).signed(&house.admin)).await.ok(200);
    let mut circular = new_packet("H41.X0");
    circular["targets"] = codes.iter().map(|code| Value::from(code.as_str())).collect();
    let submits = (0..CIRCULARS).map(|number| {
        house.ask(one_round(&circular, &format!("công văn {number}")).signed(&source))
    });
    for answer in join_all(submits).await {
        answer.ok(201);
    }
}
