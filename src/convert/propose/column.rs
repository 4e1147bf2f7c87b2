//! What all values of one column have in common, over all files.

use std::collections::BTreeSet;

use super::numbers::{Numbers, Numeric};
use super::times::{Timely, Times};
use crate::contract::{BadValues, DeclaredColumn, Form, Marks, ProposedColumn, TimeFormat};
use crate::convert::infer::canonical::{self, Zone};
use crate::schema::ColumnType;

/// Words that stand for no value where all others are numbers, days or times.
const NULL_WORDS: [&str; 17] = [
    "NA", "N/A", "n/a", "#N/A", "NULL", "Null", "null", "(null)", "\\N", "NONE", "None", "none",
    "NaN", "nan", "-", "--", "?",
];

/// Words for true and false.
const BOOLS: [(&str, &str); 11] = [
    ("yes", "no"),
    ("Yes", "No"),
    ("YES", "NO"),
    ("ja", "nein"),
    ("Ja", "Nein"),
    ("JA", "NEIN"),
    ("Y", "N"),
    ("J", "N"),
    ("T", "F"),
    ("t", "f"),
    ("y", "n"),
];

/// Different values that are named, and bytes of one.
const FEW_MAX: usize = 6;
const FEW_BYTES_MAX: usize = 32;
/// Bytes of a text that may be a key.
const WORD_BYTES_MAX: usize = 64;
/// Values from which on few different ones say something.
const MANY: u64 = 50;

/// A column as far as it has been looked at.
#[derive(Debug)]
pub(super) struct ColumnSurvey {
    name: String,
    /// Other headers that it came under, by the contract in force.
    aliases: Vec<String>,
    files: u64,
    /// Records of the files that have it.
    records: u64,
    missing: u64,
    /// Texts of no characters, and of blanks alone.
    empty: u64,
    blank: u64,
    null_words: BTreeSet<&'static str>,
    /// Values that are none of these.
    tested: u64,
    is_padded: bool,
    is_nested: bool,
    /// Whether every text is short and of one word, as names of things are.
    is_word: bool,
    few: Option<BTreeSet<String>>,
    numbers: Numbers,
    times: Times,
    fits: Fits,
}

/// Whether all values so far are of the types that need no format.
#[derive(Debug)]
struct Fits {
    double: bool,
    day: bool,
    local: bool,
    instant: bool,
    /// Eight digits that are a day.
    compact_day: bool,
    logical: bool,
    words: Vec<(&'static str, &'static str)>,
}

/// A form that all values fit.
struct Fitting {
    form: Form,
    remark: Option<String>,
}

impl ColumnSurvey {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            aliases: Vec::new(),
            files: 0,
            records: 0,
            missing: 0,
            empty: 0,
            blank: 0,
            null_words: BTreeSet::new(),
            tested: 0,
            is_padded: false,
            is_nested: false,
            is_word: true,
            few: Some(BTreeSet::new()),
            numbers: Numbers::new(),
            times: Times::new(),
            fits: Fits {
                double: true,
                day: true,
                local: true,
                instant: true,
                compact_day: true,
                logical: true,
                words: BOOLS.to_vec(),
            },
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether its values may name what a record is about: not money, times, or sentences.
    pub(super) fn may_name(&self, form: &Form) -> bool {
        match form {
            Form::Int64(_) => true,
            Form::Text => self.is_word && !self.is_nested,
            Form::Decimal { .. }
            | Form::Double(_)
            | Form::Date(_)
            | Form::Timestamp { .. }
            | Form::Bool { .. } => false,
        }
    }

    /// Files that have it.
    pub(super) fn files(&self) -> u64 {
        self.files
    }

    /// A file has it, under this header.
    pub(super) fn begin_file(&mut self, header: &str) {
        self.files += 1;
        let is_known = header.to_lowercase() == self.name.to_lowercase()
            || self.aliases.iter().any(|alias| alias == header);
        if !is_known {
            self.aliases.push(header.to_owned());
        }
    }

    /// A list or an object.
    pub(super) fn take_nested(&mut self, is_null: bool) {
        self.records += 1;
        self.is_nested = true;
        self.missing += u64::from(is_null);
    }

    /// A value by its text; whether it is printed from a double.
    pub(super) fn take(&mut self, text: Option<&str>, is_double: bool) {
        self.records += 1;
        let Some(text) = text else {
            self.missing += 1;
            return;
        };
        if let Some(few) = self.few.as_mut().filter(|few| !few.contains(text)) {
            few.insert(text.to_owned());
            if few.len() > FEW_MAX || text.len() > FEW_BYTES_MAX {
                self.few = None;
            }
        }
        self.is_word &= text.len() <= WORD_BYTES_MAX && !text.contains(char::is_whitespace);
        let trimmed = text.trim();
        match (text.is_empty(), trimmed.is_empty()) {
            (true, _) => self.empty += 1,
            (false, true) => self.blank += 1,
            (false, false) => self.test(trimmed, is_double),
        }
        self.is_padded |= trimmed.len() < text.len();
    }

    fn test(&mut self, text: &str, is_double: bool) {
        if let Some(word) = NULL_WORDS.iter().find(|word| **word == text) {
            self.null_words.insert(word);
            return;
        }
        self.tested += 1;
        self.numbers.take(text);
        self.times.take(text);
        let fits = &mut self.fits;
        let bytes = text.as_bytes();
        fits.double &= is_double || canonical::double(bytes).is_some();
        fits.day &= canonical::date(bytes).is_some();
        let zone = (fits.local || fits.instant).then(|| canonical::moment(bytes)).flatten();
        fits.local &= zone.is_some_and(|(_, form)| form.zone == Zone::Local);
        fits.instant &= zone.is_some_and(|(_, form)| form.zone != Zone::Local);
        fits.compact_day &= bytes.len() == 8 && is_compact_day(text);
        fits.logical &= canonical::boolean(bytes).is_some();
        fits.words.retain(|(yes, no)| text == *yes || text == *no);
    }

    /// Every form that all values fit, the likeliest first, and what to say of those that nobody may
    /// choose between.
    fn fitting(&self) -> (Vec<Fitting>, Vec<String>) {
        let (mut found, mut remarks) = (Vec::new(), Vec::new());
        if self.tested == 0 || self.is_nested {
            return (found, remarks);
        }
        let fits = |form| Fitting { form, remark: None };
        if self.fits.logical {
            found.push(fits(logical()));
        }
        found.extend(self.words().map(fits));
        match self.numbers.come_to() {
            Numeric::Yes(form) => found.push(fits(form)),
            Numeric::Doubtful(form) => {
                let remark = "always three digits after the point: thousands, perhaps?".to_owned();
                found.push(Fitting { form, remark: Some(remark) });
            }
            Numeric::Ambiguous => remarks.push(
                "numbers like `1,234`, which may be thousands or not: declare a type with `decimal` or `thousands`"
                    .to_owned(),
            ),
            Numeric::No => {}
        }
        if self.fits.double {
            found.push(fits(Form::Double(Marks::default())));
        }
        if self.fits.day {
            found.push(fits(Form::Date(TimeFormat::iso_date())));
        }
        for (utc, fit) in [(false, self.fits.local), (true, self.fits.instant)] {
            if fit {
                found.push(fits(Form::Timestamp { format: None, utc }));
            }
        }
        match self.times.come_to() {
            Timely::Yes(form) => found.push(fits(form)),
            Timely::Ambiguous(one, other) => remarks.push(format!(
                "all values fit {} as well as {}: declare which",
                written(&one),
                written(&other)
            )),
            Timely::No => {}
        }
        (found, remarks)
    }

    /// Two words, both of which were seen.
    fn words(&self) -> Option<Form> {
        let seen =
            |word: &str| self.few.as_ref().is_some_and(|few| few.iter().any(|v| v.trim() == word));
        let both = self.fits.words.iter().find(|(yes, no)| seen(yes) && seen(no));
        both.map(|(yes, no)| Form::Bool {
            yes: vec![(*yes).to_owned()],
            no: vec![(*no).to_owned()],
        })
    }

    /// What is declared of it: of the forms that fit the one that its values are published in, if
    /// that is not text, or else the likeliest.
    pub(super) fn proposed(
        &self,
        files: u64,
        published: Option<ColumnType>,
        is_kept_text: bool,
    ) -> ProposedColumn {
        let (mut fitting, mut remarks) = self.fitting();
        if is_kept_text {
            fitting.clear();
            remarks.push(
                "stays text: some files do not read under what its values look like".to_owned(),
            );
        }
        let as_published = fitting.iter().position(|f| is_within(&f.form, published));
        let chosen = (!fitting.is_empty()).then(|| fitting.swap_remove(as_published.unwrap_or(0)));
        let (form, remark) = chosen.map_or((Form::Text, None), |f| (f.form, f.remark));
        let form = as_wide(form, published);
        remarks.extend(remark);
        let is_text = form == Form::Text;
        let nothing = self.missing + if is_text { 0 } else { self.empty + self.blank };
        let no_words = is_text || self.null_words.is_empty();
        let is_always_there = self.files == files && self.tested > 0 && no_words && nothing == 0;
        let mut all = vec![self.measured(files, nothing)];
        all.append(&mut remarks);
        all.extend(self.few_values(&form));
        all.extend(opens_version(&form, published));
        let column = DeclaredColumn {
            name: self.name.clone(),
            aliases: self.aliases.clone(),
            nulls: if is_text {
                Vec::new()
            } else {
                self.null_words.iter().map(|w| (*w).to_owned()).collect()
            },
            trim: self.is_padded && !is_text,
            required: is_always_there,
            bad_values: BadValues::RejectRow,
            min: None,
            max: None,
            pattern: None,
            allowed: None,
            form,
        };
        ProposedColumn { column, unique: false, remarks: all }
    }

    fn measured(&self, files: u64, nothing: u64) -> String {
        let of_files = if self.files == files {
            String::new()
        } else {
            format!("in {} of {files} files; ", self.files)
        };
        let nulls = if nothing == 0 { "none null".to_owned() } else { format!("{nothing} null") };
        let values = if self.records == 1 { "value" } else { "values" };
        format!("{of_files}{} {values}, {nulls}", self.records)
    }

    fn few_values(&self, form: &Form) -> Option<String> {
        if self.is_nested {
            return Some("lists or objects: as their JSON text".to_owned());
        }
        if self.fits.compact_day && self.tested > 0 && matches!(form, Form::Int64(_)) {
            return Some("every value is a day as %Y%m%d: type = \"date\" with that `format` would make it one".to_owned());
        }
        let few = self.few.as_ref().filter(|few| self.tested >= MANY && !few.is_empty())?;
        let names: Vec<_> = few.iter().map(|value| format!("{value:?}")).collect();
        (*form == Form::Text).then(|| {
            format!("only these values: allowed = [{}] would hold it to them", names.join(", "))
        })
    }
}

/// `true` and `false` in each of their spellings.
fn logical() -> Form {
    let words = |all: [&str; 3]| all.map(str::to_owned).to_vec();
    Form::Bool { yes: words(["true", "True", "TRUE"]), no: words(["false", "False", "FALSE"]) }
}

/// Whether values of a form are published in this type already, or could be.
fn is_within(form: &Form, published: Option<ColumnType>) -> bool {
    let Some(published) = published else { return false };
    match (form.kind(), published) {
        (
            ColumnType::Decimal { precision, scale },
            ColumnType::Decimal { precision: p, scale: s },
        ) => precision <= p && scale <= s,
        (ColumnType::Int64, ColumnType::Decimal { .. }) => true,
        (kind, published) => kind == published,
    }
}

/// The form with the digits of the decimal that its values are published in.
fn as_wide(form: Form, published: Option<ColumnType>) -> Form {
    let fits = is_within(&form, published);
    match (form, published) {
        (
            Form::Int64(marks) | Form::Decimal { marks, .. },
            Some(ColumnType::Decimal { precision, scale }),
        ) if fits => Form::Decimal { precision, scale, marks },
        (form, _) => form,
    }
}

fn opens_version(form: &Form, published: Option<ColumnType>) -> Option<String> {
    let published = published.map(ColumnType::published).filter(|kind| *kind != form.kind())?;
    Some(format!("published as {published} so far: this type opens the dataset's next version"))
}

/// A day or time as its format writes it.
fn written(form: &Form) -> &str {
    match form {
        Form::Date(format) | Form::Timestamp { format: Some(format), .. } => format.as_str(),
        Form::Timestamp { format: None, .. }
        | Form::Text
        | Form::Int64(_)
        | Form::Decimal { .. }
        | Form::Double(_)
        | Form::Bool { .. } => "",
    }
}

fn is_compact_day(text: &str) -> bool {
    let part = |range: std::ops::Range<usize>| text.get(range)?.parse::<i32>().ok();
    let day = part(0..4).zip(part(4..6)).zip(part(6..8));
    day.is_some_and(|((year, month), day)| {
        (1900..2100).contains(&year) && canonical::days(year, month, day).is_some()
    })
}
