//! What the pull door takes and what it leaves.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use landfall::ledger::{Door, Event, Ledger, Pulls, State};

use crate::support::{TestZone, all};

/// A zone with one pull whose command is this shell script.
pub fn zone(script: &str, more: &str) -> TestZone {
    let zone = TestZone::new(&format!(
        "[feed.rates]\nowner = 'treasury'\n[[pull]]\nname = 'ecb'\nfeed = 'rates'\n\
         command = ['bin/fetch', 'EUR']\nfile = 'rates_{{time}}.csv'\n{more}\n"
    ));
    fs::create_dir(zone.path().join("bin")).unwrap();
    let program = zone.path().join("bin/fetch");
    fs::write(&program, format!("#!/bin/sh\nset -eu\n{script}\n")).unwrap();
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    zone
}

const ONCE_A_DAY: &str = "at = ['00:00']";

pub fn text(output: &std::process::Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

pub fn pull(zone: &TestZone, name: &str) -> String {
    text(&zone.run(&["pull", "run", name]))
}

#[test]
fn what_is_printed_comes_in_by_itself_and_goes_the_whole_way() {
    let zone = zone("printf 'day,rate\\n2026-11-22,1.0843\\n'", "every = '1h'");
    let server = zone.serve();
    let arrivals = zone.wait_for_ends(1);
    assert_eq!(arrivals[0].door, Door::Pull);
    assert_eq!(arrivals[0].sender.to_string(), "pull:ecb");
    assert_eq!(arrivals[0].state, State::HandedOff);
    let name = arrivals[0].name.to_string();
    assert!(name.starts_with("rates_20") && name.ends_with("Z.csv"), "{name}");
    assert_eq!(zone.duckdb("from '{zone}/lake/rates/v1/*/*.parquet'").matches("1.0843").count(), 1);
    let shown = text(&zone.run(&["show", &arrivals[0].id.to_string()]));
    assert!(shown.contains("pull:ecb through a pull"), "{shown}");
    assert!(text(&zone.run(&["list"])).contains("pull:ecb"));
    drop(server);
    let events = text(&zone.run(&["events"]));
    assert!(events.contains("pull ecb brought 1 file for rates"), "{events}");
    let types = text(&zone.run(&["events", "--json"]));
    assert!(types.contains("dev.landfall.pull.ended.v1"), "{types}");
}

#[test]
fn the_watermark_goes_from_run_to_run() {
    let script = "echo \"at=$LANDFALL_WATERMARK\"; echo $((${LANDFALL_WATERMARK:-0} + 10)) > \
                  \"$LANDFALL_WATERMARK_FILE\"";
    let zone = zone(script, ONCE_A_DAY);
    for _ in 0..2 {
        let said = pull(&zone, "ecb");
        assert!(said.contains("Pull ecb brought 1 file."), "{said}");
    }
    let _server = zone.serve();
    let said = pull(&zone, "ecb");
    assert!(said.contains("Pull ecb brought 1 file."), "{said}");
    let found = all(&zone.ledger());
    let bytes: Vec<_> = found
        .iter()
        .map(|arrival| fs::read_to_string(zone.path().join(arrival.raw.as_str())).unwrap())
        .collect();
    assert_eq!(bytes, ["at=\n", "at=10\n", "at=20\n"]);
    let listed = text(&zone.run(&["pull", "list"]));
    assert!(listed.contains("at 00:00 UTC") && listed.contains("30"), "{listed}");
}

#[test]
fn nothing_printed_is_nothing_new() {
    let zone = zone("true", ONCE_A_DAY);
    let said = pull(&zone, "ecb");
    assert!(said.contains("Pull ecb found nothing new."), "{said}");
    let ledger = zone.ledger();
    assert!(all(&ledger).is_empty());
    let told = ledger.events(0, 1000).unwrap();
    assert!(!told.iter().any(|told| matches!(told.event, Event::Pulled { .. })));
}

#[test]
fn half_an_output_is_no_arrival_and_is_tried_again_until_it_is_whole() {
    let script = "echo a,b; echo 1 > \"$LANDFALL_FOLDER/whole.csv\"; echo 7 > \
                  \"$LANDFALL_WATERMARK_FILE\"; test -e mended || { echo 'no route to host' >&2; \
                  exit 3; }; echo 1,2";
    let zone = zone(script, "every = '1h'\nretry = ['200ms', '1h']");
    let server = zone.serve();
    zone.wait_until("two failures", |ledger| {
        let told = ledger.events(0, 10_000).unwrap();
        let failed = told.iter().filter(
            |told| matches!(told.event, Event::PullFailed { attempts, .. } if attempts <= 2),
        );
        failed.count() == 2
    });
    assert!(all(&zone.ledger()).is_empty());
    assert!(!zone.path().join(".landfall/pulls/ecb/work").exists(), "nothing of it is kept");
    let status = text(&zone.run(&["status"]));
    assert!(
        status.contains("pull ecb for rates fails, attempt 2: exit status: 3: no route to host"),
        "{status}"
    );
    assert!(
        status.contains("owner  treasury") && status.contains("landfall pull run ecb"),
        "{status}"
    );
    let refused = zone.run(&["pull", "run", "ecb"]);
    assert!(!refused.status.success() && text(&refused).contains("F110"), "{}", text(&refused));
    assert_eq!(zone.ledger().pull(&"ecb".parse().unwrap()).unwrap().unwrap().watermark, None);
    fs::write(zone.path().join("mended"), "").unwrap();
    assert!(pull(&zone, "ecb").contains("brought 2 files"));
    zone.wait_for_ends(2);
    drop(server);
    let state = zone.ledger().pull(&"ecb".parse().unwrap()).unwrap().unwrap();
    assert_eq!((state.watermark.as_deref(), state.failing), (Some("7"), None));
    assert!(!text(&zone.run(&["status"])).contains("ecb"));
}

#[test]
fn files_left_in_the_folder_come_in_under_their_names() {
    let script = "echo x > \"$LANDFALL_FOLDER/b.csv\"; echo y > \"$LANDFALL_FOLDER/a.csv\"\n\
                  sha256sum \"$LANDFALL_FOLDER/a.csv\" | cut -c -64 > \"$LANDFALL_FOLDER/a.csv.sha256\"";
    let zone = zone(script, ONCE_A_DAY);
    assert!(pull(&zone, "ecb").contains("brought 3 files"));
    let names: Vec<_> =
        all(&zone.ledger()).iter().map(|arrival| arrival.name.to_string()).collect();
    assert_eq!(names, ["a.csv", "b.csv"], "a sidecar is never an arrival of its own");
    assert!(!zone.path().join(".landfall/pulls/ecb/ready").exists());
}

#[test]
fn what_cannot_be_taken_fails_the_whole_run() {
    for (script, told) in [
        ("echo x > \"$LANDFALL_FOLDER/a.csv\"; echo y > \"$LANDFALL_FOLDER/b.part\"", "not whole"),
        ("ln -s /etc/passwd \"$LANDFALL_FOLDER/passwd\"", "not a regular file"),
        ("mkdir \"$LANDFALL_FOLDER/sub\"", "not a regular file"),
        ("head -c 5000 /dev/zero > \"$LANDFALL_WATERMARK_FILE\"; echo x", "more than 4 KiB"),
        ("head -c 200000 /dev/zero", "max_bytes"),
        ("head -c 200000 /dev/zero > \"$LANDFALL_FOLDER/big\"", "max_bytes"),
        ("echo half; sleep 600", "stopped after its timeout of 1 s"),
        ("echo half; kill -9 $$", "signal: 9"),
    ] {
        let zone = zone(script, "at = ['00:00']\nmax_bytes = '100 kB'\ntimeout = '1s'");
        let said = pull(&zone, "ecb");
        assert!(said.contains(told), "{script}: {said}");
        assert!(all(&zone.ledger()).is_empty(), "{script}");
    }
}

#[test]
fn a_command_sees_only_what_it_is_given() {
    let zone = zone("env | sort; echo \"$1\"", "at = ['00:00']\nenv = ['API_TOKEN']");
    let ran = crate::support::landfall()
        .args(["pull", "run", "ecb", "--zone"])
        .arg(zone.path())
        .env("API_TOKEN", "t0ken")
        .env("OTHER_SECRET", "hidden")
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", text(&ran));
    let raw = all(&zone.ledger())[0].raw.clone();
    let seen = fs::read_to_string(zone.path().join(raw.as_str())).unwrap();
    assert!(seen.contains("API_TOKEN=t0ken") && seen.ends_with("EUR\n"), "{seen}");
    assert!(seen.contains("LANDFALL_FEED=rates") && seen.contains("LANDFALL_PULL=ecb"), "{seen}");
    assert!(!seen.contains("OTHER_SECRET"), "{seen}");
}

#[test]
fn one_that_hangs_holds_only_itself_and_ends_with_the_server() {
    let zone = zone("echo half; echo $$ > pid; exec sleep 600", "every = '1h'\ntimeout = '1h'");
    let text_of = fs::read_to_string(zone.path().join("landfall.toml")).unwrap();
    let other = "[[pull]]\nname = 'other'\nfeed = 'rates'\ncommand = ['echo', 'x']\nevery = '1h'\n";
    fs::write(zone.path().join("landfall.toml"), format!("{text_of}{other}")).unwrap();
    let server = zone.serve();
    assert_eq!(zone.wait_for_ends(1)[0].sender.to_string(), "pull:other");
    let busy = pull(&zone, "ecb");
    assert!(busy.contains("pull ecb runs already"), "{busy}");
    assert!(pull(&zone, "none").contains("no pull `none` is configured"));
    server.stop();
    let pid = fs::read_to_string(zone.path().join("pid")).unwrap();
    assert!(!std::path::Path::new("/proc").join(pid.trim()).exists(), "it was left behind");
    assert!(zone.ledger().pull(&"ecb".parse().unwrap()).unwrap().is_none(), "it is no failure");
}
