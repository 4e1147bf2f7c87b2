//! Packed files: whole or not at all, within limits, every member accounted for.

use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use landfall::convert::prove::Proof;
use landfall::convert::{Limits, Outcome};
use landfall::diagnostic::Code;
use landfall::names::FileName;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::support::{Table, convert, convert_as, feed, file, held, held_as, job, run, some};

const CSV: &str = "id,code\n1,007\n2,8\n";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd_of(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bzip2_of(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz_of(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 9);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

type Wrap = fn(&[u8]) -> Vec<u8>;
/// Every wrapper: its name, what it adds to a file's name, and how it is made.
const WRAPPERS: [(&str, &str, Wrap); 4] = [
    ("gzip", "gz", gzip),
    ("zstd", "zst", zstd_of),
    ("bzip2", "bz2", bzip2_of),
    ("xz", "xz", xz_of),
];

fn zip_with(options: SimpleFileOptions, members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        match name.ends_with('/') {
            true => zip.add_directory(*name, options).unwrap(),
            false => {
                zip.start_file(*name, options).unwrap();
                zip.write_all(bytes).unwrap();
            }
        }
    }
    zip.finish().unwrap().into_inner()
}

fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    zip_with(SimpleFileOptions::default(), members)
}

fn member(table: &Table, name: &str) -> (u64, bool, String) {
    let members = &table.converted.report.members;
    let found = members.iter().find(|member| member.name == name).unwrap();
    (found.rows, found.taken, found.why.clone())
}

#[test]
fn a_wrapper_around_text_is_its_text() {
    let large: String = (0..300_000).map(|n| format!("{n},row {n}\n")).collect();
    for (name, _, wrap) in WRAPPERS {
        let table = convert(wrap(CSV.as_bytes()));
        assert_eq!(table.texts("code"), some(&["007", "8"]));
        assert_eq!(table.dialect("packed"), name);
        let twice = [wrap(b"id,code\n1,007\n"), wrap(b"2,8\n")].concat();
        let one_after_the_other = convert(twice);
        assert_eq!(one_after_the_other.texts("code"), some(&["007", "8"]), "{name}");
        let packed = convert(wrap(format!("id,t\n{large}").as_bytes()));
        assert_eq!(packed.rows, 300_000, "{name}");
        assert_eq!(packed.column("id").kind, "int64");
    }
}

#[test]
fn a_packed_file_keeps_its_encoding_and_extension() {
    let latin = b"id,name\n1,Jos\xe9 Mu\xf1oz\n2,M\xfcller \x80 5\n";
    assert_eq!(convert(gzip(latin)).texts("name"), some(&["José Muñoz", "Müller € 5"]));
    for (_, suffix, wrap) in WRAPPERS {
        let mut job = job();
        job.name = FileName::new(format!("a.csv.{suffix}")).unwrap();
        assert_eq!(held_as(&job, wrap(b"a,b,c\n1,2\n1,2,3\n1\n")).code, Code::C103);
    }
}

#[test]
fn a_damaged_wrapper_is_held_with_nothing_written() {
    for (name, _, wrap) in WRAPPERS {
        let whole = wrap(
            (0..9000).map(|n| format!("{n},{}\n", n * 7919 % 977)).collect::<String>().as_bytes(),
        );
        let flipped = |at: usize| {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x55;
            flipped
        };
        let damaged = [
            whole[..whole.len() - 20].to_vec(),
            whole[..whole.len() / 2].to_vec(),
            flipped(whole.len() / 2),
            flipped(whole.len() - 5),
            [whole.clone(), b"garbage".to_vec()].concat(),
            whole[..7].to_vec(),
        ];
        for (which, damaged) in damaged.iter().enumerate() {
            let done = run(&job(), file(damaged));
            let Outcome::Held(told) = done.outcome else {
                panic!("{name} {which}: {:?}", done.outcome)
            };
            assert_eq!(told.code, Code::C140, "{name} {which}: {told:?}");
            assert!(super::support::bytes_of(&done.parquet).is_empty());
        }
    }
}

#[test]
fn members_of_one_header_make_one_table() {
    let mut job = job();
    job.arrival = Some("019a3c5e-7c1a-7b3e-9d55-0c6f1f2b8a10".parse().unwrap());
    let packed = zip(&[
        ("README.txt", b"Dear all,\n\nthese are the orders.\n"),
        ("in/", b""),
        ("in/a.csv", b"id,code\n1,007\n"),
        ("in/b.csv", b"code;id\n8;2\n9;3\n"),
        ("empty.csv", b""),
        ("terms.pdf", b"%PDF-1.7 ..."),
    ]);
    let table = convert_as(&job, &packed);
    assert_eq!(table.names(), ["id", "code"]);
    assert_eq!(table.texts("id"), some(&["1", "2", "3"]));
    assert_eq!(table.texts("code"), some(&["007", "8", "9"]));
    assert_eq!(table.raw_column("_lf_member"), some(&["in/a.csv", "in/b.csv", "in/b.csv"]));
    assert_eq!(table.raw_column("_lf_line"), some(&["2", "2", "3"]));
    assert_eq!(table.raw_column("_lf_record"), some(&["1", "2", "3"]));
    let report = &table.converted.report;
    assert_eq!(report.skips, [("other_member".to_owned(), 2)]);
    assert_eq!((report.seen, report.written), (5, 3));
    assert!(member(&table, "in/b.csv").1);
    let readme = member(&table, "README.txt");
    assert_eq!((readme.0, readme.1), (2, false));
    assert_eq!(member(&table, "empty.csv").2, "it is empty");
    assert_eq!(member(&table, "terms.pdf").2, "it is PDF");
}

#[test]
fn a_known_feed_finds_its_members() {
    let learned = convert("id,code,city\n1,a,x\n").feed(None);
    let packed = zip(&[
        ("lookup.csv", b"key,value\n1,2\n3,4\n"),
        ("orders.csv", b"code,id,city\nb,2,y\n"),
        ("more.csv", b"id,code\n3,c\n"),
    ]);
    let table = convert_as(&feed(&job(), &learned), &packed);
    assert_eq!(table.texts("id"), some(&["2", "3"]));
    assert_eq!(table.texts("city"), [Some("y".to_owned()), None], "the second has no city");
    assert_eq!(member(&table, "lookup.csv"), (3, false, "its header is not the feed's".to_owned()));
    let none = zip(&[("a.csv", b"x,y\n1,2\n"), ("b.csv", b"x,y\n3,4\n")]);
    assert_eq!(held_as(&feed(&job(), &learned), none).code, Code::C109);
}

#[test]
fn types_are_those_of_all_members_together() {
    let packed =
        zip(&[("a.csv", b"id,n\n1,1\n"), ("b.csv", b"id,n\n2,007\n"), ("c.csv", b"id,n\n3,\n")]);
    let table = convert(packed);
    assert_eq!(table.column("n").kind, "text");
    assert_eq!(table.texts("n"), [Some("1".to_owned()), Some("007".to_owned()), None]);
}

#[test]
fn a_header_is_known_beside_its_like() {
    // Alone, nobody could tell that the second has a header.
    let packed = zip(&[("a.csv", b"id,city\n1,Paris\n2,Rome\n"), ("b.csv", b"id,city\nx,Lyon\n")]);
    let table = convert(packed);
    assert_eq!(table.texts("city"), some(&["Paris", "Rome", "Lyon"]));
}

#[test]
fn rejects_of_a_member_name_it() {
    let good: String = (0..300).map(|n| format!("{n},x\n")).collect();
    let packed = zip(&[
        ("a.csv", format!("id,t\n{good}").as_bytes()),
        ("b.csv", format!("id,t\n1,2,3\n{good}").as_bytes()),
    ]);
    let table = convert(packed);
    assert_eq!(table.rejects(), [(2, "C103".to_owned(), "1,2,3".to_owned())]);
    assert_eq!(table.rejects_column("_lf_member"), some(&["b.csv"]));
    assert_eq!(table.converted.report.first_rejects[0].record, 301);
}

#[test]
fn a_stored_member_is_a_member() {
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    assert_eq!(convert(zip_with(stored, &[("a.csv", CSV.as_bytes())])).rows, 2);
}

#[test]
fn a_workbook_may_be_packed_alone() {
    use super::workbook::Cell::{Number, Text};
    let rows: [&[_]; 2] = [&[Text("id"), Text("name")], &[Number("1"), Text("Ann")]];
    let book = super::workbook::Workbook::new().sheet("S", &rows);
    for packed in [gzip(&book.bytes()), zip(&[("book.xlsx", &book.bytes())])] {
        let table = convert(packed);
        assert_eq!(table.texts("name"), some(&["Ann"]));
        assert_eq!(table.converted.report.kind, "xlsx");
    }
    let two = zip(&[("a.xlsx", &book.bytes()), ("b.xlsx", &book.bytes())]);
    assert_eq!(held(two).code, Code::C144);
    let mixed = zip(&[("a.xlsx", &book.bytes()), ("b.csv", CSV.as_bytes())]);
    assert_eq!(held(mixed).code, Code::C144);
}

#[test]
fn archives_in_archives_are_held() {
    let inner = zip(&[("a.csv", CSV.as_bytes())]);
    for nested in [
        gzip(&gzip(CSV.as_bytes())),
        gzip(&inner),
        zip(&[("a.zip", &inner)]),
        zip(&[("a.csv", CSV.as_bytes()), ("b.csv.gz", &gzip(CSV.as_bytes()))]),
        zip(&[("a.bz2", b"BZh91AY&SY")]),
    ] {
        assert_eq!(held(nested).code, Code::C142);
    }
}

#[test]
fn a_damaged_archive_is_held_with_nothing_written() {
    let text = CSV.repeat(500);
    let whole = zip(&[("a.csv", text.as_bytes()), ("note.txt", b"hello, world")]);
    let mut flipped = whole.clone();
    flipped[60] ^= 0x55;
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut other = zip_with(stored, &[("a.csv", CSV.as_bytes())]);
    let digit = other.windows(3).position(|bytes| bytes == b"007").unwrap();
    other[digit] = b'1';
    let mut lying = whole.clone();
    let directory = lying.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    lying[directory + 24] ^= 1;
    for damaged in [&whole[..whole.len() / 2], &flipped, &other, &lying] {
        let done = run(&job(), file(damaged));
        let Outcome::Held(told) = done.outcome else { panic!("{:?}", done.outcome) };
        assert_eq!(told.code, Code::C140, "{told:?}");
        assert!(super::support::bytes_of(&done.parquet).is_empty());
    }
}

#[test]
fn a_damaged_member_that_is_not_taken_holds_the_archive_too() {
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut packed = zip_with(stored, &[("a.csv", CSV.as_bytes()), ("z.txt", b"hello\nworld\n")]);
    let hello = packed.windows(5).position(|bytes| bytes == b"hello").unwrap();
    packed[hello] = b'j';
    assert_eq!(held(packed).code, Code::C140);
}

#[test]
fn encrypted_members_are_held() {
    let mut packed = zip(&[("a.csv", CSV.as_bytes())]);
    // Bit 0 of the flags, in the member's own header and in the directory (APPNOTE 4.4.4).
    packed[6] |= 1;
    let directory = packed.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    packed[directory + 8] |= 1;
    let told = held(packed);
    assert_eq!(told.code, Code::C143);
    assert!(told.summary.contains("`a.csv`"), "{told:?}");
}

#[test]
fn unknown_packings_are_held() {
    let mut packed = zip(&[("a.csv", CSV.as_bytes())]);
    let directory = packed.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    (packed[8], packed[directory + 10]) = (12, 12);
    assert_eq!(held(packed).code, Code::C145);
}

#[test]
fn an_archive_without_tables_is_handed_off_raw() {
    let packed = zip(&[("a.pdf", b"%PDF-1.7"), ("b.png", b"\x89PNG\r\n\x1a\n")]);
    let Outcome::Raw { reason } = run(&job(), file(&packed)).outcome else { panic!("not raw") };
    assert_eq!(reason, "a zip archive without tables");
    assert_eq!(held(zip(&[])).code, Code::C101);
}

#[test]
fn what_unpacks_to_too_much_is_held() {
    let zeros = [vec![b'0'; 1 << 20], b"\n".to_vec()].concat().repeat(70);
    for (name, _, wrap) in WRAPPERS {
        let bomb = wrap(&zeros);
        assert!(zeros.len() as u64 > bomb.len() as u64 * 1000, "{name}");
        assert_eq!(held(&bomb).code, Code::C141, "{name}");
    }
    assert_eq!(held(zip(&[("a.csv", &zeros)])).code, Code::C141);
    let small = |limits| {
        let mut job = job();
        job.limits = limits;
        job
    };
    let few = small(Limits { unpacked_bytes: 10, ..Limits::default() });
    assert_eq!(held_as(&few, gzip(CSV.as_bytes())).code, Code::C141);
    assert_eq!(held_as(&few, zip(&[("a.csv", CSV.as_bytes())])).code, Code::C141);
    let one = small(Limits { members: 1, ..Limits::default() });
    assert_eq!(held_as(&one, zip(&[("a", b"x"), ("b", b"y")])).code, Code::C141);
}

#[test]
fn members_that_share_bytes_are_held() {
    // What a small bomb of many members does: each points to the same bytes.
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("a.csv", SimpleFileOptions::default()).unwrap();
    zip.write_all(CSV.as_bytes()).unwrap();
    zip.shallow_copy_file("a.csv", "b.csv").unwrap();
    assert_eq!(held(zip.finish().unwrap().into_inner()).code, Code::C141);
}

#[test]
fn the_same_archive_gives_the_same_parquet() {
    let packed = zip(&[("a.csv", CSV.as_bytes()), ("b.csv", CSV.as_bytes())]);
    assert_eq!(convert(&packed).bytes, convert(&packed).bytes);
}

#[test]
fn json_members_of_one_kind_make_one_table() {
    let packed =
        zip(&[("a.json", b"[{\"id\":1,\"t\":\"x\"}]"), ("b.jsonl", b"{\"id\":2}\n{\"id\":3}\n")]);
    let mut job = job();
    job.arrival = Some("019a3c5e-7c1a-7b3e-9d55-0c6f1f2b8a10".parse().unwrap());
    let table = convert_as(&job, packed);
    assert_eq!(table.texts("id"), some(&["1", "2", "3"]));
    assert_eq!(table.raw_column("_lf_member"), some(&["a.json", "b.jsonl", "b.jsonl"]));
    assert_eq!(table.raw_column("_lf_record"), some(&["1", "2", "3"]));
    let two = zip(&[("a.json", b"[{\"id\":1}]"), ("b.json", b"[{\"city\":\"x\"}]")]);
    assert_eq!(held(two).code, Code::C144);
}

#[test]
fn a_contract_reaches_over_the_members_of_an_archive() {
    let contract = "unique = [[\"id\"]]\nrows = { max = 5 }\nmode.columns = \"evolve\"\nmax_rejects = { count = 9, percent = 99 }\n\
        [column.id]\ntype = \"int64\"\nrequired = true\n[column]\nday = \"date\"\nnote = \"text\"\n";
    let contract = landfall::config::contract::parse("contracts/f.toml", contract);
    let job = job().under(Some(&contract.unwrap()));
    let members: [(&str, &[u8]); 2] = [
        ("a.csv", b"id,day,note\n1,2026-01-31,x\n2,2026-02-01,\n"),
        ("b.csv", b"Day;ID\n2026-02-02;2\n2026-02-03;3\nnever;4\n"),
    ];
    let packed = zip(&members);
    let table = convert_as(&job, &packed);
    assert_eq!(table.texts("id"), some(&["1", "2", "3"]));
    assert_eq!(table.texts("day"), some(&["2026-01-31", "2026-02-01", "2026-02-03"]));
    assert_eq!(table.texts("note"), [Some("x".to_owned()), None, None]);
    let codes: Vec<_> = table.rejects().into_iter().map(|(line, code, _)| (line, code)).collect();
    assert_eq!(codes, [(2, "C125".to_owned()), (4, "C120".to_owned())], "a key of another member");
    assert!(matches!(table.prove(&job, &packed), Proof::Same { rows: 3, .. }));

    let without = zip(&[members[0], ("b.csv", b"day,note\n2026-02-02,x\n")]);
    let told = held_as(&job, &without);
    assert_eq!(told.code, Code::C127);
    assert!(
        told.facts.iter().any(|(name, value)| name == "member" && value == "b.csv"),
        "{told:?}"
    );
    let long = zip(&[members[0], ("b.csv", b"id,day,note\n3,,\n4,,\n5,,\n6,,\n")]);
    assert_eq!(held_as(&job, &long).code, Code::C128, "records of all members count");
    let json =
        zip(&[("a.jsonl", b"{\"id\":1}"), ("b.jsonl", b"{\"id\":1,\"day\":\"2026-02-02\"}")]);
    let table = convert_as(&job, &json);
    assert_eq!((table.rows, table.rejects()[0].1.as_str()), (1, "C125"));
}
