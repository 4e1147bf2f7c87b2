//! Conversions of whatever bytes a file brings: accounts that add up, every cell that of the source
//! when it is read again by other means, and the same Parquet on one thread and on several.

use std::fs::File;
use std::io::{Read, Seek, Write};

use landfall::config::{self, Format};
use landfall::convert::prove::{self, Claim, Proof};
use landfall::convert::{self, Converted, Job, Limits, Outcome, Outputs, Progress};

#[path = "../support/workbook.rs"]
mod workbook;

fn job(name: &str) -> Job {
    Job {
        arrival: None,
        name: name.parse().expect("a name"),
        size_bytes: 0,
        digest: None,
        format: Format::default(),
        learned: None,
        contract: None,
        allowance: landfall::contract::Allowance::default(),
        // Small enough that inputs meet them.
        limits: Limits {
            cell_bytes: 600,
            record_bytes: 2000,
            columns: 200,
            output_bytes: 8 << 20,
            unpacked_bytes: 64 << 10,
            unpacked_bytes_free: 16 << 10,
            members: 20,
            threads: 1,
            ..Limits::default()
        },
        progress: Progress::default(),
    }
}

struct Done {
    outcome: Outcome,
    parquet: File,
    rejects: File,
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("written");
    file
}

fn run(job: &Job, data: &[u8]) -> Done {
    let (parquet, rejects) = (file(b""), file(b""));
    let again = |file: &File| file.try_clone().expect("a descriptor");
    let outputs = Outputs { parquet: again(&parquet), rejects: again(&rejects) };
    let job = Job { size_bytes: data.len() as u64, ..job.clone() };
    Done { outcome: convert::run(&job, file(data), outputs), parquet, rejects }
}

/// Converts and looks at what was made.
fn check(job: &Job, data: &[u8]) {
    let done = run(job, data);
    let Outcome::Converted(made) = &done.outcome else { return };
    let report = &made.report;
    assert_eq!(report.seen, report.written + report.rejected + report.skipped);
    assert_eq!(made.parquet.rows, report.written);
    let parquet = bytes_of(&done.parquet);
    assert_eq!(landfall::archive::digest::of_bytes(&parquet), made.parquet.digest);
    let threads = Job { limits: Limits { threads: 3, ..job.limits.clone() }, ..job.clone() };
    let again = run(&threads, data);
    assert_eq!(bytes_of(&again.parquet), parquet, "the same bytes give the same Parquet");
    prove(job, data, (made, &parquet), done.rejects);
}

fn prove(job: &Job, data: &[u8], (made, parquet): (&Converted, &[u8]), rejects: File) {
    let rejects = made.rejects.as_ref().map(|_| rejects);
    let claim = Claim { raw: file(data), parquet: file(parquet), rejects };
    let proof = prove::prove(job, claim, &mut |_| {}).expect("it can be read");
    assert!(!matches!(proof, Proof::Different(_)), "{proof:?}");
}

fn bytes_of(mut file: &File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.rewind().expect("rewound");
    file.read_to_end(&mut bytes).expect("read");
    bytes
}

/// Delimited text, or whatever the bytes are.
pub fn delimited(data: &[u8]) {
    check(&job("a.csv"), data);
}

/// JSON, a line a record or an array.
pub fn json(data: &[u8]) {
    check(&job("a.json"), data);
}

/// Packed bytes.
pub fn packed(data: &[u8]) {
    check(&job("a.zip"), data);
}

/// What `landfall inspect` says is what a conversion does.
pub fn detect(data: &[u8]) {
    let job = job("a.txt");
    let seen = convert::inspect(&job, file(data));
    match (run(&job, data).outcome, seen.obstacle) {
        (Outcome::Converted(made), None) => {
            assert_eq!(made.report.dialect, seen.report.dialect);
            assert_eq!(made.report.seen, seen.report.seen);
        }
        (Outcome::Held(held), Some(Outcome::Held(told))) => assert_eq!(held.code, told.code),
        (Outcome::Raw { reason }, Some(Outcome::Raw { reason: told })) => assert_eq!(reason, told),
        (outcome, told) => panic!("{outcome:?} is not {told:?}"),
    }
}

/// A contract's text up to a line `---`, then a file under it.
pub fn contract(data: &[u8]) {
    let end = data.windows(5).position(|part| part == b"\n---\n");
    let (text, rest) = end.map_or((data, &b""[..]), |at| (&data[..at], &data[at + 5..]));
    let Ok(text) = std::str::from_utf8(text) else { return };
    match config::contract::parse("orders.toml", text) {
        Ok(contract) => check(&job("orders_eu_20261122.csv").under(Some(&contract)), rest),
        Err(problems) => assert!(!problems.to_string().is_empty()),
    }
}

/// A workbook: the first byte says which part the rest is.
pub fn workbook(data: &[u8]) {
    let Some((part, rest)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(rest);
    let rows =
        r#"<row r="1"><c r="A1" t="s"><v>0</v></c></row><row r="2"><c r="A2"><v>1</v></c></row>"#;
    let book = workbook::Workbook::new();
    let bytes = match part % 3 {
        0 => book.strings(&["a", "b"]).raw_sheet("S", "visible", &text).bytes(),
        1 => book.raw_strings(&text).raw_sheet("S", "visible", rows).bytes(),
        _ => book.strings(&["a"]).raw_part("S", "visible", text.into_owned()).bytes(),
    };
    check(&job("a.xlsx"), &bytes);
}

/// Parquet, as it is.
pub fn columnar(data: &[u8]) {
    let mut bytes = b"PAR1".to_vec();
    bytes.extend(data.strip_prefix(b"PAR1").unwrap_or(data));
    check(&job("a.parquet"), &bytes);
}
