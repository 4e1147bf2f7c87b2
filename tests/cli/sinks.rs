//! `landfall sink list|test|pause|resume`, and what a receiver said it made of a batch.

use std::fs;

use insta::assert_snapshot;
use landfall::ledger::{DeliveryOutcome, Ledger as _, Sinks as _};

use crate::zone::{CONFIG, GOOD, Place};

fn place(outcome: DeliveryOutcome) -> Place {
    Place::with_history(outcome)
}

#[test]
fn sinks_are_listed_with_what_waits_for_them() {
    let place = place(DeliveryOutcome::Stalled("no route".to_owned()));
    fs::write(
        place.path().join("landfall.toml"),
        format!("{CONFIG}\n[sink.spare]\nwebhook = \"http://127.0.0.1:1/\"\n"),
    )
    .unwrap();
    assert_snapshot!(place.told(&["sink", "list"]), @"
    sink       kind     feeds   state               waiting
    spare      webhook          ready               0
    warehouse  command  orders  stalled for orders  1
    --- --- exit 0
    ");
    let (code, json, _) = place.run(&["--json", "sink", "list"]);
    assert_eq!(code, 0);
    let lines: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[1]["waiting"][0]["stalled"], true);
    assert_eq!(lines[1]["waiting"][0]["batches"], 1);
    assert_eq!(lines[1]["schema"], "landfall.sink/v1");
}

#[test]
fn a_sink_is_paused_and_resumed_with_reasons() {
    let now = DeliveryOutcome::Resumed("x".to_owned());
    let place = place(now);
    assert_eq!(place.run(&["sink", "pause", "warehouse"]).0, 2, "a reason is asked for");
    assert_eq!(place.run(&["sink", "pause", "nobody", "--reason", "x"]).0, 4);
    let (code, said, _) = place.run(&["sink", "pause", "warehouse", "--reason", "vacuum"]);
    assert_eq!((code, said.as_str()), (0, "Sink warehouse is paused; what is for it waits.\n"));
    assert_eq!(place.run(&["sink", "pause", "warehouse", "--reason", "again"]).0, 4);
    let (code, status, _) = place.run(&["status"]);
    assert_eq!(code, 3);
    assert!(
        status.contains("sink warehouse is paused and 1 batch waits for it: vacuum"),
        "{status}"
    );
    assert!(status.contains("landfall sink resume warehouse"), "{status}");
    let (code, said, _) = place.run(&["sink", "resume", "warehouse"]);
    assert_eq!((code, said.as_str()), (0, "Sink warehouse goes on.\n"));
    assert_eq!(place.run(&["sink", "resume", "warehouse"]).0, 4);
    assert!(place.ledger().paused_sinks().unwrap().is_empty());
}

#[test]
fn a_sink_is_tried_and_nothing_is_recorded() {
    let place = place(DeliveryOutcome::Acknowledged(None));
    let config = |command: &str| {
        let config = CONFIG.replace("[\"true\"]", command);
        fs::write(place.path().join("landfall.toml"), config).unwrap();
    };
    let head = place.ledger().head();
    config(r#"["sh", "-c", 'test "$LANDFALL_TEST" = 1 && test -s "$1" && echo ready', "sh"]"#);
    assert_snapshot!(place.told(&["sink", "test", "warehouse"]), @"
    Sink warehouse acknowledged a test in the name of orders: ready
    --- --- exit 0
    ");
    config(r#"["sh", "-c", "echo no table >&2; exit 3"]"#);
    assert_snapshot!(place.told(&["sink", "test", "warehouse"]), @"
    Sink warehouse refused a test in the name of orders: exit status: 3: no table
    --- --- exit 3
    ");
    assert_eq!(place.ledger().head(), head);
    let left = fs::read_dir(place.zone().run_time()).unwrap().map(Result::unwrap);
    let left: Vec<_> = left.filter(|e| e.file_name().to_string_lossy().contains("test-")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_secret_of_the_environment_is_used_and_not_shown() {
    let place = place(DeliveryOutcome::Acknowledged(None));
    let config = CONFIG.replace(
        "command = [\"true\"]",
        "webhook = \"http://127.0.0.1:1/\"\nsecrets = [\"env:LF_TEST_SECRET\"]",
    );
    fs::write(place.path().join("landfall.toml"), config).unwrap();
    assert_snapshot!(place.told(&["sink", "test", "warehouse"]), @"
    Sink warehouse refused a test in the name of orders: the environment of the server has no LF_TEST_SECRET
    --- --- exit 3
    ");
    let output = crate::zone::landfall()
        .current_dir(place.path())
        .env("LF_TEST_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        .args(["sink", "test", "warehouse"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("onnect"), "{said}");
    assert!(!said.contains("MfKQ9"), "{said}");
}

#[test]
fn the_life_of_a_file_ends_in_what_it_was_used_by() {
    let said = r#"{"tables": ["raw.orders", "mart.sales"], "rows": 2, "run": "dbt-17"}"#;
    let place = place(DeliveryOutcome::Acknowledged(Some(said.to_owned())));
    let (_, shown, _) = place.run(&["show", GOOD]);
    let line = "sink warehouse: acknowledged, 1 attempt: used in raw.orders, mart.sales, 2 rows, run dbt-17";
    assert!(shown.contains(line), "{shown}");
}
