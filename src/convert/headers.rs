//! Published column names from the headers as sent.
//!
//! A name is the header itself, made unique without regard to case (Parquet readers that fold case
//! would otherwise lose a column): the second `id` is `id_2`. An empty header is `column_3`. A name
//! that begins with `_lf_` would hide a provenance column and gets another `_` in front; `lf_date`,
//! which the folders of the lake are named by, would be hidden itself and is `lf_date_2`.

use std::collections::{HashMap, HashSet};

use crate::zone::DAY_COLUMN;

/// The published names of columns with these headers, in order.
pub fn published<S: AsRef<str>>(headers: &[S]) -> Vec<String> {
    let mut taken = HashSet::from([DAY_COLUMN.to_owned()]);
    // For each name, the number that is tried first; a million times the same name is not tried
    // from 2 on each time.
    let mut next: HashMap<String, usize> = HashMap::new();
    let number = |(at, header): (usize, &S)| {
        let base = base_name(header.as_ref(), at + 1);
        if taken.insert(base.to_lowercase()) {
            return base;
        }
        let next = next.entry(base.to_lowercase()).or_insert(2);
        loop {
            let name = format!("{base}_{next}");
            *next += 1;
            if taken.insert(name.to_lowercase()) {
                return name;
            }
        }
    };
    headers.iter().enumerate().map(number).collect()
}

fn base_name(header: &str, position: usize) -> String {
    match header {
        blank if blank.trim().is_empty() => format!("column_{position}"),
        reserved if reserved.to_lowercase().starts_with("_lf_") => format!("_{reserved}"),
        plain => plain.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_without_regard_to_case() {
        let names = published(&["id", "ID", "", "id", "column_3", "_lf_arrival", "_LF_x"]);
        let expected = ["id", "ID_2", "column_3", "id_3", "column_3_2", "__lf_arrival", "__LF_x"];
        assert_eq!(names, expected);
        assert_eq!(published(&["LF_DATE", "lf_date_2"]), ["LF_DATE_2", "lf_date_2_2"]);
        let many = published(&vec!["c"; 300_000]);
        assert_eq!(many.last().map(String::as_str), Some("c_300000"));
    }
}
