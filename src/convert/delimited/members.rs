//! Which texts of an archive are the table, as with the sheets of a workbook.
//!
//! For a known feed, those whose header has at least half of its names. For an unknown one the first
//! that looks like a table (several columns under a header that is certain before several columns
//! before one), and every other with the same columns. When none is the feed's, the likeliest is taken, so that the feed's
//! schema says what is wrong with it. Of the others the lines are counted and skipped.

use std::io::Read;

use super::header::known_names;
use super::problems::Stop;
use super::text::Text;
use crate::convert::unpack::{Part, Parts};
use crate::convert::{Job, unreadable};
use crate::report::SheetReport;
use crate::schema::{Column, ColumnType};

/// The texts that make the table, and what became of the others.
pub(super) struct Chosen<'p> {
    /// The table's texts, in order.
    pub(super) texts: Vec<Text<'p>>,
    /// The columns they should have, for when their dialect is found anew.
    pub(super) known: Vec<Column>,
    /// The members that are not taken.
    pub(super) others: Vec<SheetReport>,
}

impl<'p> Chosen<'p> {
    /// Chooses among the texts of a file.
    pub(super) fn of(parts: &'p Parts, job: &Job) -> Result<Self, Stop> {
        let learned = job.known_columns();
        let learned = learned.as_slice();
        if let [part] = parts.tables.as_slice() {
            let text = of_part(part, job, learned)?;
            let others = parts.others.clone();
            return Ok(Self { texts: vec![text], known: learned.to_vec(), others });
        }
        let texts = parts.tables.iter().map(|part| of_part(part, job, learned));
        let texts = texts.collect::<Result<Vec<_>, _>>()?;
        let model = texts.iter().min_by_key(|text| rank(text));
        let model = model.map(Text::folded_names).unwrap_or_default();
        let is_met = |text: &Text<'_>| {
            let met = known_names(&text.names, learned);
            met > 0 && met * 2 >= learned.len()
        };
        let mut chosen = Self { texts: Vec::new(), known: learned.to_vec(), others: Vec::new() };
        if learned.is_empty() || !texts.iter().any(is_met) {
            chosen.known = if learned.is_empty() { columns(&texts, &model) } else { chosen.known };
            chosen.like_model(texts, job, &model)?;
        } else {
            chosen.of_feed(texts, is_met)?;
        }
        chosen.others.extend(parts.others.iter().cloned());
        Ok(chosen)
    }

    fn like_model(
        &mut self,
        texts: Vec<Text<'p>>,
        job: &Job,
        model: &[String],
    ) -> Result<(), Stop> {
        for mut text in texts {
            if text.folded_names() != *model && !text.is_empty {
                // Beside its like, a header may be known for one.
                let again = of_part(text.part(), job, &self.known)?;
                text = if again.folded_names() == *model { again } else { text };
            }
            match text.folded_names() == *model {
                true => self.texts.push(text),
                false => self.leave(&text, "its header is not that of the first table")?,
            }
        }
        Ok(())
    }

    fn of_feed(
        &mut self,
        texts: Vec<Text<'p>>,
        is_met: impl Fn(&Text<'_>) -> bool,
    ) -> Result<(), Stop> {
        for text in texts {
            match is_met(&text) {
                true => self.texts.push(text),
                false => self.leave(&text, "its header is not the feed's")?,
            }
        }
        Ok(())
    }

    fn leave(&mut self, text: &Text<'_>, why: &str) -> Result<(), Stop> {
        let why = if text.is_empty { "it is empty" } else { why };
        let name = text.member().unwrap_or_default().to_owned();
        let rows = lines(text.part())?;
        self.others.push(SheetReport { name, rows, taken: false, why: why.to_owned() });
        Ok(())
    }
}

fn of_part<'p>(part: &'p Part, job: &Job, known: &[Column]) -> Result<Text<'p>, Stop> {
    Text::of(part, job, known).map_err(|stop| stop.of_member(part.member.as_deref()))
}

/// The lower, the likelier it is the table.
fn rank(text: &Text<'_>) -> u8 {
    let dialect = &text.dialect;
    let is_certain = dialect.delimiter.0 && dialect.header.is_certain;
    match (text.is_empty, text.names.len()) {
        (true, _) => 4,
        (false, 2..) if dialect.header.is_present && is_certain => 0,
        (false, 2..) if dialect.delimiter.0 => 1,
        (false, 2..) => 2,
        (false, _) => 3,
    }
}

fn columns(texts: &[Text<'_>], model: &[String]) -> Vec<Column> {
    let text = texts.iter().find(|text| text.folded_names() == *model);
    let with_header = text.filter(|text| text.dialect.header.is_present);
    let names = with_header.map_or(&[][..], |text| &text.names);
    let column = |name: &String| Column {
        name: name.clone(),
        header: name.clone(),
        kind: ColumnType::Text,
        nested: None,
    };
    names.iter().map(column).collect()
}

/// The lines of a member that are not blank. It is read to its end, so that its checksum counts too.
fn lines(part: &Part) -> Result<u64, Stop> {
    let (mut stream, mut block) = (part.content.open(), vec![0; 64 << 10]);
    let (mut lines, mut is_blank) = (0, true);
    loop {
        let count = stream.read(&mut block).map_err(|error| unreadable(&error))?;
        for byte in block.get(..count).unwrap_or_default() {
            match byte {
                b'\n' => {
                    lines += u64::from(!is_blank);
                    is_blank = true;
                }
                b'\r' | 0 => {}
                _other => is_blank = false,
            }
        }
        if count == 0 {
            return Ok(lines + u64::from(!is_blank));
        }
    }
}
