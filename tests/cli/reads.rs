//! What the reading commands say, word for word.

use std::fs;

use insta::assert_snapshot;
use landfall::ledger::DeliveryOutcome;

use crate::zone::{GOOD, GOOD_BYTES, HELD, OTHER, Place, landfall, receive};

fn stalled() -> Place {
    Place::with_history(DeliveryOutcome::Stalled("connection refused".to_owned()))
}

fn handed_off() -> Place {
    Place::with_history(DeliveryOutcome::Acknowledged(Some("loaded 2 rows".to_owned())))
}

#[test]
fn help_names_every_command_and_exit_code() {
    let output = landfall().arg("--help").output().unwrap();
    assert_snapshot!(String::from_utf8(output.stdout).unwrap(), @"
    A landing zone for files: received over SFTP or a folder, archived, converted to Parquet, handed off

    Usage: landfall [OPTIONS] <COMMAND>

    Commands:
      serve       Serve the zone until Ctrl-C
      demo        Show the whole way: a million rows and the samples, through real SFTP and the inbox
      init        Make a new zone
      check       Check the configuration: every problem, with its place
      reload      Put a changed landfall.toml in force without a restart; a wrong one is refused
      status      What needs a person now, and how the zone is
      list        List files that arrived, newest first
      show        The whole life of one file
      get         Get a file back from the archive, exactly as it came
      send        Send files of this machine to a feed
      convert     Convert files to Parquet; needs no zone
      inspect     Look into a file: encoding, delimiter, header, types and why; needs no zone
      partner     Partners: the outside accounts
      hostkey     The keys by which partners know the server
      receipt     Receipts: how partners check their signatures
      audit       History as evidence: check it, show who signed it, export it for an auditor
      feed        Feeds: the streams of files and their datasets
      batch       Batches: what is handed off together
      quarantine  The desk for held files: look at one, let it go on, or decide that it goes nowhere
      sink        Sinks: who is told of each batch
      alert       Alerts: who is told of what needs a person
      pull        Pulls: commands that fetch what nobody sends
      events      What happened, event by event; with --json as CloudEvents
      replay      Tell what converting again from the archive would change
      verify      Read everything that is kept again and compare it with the ledger
      erase       Remove every copy of a file for good; a signed tombstone and its history stay
      retain      What is past the time that its feed keeps it, or will be
      hold        Legal holds: what they cover is not removed
      backup      Take a backup of the ledger, the configuration and the keys, at any moment
      restore     Put a backup back, or make a zone from it
      rebuild     Make the ledger again from the archive alone, and say what could not be known
      explain     What a diagnostic code means and the way out
      help        Print this message or the help of the given subcommand(s)

    Options:
          --zone <DIR>  The zone's folder [default: $LANDFALL_ZONE, this folder if it has a
                        landfall.toml, else ./landing]
          --json        Print JSON: one object, or one a line for lists
          --log <FORM>  How log lines look: text or json. LANDFALL_LOG filters them
      -h, --help        Print help
      -V, --version     Print version

    Exit codes: 0 ok · 1 failed · 2 usage · 3 finished, problems found · 4 not found ·
    5 temporary, retry · 10 not a zone · 11 locked by another process · 78 configuration invalid ·
    130 interrupted
    ");
}

#[test]
fn status_opens_with_what_needs_a_person() {
    assert_snapshot!(stalled().told(&["status"]), @"
    2 things need a person:

      sink warehouse is stalled for orders at batch 1, attempt 1: connection refused
        owner  sales
        since  2026-11-22T06:31:04Z
        do     landfall sink retry warehouse --feed orders

      orders_2.csv of orders is held: C109: orders_2.csv has no header
        owner  sales
        since  2026-11-22T06:31:04Z
        do     landfall quarantine show 019a3c5e-8000-7000-8000-000000000001

    Nothing else is wrong.

    Not serving. Start it with `landfall serve`.

    feed    under way  handed off  held  duplicates  replaced  rejected
    misc    0          0           0     0           0         0
    orders  1          0           1     0           0         0
    --- --- exit 3
    ");
}

#[test]
fn status_says_when_nothing_is_wrong() {
    assert_snapshot!(Place::calm().told(&["status"]), @"
    Nothing needs a person.

    Not serving. Start it with `landfall serve`.

    feed    under way  handed off  held  duplicates  replaced  rejected
    misc    0          0           0     0           0         0
    orders  1          0           0     0           0         0
    --- --- exit 0
    ");
}

#[test]
fn a_ledger_that_is_gone_is_not_a_zone_that_has_never_run() {
    let place = Place::calm();
    let day = place.path().join("archive/_events/0123/2026-11-22.jsonl");
    fs::create_dir_all(day.parent().unwrap()).unwrap();
    fs::write(day, "{}\n").unwrap();
    fs::remove_dir_all(place.path().join(".landfall")).unwrap();
    let (code, stdout, _) = place.run(&["status"]);
    assert_eq!(code, 3);
    assert!(stdout.contains("do  landfall rebuild"), "{stdout}");
    for command in [&["list"][..], &["verify"], &["backup", "aside"], &["audit", "verify"]] {
        let (code, _, stderr) = place.run(command);
        assert!(code != 0 && stderr.contains("the zone's ledger is gone"), "{command:?}: {stderr}");
    }
}

#[test]
fn what_covers_or_names_nothing_is_refused() {
    let place = Place::calm();
    for (command, told) in [
        (&["hold", "add", "x", "--reason", "r", "--feed", "nofeed"][..], "no feed `nofeed`"),
        (&["hold", "add", "x", "--reason", "r", "--from", "nobody"], "no partner `nobody`"),
        (
            &[
                "hold",
                "add",
                "x",
                "--reason",
                "r",
                "--since",
                "2027-01-01",
                "--until",
                "2026-01-01",
            ],
            "ends before it begins",
        ),
        (&["list", "--feed", "nofeed"], "no feed `nofeed`"),
        (&["quarantine", "list", "--feed", "nofeed"], "no feed `nofeed`"),
        (&["replay", "--feed", "nofeed", "--dry-run"], "no feed `nofeed`"),
        (&["batch", "close", "nofeed", "--reason", "r"], "no feed `nofeed`"),
    ] {
        let (code, _, stderr) = place.run(command);
        assert!(code != 0 && stderr.contains(told), "{command:?}: {code} {stderr}");
    }
}

#[test]
fn a_name_that_two_files_have_is_not_enough_to_erase_one() {
    let place = Place::with_history(DeliveryOutcome::Stalled("no".to_owned()));
    receive(&place, &place.ledger(), (OTHER, "orders_1.csv", "id\n7\n"), None);
    for command in
        [&["erase", "orders_1.csv", "--yes"][..], &["hold", "add", "x", "--file", "orders_1.csv"]]
    {
        let (code, _, stderr) = place.run(&[command, &["--reason", "r"]].concat());
        assert!(code != 0 && stderr.contains("means more than one file"), "{stderr}");
        assert!(stderr.contains(GOOD) && stderr.contains(OTHER), "{stderr}");
    }
}

#[test]
fn status_tells_of_a_broken_configuration_and_still_reads_the_ledger() {
    let place = Place::calm();
    fs::write(place.path().join("landfall.toml"), "[fed.x]\n").unwrap();
    let (code, stdout, _) = place.run(&["status"]);
    assert_eq!(code, 3);
    assert!(stdout.contains("1 problem in the configuration; a restart would fail"), "{stdout}");
    assert!(stdout.contains("landfall check") && stdout.contains("orders"), "{stdout}");
}

#[test]
fn list_shows_the_newest_first() {
    assert_snapshot!(handed_off().told(&["list"]), @"
    received              id                                    feed    state       rows  size  from          name
    2026-11-22T06:31:04Z  019a3c5e-8000-7000-8000-000000000001  orders  held        -     7 B   partner:acme  orders_2.csv
    2026-11-22T06:31:04Z  019a3c5e-7c1a-7b3e-9d55-0c6f1f2b8a10  orders  handed off  2     27 B  partner:acme  orders_1.csv
    --- --- exit 0
    ");
}

#[test]
fn list_narrows() {
    let place = handed_off();
    let count = |arguments: &[&str]| place.run(arguments).1.lines().count();
    assert_eq!(count(&["list", "--json"]), 2);
    assert_eq!(count(&["list", "--json", "--state", "held"]), 1);
    assert_eq!(count(&["list", "--json", "--name", "*_2*"]), 1);
    assert_eq!(count(&["list", "--json", "--name", "orders_2.csv"]), 1);
    assert_eq!(count(&["list", "--json", "--name", "orders"]), 0, "not a whole name");
    assert_eq!(count(&["list", "--json", "--digest", "658008b7"]), 1);
    assert_eq!(count(&["list", "--json", "--before", "2"]), 1);
    assert_eq!(count(&["list", "--json", "--from", "acme", "--feed", "orders", "-n", "1"]), 1);
    assert_eq!(count(&["list", "--json", "--since", "2026-11-23"]), 0);
    assert_eq!(place.run(&["list", "--state", "lost"]).0, 2);
    let (_, _, aside) = place.run(&["list", "-n", "1"]);
    assert_eq!(aside, "There are more. Go on with `--before 2`.\n");
    let (_, _, aside) = place.run(&["list", "-n", "1", "--json"]);
    assert_eq!(aside, "{\"schema\":\"landfall.more/v1\",\"before\":2}\n");
}

#[test]
fn show_finds_a_file_by_id_digest_and_name() {
    let place = handed_off();
    for which in ["019a3c5e-7c", "658008b7", "orders_1.csv"] {
        assert!(place.run(&["show", which]).1.starts_with("orders_1.csv is handed off"), "{which}");
    }
    let (code, _, told) = place.run(&["show", "019a3c5e"]);
    assert!(code == 4 && told.contains("`019a3c5e` means more than one file"), "{told}");
    let (code, _, told) = place.run(&["show", "orders_9.csv"]);
    assert!(
        code == 4 && told.contains("no file has the id, digest or name `orders_9.csv`"),
        "{told}"
    );
}

#[test]
fn show_tells_the_whole_life_of_a_file() {
    assert_snapshot!(handed_off().told(&["show", GOOD]), @"
    orders_1.csv is handed off
      id         019a3c5e-7c1a-7b3e-9d55-0c6f1f2b8a10
      feed       orders
      from       partner:acme through SFTP, 192.0.2.7
      received   2026-11-22T06:31:04.512Z, number 1
      size       27 B (27 bytes)
      SHA-256    658008b7ea7767412bb7393cadac7cfdece92b5f5d433b15d0cc80c8b1f9ca12
      archive    archive/orders/2026/11/22/019a3c5e-7c1a-7b3e-9d55-0c6f1f2b8a10_orders_1.csv
      outcome    accepted
      converted  csv to v1, revision 1, by landfall-test
      rows
        2 seen = 2 written + 0 rejected + 0 skipped
      read as
        encoding   utf-8
        delimiter  ,
      columns
        id     text             007 has leading zeros
        price  decimal(18,2)
      handed off
        batch 1 of orders, published, <batch>
        lake/orders/v1/lf_date=2026-11-22/<batch>-0000.parquet
        sink warehouse: acknowledged, 1 attempt: loaded 2 rows
      events
        2026-11-22T06:31:04.512Z  received from partner:acme: 27 B, archived
        2026-11-22T06:31:04.512Z  converted: 2 of 2 rows into v1, 0 rejected, 0 skipped
        2026-11-22T06:31:04.512Z  columns of orders are v1, revision 1
        2026-11-22T06:31:04.512Z  in batch 1
        2026-11-22T06:31:04.512Z  published in the lake
        2026-11-22T06:31:04.512Z  handed off
      proof
        none yet: no signed checkpoint covers it
    --- --- exit 0
    ");
}

#[test]
fn show_tells_why_a_file_is_held() {
    assert_snapshot!(handed_off().told(&["show", HELD]), @"
    orders_2.csv is held
      id        019a3c5e-8000-7000-8000-000000000001
      feed      orders
      from      partner:acme through SFTP, 192.0.2.7
      received  2026-11-22T06:31:04.512Z, number 2
      size      7 B (7 bytes)
      SHA-256   1d04f094baf955fdb7f9c0e72aee38b9951e43b8302693353e828251884a12fb
      archive   archive/orders/2026/11/22/019a3c5e-8000-7000-8000-000000000001_orders_2.csv
      outcome   held
      why
        error C109: orders_2.csv has no header
          first row: 9,2.00
        way out: If the header row is missing, add it. If the feed's columns have changed, let the file go on with `landfall quarantine release ID --allow drift`, or confirm the change with a contract. If it belongs to another feed, send it there.
      events
        2026-11-22T06:31:04.512Z  received from partner:acme: 7 B, archived
        2026-11-22T06:31:04.512Z  held: C109: orders_2.csv has no header
      proof
        none yet: no signed checkpoint covers it
    --- --- exit 0
    ");
}

#[test]
fn show_speaks_json() {
    let (code, stdout, _) = handed_off().run(&["show", "019a3c5e-7c", "--json"]);
    let life: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, life["schema"].as_str()), (0, Some("landfall.life/v1")));
    assert_eq!(life["id"], GOOD);
    assert_eq!(life["state"], "handed_off");
    assert_eq!(life["deliveries"][0]["acknowledgement"], "loaded 2 rows");
    assert_eq!(life["events"][0]["event"]["kind"], "received");
}

#[test]
fn get_gives_back_the_exact_bytes() {
    let place = handed_off();
    let (code, stdout, stderr) = place.run(&["get", "019a3c5e-7c"]);
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (0, GOOD_BYTES, ""));
    let (code, _, stderr) = place.run(&["get", GOOD, "-o", "copy.csv"]);
    assert_eq!((code, stderr.as_str()), (0, "copy.csv (27 bytes, SHA-256 verified)\n"));
    assert_eq!(fs::read_to_string(place.path().join("copy.csv")).unwrap(), GOOD_BYTES);
    let (code, _, stderr) = place.run(&["get", GOOD, "-o", "copy.csv"]);
    assert_eq!(code, 1, "it never replaces a file: {stderr}");
}

#[test]
fn get_refuses_damaged_bytes_and_leaves_nothing_behind() {
    let place = handed_off();
    fs::remove_file(place.raw()).unwrap();
    fs::write(place.raw(), "id,price\n007,1.10\n008,9.00\n").unwrap();
    assert_snapshot!(place.told(&["get", GOOD, "-o", "copy.csv"]), @"
    --- error A101: the archive's copy of orders_1.csv is damaged
      path: archive/orders/2026/11/22/019a3c5e-7c1a-7b3e-9d55-0c6f1f2b8a10_orders_1.csv
      recorded: 658008b7ea7767412bb7393cadac7cfdece92b5f5d433b15d0cc80c8b1f9ca12
      found: a267103ce8f534be35490cd311dd5b622936d518f2fc8c79c56231a2eee735f3
    way out: Restore the object from a copy.
    --- exit 1
    ");
    let left: Vec<_> = fs::read_dir(place.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_string_lossy().contains("copy"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn feeds_are_listed_and_shown() {
    let place = handed_off();
    assert_snapshot!(place.told(&["feed", "list"]), @"
    feed    owner  match       drop folder   sinks      columns      live files  rows
    misc    -      every name  inbox/misc    -          -            0           0
    orders  sales  *.csv       inbox/orders  warehouse  learned, v1  1           2
    --- --- exit 0
    ");
    assert_snapshot!(place.told(&["feed", "show", "orders"]), @"
    orders
      owner          sales
      purpose        Orders of the day
      used by        -
      newest file    of any age
      same name      adds to what came before
      personal data  -
      match          *.csv
      drop folder    inbox/orders
      sinks          warehouse
      contract       -
      dataset        1 live file, 2 rows, 700 B; newest batch 1
      columns of v1, revision 1
        id     text
        price  decimal(18,2)
      query
        select * from '<zone>/lake/orders/v1/*/*.parquet'
      history of its columns
        2026-11-22T06:31:04Z  v1, revision 1: 2 columns
    --- --- exit 0
    ");
}

#[test]
fn feed_files_lists_live_parquet() {
    let place = handed_off();
    assert_snapshot!(place.told(&["feed", "files", "orders"]), @"
    <zone>/lake/orders/v1/lf_date=2026-11-22/<batch>-0000.parquet
    --- --- exit 0
    ");
    assert_eq!(place.run(&["feed", "files", "orders", "--as-of", "0"]).1, "");
    assert_snapshot!(place.told(&["feed", "files", "orders", "--json"]), @r#"
    {"schema":"landfall.file/v1","path":"<zone>/lake/orders/v1/lf_date=2026-11-22/<batch>-0000.parquet","rows":2,"size_bytes":700,"digest":"0707070707070707070707070707070707070707070707070707070707070707","version":"v1","arrival":"019a3c5e-7c1a-7b3e-9d55-0c6f1f2b8a10"}
    --- --- exit 0
    "#);
}

#[test]
fn a_zone_that_never_ran_says_so() {
    let place = Place::fresh("[feed.orders]\n");
    assert_snapshot!(place.told(&["status"]), @"
    Nothing needs a person.

    This zone has never run. Start it with `landfall serve`.

    feed    under way  handed off  held  duplicates  replaced  rejected
    orders  0          0           0     0           0         0
    --- --- exit 0
    ");
    assert_snapshot!(place.told(&["list"]), @"
    --- This zone has never run: nothing has arrived. Start it with `landfall serve`.
    --- exit 0
    ");
    assert_snapshot!(place.told(&["partner", "list"]), @"
    --- No partners yet; `landfall partner add` makes one.
    --- exit 0
    ");
    assert!(!place.zone().run_time().exists(), "reading writes nothing");
}

#[test]
fn explain_tells_meaning_and_way_out() {
    let place = Place::bare();
    assert_snapshot!(place.told(&["explain", "c104"]), @"
    C104: a quoted field never ends

    A field opens with a quote that is not closed before the end of the file.

    way out: Close or remove the quote in the line that is named.
    --- --- exit 0
    ");
    let (code, stdout, _) = place.run(&["explain", "--json"]);
    assert_eq!(code, 0);
    assert!(stdout.lines().count() > 30);
}

#[test]
fn check_tells_all_problems_or_what_there_is() {
    let place = Place::fresh(crate::zone::CONFIG);
    assert_snapshot!(place.told(&["check"]), @"
    The configuration is valid.
    sftp       127.0.0.1:2222
    feeds      misc, orders
    contracts  none
    folders    inbox/misc, inbox/orders
    sinks      warehouse
    partners   none
    --- --- exit 0
    ");
    fs::write(place.path().join("landfall.toml"), "[sftp]\nlisen = 1\n[feed.A]\n").unwrap();
    assert_snapshot!(place.told(&["check"]), @"
    --- error Z101: 2 problems in the configuration
      landfall.toml:2:1: unknown key `lisen` in [sftp]; did you mean `listen`?
      landfall.toml:3:7: feed name `A` must be 1 to 63 of a-z, 0-9, `-`, `_` and start with a letter or digit
    way out: Correct the line that is named and run `landfall check`.
    --- exit 78
    ");
}

#[test]
fn init_makes_a_zone_once() {
    let place = Place::bare();
    assert_snapshot!(place.told(&["init", "north"]), @"
    Made a zone in north (13 files).
    Next: landfall --zone north demo      shows the whole way
          landfall --zone north serve     opens the doors
    --- --- exit 0
    ");
    assert_snapshot!(place.told(&["init", "north"]), @"
    north is a zone already; nothing was changed.
    --- --- exit 0
    ");
    let (code, ..) = place.run(&["check", "--zone", "north"]);
    assert_eq!(code, 0);
}

#[test]
fn the_zone_is_named_by_flag_environment_or_place() {
    let place = Place::bare();
    place.run(&["init", "landing"]);
    assert_eq!(place.run(&["check"]).0, 0, "./landing");
    place.run(&["init", "other"]);
    let by_environment =
        landfall().current_dir(place.path()).env("LANDFALL_ZONE", "other").arg("check").output();
    assert!(by_environment.unwrap().status.success());
    let inside = landfall().current_dir(place.path().join("other")).arg("check").output();
    assert!(inside.unwrap().status.success());
}
