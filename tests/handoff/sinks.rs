//! One attempt at one sink.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use landfall::archive::digest;
use landfall::clock::Timestamp;
use landfall::handoff::sinks::{Answer, Notice, Purpose, command, webhook};
use landfall::ledger::{Batch, BatchState};
use landfall::zone::Zone;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal};

use crate::receiver::{Reply, Request, ok, receive};

const LONG: Duration = Duration::from_secs(60);

fn notice(zone: &Path, manifest: &str) -> Notice {
    let at: Timestamp = "2026-11-22T06:31:04.512Z".parse().unwrap();
    let batch = Batch {
        id: "019a3c5e-7c1a-7b3e-9d55-0c6f1f2b8a10".parse().unwrap(),
        feed: "orders".parse().unwrap(),
        sequence: 7,
        previous: None,
        version: Some(1),
        closed_at: at,
        because: None,
        state: BatchState::Published,
        members: Vec::new(),
        files: Vec::new(),
        merges: Vec::new(),
        retracts: Vec::new(),
        published_at: Some(at),
        manifest_digest: None,
    };
    let manifest_name = Zone::manifest_path(&batch.feed, batch.sequence);
    Notice {
        purpose: Purpose::Batch,
        delivery: "delivery-1".to_owned(),
        digest: digest::of_bytes(manifest.as_bytes()),
        manifest: manifest.into(),
        manifest_path: zone.join(manifest_name.as_str()),
        manifest_name,
        batch,
        zone: zone.to_owned(),
        zone_name: "my zone".to_owned(),
    }
}

fn run(script: &str, notice: &Notice, timeout: Duration) -> Answer {
    let argv = ["sh", "-c", script, "sh"].map(str::to_owned);
    command::tell(&argv, notice, timeout, &AtomicBool::new(false))
}

fn said(answer: Answer) -> String {
    match answer {
        Answer::Acknowledged(said) => said.unwrap_or_default(),
        Answer::Refused { why, .. } | Answer::Gone(why) => panic!("refused: {why}"),
    }
}

fn refused(answer: Answer) -> String {
    match answer {
        Answer::Acknowledged(said) => panic!("acknowledged: {said:?}"),
        Answer::Refused { why, .. } | Answer::Gone(why) => why,
    }
}

#[test]
fn a_command_is_told_by_argument_input_and_environment() {
    let zone = tempfile::tempdir().unwrap();
    let notice = notice(zone.path(), "the manifest");
    let script = r#"echo "$1"; cat; echo; pwd; echo "$LANDFALL_DELIVERY $LANDFALL_FEED $LANDFALL_SEQUENCE $LANDFALL_BATCH""#;
    let told = said(run(script, &notice, LONG));
    let root = zone.path().canonicalize().unwrap();
    let expected = [
        notice.manifest_path.display().to_string(),
        "the manifest".to_owned(),
        root.display().to_string(),
        "delivery-1 orders 7 019a3c5e-7c1a-7b3e-9d55-0c6f1f2b8a10".to_owned(),
    ];
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn an_argument_is_never_read_by_a_shell() {
    let zone = tempfile::tempdir().unwrap();
    let argv = ["printf", "%s|", "$(id); `id` | *"].map(str::to_owned);
    let notice = notice(zone.path(), "");
    let told = said(command::tell(&argv, &notice, LONG, &AtomicBool::new(false)));
    assert!(told.starts_with("$(id); `id` | *|"), "{told}");
}

#[test]
fn a_program_with_a_slash_is_relative_to_the_zone() {
    let zone = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/bin/echo", zone.path().join("hook")).unwrap();
    let argv = ["./hook", "here"].map(str::to_owned);
    let notice = notice(zone.path(), "");
    let told = said(command::tell(&argv, &notice, LONG, &AtomicBool::new(false)));
    assert!(told.starts_with("here "), "{told}");
}

#[test]
fn an_exit_code_refuses_and_the_output_says_why() {
    let zone = tempfile::tempdir().unwrap();
    let notice = notice(zone.path(), "");
    let why = refused(run("echo loading; echo no such table >&2; exit 3", &notice, LONG));
    assert!(why.starts_with("exit status: 3: "), "{why}");
    assert!(why.ends_with("no such table"), "{why}");
    let missing = ["no-such-program-anywhere".to_owned()];
    let why = refused(command::tell(&missing, &notice, LONG, &AtomicBool::new(false)));
    assert!(why.starts_with("cannot run `no-such-program-anywhere`"), "{why}");
}

#[test]
fn output_is_kept_within_limits() {
    let zone = tempfile::tempdir().unwrap();
    let notice = notice(zone.path(), "");
    let told = said(run("echo begin; head -c 300000 /dev/zero | tr '\\0' x", &notice, LONG));
    assert_eq!((told.len(), told.starts_with("begin")), (64 << 10, true));
    let why = refused(run(
        "head -c 300000 /dev/zero | tr '\\0' x >&2; echo end >&2; exit 1",
        &notice,
        LONG,
    ));
    assert!(why.len() < 10_000 && why.ends_with("end"), "{}", why.len());
}

#[test]
fn a_large_manifest_reaches_a_command_and_may_be_ignored() {
    let zone = tempfile::tempdir().unwrap();
    let notice = notice(zone.path(), &"m".repeat(3 << 20));
    assert_eq!(said(run("wc -c", &notice, LONG)), (3 << 20).to_string());
    assert_eq!(said(run("exec <&-; echo ok", &notice, LONG)), "ok");
}

#[test]
fn a_timeout_kills_the_whole_group() {
    let zone = tempfile::tempdir().unwrap();
    let notice = notice(zone.path(), "");
    let script = "sleep 1000 & echo $! > child; echo started; wait";
    let why = refused(run(script, &notice, Duration::from_secs(2)));
    assert_eq!(why, "stopped after its timeout of 2 s: started");
    if let Ok(dying) = rustix::process::pidfd_open(child(zone.path()), PidfdFlags::empty()) {
        let mut polled = [PollFd::new(&dying, PollFlags::IN)];
        let at_most = Timespec { tv_sec: 30, tv_nsec: 0 };
        assert_eq!(rustix::event::poll(&mut polled, Some(&at_most)), Ok(1), "it is not dead");
    }
}

/// The process whose id a script wrote down.
fn child(zone: &Path) -> Pid {
    let id = std::fs::read_to_string(zone.join("child")).unwrap();
    Pid::from_raw(id.trim().parse().unwrap()).unwrap()
}

#[test]
fn what_a_command_leaves_behind_is_not_waited_for() {
    let zone = tempfile::tempdir().unwrap();
    let notice = notice(zone.path(), "");
    let started = Instant::now();
    let told = said(run("sleep 20 & echo $! > child; echo done", &notice, LONG));
    assert_eq!(told, "done");
    assert!(started.elapsed() < Duration::from_secs(15));
    rustix::process::kill_process(child(zone.path()), Signal::KILL).unwrap();
}

#[test]
fn a_stop_ends_a_command() {
    let zone = tempfile::tempdir().unwrap();
    let notice = notice(zone.path(), "");
    let stop = AtomicBool::new(false);
    let argv = ["sh", "-c", "sleep 1000"].map(str::to_owned);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| command::tell(&argv, &notice, LONG, &stop));
        stop.store(true, Ordering::Relaxed);
        assert_eq!(refused(running.join().unwrap()), "stopped because the server stops");
    });
}

fn post(reply: Reply, manifest: &str, timeout: Duration) -> (Answer, Option<Request>) {
    let (url, requests) = receive(vec![reply]);
    let notice = notice(Path::new("/zone"), manifest);
    let now = "2026-11-22T06:31:10Z".parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = webhook::Http::new().unwrap();
    let to = webhook::Post { url, keys: Vec::new() };
    let answer = runtime.block_on(webhook::tell(
        &client,
        &to,
        (&notice.delivery, notice.event()),
        timeout,
        now,
    ));
    // The connection of an attempt that was given up closes with its runtime.
    drop(runtime);
    (answer, requests.recv_timeout(LONG).ok())
}

#[test]
fn a_webhook_gets_a_cloud_event() {
    let (answer, request) = post(ok(r#"{"rows":3}"#), r#"{"rows": 3}"#, LONG);
    assert_eq!(said(answer), r#"{"rows":3}"#);
    let request = request.unwrap();
    assert_eq!(request.line, "POST /hook?token=secret HTTP/1.1");
    assert_eq!(request.header("content-type"), "application/cloudevents+json; charset=utf-8");
    assert_eq!(request.header("webhook-id"), "delivery-1");
    assert_eq!(request.header("webhook-timestamp"), "1795329070");
    insta::assert_snapshot!(serde_json::to_string_pretty(&request.json()).unwrap(), @r#"
    {
      "data": {
        "rows": 3
      },
      "datacontenttype": "application/json",
      "id": "delivery-1",
      "lfdigest": "32a461613f889715441938eab4ee87cd6a246bbb6139a2249757b70ed8af3665",
      "lffeed": "orders",
      "lfmanifest": "lake/orders/_manifests/0000000007.json",
      "source": "/landfall/my%20zone",
      "specversion": "1.0",
      "subject": "orders/7",
      "time": "2026-11-22T06:31:04.512Z",
      "type": "dev.landfall.batch.published.v1"
    }
    "#);
}

#[test]
fn a_large_manifest_is_named_instead_of_enclosed() {
    let (_, request) = post(ok(""), &format!("\"{}\"", "m".repeat(20_000)), LONG);
    let data = request.unwrap().json()["data"].to_string();
    insta::assert_snapshot!(data, @r#"{"batch":"019a3c5e-7c1a-7b3e-9d55-0c6f1f2b8a10","feed":"orders","manifest":"lake/orders/_manifests/0000000007.json","schema":"landfall.manifest-name/v1","sequence":7,"sha256":"72295649103c5d726a352192b82749fad9a738a6859067820515374cb7ab1fe8"}"#);
}

#[test]
fn only_2xx_acknowledges() {
    let reply = |status| Reply::Http(status, "Location: /elsewhere\r\n", "why".to_owned());
    assert_eq!(said(post(reply("202 Accepted"), "{}", LONG).0), "why");
    for status in ["301 Moved Permanently", "410 Gone", "500 Internal Server Error"] {
        let why = refused(post(reply(status), "{}", LONG).0);
        assert_eq!(why, format!("{status}: why"));
    }
}

#[test]
fn retry_after_is_read_as_seconds_and_as_a_date() {
    let asked = |header| match post(Reply::Http("503 Busy", header, String::new()), "{}", LONG).0 {
        Answer::Acknowledged(_) => panic!("acknowledged"),
        Answer::Gone(why) => panic!("gone: {why}"),
        Answer::Refused { retry_after, .. } => retry_after,
    };
    assert_eq!(asked("Retry-After: 120\r\n"), Some(Duration::from_secs(120)));
    assert_eq!(
        asked("Retry-After: Sun, 22 Nov 2026 06:32:10 GMT\r\n"),
        Some(Duration::from_secs(60))
    );
    assert_eq!(asked("Retry-After: soon\r\n"), None);
    assert_eq!(asked(""), None);
}

#[test]
fn silence_and_resets_are_refusals_that_hide_the_address() {
    let why = refused(post(Reply::Hang, "{}", Duration::from_millis(300)).0);
    assert!(why.contains("timed out"), "{why}");
    let reset = refused(post(Reply::Reset, "{}", LONG).0);
    assert!(!why.contains("secret") && !reset.contains("secret"), "{why} {reset}");
}
