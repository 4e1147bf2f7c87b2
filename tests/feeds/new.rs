//! `feed new` and `feed list --swamp`: what a lake should know of a feed, and where it does not.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use insta::assert_snapshot;

use crate::support::{TestZone, landfall};
use crate::{json, send_all, told};

const CONFIG: &str = "\
# The zone of the shop.
[sftp]
listen = '127.0.0.1:0'   # any port

[feed.misc]   # whatever else
purpose='Anything'

# Who is told.
[sink.example]
command = ['true']
# The end.
";

const ALL: [&str; 14] = [
    "--owner",
    "sales",
    "--purpose",
    "Orders of the day",
    "--use",
    "the dashboard",
    "--freshness",
    "1d",
    "--same-name",
    "replace",
    "--personal-data",
    "no",
    "--match",
    "*.csv",
];

fn with_input(zone: &TestZone, arguments: &[&str], input: &str) -> (i32, String, String) {
    let mut command = landfall();
    command.args(arguments).arg("--zone").arg(zone.path());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("its input");
    // It may have ended before it read all.
    drop(stdin.write_all(input.as_bytes()));
    drop(stdin);
    told(&child.wait_with_output().expect("it ends"))
}

fn config(zone: &TestZone) -> String {
    fs::read_to_string(zone.path().join("landfall.toml")).expect("a configuration")
}

#[test]
fn flags_answer_every_question_and_nothing_else_is_touched() {
    let zone = TestZone::new(CONFIG);
    let was = config(&zone);
    let server = zone.serve();
    let mut arguments = vec!["feed", "new", "orders"];
    arguments.extend(ALL);
    let (code, stdout, stderr) = with_input(&zone, &arguments, "");
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.starts_with("Written to landfall.toml."), "nothing is asked: {stderr}");
    let root = zone.path().to_str().expect("a plain path");
    assert_snapshot!(stdout.replace(root, "<zone>"), @"
    orders
      what it is
        owner          sales
        purpose        Orders of the day
        used by        the dashboard
        newest file    at most 1d old
        same name      takes the place of the older file
        personal data  no
      to send
        names         *.csv
        drop folder   <zone>/inbox/orders
        partners      landfall partner add NAME --key FILE --feed orders --zone <zone>
        this machine  landfall send FILE --feed orders --zone <zone>
      to read
        code   landfall feed snippet orders --for duckdb --zone <zone>
        files  landfall feed files orders --zone <zone>
      next
        rules     landfall feed propose orders --write --zone <zone> (when files have come)
        calendar  [feed.orders.expect] in landfall.toml says when files are due
    ");
    let (before, after) = was.split_at(was.find("\n# Who").expect("a remark"));
    let added = config(&zone);
    let added = added.strip_prefix(before).expect("the beginning stays");
    let added = added.strip_suffix(after).expect("the end stays");
    assert_snapshot!(added, @r#"
    [feed.orders]
    owner = "sales"
    purpose = "Orders of the day"
    uses = ["the dashboard"]
    freshness = "1d"
    personal_data = false
    match = ["*.csv"]
    same_name = "replace"
    "#);
    // It is in force after a reload, and takes files.
    assert!(zone.run(&["reload"]).status.success());
    send_all(&zone, &[("a.csv", "id\n1\n")]);
    let shown = told(&zone.run(&["feed", "show", "orders"])).1;
    for expected in ["used by        the dashboard\n", "personal data  no\n", "at most 1d old\n"] {
        assert!(shown.contains(expected), "{expected}\n{shown}");
    }
    server.stop();
}

#[test]
fn what_no_flag_says_is_asked() {
    let zone = TestZone::new(CONFIG);
    let answers = "sales\n\nOrders, daily\n\n9 days\n7d\nreplace\nmaybe\nyes\na_*.csv, b.csv\n";
    let (code, stdout, stderr) = with_input(&zone, &["feed", "new", "orders"], answers);
    assert_eq!(code, 0, "{stderr}");
    for expected in
        ["`9 days` is no age", "`maybe` is neither `yes` nor `no`", "an answer is needed"]
    {
        assert!(stderr.contains(expected), "{expected}\n{stderr}");
    }
    assert!(stdout.contains("used by        -\n"), "{stdout}");
    let text = config(&zone);
    for expected in [
        "owner = \"sales\"\n",
        "purpose = \"Orders, daily\"\n",
        "freshness = \"7d\"\n",
        "personal_data = true\n",
        "match = [\"a_*.csv\", \"b.csv\"]\n",
        "same_name = \"replace\"\n",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    assert!(zone.run(&["check"]).status.success());
}

#[test]
fn without_an_answer_nothing_is_made() {
    let zone = TestZone::new(CONFIG);
    let was = config(&zone);
    let refused = |arguments: &[&str], input: &str, expected: &str| {
        let (code, _, stderr) = with_input(&zone, arguments, input);
        assert!(code != 0 && stderr.contains(expected), "{code} {stderr}");
        assert_eq!(config(&zone), was);
    };
    refused(&["feed", "new", "orders"], "", "missing: --owner");
    refused(&["feed", "new", "orders"], "\n\n\n", "missing: --owner");
    refused(&["feed", "new", "orders", "--owner", " "], "", "missing: --owner");
    refused(&["feed", "new", "orders"], "sales\nwhy\n\n\n", "missing: --same-name");
    refused(&["feed", "new", "misc"], "", "landfall.toml has a [feed.misc] already");
    refused(&["feed", "new", "A"], "", "feed name `A`");
    let mut bad = vec!["feed", "new", "orders"];
    bad.extend(ALL);
    bad.extend(["--match", "[a"]);
    refused(&bad, "", "Z101");
}

#[test]
fn a_swamp_is_told_with_what_it_holds() {
    let zone = TestZone::new(
        "[feed.orders]\n[feed.known]\nowner='a'\npurpose='b'\nuses=['c']\n[feed.stale]\nowner='a'\n\
         purpose='b'\nuses=['c']\nfreshness='1d'\n",
    );
    let told_of = |zone: &TestZone| {
        let lines = json(&zone.run(&["feed", "list", "--swamp", "--json"]));
        let lacks = lines.iter().map(|line| format!("{}: {}", line["feed"], line["lacks"]));
        lacks.collect::<Vec<_>>().join("\n").replace('"', "")
    };
    fs::create_dir_all(zone.path().join("contracts")).unwrap();
    for feed in ["known", "stale"] {
        let contract = zone.path().join(format!("contracts/{feed}.toml"));
        fs::write(contract, "[column]\nid = 'int64'\n").unwrap();
    }
    assert_eq!(told_of(&zone), "orders: [owner,purpose,contract,use]\nstale: [freshness]");
    let server = zone.serve();
    send_all(&zone, &[("a.csv", "id\n1\n"), ("b.csv", "id\n2\n")]);
    server.stop();
    let (code, stdout, _) = told(&zone.run(&["feed", "list", "--swamp"]));
    assert_eq!(code, 3);
    let orders = stdout.lines().find(|line| line.starts_with("orders ")).expect("orders");
    let words = "owner, purpose, contract, known use  2      10 B";
    assert!(orders.contains(words), "{stdout}");
    // What is erased holds nothing any more.
    let erased = zone.run(&["erase", "a.csv", "--reason", "request 17", "--yes"]);
    assert!(erased.status.success(), "{erased:?}");
    let (_, stdout, _) = told(&zone.run(&["feed", "list", "--swamp"]));
    let orders = stdout.lines().find(|line| line.starts_with("orders ")).expect("orders");
    assert!(orders.contains("owner, purpose, contract, known use  1      5 B"), "{stdout}");
    // A sink that takes its batches is a use.
    let text = "[feed.orders]\nowner='a'\npurpose='b'\nsinks=['s']\n[sink.s]\ncommand=['true']\n";
    fs::write(zone.path().join("landfall.toml"), format!("[sftp]\nenabled=false\n{text}")).unwrap();
    fs::write(zone.path().join("contracts/orders.toml"), "[column]\nid = 'int64'\n").unwrap();
    for feed in ["known", "stale"] {
        fs::remove_file(zone.path().join(format!("contracts/{feed}.toml"))).unwrap();
    }
    assert_eq!(told_of(&zone), "orders: [use]");
    let text = config(&zone).replace("enabled=false", "listen='127.0.0.1:0'");
    fs::write(zone.path().join("landfall.toml"), text).unwrap();
    let server = zone.serve();
    send_all(&zone, &[("c.csv", "id\n3\n")]);
    server.stop();
    assert_eq!(told_of(&zone), "");
    let (code, _, stderr) = told(&zone.run(&["feed", "list", "--swamp"]));
    assert!(code == 0 && stderr.starts_with("Every feed has"), "{stderr}");
    // What is no longer declared still holds bytes.
    fs::remove_file(zone.path().join("contracts/orders.toml")).unwrap();
    fs::write(zone.path().join("landfall.toml"), "").unwrap();
    assert_eq!(told_of(&zone), "orders: [declaration]");
}
