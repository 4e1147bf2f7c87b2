//! Strict decoding: right letters or a refusal, never a replacement.

use landfall::config::Format;
use landfall::diagnostic::Code;

use super::support::{convert, convert_as, held_as, job, some};

const TEXT: &str = "id,name\n1,Müller\n2,Jürgen\n3,Zoë\n";

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

#[test]
fn unicode_in_every_form() {
    let marked = format!("\u{feff}{TEXT}");
    let forms = [
        (TEXT.as_bytes().to_vec(), "UTF-8"),
        (marked.as_bytes().to_vec(), "UTF-8 (byte order mark)"),
        (utf16(&marked, u16::to_le_bytes), "UTF-16LE (byte order mark)"),
        (utf16(&marked, u16::to_be_bytes), "UTF-16BE (byte order mark)"),
        (utf16(TEXT, u16::to_le_bytes), "UTF-16LE (guessed)"),
    ];
    for (bytes, words) in forms {
        let table = convert(bytes);
        assert_eq!(table.names(), ["id", "name"]);
        assert_eq!(table.texts("name"), some(&["Müller", "Jürgen", "Zoë"]));
        assert_eq!(table.dialect("encoding"), words);
    }
}

#[test]
fn a_legacy_byte_far_down_is_decoded_from_the_start() {
    let mut bytes = b"id,name\n".to_vec();
    for n in 0..200_000 {
        bytes.extend(format!("{n},plain\n").bytes());
    }
    bytes.extend(b"7,Jos\xe9 Garc\xeda\n");
    let table = convert(&bytes);
    assert_eq!(table.texts("name").last(), Some(&Some("José García".to_owned())));
    assert_eq!(table.dialect("encoding"), "windows-1252 (guessed)");
    assert!(table.converted.report.notes[0].contains("windows-1252"));
}

#[test]
fn a_declared_encoding_is_strict() {
    let declared = |encoding: &str| {
        let mut job = job();
        job.format = Format { encoding: Some(encoding.to_owned()), ..Format::default() };
        job
    };
    let polish = convert_as(&declared("iso-8859-2"), b"id,name\n1,\xa3\xf3d\xbc\n");
    assert_eq!(polish.texts("name"), some(&["Łódź"]));
    let told = held_as(&declared("utf-8"), b"id,name\n1,Jos\xe9\n");
    assert_eq!(
        (told.code, told.summary.as_str()),
        (Code::C102, "line 2 has a byte that is not valid UTF-8")
    );
    assert!(told.facts.contains(&("byte offset".to_owned(), "13".to_owned())), "{told:?}");
    assert_eq!(held_as(&declared("klingon"), b"a,b\n1,2\n").code, Code::C102);
    assert_eq!(held_as(&declared("windows-1252"), b"a,b\n1,\x81\n").code, Code::C102);
}

#[test]
fn damaged_utf8_costs_its_record_and_is_not_read_as_something_else() {
    let mut bytes = TEXT.repeat(50).into_bytes();
    bytes.extend(b"4,\xff\n");
    let table = convert(&bytes);
    assert_eq!(table.rejects(), [(201, "C102".to_owned(), "4,\\xFF".to_owned())]);
    let before = bytes.len() - b"4,\xff\n".len();
    assert_eq!(table.offsets(), [before as i64]);
    assert_eq!(table.dialect("encoding"), "UTF-8 (damaged)");
}
