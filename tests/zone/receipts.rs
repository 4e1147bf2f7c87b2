//! What senders read: every word of it is reviewed here.

use insta::assert_snapshot;
use landfall::archive::digest;
use landfall::clock::Timestamp;
use landfall::diagnostic::{Code, Diagnostic};
use landfall::ledger::{Arrival, Conversion, Door, Output, Sender, State};
use landfall::names::{ArrivalId, FileName};
use landfall::receive::receipt::{self, Outcome, problem, result_text};
use landfall::report::{ColumnReport, RejectReport, Report, SheetReport};
use landfall::schema::Change;
use landfall::zone::{Zone, ZonePath};

fn arrival(state: State) -> Arrival {
    let at: Timestamp = "2026-11-22T06:31:04.512345Z".parse().unwrap();
    let id: ArrivalId = "019a3c5e-7c1a-7b3e-9d55-0c6f1f2b8a10".parse().unwrap();
    Arrival {
        id,
        sequence: 1,
        sender: Sender::Partner("acme".parse().unwrap()),
        door: Door::Sftp,
        feed: "orders".parse().unwrap(),
        name: "eu/orders.csv".parse().unwrap(),
        size_bytes: 120,
        digest: digest::of_bytes(b"abc"),
        raw: ZonePath::stored("archive/orders/2026/11/22/secret_place.csv"),
        received_at: at,
        modified_s: None,
        mode: None,
        origin: None,
        fingerprint: None,
        state,
        current: true,
        hidden: false,
        waits: None,
        same_bytes_as: None,
        duplicate_of: None,
        supersedes: None,
        replaces: false,
        diagnostic: None,
        conversion: None,
        batch: None,
        changed_at: at,
        allowance: landfall::contract::Allowance::default(),
    }
}

fn json(arrival: &Arrival) -> Vec<u8> {
    receipt::json(arrival, None)
}

fn held(code: Code) -> Arrival {
    let told = Diagnostic::error(code, "a quoted field begins in line 17 and never ends")
        .fact("line", 17)
        .fact("column", 3)
        .caused_by(&std::io::Error::other("/secret/place: broken"));
    Arrival { diagnostic: Some(told), ..arrival(State::Held) }
}

fn converted(rejected: u64) -> Arrival {
    let first = arrival(State::Converted);
    let report = Report {
        kind: "csv".to_owned(),
        seen: 100,
        written: 98 - rejected,
        rejected,
        skipped: 2,
        dialect: vec![("encoding".to_owned(), "utf-8".to_owned())],
        columns: vec![column("id", "int64", ""), column("code", "text", "`007` is not a number")],
        members: Vec::new(),
        sheets: Vec::new(),
        skips: vec![("blank".to_owned(), 2)],
        rejects_by_code: if rejected > 0 { vec![("C103".to_owned(), rejected)] } else { vec![] },
        first_rejects: (0..rejected.min(1)).map(|_| reject()).collect(),
        notes: vec!["the last line has no end".to_owned()],
        changes: vec![Change::Removed { column: "city".to_owned() }],
        contract: None,
    };
    let parquet = Output {
        path: Zone::converted_path(first.id, "parquet"),
        rows: report.written,
        size_bytes: 10,
        digest: digest::of_bytes(b""),
    };
    let conversion = Conversion {
        converter: "test".to_owned(),
        version: 1,
        revision: 1,
        seen: report.seen,
        written: report.written,
        rejected,
        skipped: report.skipped,
        parquet,
        rejects: None,
        report,
    };
    Arrival { conversion: Some(conversion), ..first }
}

fn column(name: &str, kind: &str, why: &str) -> ColumnReport {
    let (name, kind, why) = (name.to_owned(), kind.to_owned(), why.to_owned());
    ColumnReport { name, kind, why, nulls: 0 }
}

fn reject() -> RejectReport {
    RejectReport {
        record: 16,
        line: 17,
        sheet: None,
        byte_offset: 300,
        column: None,
        code: "C103".to_owned(),
        reason: "3 fields, the header has 2".to_owned(),
        raw: "1,\u{1b}[2J,x".to_owned(),
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_receipt_says_what_was_received() {
    assert_snapshot!(text(json(&arrival(State::Received))), @r#"
    {
      "schema": "landfall.receipt/v1",
      "arrival": "019a3c5e-7c1a-7b3e-9d55-0c6f1f2b8a10",
      "feed": "orders",
      "name": "eu/orders.csv",
      "size_bytes": 120,
      "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      "received_at": "2026-11-22T06:31:04.512Z",
      "outcome": "received"
    }
    "#);
}

#[test]
fn a_receipt_says_what_is_wrong_and_the_way_out() {
    assert_snapshot!(text(json(&held(Code::C104))), @r#"
    {
      "schema": "landfall.receipt/v1",
      "arrival": "019a3c5e-7c1a-7b3e-9d55-0c6f1f2b8a10",
      "feed": "orders",
      "name": "eu/orders.csv",
      "size_bytes": 120,
      "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      "received_at": "2026-11-22T06:31:04.512Z",
      "outcome": "held",
      "problem": {
        "code": "C104",
        "summary": "a quoted field begins in line 17 and never ends",
        "facts": [
          [
            "line",
            "17"
          ],
          [
            "column",
            "3"
          ]
        ],
        "hint": "Close or remove the quote in the line that is named."
      }
    }
    "#);
}

#[test]
fn a_receipt_stays_the_same_once_its_outcome_is_final() {
    let first = json(&converted(3));
    let later: Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
    for state in State::ALL {
        let batch = Some("019a3c5e-7c1a-7b3e-9d55-0c6f1f2b8a11".parse().unwrap());
        let after = Arrival { state, batch, changed_at: later, ..converted(3) };
        if Outcome::of(&after) == Outcome::Partial {
            assert_eq!(json(&after), first, "{state:?}");
        }
    }
    assert!(!Outcome::Received.is_final());
}

#[test]
fn a_receipt_counts_the_rows() {
    let json: serde_json::Value = serde_json::from_slice(&json(&converted(3))).unwrap();
    assert_eq!(json["outcome"], "partial");
    assert_snapshot!(json["rows"], @r#"{"rejected":3,"seen":100,"skipped":2,"written":95}"#);
    assert_eq!(json["rejects"]["by_code"]["C103"], 3);
    let first = &json["rejects"]["first"][0];
    assert_eq!(
        (&first["line"], &first["record"], &first["code"]),
        (&17.into(), &16.into(), &"C103".into())
    );
    assert_eq!(first["raw"], "1,\\u{1b}[2J,x", "it cannot drive a terminal");
}

#[test]
fn the_outcome_follows_the_state() {
    let of = |state| Outcome::of(&arrival(state)).as_str();
    let all = State::ALL.map(|state| format!("{state:?} {}", of(state))).join("\n");
    assert_snapshot!(all, @r"
    Received received
    Converted accepted
    Raw accepted
    Batched accepted
    Published accepted
    HandedOff accepted
    Held held
    Duplicate duplicate
    Superseded received
    Retracted accepted
    Tested accepted
    Rejected failed
    Erasing erased
    Erased erased
    ");
    assert_eq!(Outcome::of(&held(Code::C111)), Outcome::Failed);
    assert_eq!(Outcome::of(&converted(1)), Outcome::Partial);
    let superseded = Arrival { state: State::Superseded, ..converted(0) };
    assert_eq!(Outcome::of(&superseded), Outcome::Accepted);
}

#[test]
fn a_held_file_has_a_problem_text() {
    assert_snapshot!(text(problem(&held(Code::C104)).unwrap()), @r"
    eu/orders.csv was received and is safe. It waits for a person; nothing of it was handed on.

    What is wrong
      C104: a quoted field begins in line 17 and never ends
      line: 17
      column: 3

    What to do
      Close or remove the quote in the line that is named.

    When you ask about it, quote
      arrival 019a3c5e-7c1a-7b3e-9d55-0c6f1f2b8a10
      received 2026-11-22 06:31:04 UTC
      size 120 bytes
      SHA-256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
    ");
}

#[test]
fn a_file_we_failed_on_is_not_the_senders_fault() {
    let told = text(problem(&held(Code::C111)).unwrap());
    assert!(told.contains("our fault, not yours"), "{told}");
}

#[test]
fn a_partial_file_has_a_problem_text_with_lines() {
    assert_snapshot!(text(problem(&converted(3)).unwrap()), @r"
    eu/orders.csv was taken, except for 3 records of 100.

    Left out
      3 records: records do not fit the header (C103)
      line 17 (record 16): 3 fields, the header has 2
        1,\u{1b}[2J,x
      … and 2 more

    What to do
      Correct these records and send them alone, with the header, in a new file.

    When you ask about it, quote
      arrival 019a3c5e-7c1a-7b3e-9d55-0c6f1f2b8a10
      received 2026-11-22 06:31:04 UTC
      size 120 bytes
      SHA-256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
    ");
}

#[test]
fn a_good_file_has_no_problem_text() {
    for state in State::ALL {
        let told = problem(&Arrival { state, ..converted(0) });
        let is_bad = matches!(state, State::Held | State::Rejected);
        assert_eq!(told.is_some(), is_bad, "{state:?}");
    }
}

#[test]
fn a_result_text_explains_a_table() {
    assert_snapshot!(text(result_text(&converted(3))).replace(['\r', '\u{feff}'], ""), @r"
    eu/orders.csv
    Taken into orders: 95 rows; 3 left out.

    Rows
      100 in the file = 95 taken + 3 left out + 2 skipped
      skipped as blank: 2

    Left out
      3 records: records do not fit the header (C103)
      line 17 (record 16): 3 fields, the header has 2
        1,\u{1b}[2J,x
      … and 2 more
      Correct these records and send them alone, with the header, in a new file.

    Columns
      id: int64
      code: text (`007` is not a number)

    How it was read
      encoding: utf-8

    Different from earlier files
      column `city` is missing

    Remarks
      the last line has no end

    When you ask about it, quote
      arrival 019a3c5e-7c1a-7b3e-9d55-0c6f1f2b8a10
      received 2026-11-22 06:31:04 UTC
      size 120 bytes
      SHA-256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
    ");
}

#[test]
fn a_result_text_names_the_sheets() {
    let mut workbook = converted(0);
    let sheet = |name: &str, taken, why: &str| SheetReport {
        name: name.to_owned(),
        rows: 50,
        taken,
        why: why.to_owned(),
    };
    let made = workbook.conversion.as_mut().unwrap();
    made.report.sheets = vec![sheet("Jan", true, ""), sheet("Notes", false, "another header")];
    let told = text(result_text(&workbook)).replace(['\r', '\u{feff}'], "");
    let sheets = told.split("Sheets").nth(1).unwrap().split("Columns").next().unwrap();
    assert_snapshot!(sheets, @r"
    Jan: taken, 50 rows
    Notes: not taken, 50 rows (another header)
    ");
}

#[test]
fn a_result_text_explains_a_held_file() {
    assert_snapshot!(text(result_text(&held(Code::C104))).replace(['\r', '\u{feff}'], ""), @r"
    eu/orders.csv
    Not taken: it waits for a person. The file itself is safe.

    What is wrong
      C104: a quoted field begins in line 17 and never ends
      line: 17
      column: 3

    What to do
      Close or remove the quote in the line that is named.

    When you ask about it, quote
      arrival 019a3c5e-7c1a-7b3e-9d55-0c6f1f2b8a10
      received 2026-11-22 06:31:04 UTC
      size 120 bytes
      SHA-256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
    ");
}

#[test]
fn a_result_text_is_for_every_editor() {
    let told = text(result_text(&converted(0)));
    assert!(told.starts_with('\u{feff}'));
    assert!(told.split_inclusive('\n').all(|line| line.ends_with("\r\n")), "{told:?}");
}

#[test]
fn every_state_has_one_sentence() {
    let second_line = |state| text(result_text(&arrival(state))).lines().nth(1).unwrap().to_owned();
    let all = State::ALL.map(|state| format!("{state:?}: {}", second_line(state))).join("\n");
    assert_snapshot!(all, @r"
    Received: Received for orders; it has not been read yet.
    Converted: Taken for orders as it is: it is not a table that can be converted.
    Raw: Taken for orders as it is: it is not a table that can be converted.
    Batched: Taken for orders as it is: it is not a table that can be converted.
    Published: Taken for orders as it is: it is not a table that can be converted.
    HandedOff: Taken for orders as it is: it is not a table that can be converted.
    Held: Not taken: it waits for a person. The file itself is safe.
    Duplicate: The same file came before under this name; it was not taken twice.
    Superseded: A newer file of the same name took its place.
    Retracted: Taken for orders as it is: it is not a table that can be converted.
    Tested: Tried for orders; nothing of it is handed on.
    Rejected: Not taken: a person looked at it and let it go no further. The file itself is safe.
    Erasing: Erased: no copy of it is kept any more.
    Erased: Erased: no copy of it is kept any more.
    ");
}

#[test]
fn nothing_of_ours_and_nothing_that_drives_a_terminal_is_told() {
    let name = FileName::new(b"a\x1b[2J.csv".to_vec()).unwrap();
    for told in [held(Code::C104), converted(3)] {
        let told = Arrival { name: name.clone(), ..told };
        let texts = [json(&told), problem(&told).unwrap(), result_text(&told)].map(text);
        for text in texts {
            assert!(!text.contains("secret") && !text.contains(".landfall"), "{text}");
            assert!(!text.contains('\u{1b}'), "{text}");
        }
    }
}
