//! Every limit has its refusal, and memory stays flat.

use std::io::{Seek, SeekFrom, Write};

use landfall::convert::{Limits, Outcome};
use landfall::diagnostic::{Code, Diagnostic};

use super::support::{convert, held_as, job, run};

fn held(limits: Limits, text: &str) -> Diagnostic {
    let mut job = job();
    job.limits = limits;
    held_as(&job, text)
}

fn fact<'d>(told: &'d Diagnostic, name: &str) -> &'d str {
    told.facts.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

#[test]
fn a_gigabyte_on_one_line_is_held_within_bounds() {
    let mut raw = tempfile::tempfile().unwrap();
    raw.write_all(b"id,t\n1,x\n2,").unwrap();
    let block = vec![b'y'; 1 << 20];
    for _ in 0..64 {
        raw.write_all(&block).unwrap();
    }
    // The rest is never looked at; sparse zeros stand for it.
    raw.seek(SeekFrom::Start(1 << 30)).unwrap();
    raw.write_all(b"\n").unwrap();
    let before = resident_peak_kib();
    let Outcome::Held(told) = run(&job(), raw).outcome else { panic!("not held") };
    assert_eq!(told.code, Code::C105);
    assert_eq!((fact(&told, "line"), fact(&told, "limit")), ("3", "record_bytes"));
    assert!(resident_peak_kib() - before < 200 << 10);
}

fn resident_peak_kib() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn cells_columns_and_output_have_limits() {
    let cell = held(Limits { cell_bytes: 10, ..Limits::default() }, "a,b\n1,12345678901\n");
    assert_eq!(
        (cell.code, fact(&cell, "limit"), fact(&cell, "line")),
        (Code::C105, "cell_bytes", "2")
    );
    let wide = held(Limits { columns: 2, ..Limits::default() }, "a,b,c\n1,2,3\n");
    assert_eq!((wide.code, fact(&wide, "limit")), (Code::C105, "columns"));
    let output = held(Limits { output_bytes: 500, ..Limits::default() }, "a,b\n1,2\n");
    assert_eq!((output.code, fact(&output, "limit")), (Code::C105, "output_bytes"));
}

#[test]
fn an_open_quote_beyond_the_limit_is_named() {
    let limits = Limits { record_bytes: 1000, cell_bytes: 1000, ..Limits::default() };
    let rest: String = (0..500_000).map(|n| format!("{n},x\n")).collect();
    let told = held(limits, &format!("id,t\n1,x\n2,\"open\n{rest}"));
    assert_eq!((told.code, fact(&told, "a quote is open since line")), (Code::C105, "3"));
}

#[test]
fn sixteen_thousand_columns_are_a_table() {
    let names: Vec<_> = (0..16_000).map(|n| format!("c{n}")).collect();
    let row = vec!["1"; 16_000].join(",");
    let table = convert(format!("{}\n{row}\n{row}\n", names.join(",")));
    assert_eq!((table.columns.len(), table.rows), (16_000, 2));
}
