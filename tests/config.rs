//! The configuration: every documented key reads, and every mistake is told at once.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use jiff::civil::Weekday::{Friday, Monday, Thursday, Tuesday, Wednesday};
use landfall::config::{
    self, After, Batching, Beside, Complete, Config, Copies, Duplicates, Escape, Expect, Feed,
    Folder, Format, Legacy, Postgres, RecordEnd, Retain, SameName, Secret, Set, Sftp, Sink,
    SinkKind, Success, Tls, Wants, Webhook, When, Workers, partner,
};
use landfall::contract::NamePattern;
use landfall::durable::Durability;
use landfall::ledger::{BatchBounds, Empty};
use landfall::zone::Zone;

const EVERY_KEY: &str = r#"
[zone]
name = "north"
durability = "relaxed"
free_reserve = "2 GiB"

[sftp]
enabled = true
listen = "[::1]:22"
rename_wait = "1h"
upload_expiry = "2d"
login_timeout = "5s"
connections_max = 7
unauthenticated_max = 6
unauthenticated_per_address_max = 5
penalty_exempt = ["10.0.0.0/8"]
idle_timeout = "90s"

[sftp.legacy]
listen = "10.0.0.1:2200"
from = ["10.1.2.0/24", "10.9.9.9"]

[folder.share]
path = "/srv/share"
feed = "budget"
after = "keep"
notify = false
scan_every = "1m"
quiet = "3s"
quiet_unproven = "4s"
keep_done = "5d"

[feed.budget]
owner = "finance"
purpose = "plan"
uses = ["board"]
freshness = "1d"
personal_data = false
match = ["*.xlsx", "*.csv"]
same_name = "replace"
duplicates = "process"
complete = "checksum"
hold = "5m"
listed = "10d"
retract_grace = "1s"
sinks = ["load", "tell"]
batch = { max_files = 3, max_bytes = "1 MiB", max_rows = 9, max_wait = "10m" }
format = { encoding = "windows-1252", delimiter = ";", quote = "'", header = false, sheets = ["A"], escape = "backslash", record_end = "any", preamble = 2, footer = 1, comment = "%" }
expect = { days = "mon-fri", by = "06:30", days_later = 1, timezone = "Europe/Berlin", grace = "30m", except = "holidays.txt", files = 2, match = "b_{date:%Y%m%d}.csv", tell = ["extra"] }
retain = { raw = "7y", parquet = "2y", rejects = "90d", receipts = "7y" }

[feed.orders]

[sink.load]
command = ["/bin/load", "--now"]
timeout = "1s"
retry = ["1s", "2s"]

[sink.tell]
webhook = "https://hooks.example/landed"
secrets = ["env:HOOK_SECRET", "file:.landfall/keys/hook"]

[sink.copy]
folder = "/srv/out"
success = "file"

[sink.rows]
postgres = "host=/run/postgresql dbname=lake"
password = "env:PGPASSWORD"
tls = "verify-full"
ca = "ca.pem"
schema = "raw"

[workers]
count = 2
memory_bytes = "100 MiB"
cpu = "1s"
time = "2s"
output_bytes = 1000
files_max = 9
"#;

fn read(text: &str) -> Config {
    config::parse("landfall.toml", text).expect("a valid configuration")
}

fn problems(text: &str) -> String {
    let problems = config::parse("landfall.toml", text).expect_err("problems");
    problems.0.iter().map(|problem| format!("{problem}\n")).collect()
}

#[test]
fn a_legacy_listener_without_its_addresses_is_refused() {
    let told = problems("[sftp.legacy]\nlisten = \"0.0.0.0:2200\"\n");
    assert!(told.contains("`from` must name the networks that may use old algorithms"), "{told}");
    let told = problems("[sftp.legacy]\nfrom = [\"10.0.0.0/40\"]\n");
    assert!(told.contains("`from` must be a network such as"), "{told}");
    assert!(told.contains("`listen` is missing"), "{told}");
}

#[test]
fn every_documented_key_of_doors_and_workers_is_read() {
    let config = read(EVERY_KEY);
    assert_eq!((config.name.as_str(), config.durability), ("north", Durability::Relaxed));
    let seconds = Duration::from_secs;
    let sftp = Sftp {
        listen: Some("[::1]:22".parse().unwrap()),
        rename_wait: seconds(3600),
        upload_expiry: seconds(2 * 86400),
        login_timeout: seconds(5),
        connections_max: 7,
        unauthenticated_max: 6,
        unauthenticated_per_address_max: 5,
        penalty_exempt: vec!["10.0.0.0/8".parse().unwrap()],
        idle_timeout: seconds(90),
        legacy: Some(Legacy {
            listen: "10.0.0.1:2200".parse().unwrap(),
            from: vec!["10.1.2.0/24".parse().unwrap(), "10.9.9.9/32".parse().unwrap()],
        }),
    };
    assert_eq!(config.free_reserve, Some(2 << 30));
    assert_eq!(config.sftp, sftp);
    let share = Folder {
        path: "/srv/share".into(),
        feed: "budget".parse().unwrap(),
        after: After::Keep,
        notify: false,
        scan_every: seconds(60),
        quiet: seconds(3),
        quiet_unproven: Some(seconds(4)),
        keep_done: seconds(5 * 86400),
    };
    assert_eq!(config.folders[&"share".parse().unwrap()], share);
    let workers = Workers {
        count: 2,
        memory_bytes: 100 << 20,
        cpu: seconds(1),
        time: seconds(2),
        output_bytes: 1000,
        files_max: 9,
    };
    assert_eq!(config.workers, workers);
}

fn bounds(files_max: u32, bytes_max: u64, rows: u64) -> BatchBounds {
    BatchBounds { files_max, bytes_max, rows_max: Some(rows), merge_bytes: None }
}

#[test]
fn parquet_is_merged_where_a_feed_says_so_and_has_no_time_of_its_own() {
    let config = read("[feed.a.batch]\nmerge = \"64 MiB\"\n[feed.b]\n");
    let merge = |feed: &str| config.feed(&feed.parse().unwrap()).batch.bounds.merge_bytes;
    assert_eq!((merge("a"), merge("b")), (Some(64 << 20), None));
    let told = problems("[feed.a]\nbatch.merge = \"1 MiB\"\nretain.parquet = \"1y\"\n");
    assert!(told.contains("`parquet` has no meaning beside `batch.merge`"), "{told}");
}

#[test]
fn every_documented_key_of_feeds_and_sinks_is_read() {
    let config = read(EVERY_KEY);
    let seconds = Duration::from_secs;
    let budget = Feed {
        owner: Some("finance".into()),
        purpose: Some("plan".into()),
        uses: vec!["board".into()],
        freshness: Some(seconds(86400)),
        personal_data: Some(false),
        patterns: vec!["*.xlsx".into(), "*.csv".into()],
        same_name: SameName::Replace,
        duplicates: Duplicates::Process,
        complete: Complete::Checksum,
        hold: seconds(300),
        listed: seconds(10 * 86400),
        batch: Batching { bounds: bounds(3, 1 << 20, 9), when: When::Waited(seconds(600)) },
        retract_grace: seconds(1),
        retain: kept_for([7 * 366, 2 * 366, 90, 7 * 366]),
        sinks: vec!["load".parse().unwrap(), "tell".parse().unwrap()],
        format: Format {
            encoding: Some("windows-1252".into()),
            delimiter: Some(";".into()),
            quote: Some('\''),
            header: Some(false),
            sheets: Some(vec!["A".into()]),
            escape: Some(Escape::Backslash),
            record_end: Some(RecordEnd::Any),
            preamble: Some(2),
            footer: Some(1),
            comment: Some('%'),
            fixed: None,
            short_lines: None,
        },
        expect: Some(Expect {
            days: [Monday, Tuesday, Wednesday, Thursday, Friday].to_vec(),
            by: jiff::civil::time(6, 30, 0, 0),
            days_later: 1,
            timezone: jiff::tz::TimeZone::get("Europe/Berlin").unwrap(),
            grace: seconds(1800),
            except: Some("holidays.txt".into()),
            excepted: BTreeSet::new(),
            files: 2,
            name: Some(NamePattern::new("b_{date:%Y%m%d}.csv").unwrap()),
            tell: vec![Beside::Extra],
        }),
    };
    assert_eq!(config.feeds[&"budget".parse().unwrap()], budget);
    assert_eq!(config.feeds[&"orders".parse().unwrap()], Feed::default());
    let load = Sink {
        kind: SinkKind::Command(vec!["/bin/load".into(), "--now".into()]),
        timeout: seconds(1),
        retry: vec![seconds(1), seconds(2)],
    };
    assert_eq!(config.sinks[&"load".parse().unwrap()], load);
    let tell = &config.sinks[&"tell".parse().unwrap()];
    let secrets =
        vec![Secret::Environment("HOOK_SECRET".into()), Secret::File(".landfall/keys/hook".into())];
    let url = "https://hooks.example/landed".into();
    assert_eq!(tell.kind, SinkKind::Webhook(Webhook { url, secrets }));
    let copy = &config.sinks[&"copy".parse().unwrap()];
    let copies = Copies { path: "/srv/out".into(), success: Success::File };
    assert_eq!(copy.kind, SinkKind::Folder(copies));
    let rows = &config.sinks[&"rows".parse().unwrap()];
    let server = "host=/run/postgresql dbname=lake".into();
    let password = Some(Secret::Environment("PGPASSWORD".into()));
    let schema = "raw".into();
    let tls = Tls::VerifyFull { ca: Some("ca.pem".into()) };
    assert_eq!(rows.kind, SinkKind::Postgres(Postgres { server, password, schema, tls }));
}

#[test]
fn mistakes_in_how_a_sink_is_encrypted_are_told() {
    let told = problems(
        "[sink.a]\npostgres = \"host=db sslmode=require\"\n[sink.b]\nnats = \"mq:4222\"\n\
         tls = \"verify-ful\"\n[sink.c]\nnats = \"mq:4222\"\ntls = \"require\"\nca = \"ca.pem\"\n\
         [sink.d]\nwebhook = \"https://hooks.example\"\ntls = \"require\"\n",
    );
    insta::assert_snapshot!(told, @r#"
    landfall.toml:2:12: `postgres` holds `sslmode`; say it with `tls = "verify-full"`
    landfall.toml:5:7: `tls` must be "none" or "require" or "verify-full", not `verify-ful`; did you mean `verify-full`?
    landfall.toml:9:6: `ca` is for `tls = "verify-full"`
    landfall.toml:12:1: unknown key `tls` in [sink.d]
    "#);
}

#[test]
fn mistakes_in_what_makes_a_file_complete_are_told() {
    let told =
        problems("[feed.a]\ncomplete = \"markr\"\nhold = 5\n[feed.b]\ncompete = \"close\"\n");
    insta::assert_snapshot!(told, @r#"
    landfall.toml:2:12: `complete` must be "close" or "rename" or "marker" or "checksum", not `markr`; did you mean `marker`?
    landfall.toml:3:8: `hold` must be a duration such as "2s", "10m", "24h" or "7d", not an integer
    landfall.toml:5:1: unknown key `compete` in [feed.b]; did you mean `complete`?
    "#);
}

fn kept_for(days: [u64; 4]) -> Retain {
    let [raw, parquet, rejects, receipts] =
        days.map(|days| Some(Duration::from_secs(days * 86400)));
    Retain { raw, parquet, rejects, receipts }
}

#[test]
fn nothing_of_a_file_is_kept_longer_than_its_bytes() {
    let told = problems(
        "[feed.a.retain]\nraw = \"1y\"\nparquet = \"2y\"\nrejects = \"367d\"\nreceipts = \"1y\"\n\
         [feed.b.retain]\nparquet = \"forever\"\nlake = \"1y\"\n",
    );
    insta::assert_snapshot!(told, @r#"
    landfall.toml:3:11: `parquet` is longer than `raw`, and what is past `raw` is erased with every copy of it: make `raw` at least as long, or leave this out
    landfall.toml:4:11: `rejects` is longer than `raw`, and what is past `raw` is erased with every copy of it: make `raw` at least as long, or leave this out
    landfall.toml:7:11: `parquet` must be how long it is kept, such as "90d" or "7y", not `forever`
    landfall.toml:8:1: unknown key `lake` in [feed.b.retain]
    "#);
    read("[feed.a.retain]\nparquet = \"1d\"\nrejects = \"7y\"\n");
}

#[test]
fn a_name_is_a_sidecars_unless_a_pattern_ends_like_it() {
    let config = read("[feed.all]\n[feed.oks]\nmatch = [\"orders_*\", \"*.OK\"]\n");
    let is = |feed: &str, name: &str| {
        config.sidecar(&feed.parse().unwrap(), &name.parse().unwrap()).is_some()
    };
    assert!(is("all", "orders_1.csv.ok") && is("unknown", "x.md5"));
    assert!(is("oks", "orders_1.csv.sha256"), "`orders_*` does not ask for it");
    assert!(!is("oks", "orders_1.csv.ok") && !is("all", "orders_1.csv"));
}

#[test]
fn an_empty_configuration_is_a_working_zone() {
    let config = read("");
    assert_eq!(config.name, "landfall");
    assert_eq!(config.sftp.listen.expect("open").to_string(), "127.0.0.1:2222");
    assert!(config.feeds.is_empty() && config.folders.is_empty());
}

#[test]
fn a_feed_without_a_folder_is_given_one_in_the_inbox() {
    let config = read(EVERY_KEY);
    let folders: Vec<(&str, &Path)> = config
        .folders
        .iter()
        .map(|(name, folder)| (name.as_str(), folder.path.as_path()))
        .collect();
    let expected =
        [("inbox-orders", Path::new("inbox/orders")), ("share", Path::new("/srv/share"))];
    assert_eq!(folders, expected);
}

#[test]
fn patterns_decide_which_names_a_feed_takes() {
    let config = read("[feed.a]\nmatch = ['orders_*.csv']\n[feed.b]");
    let takes =
        |feed: &str, name: &str| config.feed_takes(&feed.parse().unwrap(), &name.parse().unwrap());
    assert!(takes("a", "2026/ORDERS_1.csv") && !takes("a", "orders_1.csv.gz"));
    assert!(takes("b", "anything at all"));
}

const MANY_MISTAKES: &str = r#"
[zone]
nmae = "x"
durability = "sometimes"
[sftp]
listen = "localhost"
connections_max = 0
idle_timeout = 30
[sftpp]
[folder.a]
path = "drop"
feed = "ordres"
[folder.b]
path = "./drop/"
feed = "orders"
afer = "move"
[folder.c]
path = "archive/in"
feed = "orders"
[folder.d]
after = "mvoe"
[feed.orders]
match = ["[a", "x/y", 3]
sinks = ["laod"]
same_name = true
format.delimiter = ""
format.encoding = "utf9"
format.fixed = ["a:2", "A:3", "b", "c:0"]
[feed.Bad_Name]
[feed.x]
batch.max_bytes = "10 bananas"
[sink.load]
command = []
[sink.hook]
webhook = "ftp://x"
secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
[sink.both]
command = ["a"]
webhook = "http://x"
[sink.none]
[workers]
count = -1
"#;

#[test]
fn all_problems_are_told_at_once_with_their_places() {
    let told = problems(MANY_MISTAKES);
    insta::assert_snapshot!(told, @r#"
    landfall.toml:3:1: unknown key `nmae` in [zone]; did you mean `name`?
    landfall.toml:4:14: `durability` must be "full" or "relaxed", not `sometimes`
    landfall.toml:6:10: `listen` must be an address and port such as "0.0.0.0:2222", not `localhost`
    landfall.toml:7:19: `connections_max` must be a whole number from 1, not 0
    landfall.toml:8:16: `idle_timeout` must be a duration such as "2s", "10m", "24h" or "7d", not an integer
    landfall.toml:9:2: unknown key `sftpp`; did you mean `sftp`?
    landfall.toml:12:8: `feed` names the feed `ordres`, but there is no [feed.ordres]; did you mean `orders`?
    landfall.toml:14:8: `drop` is also the path of [folder.a]
    landfall.toml:16:1: unknown key `afer` in [folder.b]; did you mean `after`?
    landfall.toml:18:8: `path` lies in `archive/`, which the zone keeps for itself
    landfall.toml:20:9: a folder needs `feed`
    landfall.toml:20:9: a folder needs `path`
    landfall.toml:21:9: `after` must be "move" or "keep", not `mvoe`; did you mean `move`?
    landfall.toml:23:10: `match` has the pattern `[a`: `[` is never closed; write `[[]` for itself
    landfall.toml:23:16: `match` has the pattern `x/y`: a pattern is matched with the last part of a name, which has no `/`
    landfall.toml:23:23: `match` must be a pattern such as "orders_*.csv", not an integer
    landfall.toml:24:10: `sinks` names the sink `laod`, but there is no [sink.laod]; did you mean `load`?
    landfall.toml:25:13: `same_name` must be "append" or "replace", not a boolean
    landfall.toml:26:20: `delimiter` must be one to 16 bytes such as ";" or "||", not ``
    landfall.toml:27:19: `encoding` names no encoding that is known: `utf9`; did you mean `utf-8`?
    landfall.toml:28:16: `fixed` names the column `a` twice
    landfall.toml:28:31: `fixed` must be a column's name and width in characters such as "name:20", not `b`
    landfall.toml:28:36: `fixed` must be a column's name and width in characters such as "name:20", not `c:0`
    landfall.toml:29:7: feed name `Bad_Name` must be 1 to 63 of a-z, 0-9, `-`, `_` and start with a letter or digit
    landfall.toml:31:19: `max_bytes` must be a size such as "256 MiB" or a number of bytes, not `10 bananas`
    landfall.toml:33:11: `command` names no program
    landfall.toml:35:11: `webhook` must be an address such as "https://example.org/landed", not `ftp://x`
    landfall.toml:36:12: `secrets` must be where a secret is, as "env:NAME" or "file:PATH"
    landfall.toml:37:7: a sink has only one of `command`, `webhook`
    landfall.toml:40:7: a sink needs one of `command`, `webhook`, `folder`, `postgres`, `nats`
    landfall.toml:42:9: `count` must be a whole number from 1, not -1
    "#);
}

#[test]
fn what_is_not_toml_is_told_with_its_place() {
    insta::assert_snapshot!(problems("[sftp]\nlisten = \n[feed.a\nx = 'y"), @"
    landfall.toml:2:10: string values must be quoted, expected literal string
    landfall.toml:3:8: unclosed table, expected `]`
    ");
}

#[test]
fn partner_files_are_checked_with_the_zone() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("landfall.toml", "[feed.orders]\n[sfpt]\n");
    write("partners/acme.toml", "feeds = ['ordrs']\npasword = 'x'\nkeys = ['ssh-ed25519 AAAA']\n");
    write("partners/Big.toml", "");
    write("partners/README.md", "not a partner");
    write("partners/ok.toml", "feeds = ['orders']\naliases = { '/out' = 'nope' }\n");
    let problems = config::load(&Zone::new(folder.path())).expect_err("problems");
    let told: String = problems.0.iter().map(|problem| format!("{problem}\n")).collect();
    insta::assert_snapshot!(told, @"
    landfall.toml:2:2: unknown key `sfpt`; did you mean `sftp`?
    partners/Big.toml:1:1: partner name `Big` must be 1 to 63 of a-z, 0-9, `-`, `_` and start with a letter or digit
    partners/acme.toml:1:10: `feeds` names the feed `ordrs`, but there is no [feed.ordrs]; did you mean `orders`?
    partners/acme.toml:2:1: unknown key `pasword`; did you mean `password`?
    partners/acme.toml:3:9: `keys` has a ssh-ed25519 key that is cut short or damaged
    partners/ok.toml:2:22: `/out` names the feed `nope`, but there is no [feed.nope]
    ");

    let zone = Zone::new(folder.path());
    let names: Vec<String> =
        partner::names(&zone).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["acme", "ok"]);
}

#[test]
fn a_drop_folder_of_the_zone_may_be_written_in_full() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lake/in");
    let text = format!("[feed.a]\n[folder.a]\nfeed = 'a'\npath = '{}'\n", path.display());
    std::fs::write(folder.path().join("landfall.toml"), text).unwrap();
    let problems = config::load(&Zone::new(folder.path())).expect_err("reserved");
    assert!(problems.0[0].message.contains("keeps for itself"), "{problems:?}");
}

#[test]
fn defaults_are_the_documented_ones() {
    let feed = read("[feed.a]").feed(&"a".parse().unwrap());
    assert_eq!((feed.same_name, feed.duplicates), (SameName::Append, Duplicates::Skip));
    assert_eq!(feed.batch.bounds.bytes_max, 256 << 20);
    let config = read("[feed.a]\n[sink.s]\nwebhook = 'http://h'");
    let sink = config.sinks.values().next().unwrap();
    assert_eq!(
        sink.kind,
        SinkKind::Webhook(Webhook { url: "http://h".into(), secrets: Vec::new() })
    );
    assert_eq!((sink.timeout, sink.retry.len()), (Duration::from_secs(20), 9));
    assert_eq!(config.folders.values().next().unwrap().after, After::Move);
}

#[test]
fn rules_for_batches_are_read_and_their_mistakes_told() {
    let when = |batch: &str| {
        let same_name = "same_name = 'replace'";
        let config = read(&format!("[feed.a]\n{same_name}\nbatch = {{ {batch} }}"));
        config.feed(&"a".parse().unwrap()).batch.when
    };
    assert_eq!(when("manual = true"), When::Asked);
    assert_eq!(when("manual = false"), When::Ready);
    let control = Set { wants: Wants::Control("*.ctl".into()), deadline: None };
    assert_eq!(when("set = { control = '*.ctl' }"), When::Set(control));
    let When::Windows(windows) =
        when("at = ['06:00', '18:30'], timezone = 'Europe/Berlin', empty = 'publish'")
    else {
        panic!("no windows")
    };
    assert_eq!(windows.empty, Empty::Publish);
    let told = problems(
        "[feed.a]\nbatch = { every = '1h', manual = true }\n\
         [feed.b]\nbatch = { at = ['6'], timezone = 'Berlin' }\n\
         [feed.c]\nbatch = { every = '1ms', empty = 'maybe' }\n\
         [feed.d]\nbatch = { set = { control = '*.ctl' } }\n\
         [feed.e]\nbatch = { set = { files = 0 }, files_max = 3 }\n\
         [feed.f]\nbatch = { set = { files = 2, names = ['a'] }, empty = 'skip' }\n",
    );
    insta::assert_snapshot!(told, @r#"
    landfall.toml:2:9: batches have only one of `max_wait`, `every`, `at`, `manual`, `set`
    landfall.toml:4:17: `at` must be a time of day such as "06:00", not `6`
    landfall.toml:4:34: `timezone` must be the name of a time zone such as "Europe/Berlin", not `Berlin`
    landfall.toml:6:19: `every` must be at least "1s"
    landfall.toml:6:34: `empty` must be "skip" or "publish", not `maybe`
    landfall.toml:8:29: a set with `control` needs `same_name = "replace"` in its feed, so that a corrected file takes the place of the wrong one
    landfall.toml:10:27: `files` must be a whole number from 1, not 0
    landfall.toml:10:32: unknown key `files_max` in [feed.e.batch]
    landfall.toml:12:17: a set has one of `files`, `names`, `control`
    landfall.toml:12:55: `empty` is for batches with `every` or `at`
    "#);
}

#[test]
fn a_password_is_not_written_into_the_configuration_and_not_repeated() {
    for server in ["postgresql://u:hunter2@db/lake", "host=db password=hunter2"] {
        let told = problems(&format!("[sink.a]\npostgres = \"{server}\"\n"));
        assert!(told.contains("say where it is") && !told.contains("hunter2"), "{told}");
    }
}

#[test]
fn a_nats_server_has_a_subject_and_one_login() {
    let config =
        read("[sink.a]\nnats = 'nats://h:4222'\nuser = 'u'\npassword = 'env:P'\nsubject = 'a.b'\n");
    let SinkKind::Nats(nats) = &config.sinks[&"a".parse().unwrap()].kind else { panic!("another") };
    assert_eq!((nats.address.as_str(), nats.subject.as_deref()), ("h:4222", Some("a.b")));
    for wrong in ["'h'", "'u:hunter2@h:4222'", "'h:4222'\nuser = 'u'", "'h:4222'\nsubject = 'a.*'"]
    {
        let told = problems(&format!("[sink.a]\nnats = {wrong}\n"));
        assert!(!told.contains("hunter2"), "{told}");
    }
}

const REFERENCE: &str = include_str!("../deploy/reference.toml");
const PARTNER_REFERENCE: &str = include_str!("../deploy/reference.partner.toml");

/// What the readers of `landfall.toml` and of partners' files ask for.
fn keys_asked_for(folder: &Path, found: &mut BTreeSet<String>) {
    let asked =
        r#"\.(?:get|list|table|tables|items|require)\(\s*"([a-z_]+)"|\.set\([^"]*"([a-z_]+)""#;
    let asked = regex::Regex::new(asked).expect("a pattern");
    for entry in std::fs::read_dir(folder).expect("listed") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            // Contracts have a page of their own.
            true if path.ends_with("contract") => {}
            true => keys_asked_for(&path, found),
            false => {
                let text = std::fs::read_to_string(&path).expect("text");
                let code = text.split("#[cfg(test)]").next().unwrap_or_default();
                let keys = asked.captures_iter(code);
                let keys = keys.filter_map(|found| found.get(1).or(found.get(2)));
                found.extend(keys.map(|key| key.as_str().to_owned()));
            }
        }
    }
}

#[test]
fn the_reference_is_valid_and_has_every_key() {
    let config = read(REFERENCE);
    assert_eq!((config.feeds.len(), config.sinks.len(), config.pulls.len()), (6, 5, 1));
    let acme = landfall::config::partner::parse(&"acme".parse().unwrap(), PARTNER_REFERENCE);
    assert_eq!(acme.expect("valid").quota.sessions, 64);
    let mut keys = BTreeSet::new();
    keys_asked_for(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config"), &mut keys);
    assert!(keys.len() > 80, "{keys:?}");
    let both = format!("{REFERENCE}{PARTNER_REFERENCE}");
    let words: BTreeSet<&str> = both.split(|c: char| !c.is_ascii_lowercase() && c != '_').collect();
    let missing: Vec<_> = keys.iter().filter(|key| !words.contains(key.as_str())).collect();
    assert!(missing.is_empty(), "not in the reference: {missing:?}");
}
