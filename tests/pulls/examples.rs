//! The commands of `deploy/pulls`, against what they are for.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use landfall::ledger::Arrival;

use crate::door::text;
use crate::nats::Nats;
use crate::postgres::Postgres;
use crate::support::{TestZone, all, landfall};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/pulls").join(name)
}

/// A zone that pulls with this command.
fn zone(command: &[&str], file: &str, env: &[&str]) -> TestZone {
    TestZone::new(&format!(
        "[feed.got]\n[[pull]]\nname = 'got'\nfeed = 'got'\ncommand = {command:?}\nat = ['00:00']\n\
         file = '{file}'\nenv = {env:?}\n"
    ))
}

fn pull(zone: &TestZone, env: &[(&str, &str)]) -> String {
    let mut command = landfall();
    command.args(["pull", "run", "got", "--zone"]).arg(zone.path());
    text(&command.envs(env.iter().copied()).output().unwrap())
}

fn raw(zone: &TestZone, arrival: &Arrival) -> String {
    fs::read_to_string(zone.path().join(arrival.raw.as_str())).unwrap()
}

// ---- a paged REST API ----

/// An API with tokens that end, pages, and a limit on its rate.
#[derive(Default)]
struct Api {
    items: Vec<(u32, &'static str)>,
    tokens: u32,
    asked: u32,
    /// Requests that are answered with an error page from now on.
    broken: bool,
}

impl Api {
    fn answer(&mut self, line: &str, authorization: &str) -> (u16, String) {
        if line.starts_with("POST /token") {
            self.tokens += 1;
            return (200, format!("{{\"access_token\": \"t{}\"}}", self.tokens));
        }
        self.asked += 1;
        // Every fourth request is one too many, and the second token begins in the middle of the pages.
        if self.asked.is_multiple_of(4) {
            return (429, String::new());
        }
        if self.broken {
            return (400, String::new());
        }
        if authorization != format!("Bearer t{}", self.tokens) || self.asked == 3 {
            return (401, String::new());
        }
        let query = line.split(['?', ' ']).nth(2).unwrap();
        let value = |name: &str| {
            query.split('&').find_map(|pair| pair.strip_prefix(name)).unwrap().to_owned()
        };
        let (since, page) = (value("since="), value("page=").parse::<usize>().unwrap());
        let found: Vec<_> = self.items.iter().filter(|(_, at)| *at >= since.as_str()).collect();
        let shown = found.iter().skip((page - 1) * 2).take(2);
        let shown: Vec<_> =
            shown.map(|(id, at)| serde_json::json!({"id": id, "updated_at": at})).collect();
        let next = (found.len() > page * 2).then_some(page + 1);
        (200, serde_json::json!({"items": shown, "next": next}).to_string())
    }

    fn serve(self) -> (String, Arc<Mutex<Self>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let api = Arc::new(Mutex::new(self));
        let behind = Arc::clone(&api);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                reply(stream.unwrap(), &behind);
            }
        });
        (base, api)
    }
}

fn reply(mut stream: TcpStream, api: &Mutex<Api>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let given = head.iter().find_map(|line| line.strip_prefix("Authorization: "));
    let (status, body) = api.lock().unwrap().answer(&first, given.unwrap_or_default());
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nRetry-After: 0.05\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
}

#[test]
fn a_paged_api_with_tokens_and_a_rate_limit_is_read_exactly_once() {
    let items = vec![
        (1, "2026-11-01"),
        (2, "2026-11-02"),
        (3, "2026-11-03"),
        (4, "2026-11-04"),
        (5, "2026-11-04"),
    ];
    let (base, api) = Api { items, ..Api::default() }.serve();
    let program = example("rest.py");
    let zone =
        zone(&[program.to_str().unwrap(), &base], "got_{time}.jsonl", &["API_ID", "API_SECRET"]);
    let login = [("API_ID", "me"), ("API_SECRET", "s3cret")];
    let said = pull(&zone, &login);
    assert!(said.contains("brought 1 file"), "{said}");
    assert!(api.lock().unwrap().tokens >= 2, "its token has ended once");
    let said = pull(&zone, &login);
    assert!(said.contains("nothing new"), "{said}");
    // One more of the same time as the newest, and a newer one.
    api.lock().unwrap().items.extend([(6, "2026-11-04"), (7, "2026-11-05")]);
    api.lock().unwrap().broken = true;
    let said = pull(&zone, &login);
    assert!(said.contains("F110") && said.contains("HTTP Error 400"), "{said}");
    api.lock().unwrap().broken = false;
    assert!(pull(&zone, &login).contains("brought 1 file"));
    let found = all(&zone.ledger());
    let ids: Vec<u64> = found
        .iter()
        .flat_map(|arrival| raw(&zone, arrival).lines().map(str::to_owned).collect::<Vec<_>>())
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(&line).unwrap()["id"].as_u64().unwrap()
        })
        .collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6, 7]);
}

// ---- a query ----

/// A session that stays open.
struct Session(Child);

impl Session {
    fn open(host: &str) -> Self {
        let psql = Command::new("psql")
            .args(["-X", "-q", "-h", host, "-U", "loader", "-d", "postgres"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        Self(psql.unwrap())
    }

    /// Returns when it is done.
    fn say(&mut self, sql: &str) {
        writeln!(self.0.stdin.as_mut().unwrap(), "{sql}\n\\echo done").unwrap();
        let mut done = [0; 5];
        self.0.stdout.as_mut().unwrap().read_exact(&mut done).unwrap();
        assert_eq!(&done, b"done\n");
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

#[test]
fn a_query_brings_rows_once_and_waits_for_those_that_commit_late() {
    let server = Postgres::start();
    server.query("CREATE TABLE orders (id bigserial PRIMARY KEY, name text)");
    server.query("INSERT INTO orders (name) VALUES ('ana'), ('b,o'), (NULL)");
    let (host, program) = (server.folder().to_str().unwrap().to_owned(), example("query.sh"));
    let env = ["PGHOST", "PGUSER", "PGDATABASE"];
    let zone = zone(&[program.to_str().unwrap(), "orders", "id"], "got_{time}.csv", &env);
    let login = [("PGHOST", host.as_str()), ("PGUSER", "loader"), ("PGDATABASE", "postgres")];
    let said = pull(&zone, &login);
    assert!(said.contains("brought 1 file"), "{said}");
    assert!(pull(&zone, &login).contains("nothing new"));
    // Number 4 is given first and committed last.
    let mut late = Session::open(&host);
    late.say("BEGIN; INSERT INTO orders (name) VALUES ('four');");
    server.query("INSERT INTO orders (name) VALUES ('five')");
    assert!(pull(&zone, &login).contains("nothing new"), "5 waits for 4");
    late.say("COMMIT;");
    assert!(pull(&zone, &login).contains("brought 1 file"));
    let found: Vec<_> = all(&zone.ledger()).iter().map(|arrival| raw(&zone, arrival)).collect();
    assert_eq!(found, ["id,name\n1,ana\n2,\"b,o\"\n3,\n", "id,name\n4,four\n5,five\n"]);
    server.query("DROP TABLE orders");
    let said = pull(&zone, &login);
    assert!(said.contains("F110") && said.contains("relation \"orders\" does not exist"), "{said}");
}

// ---- a stream ----

#[test]
fn a_stream_comes_in_files_of_a_size_and_every_message_once() {
    let server = Nats::start();
    let publish = |numbers: std::ops::Range<u32>| {
        for n in numbers {
            server.ask("landfall.clicks", &format!("{{\"n\": {n}}}"));
        }
    };
    publish(0..25);
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tests-python/bin/python");
    let (program, address) = (example("stream.py"), format!("nats://127.0.0.1:{}", server.port));
    let command = [python.to_str().unwrap(), program.to_str().unwrap(), &address, "LF"];
    let zone = zone(&command, "got", &["MESSAGES_MAX", "SECONDS_MAX", "BYTES_MAX"]);
    let said = pull(&zone, &[("MESSAGES_MAX", "10")]);
    assert!(said.contains("brought 3 files"), "{said}");
    publish(25..30);
    let said = pull(&zone, &[("BYTES_MAX", "25")]);
    assert!(said.contains("brought 2 files"), "{said}");
    publish(30..31);
    assert!(
        pull(&zone, &[("SECONDS_MAX", "0")]).contains("nothing new"),
        "its time is over at once"
    );
    assert!(pull(&zone, &[]).contains("brought 1 file"));
    let found = all(&zone.ledger());
    let names: Vec<_> = found.iter().map(|arrival| arrival.name.to_string()).collect();
    assert_eq!(names[0], "got_000000000001-000000000010.jsonl");
    let lines: Vec<String> = found
        .iter()
        .flat_map(|arrival| raw(&zone, arrival).lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert_eq!(lines.len(), 31, "{names:?}");
    assert_eq!(lines.iter().collect::<BTreeSet<_>>().len(), 31);
}
