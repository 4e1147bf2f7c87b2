//! The big file: orders with values that others alter (leading zeros, `1.10`), the same for the
//! same number of rows.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::ops::cli::output::{counted, size};

/// The generated file and what must come out of it.
pub(super) struct Orders {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) rows: u64,
    /// Sum of the column `quantity`.
    pub(super) quantity: u64,
    size_bytes: u64,
}

impl Orders {
    pub(super) fn said(&self) -> String {
        let (rows, bytes) = (counted(self.rows, "row"), size(self.size_bytes));
        format!("{rows}, {bytes}, sum of quantity {}", self.quantity)
    }
}

const ARTICLES: [&str; 5] = ["00017", "00420", "01305", "20991", "00008"];
const PRICES: [&str; 5] = ["1.10", "19.90", "4.00", "120.50", "0.95"];
const NOTES: [&str; 8] = ["", "", "", "", "NA", "call 007", "\"gift, with card\"", "03/04/2026"];

/// Writes the orders into a folder.
pub(super) fn make(folder: &Path, rows: u64) -> io::Result<Orders> {
    let name = format!("orders_{rows}.csv");
    let path = folder.join(&name);
    let mut out = BufWriter::with_capacity(1 << 20, File::create(&path)?);
    writeln!(out, "order_id,customer_no,article,quantity,unit_price,ordered_at,note")?;
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut total = 0;
    for row in 0..rows {
        let quantity = 1 + dice.below(19);
        total += quantity;
        let (customer, second) = (dice.below(100_000), dice.below(86_400));
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let (article, price) = (dice.one_of(&ARTICLES), dice.one_of(&PRICES));
        let note = dice.one_of(&NOTES);
        writeln!(
            out,
            "{},{customer:06},{article},{quantity},{price},\
             2026-11-22T{hour:02}:{minute:02}:{second:02}Z,{note}",
            1_000_000 + row
        )?;
    }
    out.flush()?;
    let size_bytes = out.get_ref().metadata()?.len();
    Ok(Orders { name, path, rows, quantity: total, size_bytes })
}

/// Numbers that only look random (xorshift64*, Vigna 2016): the same file every time.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one_of(&mut self, words: &[&'static str]) -> &'static str {
        let choice = usize::try_from(self.below(words.len() as u64)).unwrap_or(0);
        words.get(choice).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_orders_come_out_every_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = make(folder.path(), 1000).expect("made");
        let text = std::fs::read_to_string(&first.path).expect("read");
        let again = make(folder.path(), 1000).expect("made again");
        assert_eq!(std::fs::read_to_string(&again.path).expect("read"), text);
        assert_eq!(text.lines().count(), 1001);
        let sum: u64 = text
            .lines()
            .skip(1)
            .map(|line| line.split(',').nth(3).expect("a column").parse::<u64>().expect("a number"))
            .sum();
        assert_eq!(sum, first.quantity);
    }
}
