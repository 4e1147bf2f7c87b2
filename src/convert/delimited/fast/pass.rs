//! One reading of a whole text by several threads.
//!
//! Threads take blocks in turn from one reader. Each divides, judges and encodes its block alone;
//! what it found is joined, and its row group is written in the blocks' order. The first thing that
//! is unusual ends the reading for all.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use arrow_array::new_null_array;

use super::Stop;
use super::blocks::{Block, Blocks};
use super::column::{Aim, Column, Taken};
use super::fields::{Fields, Window};
use super::unchecked::{Divider, Text};
use crate::convert::Limits;
use crate::convert::infer::Evidence;
use crate::convert::sticky::Planned;
use crate::convert::table::{GroupedTable, Origin, RowGroup, grouped_type};
use crate::schema::ColumnType;

/// The most threads that convert one text. Each holds a block and a row group, and all of them
/// together must stay below what a worker may take.
pub const THREADS_MAX: usize = 3;

/// What is read, and how.
#[derive(Debug, Clone, Copy)]
pub struct Form<'a> {
    /// Between and around fields.
    pub divider: Divider,
    /// Fields of a record.
    pub width: usize,
    /// The line of the first record.
    pub line: u64,
    /// Bytes of a block.
    pub block_bytes: usize,
    /// Bytes that the text is likely to have.
    pub likely_bytes: u64,
    /// Cells and records that may be.
    pub limits: &'a Limits,
}

/// What a reading found.
#[derive(Debug, Default)]
pub struct Seen {
    /// What each column's values allow.
    pub evidence: Vec<Evidence>,
    /// Records.
    pub rows: u64,
    /// Blank lines, all at the end.
    pub blank: u64,
}

/// A table that the text is written into, as it is read.
pub struct Aimed<'a> {
    table: &'a GroupedTable,
    plan: &'a [Planned],
    aims: Vec<Aim>,
}

impl<'a> Aimed<'a> {
    /// With the plan's types for the text's columns.
    pub fn new(table: &'a GroupedTable, plan: &'a [Planned], width: usize) -> Self {
        let mut aims = vec![Aim::Array(ColumnType::Text); width];
        for planned in plan {
            if let Some(aim) = planned.source.and_then(|source| aims.get_mut(source)) {
                *aim = Aim::Array(planned.column.kind);
            }
        }
        Self { table, plan, aims }
    }
}

/// One reading.
struct Pass<'a, R> {
    form: Form<'a>,
    aimed: Option<&'a Aimed<'a>>,
    /// What a record begins with that may repeat the header.
    header: Option<&'a str>,
    blocks: Mutex<Blocks<R>>,
    seen: Mutex<Seen>,
    /// A value did not fit the table, which is not worth going on with.
    is_misfit: AtomicBool,
    is_stopped: AtomicBool,
}

/// Reads a text from its first record to its end. Tells what was found, and whether all of it is in
/// the table that was aimed at.
///
/// # Errors
/// When the text is not in the plain form that this reader knows, or a file fails.
pub fn read<R: Read + Send>(
    source: R,
    form: Form<'_>,
    aimed: Option<&Aimed<'_>>,
    header: Option<&str>,
) -> Result<(Seen, bool), Stop> {
    let evidence = vec![Evidence::default(); form.width];
    let sizes = (form.block_bytes, form.likely_bytes);
    let pass = Pass {
        blocks: Mutex::new(Blocks::new(source, form.divider.quote, form.line, sizes)),
        form,
        aimed,
        header,
        seen: Mutex::new(Seen { evidence, ..Seen::default() }),
        is_misfit: AtomicBool::new(false),
        is_stopped: AtomicBool::new(false),
    };
    let first = lock(&pass.blocks).next()?;
    let threads = match &first {
        Some(block) if !block.is_last => threads(form.limits),
        Some(_) | None => 1,
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(|| pass.work(None))).collect();
        let own = pass.work(first);
        let joined = others.into_iter().map(|other| other.join().unwrap_or(Err(Stop::Unusual)));
        joined.fold(own, Result::and)
    })?;
    let is_whole = aimed.is_some() && !pass.is_misfit.into_inner();
    Ok((pass.seen.into_inner().unwrap_or_else(PoisonError::into_inner), is_whole))
}

fn threads(limits: &Limits) -> usize {
    let asked = match limits.threads {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        asked => asked,
    };
    asked.min(THREADS_MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<R: Read> Pass<'_, R> {
    /// What one thread does.
    fn work(&self, first: Option<Block>) -> Result<(), Stop> {
        let done = self.take_blocks(first);
        if done.is_err() {
            self.is_stopped.store(true, Ordering::Relaxed);
            self.stop_table();
        }
        done
    }

    fn take_blocks(&self, mut next: Option<Block>) -> Result<(), Stop> {
        let Form { divider, width, limits, .. } = self.form;
        let mut fields = Fields::new(divider, width, limits);
        while !self.is_stopped.load(Ordering::Relaxed) {
            let block = match next.take() {
                Some(block) => block,
                None => match lock(&self.blocks).next()? {
                    Some(block) => block,
                    None => break,
                },
            };
            self.take(block, &mut fields)?;
        }
        Ok(())
    }

    fn stop_table(&self) {
        if let Some(aimed) = self.aimed {
            aimed.table.stop();
        }
    }

    fn take(&self, block: Block, fields: &mut Fields) -> Result<(), Stop> {
        let Block { index, bytes, length, records_before, line, blank, .. } = block;
        let text = Text::new(bytes, length).map_err(|_bytes| Stop::Unusual)?;
        let is_misfit = self.is_misfit.load(Ordering::Relaxed);
        let aimed = self.aimed.filter(|_| !is_misfit);
        let group = aimed.map(|aimed| aimed.table.group(index)).transpose()?;
        let mut part = Part {
            text: &text,
            aimed: aimed.zip(group),
            evidence: vec![Evidence::default(); self.form.width],
            rows: 0,
            records_before,
        };
        let mut at = (0, line);
        while at.0 < length {
            let window = fields.window(text.bytes(), length, at)?;
            if self.header.is_some_and(|header| may_repeat(&window, header)) {
                return Err(Stop::Unusual);
            }
            part.take(&window)?;
            at = (window.end, at.1 + window.line_count);
        }
        let Part { aimed, evidence, rows, .. } = part;
        match aimed {
            Some((aimed, group)) => aimed.table.append(group)?,
            None if self.aimed.is_some() => {
                self.is_misfit.store(true, Ordering::Relaxed);
                self.stop_table();
            }
            None => {}
        }
        self.join(evidence, rows, blank);
        if let Some(bytes) = text.into_bytes() {
            lock(&self.blocks).recycle(bytes);
        }
        Ok(())
    }

    fn join(&self, evidence: Vec<Evidence>, rows: u64, blank: u64) {
        let mut seen = lock(&self.seen);
        seen.rows += rows;
        seen.blank += blank;
        for (all, part) in seen.evidence.iter_mut().zip(evidence) {
            *all = std::mem::take(all).join(part);
        }
    }
}

/// A block on its way through one thread.
struct Part<'p> {
    text: &'p Text,
    aimed: Option<(&'p Aimed<'p>, RowGroup)>,
    evidence: Vec<Evidence>,
    rows: u64,
    records_before: u64,
}

impl Part<'_> {
    fn take(&mut self, window: &Window<'_>) -> Result<(), Stop> {
        for at in 0..self.evidence.len() {
            self.take_column(Column { window, text: self.text, at })?;
        }
        let first = self.records_before + self.rows + 1;
        self.rows += window.rows as u64;
        let Some((aimed, group)) = &mut self.aimed else { return Ok(()) };
        for (at, planned) in aimed.plan.iter().enumerate().filter(|(_, p)| p.source.is_none()) {
            let nulls = new_null_array(&grouped_type(planned.column.kind), window.rows);
            aimed.table.encode(group, at, &nulls)?;
        }
        let origin =
            if aimed.table.has_provenance() { origin(window, first) } else { Origin::default() };
        Ok(aimed.table.end_rows(group, window.rows as u64, origin)?)
    }

    fn take_column(&mut self, column: Column<'_>) -> Result<(), Stop> {
        let aim = match &self.aimed {
            Some((aimed, _)) => aimed.aims.get(column.at).copied().unwrap_or(Aim::Evidence),
            None => Aim::Evidence,
        };
        let Some(evidence) = self.evidence.get_mut(column.at) else { return Ok(()) };
        match column.take(evidence, aim) {
            Taken::Seen => {}
            Taken::Misfit => self.aimed = None,
            Taken::Array(array) => {
                if let Some((aimed, group)) = &mut self.aimed {
                    let place = aimed.plan.iter().position(|p| p.source == Some(column.at));
                    aimed.table.encode(group, place.unwrap_or(usize::MAX), &array)?;
                }
            }
        }
        Ok(())
    }
}

/// Whether a record begins as the header does. Whether it is the header is for the exact reader.
fn may_repeat(window: &Window<'_>, header: &str) -> bool {
    (0..window.rows).any(|row| window.value(&window.field(row, 0)) == header)
}

fn origin(window: &Window<'_>, first: u64) -> Origin {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    Origin {
        records: (first..).take(window.rows).map(number).collect(),
        lines: (0..window.rows).map(|row| number(window.line(row))).collect(),
        sheet: None,
    }
}
