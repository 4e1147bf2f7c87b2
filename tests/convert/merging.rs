//! Several files of the converter become one, and their rows stay what they were.

use std::fs::{self, File};
use std::path::PathBuf;

use landfall::clock::Timestamp;
use landfall::convert::compare::{Difference, Side, difference};
use landfall::convert::merge::{Error, Rows, Run, merge};
use landfall::convert::{Converted, Job, Outcome, Written};
use landfall::names::{ArrivalId, FileName};
use landfall::schema::LearnedSchema;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::support::{file, job, run};

const TYPED: &str = "i,m,wide,day,at,flag,x,text\n\
    1,1.10,12345678901234567890.5,2026-01-31,2026-01-31T10:00:00Z,true,0.5,ana\n\
    2,20.00,2.0,2026-02-01,2026-02-01T00:00:00Z,false,1e16,\"a \"\"b\"\"\nc\"\n";

/// Outputs of a feed, each in a file.
struct Feed {
    folder: tempfile::TempDir,
    learned: Option<LearnedSchema>,
    made: Vec<(Run, Converted)>,
}

impl Feed {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), learned: None, made: Vec::new() }
    }

    fn add(&mut self, name: &str, source: &[u8]) -> Run {
        let arrival = ArrivalId::new(Timestamp::now());
        let job = Job {
            arrival: Some(arrival),
            name: FileName::new(name).unwrap(),
            digest: Some(landfall::archive::digest::of_bytes(source)),
            size_bytes: source.len() as u64,
            learned: self.learned.clone(),
            ..job()
        };
        let done = run(&job, file(source));
        let made = match done.outcome {
            Outcome::Converted(made) => *made,
            other @ (Outcome::Held(_) | Outcome::Raw { .. }) => panic!("{other:?}"),
        };
        if let Some(columns) = made.learned.clone() {
            let revision = self.learned.as_ref().map_or(0, |learned| learned.revision) + 1;
            self.learned = Some(LearnedSchema { revision, version: made.version, columns });
        }
        let path = self.folder.path().join(format!("{arrival}.parquet"));
        let mut parquet = done.parquet;
        std::io::Seek::rewind(&mut parquet).unwrap();
        std::io::copy(&mut parquet, &mut File::create(&path).unwrap()).unwrap();
        let rows = Rows { arrival, first: 0, count: made.parquet.rows };
        let run = Run { path, rows };
        self.made.push((run.clone(), made));
        run
    }

    fn runs(&self) -> Vec<Run> {
        self.made.iter().map(|(run, _)| run.clone()).collect()
    }

    fn merge(&self, name: &str, runs: &[Run]) -> Result<(PathBuf, Written), Error> {
        let path = self.folder.path().join(name);
        let written = merge(runs, File::create(&path).unwrap())?;
        let bytes = fs::read(&path).unwrap();
        assert_eq!(landfall::archive::digest::of_bytes(&bytes), written.digest);
        Ok((path, written))
    }

    /// Compares what a merged file has of each of these with the file that was made of it alone.
    fn check(&self, path: &PathBuf, runs: &[Run]) -> Vec<Rows> {
        let (mut first, mut places) = (0, Vec::new());
        for run in runs {
            let arrival = run.rows.arrival;
            let place = Rows { arrival, first, count: run.rows.count };
            let (alone, made) =
                self.made.iter().find(|(alone, _)| alone.rows.arrival == arrival).unwrap();
            let side = |path: &PathBuf, part| Side {
                report: &made.report,
                digest: landfall::archive::digest::of_bytes(&fs::read(path).unwrap()),
                file: File::open(path).unwrap(),
                part,
            };
            let found = difference(side(&alone.path, None), side(path, Some(place))).unwrap();
            assert_eq!(found, Difference::Bytes, "{arrival}");
            first += run.rows.count;
            places.push(place);
        }
        places
    }
}

fn opened(path: &PathBuf) -> ParquetRecordBatchReaderBuilder<File> {
    ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap()
}

fn column(path: &PathBuf, name: &str) -> Vec<Option<String>> {
    let batches = opened(path).build().unwrap();
    let texts = batches.flat_map(|batch| {
        let column = batch.unwrap().column_by_name(name).unwrap().clone();
        let text = landfall::convert::infer::Printer::Text;
        (0..column.len()).map(|row| text.print(&column, row)).collect::<Vec<_>>()
    });
    texts.collect()
}

#[test]
fn every_value_stays_and_leads_to_its_source_also_when_some_are_taken_out_again() {
    let mut feed = Feed::new();
    feed.add("a.csv", TYPED.as_bytes());
    let second = TYPED.replace("ana", "bo").replace("T10:00:00Z", "T11:00:00Z");
    feed.add("b.csv", second.as_bytes());
    // Nulls, and columns in another order; others are missing.
    feed.add("c.csv", b"text,i\nzoe,7\n,8\n\"\",9\n");
    let runs = feed.runs();
    let (path, written) = feed.merge("merged.parquet", &runs).unwrap();
    assert_eq!(written.rows, 7);
    let places = feed.check(&path, &runs);
    let schema = |path| opened(path).metadata().file_metadata().schema().clone();
    assert_eq!(schema(&path), schema(&runs[0].path), "the same Parquet types");
    let ids: Vec<Option<String>> = runs
        .iter()
        .flat_map(|run| (0..run.rows.count).map(|_| Some(run.rows.arrival.to_string())))
        .collect();
    assert_eq!(column(&path, "_lf_arrival"), ids);
    let again = feed.merge("again.parquet", &runs).unwrap().1;
    assert_eq!(again, written, "the same bytes");

    // Without the second, whose traces are gone.
    let of = |place: Rows| Run { path: path.clone(), rows: place };
    let (cut, written) = feed.merge("cut.parquet", &[of(places[0]), of(places[2])]).unwrap();
    assert_eq!(written.rows, 5);
    feed.check(&cut, &[runs[0].clone(), runs[2].clone()]);
    let told = opened(&cut).metadata().file_metadata().key_value_metadata().unwrap().clone();
    let told: String = told.into_iter().filter_map(|entry| entry.value).collect();
    assert!(told.contains(&runs[0].rows.arrival.to_string()), "{told}");
    assert!(!told.contains(&runs[1].rows.arrival.to_string()), "{told}");
    let digest = landfall::archive::digest::of_bytes(second.as_bytes()).to_string();
    assert!(!told.contains(&digest), "{told}");
}

#[test]
fn nested_values_are_merged() {
    let mut feed = Feed::new();
    feed.add("a.json", br#"[{"id":1,"tags":["a","b"],"at":{"x":1,"y":"n"}}]"#);
    feed.add(
        "b.json",
        br#"[{"id":2,"tags":[],"at":{"x":2,"y":null}},{"id":3,"tags":null,"at":null}]"#,
    );
    let runs = feed.runs();
    let (path, written) = feed.merge("merged.parquet", &runs).unwrap();
    assert_eq!(written.rows, 3);
    feed.check(&path, &runs);
}

#[test]
fn provenance_that_only_some_have_is_null_for_the_others_and_other_columns_are_refused() {
    let mut feed = Feed::new();
    feed.add("a.csv", b"id,name\n1,a\n");
    let mut packed = std::io::Cursor::new(Vec::new());
    let mut zip = zip::ZipWriter::new(&mut packed);
    for member in ["x.csv", "y.csv"] {
        zip.start_file(member, zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut zip, b"id,name\n2,b\n").unwrap();
    }
    zip.finish().unwrap();
    feed.add("b.zip", packed.get_ref());
    feed.add("c.csv", b"id,name\n3,c\n");
    let runs = feed.runs();
    let (path, _) = feed.merge("merged.parquet", &runs).unwrap();
    feed.check(&path, &runs);
    let member = |name: &str| Some(name.to_owned());
    assert_eq!(column(&path, "_lf_member"), [None, member("x.csv"), member("y.csv"), None]);

    let more = feed.add("d.csv", b"id,name,more\n3,c,d\n");
    let refused = feed.merge("refused.parquet", &[runs[0].clone(), more]).unwrap_err();
    assert!(matches!(refused, Error::Columns(_)), "{refused}");
}

#[test]
fn what_is_damaged_or_has_other_rows_is_an_error() {
    let mut feed = Feed::new();
    let whole = feed.add("a.csv", TYPED.as_bytes());
    let mut rows = whole.rows;
    rows.count += 1;
    let more = Run { rows, ..whole.clone() };
    let refused = feed.merge("more.parquet", &[whole.clone(), more]).unwrap_err();
    assert!(matches!(refused, Error::Rows(_)), "{refused}");
    let bytes = fs::read(&whole.path).unwrap();
    for at in (0..bytes.len()).step_by(7) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        fs::write(&whole.path, damaged).unwrap();
        // It may be read all the same: who merges compares digests first. It never panics.
        drop(feed.merge("damaged.parquet", std::slice::from_ref(&whole)));
    }
}

#[test]
fn row_groups_are_as_large_as_those_of_any_file() {
    let mut feed = Feed::new();
    for file in 0..60 {
        let rows: String =
            (0..20_000).map(|row| format!("{},{}\n", file * 20_000 + row, row % 7)).collect();
        feed.add("a.csv", format!("id,kind\n{rows}").as_bytes());
    }
    let (path, written) = feed.merge("merged.parquet", &feed.runs()).unwrap();
    assert_eq!(written.rows, 1_200_000);
    let metadata = opened(&path).metadata().clone();
    let groups: Vec<i64> = metadata.row_groups().iter().map(|group| group.num_rows()).collect();
    assert_eq!(groups, [1 << 20, 1_200_000 - (1 << 20)]);
    let alone: u64 = feed.made.iter().map(|(_, made)| made.parquet.size_bytes).sum();
    assert!(written.size_bytes < alone, "{} bytes of {alone}", written.size_bytes);
}
