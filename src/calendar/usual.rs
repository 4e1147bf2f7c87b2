//! Whether a file is as large as its feed's files usually are.
//!
//! The rule, for rows and for bytes: a number is *unusual* when it is more than five times the median
//! absolute deviation, and more than half of the median, away from the median of the feed's newest
//! twenty files before it; also when it is 0 and none of theirs was. It is not when two or more of
//! them were as far away on the same side: then it is known, as a large file every Monday is. With
//! fewer than eight files nothing is said. Median and deviation are not moved by a few wild values
//! (Hampel's identifier; F. R. Hampel, "The influence curve and its role in robust estimation", 1974).

use crate::ledger::{Size, Unlike};

/// Files that one is compared with.
pub const COMPARED_MAX: u32 = 20;
/// Fewer say nothing.
const COMPARED_MIN: usize = 8;
/// Deviations from the median that are usual.
const DEVIATIONS: u64 = 5;
/// So many files as far away make it usual.
const KNOWN_MIN: usize = 2;

/// How a file's rows and bytes differ from those before it, which are the newest first.
pub fn judge(own: Size, before: &[Size]) -> (Option<Unlike>, Option<Unlike>) {
    // What was taken as it is has no rows, and its bytes say nothing of a table's.
    let alike = before.iter().filter(|size| size.rows.is_some() == own.rows.is_some());
    let (rows, bytes): (Vec<_>, Vec<_>) =
        alike.map(|size| (size.rows.unwrap_or_default(), size.bytes)).unzip();
    (own.rows.and_then(|own| unlike(own, &rows)), unlike(own.bytes, &bytes))
}

/// How a number differs from those before it; `None` when it does not, or nobody can say.
fn unlike(is: u64, before: &[u64]) -> Option<Unlike> {
    if before.len() < COMPARED_MIN {
        return None;
    }
    let usually = median(before.to_vec());
    let away: Vec<u64> = before.iter().map(|number| number.abs_diff(usually)).collect();
    let usual = median(away).saturating_mul(DEVIATIONS).max(usually / 2);
    let is_far = |number: u64| number.abs_diff(usually) > usual;
    let known =
        before.iter().filter(|number| is_far(**number) && (**number > usually) == (is > usually));
    let is_empty = is == 0 && !before.contains(&0);
    let unusual = is_empty || (is_far(is) && known.count() < KNOWN_MIN);
    unusual.then(|| Unlike { is, usually, of: u32::try_from(before.len()).unwrap_or(u32::MAX) })
}

/// The middle, or the lower of the two in the middle.
fn median(mut numbers: Vec<u64>) -> u64 {
    numbers.sort_unstable();
    numbers.get(numbers.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

/// How a file differs from those before it: `12 rows, usually about 1000`.
pub fn in_words(rows: Option<&Unlike>, bytes: Option<&Unlike>) -> String {
    let one = |what: &str, unlike: &Unlike| {
        let Unlike { is, usually, of } = unlike;
        format!("{is} {what}, the {of} before had about {usually}")
    };
    let rows = rows.map(|rows| one("rows", rows));
    let bytes = bytes.map(|bytes| one("bytes", bytes));
    rows.into_iter().chain(bytes).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_from_the_median_is_unusual() {
        let steady = [100, 102, 98, 101, 99, 100, 103, 97, 100];
        assert_eq!(unlike(140, &steady), None, "less than half of the median away");
        assert_eq!(unlike(60, &steady), None);
        assert_eq!(unlike(151, &steady), Some(Unlike { is: 151, usually: 100, of: 9 }));
        assert!(unlike(49, &steady).is_some());
        let wide = [100, 160, 40, 130, 70, 100, 190, 20, 100];
        assert_eq!(unlike(250, &wide), None, "within five deviations");
        assert!(unlike(251, &wide).is_some());
    }

    #[test]
    fn an_empty_file_is_unusual_where_none_was() {
        let wide = [100, 160, 40, 130, 70, 100, 190, 20, 100];
        assert!(unlike(0, &wide).is_some());
        assert_eq!(unlike(0, &[100, 0, 40, 130, 70, 100, 190, 20, 100]), None);
    }

    #[test]
    fn what_came_twice_before_is_known() {
        let mondays = [100, 100, 100, 900, 100, 100, 100, 100, 100, 100, 900];
        assert_eq!(unlike(950, &mondays), None);
        assert!(unlike(10, &mondays).is_some(), "on the other side nothing was");
        assert!(unlike(950, &mondays[..10]).is_some(), "one is not enough");
    }

    #[test]
    fn few_files_say_nothing() {
        assert_eq!(unlike(9000, &[1; 7]), None);
        assert!(unlike(9000, &[1; 8]).is_some());
    }

    #[test]
    fn tables_are_compared_with_tables() {
        let table = |rows| Size { bytes: 1000, rows: Some(rows) };
        let raw = Size { bytes: 1, rows: None };
        let mut before = vec![table(10); 8];
        before.extend([raw; 7]);
        let (rows, bytes) = judge(table(100), &before);
        assert_eq!((rows.map(|rows| rows.of), bytes), (Some(8), None));
        assert_eq!(judge(Size { bytes: 900, rows: None }, &before), (None, None));
        let told = in_words(rows.as_ref(), None);
        assert_eq!(told, "100 rows, the 8 before had about 10");
    }
}
