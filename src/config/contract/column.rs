//! One declared column, and how values are written unless it says otherwise.

use toml::de::DeValue;

use super::super::problem::Wrong;
use super::super::reader::Reader;
use super::super::value::{choice, text, truth};
use super::{BAD_VALUES, spoken_for};
use crate::contract::{BadValues, DeclaredColumn, Form, Literal, Marks, Pattern, TimeFormat};
use crate::zone::DAY_COLUMN;

/// Columns of a contract.
const COLUMNS_MAX: usize = 20_000;
/// Bytes of a column's name.
const NAME_BYTES_MAX: usize = 1024;
/// Digits of the widest decimal that every reader takes.
const DIGITS_MAX: u8 = 38;

/// What columns that say nothing have.
pub(super) struct Defaults {
    marks: Marks,
    date: Option<TimeFormat>,
    timestamp: Option<TimeFormat>,
    nulls: Vec<String>,
    trim: bool,
    pub(super) bad_values: BadValues,
}

impl Defaults {
    pub(super) fn read(top: &Reader<'_, '_>) -> Self {
        Self {
            marks: marks(top, Marks::default()),
            date: top.get("date", date_format),
            timestamp: top.get("timestamp", time_format),
            nulls: top.list("null", null_word).unwrap_or_default(),
            trim: top.get("trim", truth).unwrap_or(false),
            bad_values: BadValues::RejectRow,
        }
    }
}

/// The columns in the order they are written, and the keys that those with `unique = true` are.
pub(super) fn read_all(
    top: &Reader<'_, '_>,
    defaults: &Defaults,
) -> (Vec<DeclaredColumn>, Vec<Vec<String>>) {
    let (mut columns, mut keys) = (Vec::new(), Vec::new());
    let Some(outer) = top.table("column") else { return (columns, keys) };
    let mut entries: Vec<_> = outer.entries().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    if entries.len() > COLUMNS_MAX {
        outer.problem(Wrong::new(format!("a contract has at most {COLUMNS_MAX} columns")));
        return (columns, keys);
    }
    let mut taken = std::collections::HashSet::new();
    for (key, value) in entries {
        let name = key.get_ref().to_string();
        let mut unique = false;
        let column = if value.get_ref().is_str() {
            outer.entry(key, value, |value| short(&name, value, defaults))
        } else {
            let table = outer.below(&name, value);
            table.and_then(|table| {
                unique = table.get("unique", truth).unwrap_or(false);
                read_one(&name, table, defaults)
            })
        };
        let Some(column) = column else { continue };
        if let Err(wrong) = check_name(&name) {
            outer.problem_of(key, wrong);
        }
        for called in spoken_for(std::slice::from_ref(&column)) {
            if !taken.insert(called.to_lowercase()) {
                outer.problem_of(key, Wrong::new(format!("`{called}` means two columns")));
            }
        }
        if unique {
            keys.push(vec![name]);
        }
        columns.push(column);
    }
    (columns, keys)
}

fn check_name(name: &str) -> Result<(), Wrong> {
    if name.trim().is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(Wrong::new(format!("a column's name has 1 to {NAME_BYTES_MAX} bytes")));
    }
    let lower = name.to_lowercase();
    if lower.starts_with("_lf_") || lower == DAY_COLUMN {
        let own =
            format!("`{name}`: {DAY_COLUMN} and names that begin with `_lf_` are landfall's own");
        return Err(Wrong::new(own));
    }
    Ok(())
}

/// A column of which only the type is said.
fn short(name: &str, value: &DeValue<'_>, defaults: &Defaults) -> Result<DeclaredColumn, Wrong> {
    let kind = kind(value)?;
    let (format, marks) = (defaults.format(kind), defaults.marks);
    let form = kind.form(marks, format).map_err(Wrong::new)?;
    Ok(bare(name, form, defaults))
}

fn bare(name: &str, form: Form, defaults: &Defaults) -> DeclaredColumn {
    DeclaredColumn {
        name: name.to_owned(),
        aliases: Vec::new(),
        form,
        nulls: defaults.nulls.clone(),
        trim: defaults.trim,
        required: false,
        bad_values: defaults.bad_values,
        min: None,
        max: None,
        pattern: None,
        allowed: None,
    }
}

fn read_one(name: &str, table: Reader<'_, '_>, defaults: &Defaults) -> Option<DeclaredColumn> {
    table.require("type");
    let kind = table.get("type", kind);
    let aliases = table.list("aliases", text).unwrap_or_default();
    let form = form(&table, kind, defaults);
    let mut column = bare(name, form.clone().unwrap_or(Form::Text), defaults);
    column.aliases = aliases;
    if let Some(nulls) = table.list("null", null_word) {
        column.nulls = nulls;
    }
    table.set(&mut column.trim, "trim", truth);
    table.set(&mut column.required, "required", truth);
    table.set(&mut column.bad_values, "values", choice(BAD_VALUES));
    column.pattern = table.get("pattern", pattern);
    if form.is_some() {
        rules(&table, &mut column);
    } else {
        // Without a type nothing can be said about them.
        for key in ["min", "max", "allowed"] {
            table.passed_over(key);
        }
    }
    table.finish();
    form.map(|_| column)
}

/// Bounds and allowed values, which are of the column's type.
fn rules(table: &Reader<'_, '_>, column: &mut DeclaredColumn) {
    let of_form = |value: &DeValue<'_>| {
        let text = plain(value)?;
        Literal::new(&column.form, &text).map_err(Wrong::new)
    };
    let (min, max) = (table.get("min", of_form), table.get("max", of_form));
    let allowed = table.list("allowed", of_form);
    if matches!(column.form, Form::Text | Form::Bool { .. }) {
        for key in ["min", "max"].into_iter().filter(|key| table.has(key)) {
            let why =
                format!("`{key}` bounds numbers, dates and times; see `pattern` and `allowed`");
            table.problem_at(key, Wrong::new(why));
        }
    }
    if min.as_ref().zip(max.as_ref()).is_some_and(|(min, max)| min > max) {
        table.problem_at("min", Wrong::new("`min` is more than `max`"));
    }
    if allowed.as_ref().is_some_and(Vec::is_empty) {
        table.problem_at("allowed", Wrong::new("`allowed` lists no value"));
    }
    (column.min, column.max, column.allowed) = (min, max, allowed);
}

/// A type as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Int64,
    Decimal(u8, u8),
    Double,
    Date,
    Timestamp,
    TimestampUtc,
    Bool,
}

const KINDS: &[(&str, Kind)] = &[
    ("text", Kind::Text),
    ("int64", Kind::Int64),
    ("double", Kind::Double),
    ("date", Kind::Date),
    ("timestamp", Kind::Timestamp),
    ("timestamp_utc", Kind::TimestampUtc),
    ("bool", Kind::Bool),
];

/// What the types are called elsewhere.
const ELSEWHERE: &[(&str, &str)] = &[
    ("string", "text"),
    ("str", "text"),
    ("varchar", "text"),
    ("int", "int64"),
    ("integer", "int64"),
    ("bigint", "int64"),
    ("long", "int64"),
    ("float", "double"),
    ("float64", "double"),
    ("real", "double"),
    ("numeric", "decimal(18,2)"),
    ("number", "decimal(18,2)"),
    ("decimal", "decimal(18,2)"),
    ("datetime", "timestamp"),
    ("timestamptz", "timestamp_utc"),
    ("boolean", "bool"),
];

fn kind(value: &DeValue<'_>) -> Result<Kind, Wrong> {
    let given = text(value)?;
    let plain: String = given.chars().filter(|c| !c.is_whitespace()).collect();
    if let Some((_, kind)) = KINDS.iter().find(|(name, _)| *name == plain) {
        return Ok(*kind);
    }
    if let Some(digits) = plain.strip_prefix("decimal(").and_then(|rest| rest.strip_suffix(')')) {
        let (precision, scale) = digits.split_once(',').unwrap_or((digits, "0"));
        let digits = precision.parse().ok().zip(scale.parse().ok());
        return match digits {
            Some((precision @ 1..=DIGITS_MAX, scale)) if scale <= precision => {
                Ok(Kind::Decimal(precision, scale))
            }
            Some(_) | None => Err(Wrong::new(format!(
                "must be decimal(p,s) with 1 ≤ p ≤ {DIGITS_MAX} and s ≤ p, not `{given}`"
            ))),
        };
    }
    let names = KINDS.iter().map(|(name, _)| *name);
    let all = names.clone().chain(["decimal(p,s)"]).collect::<Vec<_>>().join(", ");
    let message = format!("must be one of {all}, not `{given}`");
    let folded = plain.to_ascii_lowercase();
    let elsewhere = ELSEWHERE.iter().find(|(name, _)| folded.split('(').next() == Some(name));
    match elsewhere {
        Some((_, ours)) => Err(Wrong { message, suggestion: Some((*ours).to_owned()) }),
        None => Err(Wrong::unlike(message, &given, names)),
    }
}

impl Kind {
    fn is_number(self) -> bool {
        matches!(self, Self::Int64 | Self::Decimal(..) | Self::Double)
    }

    fn form(self, marks: Marks, format: Option<TimeFormat>) -> Result<Form, String> {
        let zone = |utc: bool, format: Option<TimeFormat>| {
            match &format {
            Some(format) if utc && !format.has_zone() => {
                Err("is timestamp_utc, but its format has no `%z`; a time without a zone is a timestamp".to_owned())
            }
            Some(format) if !utc && format.has_zone() => {
                Err("is timestamp, but its format has a zone, which makes it a timestamp_utc".to_owned())
            }
            Some(_) | None => Ok(Form::Timestamp { format, utc }),
        }
        };
        match self {
            Self::Text => Ok(Form::Text),
            Self::Int64 => Ok(Form::Int64(marks)),
            Self::Decimal(precision, scale) => Ok(Form::Decimal { precision, scale, marks }),
            Self::Double => Ok(Form::Double(marks)),
            Self::Date => Ok(Form::Date(format.unwrap_or_else(TimeFormat::iso_date))),
            Self::Timestamp => zone(false, format),
            Self::TimestampUtc => zone(true, format),
            Self::Bool => {
                let words = |all: [&str; 3]| all.map(str::to_owned).to_vec();
                let (yes, no) =
                    (words(["true", "True", "TRUE"]), words(["false", "False", "FALSE"]));
                Ok(Form::Bool { yes, no })
            }
        }
    }
}

impl Defaults {
    fn format(&self, kind: Kind) -> Option<TimeFormat> {
        match kind {
            Kind::Date => self.date.clone(),
            // A default with a zone is for instants only, one without for the others.
            Kind::Timestamp => self.timestamp.clone().filter(|format| !format.has_zone()),
            Kind::TimestampUtc => self.timestamp.clone().filter(TimeFormat::has_zone),
            Kind::Text | Kind::Int64 | Kind::Decimal(..) | Kind::Double | Kind::Bool => None,
        }
    }
}

/// The form of a column: its type with its own marks, format and words.
fn form(table: &Reader<'_, '_>, kind: Option<Kind>, defaults: &Defaults) -> Option<Form> {
    let is = |wanted: fn(Kind) -> bool| kind.is_none_or(wanted);
    let only = |keys: &[&str], applies: bool, what: &str| {
        for key in keys.iter().filter(|key| !applies && table.has(key)) {
            table.problem_at(key, Wrong::new(format!("`{key}` is for {what}")));
        }
    };
    let marks = marks(table, defaults.marks);
    let format = match kind {
        Some(Kind::Date) => table.get("format", date_format),
        _other => table.get("format", time_format),
    };
    let yes = table.list("yes", text);
    let no = table.list("no", text);
    only(&["decimal", "thousands"], is(Kind::is_number), "numbers");
    let is_time = |kind| matches!(kind, Kind::Date | Kind::Timestamp | Kind::TimestampUtc);
    only(&["format"], is(is_time), "dates and timestamps");
    only(&["yes", "no"], is(|kind| kind == Kind::Bool), "bools");
    let kind = kind?;
    let format = format.or_else(|| defaults.format(kind));
    let mut form = match kind.form(marks, format) {
        Ok(form) => form,
        Err(why) => {
            table.problem_at("type", Wrong::new(format!("`type` {why}")));
            return None;
        }
    };
    if let Form::Bool { yes: yes_words, no: no_words } = &mut form {
        *yes_words = yes.unwrap_or_else(|| std::mem::take(yes_words));
        *no_words = no.unwrap_or_else(|| std::mem::take(no_words));
        if yes_words.is_empty() || no_words.is_empty() {
            table.problem(Wrong::new("a bool has at least one word for `yes` and one for `no`"));
        }
        if let Some(word) = yes_words.iter().find(|word| no_words.contains(word)) {
            table.problem_at("no", Wrong::new(format!("`{word}` is both `yes` and `no`")));
        }
    }
    Some(form)
}

fn marks(table: &Reader<'_, '_>, default: Marks) -> Marks {
    let point = table.get("decimal", point).unwrap_or(default.point);
    let own = table.get("thousands", thousands);
    // A column with another point than the others does not inherit a mark that would clash.
    let thousands = own.unwrap_or(default.thousands).filter(|mark| own.is_some() || *mark != point);
    if thousands == Some(point) {
        let message = "`decimal` and `thousands` are the same character";
        table.problem_at("thousands", Wrong::new(message));
    }
    Marks { point, thousands }
}

fn point(value: &DeValue<'_>) -> Result<char, Wrong> {
    match text(value)?.as_str() {
        "." => Ok('.'),
        "," => Ok(','),
        other => Err(Wrong::new(format!("must be \".\" or \",\", not `{other}`"))),
    }
}

/// One character, or none for `""`.
fn thousands(value: &DeValue<'_>) -> Result<Option<char>, Wrong> {
    let given = text(value)?;
    let mut characters = given.chars();
    match (characters.next(), characters.next()) {
        (None, _) => Ok(None),
        (Some(c), None) if !c.is_alphanumeric() && !matches!(c, '+' | '-') => Ok(Some(c)),
        (Some(_), _) => Err(Wrong::new(format!(
            "must be one character that is no letter, digit or sign, or \"\" for none, not `{given}`"
        ))),
    }
}

fn null_word(value: &DeValue<'_>) -> Result<String, Wrong> {
    match text(value)? {
        word if word.is_empty() => Err(Wrong::new("need not list \"\": nothing is always null")),
        word => Ok(word),
    }
}

fn time_format(value: &DeValue<'_>) -> Result<TimeFormat, Wrong> {
    let given = text(value)?;
    TimeFormat::new(&given).map_err(|why| Wrong::new(format!("is the format `{given}`: {why}")))
}

fn date_format(value: &DeValue<'_>) -> Result<TimeFormat, Wrong> {
    match time_format(value)? {
        format if format.has_time() => {
            Err(Wrong::new("has a time of day, which makes the column a timestamp"))
        }
        format => Ok(format),
    }
}

fn pattern(value: &DeValue<'_>) -> Result<Pattern, Wrong> {
    let given = text(value)?;
    Pattern::new(&given)
        .map_err(|why| Wrong::new(format!("is `{given}`, which is no pattern: {why}")))
}

/// A value's text exactly as it is written, so that no decimal goes through a double.
fn plain(value: &DeValue<'_>) -> Result<String, Wrong> {
    if let Some(integer) = value.as_integer().filter(|integer| integer.radix() == 10) {
        return Ok(integer.as_str().to_owned());
    }
    if let Some(float) = value.as_float() {
        return Ok(float.as_str().to_owned());
    }
    if let Some(datetime) = value.as_datetime() {
        return Ok(datetime.to_string());
    }
    match (value.as_bool(), value.as_str()) {
        (Some(truth), _) => Ok(truth.to_string()),
        (None, Some(text)) => Ok(text.to_owned()),
        (None, None) => Err(Wrong::new("must be a single value")),
    }
}
