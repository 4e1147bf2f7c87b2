//! `landfall events`: the whole history, from where a reader left off, and as it happens.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use landfall::ledger::{DeliveryOutcome, Event, Ledger as _};

use crate::zone::{CONFIG, Place, landfall};

#[test]
fn a_reader_who_was_away_misses_nothing() {
    let place = Place::with_history(DeliveryOutcome::Stalled("no".to_owned()));
    let head = place.ledger().head();
    let sequences = |arguments: &[&str]| -> Vec<u64> {
        let (code, told, _) = place.run(arguments);
        assert_eq!(code, 0);
        let events =
            told.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        events.map(|event| event["id"].as_str().unwrap().parse().unwrap()).collect()
    };
    assert_eq!(sequences(&["--json", "events"]), (1..=head).collect::<Vec<_>>());
    assert_eq!(sequences(&["--json", "events", "-n", "2"]), [1, 2]);
    assert_eq!(sequences(&["--json", "events", "--since", "2"]), (3..=head).collect::<Vec<_>>());
    assert_eq!(sequences(&["--json", "events", "--since", "9999"]), [0_u64; 0]);
    let (_, text, _) = place.run(&["events", "-n", "1"]);
    assert!(text.starts_with("1 2026-") && text.contains(" received from partner:acme"), "{text}");
}

#[test]
fn events_are_cloud_events() {
    let place = Place::with_history(DeliveryOutcome::Stalled("no".to_owned()));
    let (_, told, _) = place.run(&["--json", "events"]);
    let script = "
import sys
from cloudevents.http import from_json
for line in sys.stdin:
    event = from_json(line)
    print(event['type'].removeprefix('dev.landfall.').removesuffix('.v1'), event['source'], event.get_attributes().get('subject', '-'))
";
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tests-python/bin/python");
    let output = assert_cmd::Command::new(python).args(["-c", script]).write_stdin(told).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap(), @"
    file.received /landfall/landfall orders/019a3c5e-7c1a-7b3e-9d55-0c6f1f2b8a10
    file.converted /landfall/landfall orders/019a3c5e-7c1a-7b3e-9d55-0c6f1f2b8a10
    schema.changed /landfall/landfall orders/019a3c5e-7c1a-7b3e-9d55-0c6f1f2b8a10
    file.batched /landfall/landfall orders/019a3c5e-7c1a-7b3e-9d55-0c6f1f2b8a10
    batch.closed /landfall/landfall orders/1
    batch.published /landfall/landfall orders/1
    file.published /landfall/landfall orders/019a3c5e-7c1a-7b3e-9d55-0c6f1f2b8a10
    sink.stalled /landfall/landfall orders
    file.received /landfall/landfall orders/019a3c5e-8000-7000-8000-000000000001
    file.quarantined /landfall/landfall orders/019a3c5e-8000-7000-8000-000000000001
    ");
}

#[test]
fn followers_are_told_as_it_happens() {
    let place = Place::fresh(CONFIG);
    std::fs::create_dir_all(place.zone().run_time()).unwrap();
    let ledger = place.ledger();
    ledger.note(Event::Started { version: "1".to_owned() }).unwrap();
    let program = landfall().get_program().to_owned();
    let mut child = std::process::Command::new(program)
        .current_dir(place.path())
        .args(["--zone", ".", "--json", "events", "--follow", "-n", "2"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    assert!(first.contains("dev.landfall.zone.started.v1"), "{first}");
    ledger.note(Event::Stopped).unwrap();
    let second = lines.next().unwrap().unwrap();
    assert!(second.contains("dev.landfall.zone.stopped.v1"), "{second}");
    assert!(lines.next().is_none() && child.wait().unwrap().success());
}
