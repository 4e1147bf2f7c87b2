//! Which arrivals of a batch share a file, and what becomes of it when one of them goes.

use landfall::ledger::{
    Batch, BatchBounds, Begun, Closing, ErasureCause, ErasureWish, Event, Gone, KeptKind, Merge,
    NewArrival, Over, Share, State,
};
use landfall::names::ArrivalId;
use landfall::report::{ColumnReport, Report};

use crate::making::*;
use crate::place::Place;

fn merging(merge_bytes: u64) -> BatchBounds {
    BatchBounds { merge_bytes: Some(merge_bytes), ..bounds() }
}

/// Receives and converts a file to so many bytes with a column of this type.
fn sized(place: &mut Place, new: NewArrival, size_bytes: u64, kind: &str) -> ArrivalId {
    let id = place.ledger().receive(new).expect("received").id;
    let mut new = conversion(id, 1, size_bytes);
    let column =
        ColumnReport { name: "id".to_owned(), kind: kind.to_owned(), why: String::new(), nulls: 0 };
    new.conversion.report = Report { columns: vec![column], ..Report::default() };
    place.ledger().converted(id, new).expect("converted");
    id
}

fn small(place: &mut Place, name: &str) -> ArrivalId {
    sized(place, replacing(name, name), 100, "int64")
}

fn close_with(place: &mut Place, merge_bytes: u64) -> Batch {
    let closed = place.ledger().close_batch(&orders(), merging(merge_bytes));
    closed.expect("closed").expect("something is ready")
}

fn write(place: &mut Place, batch: &Batch) -> Batch {
    let written = batch.merges.iter().map(|merge| {
        let digest = digest_of(merge.to.as_str());
        Merge { written: Some((7, digest)), ..merge.clone() }
    });
    place.ledger().merged(batch.id, written.collect()).expect("recorded")
}

/// Writes what is merged and publishes the batch.
fn publish_it(place: &mut Place, batch: &Batch) -> Batch {
    write(place, batch);
    place.ledger().published(batch.id, digest_of("manifest"), &[]).expect("published")
}

fn whose(batch: &Batch) -> Vec<Vec<ArrivalId>> {
    batch.files.iter().map(|file| file.arrivals().collect()).collect()
}

/// Arrivals `0.csv` to `n.csv` in one published file.
fn in_one_file(place: &mut Place, count: usize) -> (Vec<ArrivalId>, Batch) {
    let ids = (0..count).map(|n| small(place, &format!("{n}.csv"))).collect();
    let batch = close_with(place, 1000);
    (ids, publish_it(place, &batch))
}

pub(crate) fn small_outputs_of_one_kind_share_files_of_a_size(place: &mut Place) {
    let sizes = [(100, "int64"), (600, "int64"), (400, "text"), (250, "int64"), (1000, "int64")];
    let more = [(50, "int64"), (100, "text"), (999, "text"), (1, "int64")];
    let ids: Vec<ArrivalId> = sizes
        .iter()
        .chain(&more)
        .enumerate()
        .map(|(n, (size, kind))| {
            let name = format!("{n}.csv");
            sized(place, incoming(&name, &name), *size, kind)
        })
        .collect();
    let batch = close_with(place, 1000);
    assert_eq!(batch.members, ids, "in order of receipt");
    assert_eq!(batch.files.len(), 3, "merged files are none before they are written");
    let written = write(place, &batch);
    let of = |places: &[usize]| places.iter().map(|at| ids[*at]).collect::<Vec<_>>();
    // 1000 bytes are not smaller; 999 and 400 + 100 do not go together.
    assert_eq!(
        whose(&written),
        [of(&[0, 1, 3, 5]), of(&[2, 6]), of(&[4]), of(&[7]), of(&[8])]
            .into_iter()
            .collect::<Vec<_>>()
    );
    let first = &written.files[0];
    let part = |at: usize, first_row| Share { arrival: ids[at], first_row, rows: 3 };
    assert_eq!(first.parts, [part(0, 0), part(1, 3), part(3, 6), part(5, 9)]);
    assert_eq!((first.rows, first.size_bytes, first.digest), (12, 7, digest_of(first.to.as_str())));
    assert_eq!(written.merges[0].pieces.len(), 4);
    // Nothing is decided twice.
    let again = place.ledger().merged(
        batch.id,
        vec![Merge { written: Some((8, digest_of("other"))), ..batch.merges[0].clone() }],
    );
    assert_eq!(again.expect("read"), written);
    let published = place.ledger().published(batch.id, digest_of("m"), &[]).expect("published");
    assert_eq!(published.files, written.files);
    let events = place.ledger().events(0, 1000).expect("events");
    let closed = events.iter().find_map(|told| {
        let Event::BatchClosed { files, rows, .. } = &told.event else { return None };
        Some((*files, *rows))
    });
    assert_eq!(closed, Some((5, 27)));
}

pub(crate) fn files_that_do_not_go_together_are_published_apart(place: &mut Place) {
    let ids = ["a.csv", "b.csv"].map(|name| small(place, name));
    let batch = close_with(place, 1000);
    let apart = place.ledger().keep_apart(batch.id, &batch.merges[0]).expect("recorded");
    assert_eq!((whose(&apart), apart.merges.len()), (vec![vec![ids[0]], vec![ids[1]]], 0));
    let names: Vec<&str> = apart.files.iter().map(|file| file.to.base()).collect();
    assert!(names[0] != names[1] && names[0].starts_with(&batch.id.to_string()), "{names:?}");
    assert_eq!(apart.files[0].from, batch.merges[0].pieces[0].from);
    let again = place.ledger().keep_apart(batch.id, &batch.merges[0]).expect("recorded");
    assert_eq!(again, apart);
}

pub(crate) fn one_that_is_replaced_leaves_the_rows_of_the_others_in_a_new_file(place: &mut Place) {
    let (ids, first) = in_one_file(place, 4);
    let merged = first.files[0].clone();
    let newer = sized(place, replacing("1.csv", "other"), 100, "int64");
    let second = close_with(place, 1000);
    assert_eq!(second.members, [ids[0], ids[2], ids[3], newer], "in order of receipt");
    let taken: Vec<_> =
        second.retracts.iter().map(|taken| (taken.arrival, taken.replaced_by)).collect();
    let itself = |at: usize| (ids[at], Some(ids[at]));
    assert_eq!(taken, [(ids[1], Some(newer)), itself(0), itself(2), itself(3)]);
    assert!(second.retracts.iter().all(|taken| taken.path == merged.to && taken.batch == first.id));
    let pieces: Vec<_> = second.merges[0]
        .pieces
        .iter()
        .map(|piece| (piece.arrival, piece.from.clone(), piece.first_row, piece.digest))
        .collect();
    let of = |at: usize, row| (ids[at], merged.to.clone(), row, merged.digest);
    assert_eq!(pieces, [of(0, 0), of(2, 6), of(3, 9)]);
    // Until it is published the old file is the one that counts.
    let still = place.ledger().live_files(&orders(), None).expect("read");
    assert_eq!(still, std::slice::from_ref(&merged));
    let second = publish_it(place, &second);
    assert_eq!(second.version, Some(1));
    assert_eq!(whose(&second), [vec![newer], vec![ids[0], ids[2], ids[3]]]);
    assert_eq!(place.ledger().live_files(&orders(), None).expect("read"), second.files);
    assert_eq!(place.ledger().live_files(&orders(), Some(1)).expect("read"), [merged]);
    assert_eq!((state(place, ids[1]), state(place, ids[0])), (State::Retracted, State::HandedOff));
    assert_eq!(kinds(place, ids[0]).last().map(String::as_str), Some("rewritten"));
    let published = place.ledger().published_file(ids[2]).expect("read").expect("published");
    assert_eq!(published.to, second.files[1].to);
    assert_eq!(published.part_of(ids[2]), Some(Share { arrival: ids[2], first_row: 3, rows: 3 }));
    // All of the rest at once: nothing is left to copy.
    let newest: Vec<ArrivalId> = [0, 2, 3]
        .map(|n| sized(place, replacing(&format!("{n}.csv"), "again"), 100, "int64"))
        .into();
    let third = close_with(place, 1000);
    let third = publish_it(place, &third);
    assert_eq!((third.retracts.len(), whose(&third)), (3, vec![newest]));
}

pub(crate) fn one_that_is_erased_is_in_no_file_that_is_read(place: &mut Place) {
    let (ids, first) = in_one_file(place, 3);
    let merged = first.files[0].to.clone();
    let ledger = place.ledger();
    assert_eq!(ledger.merged_in(&merged).expect("read"), ids);
    assert!(!ledger.shares_file(&[]).expect("read"));
    let parquet = |place: &mut Place| {
        let kept = place.ledger().kept(0, 100).expect("read").expect("arrivals").1;
        let kept = kept.into_iter().filter(|kept| kept.kind == KeptKind::Parquet);
        kept.map(|kept| (kept.arrival.expect("whose"), kept.path)).collect::<Vec<_>>()
    };
    assert_eq!(parquet(place), [(ids[2], merged.clone())], "a merged file is read once");
    let wish = ErasureWish {
        by: "ops".to_owned(),
        reason: "request 17".to_owned(),
        cause: ErasureCause::Asked,
    };
    let Begun::Erasing(erasure) = place.ledger().begin_erasure(ids[1], wish).expect("begun") else {
        panic!("it is not under way");
    };
    assert_eq!(erasure.files.iter().map(|file| &file.to).collect::<Vec<_>>(), [&merged]);
    assert!(place.ledger().shares_file(&[ids[1]]).expect("read"), "others are in its file");
    // Its readers still have the file, until a batch has the rows of the others.
    assert_eq!(place.ledger().live_files(&orders(), None).expect("read").len(), 1);
    let closing = Closing { over: Over::These(Vec::new()), ..Closing::of_ready(merging(1000)) };
    let closed = place.ledger().close_batch_over(&orders(), closing).expect("closed").expect("one");
    let by: Vec<_> = closed.retracts.iter().map(|taken| taken.replaced_by).collect();
    assert_eq!(by, [None, Some(ids[0]), Some(ids[2])]);
    assert!(place.ledger().shares_file(&[ids[1]]).expect("read"), "it is not published yet");
    let published = publish_it(place, &closed);
    assert_eq!(published.version, Some(1));
    assert!(!place.ledger().shares_file(&[ids[1]]).expect("read"));
    assert_eq!(whose(&published), [vec![ids[0], ids[2]]]);
    let gone = Gone { id: ids[1], tombstone: None, files: 2 };
    place.ledger().erased(vec![gone], now()).expect("recorded");
    assert_eq!(parquet(place), [(ids[2], published.files[0].to.clone())]);
    let before = place.ledger().live_files(&orders(), Some(1)).expect("read");
    assert_eq!(before, [], "what was then is gone");
    assert_eq!(place.ledger().live_files(&orders(), None).expect("read"), published.files);
}

pub(crate) fn without_the_option_every_arrival_has_its_file(place: &mut Place) {
    let ids = ["a.csv", "b.csv"].map(|name| small(place, name));
    let batch = close(place);
    assert_eq!((whose(&batch), batch.merges.len()), (vec![vec![ids[0]], vec![ids[1]]], 0));
}
