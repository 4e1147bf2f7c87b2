//! Random tables in random dialects, converted and printed back, equal what the csv crate reads.

use csv::{QuoteStyle, ReaderBuilder, Terminator, WriterBuilder};
use landfall::config::Format;
use proptest::prelude::*;

use super::support::{convert_as, job};

#[derive(Debug, Clone)]
struct Written {
    text: Vec<u8>,
    delimiter: u8,
    has_header: bool,
}

/// Values of one kind, so that columns are typed as often as not.
fn values() -> impl Strategy<Value = Vec<String>> {
    let kind = prop_oneof![
        Just("-?[1-9][0-9]{0,17}|0"),
        Just("[1-9][0-9]{0,12}\\.[0-9]{2}"),
        Just("[0-9]{1,3}\\.[0-9]{1,3}"),
        Just("20[0-9]{2}-0[1-9]-[012][1-8]"),
        Just("20[0-9]{2}-0[1-9]-1[0-9][T ]0[0-9]:[0-5][0-9]:00(\\.[0-9]{3})?(Z|\\+02:00)?"),
        Just("true|false"),
        Just("[a-zé€😀 ]{0,6}"),
        Just("[ -~\\n\\r\\t]{0,8}"),
        Just("0{0,2}[0-9]{1,40}|"),
        Just("[0-9]e[0-9]{1,2}|-0|\\+1|NA|"),
    ];
    kind.prop_flat_map(|kind| proptest::collection::vec(kind, 1..20))
}

fn table() -> impl Strategy<Value = Written> {
    let columns = proptest::collection::vec(values(), 2..6);
    let delimiter = prop_oneof![Just(b','), Just(b';'), Just(b'\t'), Just(b'|')];
    let style = prop_oneof![
        Just(QuoteStyle::Necessary),
        Just(QuoteStyle::Always),
        Just(QuoteStyle::NonNumeric)
    ];
    let end = prop_oneof![Just(Terminator::Any(b'\n')), Just(Terminator::CRLF)];
    (columns, delimiter, style, end, any::<bool>()).prop_map(
        |(columns, delimiter, style, end, has_header)| {
            let mut writer = WriterBuilder::new()
                .delimiter(delimiter)
                .quote_style(style)
                .terminator(end)
                .from_writer(Vec::new());
            if has_header {
                let names = (0..columns.len()).map(|n| format!("name {n}"));
                writer.write_record(names).unwrap();
            }
            let rows = columns.iter().map(Vec::len).min().unwrap_or(0);
            for row in 0..rows {
                writer.write_record(columns.iter().map(|column| &column[row])).unwrap();
            }
            Written { text: writer.into_inner().unwrap(), delimiter, has_header }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_cell_prints_as_the_csv_crate_reads_it(written in table()) {
        let mut reader = ReaderBuilder::new()
            .delimiter(written.delimiter)
            .has_headers(written.has_header)
            .flexible(true)
            .from_reader(written.text.as_slice());
        let expected: Vec<_> = reader.records().map(Result::unwrap).collect();
        let mut job = job();
        job.format = Format {
            delimiter: Some(char::from(written.delimiter).to_string()),
            header: Some(written.has_header),
            ..Format::default()
        };
        let table = convert_as(&job, &written.text);
        prop_assert_eq!(table.converted.report.rejected, 0);
        prop_assert_eq!(table.rows, expected.len());
        for (at, column) in table.columns.iter().enumerate() {
            let texts = column.texts();
            for (row, text) in texts.iter().enumerate() {
                // A null is an empty one; the csv crate does not tell quoted from unquoted.
                prop_assert_eq!(text.as_deref().unwrap_or(""), &expected[row][at], "{}", column.name);
            }
        }
    }

    #[test]
    fn the_same_text_gives_the_same_bytes(written in table()) {
        let first = convert_as(&job_of(&written), &written.text);
        let second = convert_as(&job_of(&written), &written.text);
        prop_assert_eq!(first.bytes, second.bytes);
    }
}

fn job_of(written: &Written) -> landfall::convert::Job {
    let mut job = job();
    job.format.delimiter = Some(char::from(written.delimiter).to_string());
    job.format.header = Some(written.has_header);
    job
}
