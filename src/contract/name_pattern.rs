//! What a file's name says: `sales_{region}_{date:%Y%m%d}.xlsx`.
//!
//! `{field}` takes at least one character and as few as it can, `{field:FORMAT}` a date or time,
//! `*` anything; all else stands for itself, without regard to case. The last part of a name is
//! what is matched. Each field becomes a column `_lf_name_<field>`.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::pattern::compiled;
use super::{Item, TimeFormat};

/// Fields a pattern may have.
const FIELDS_MAX: usize = 20;

/// A pattern for file names.
#[derive(Clone)]
pub struct NamePattern {
    text: String,
    fields: Vec<NameField>,
    whole: regex::Regex,
}

/// A part of a file's name that becomes a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameField {
    /// Its name: `a-z`, `0-9`, `_`.
    pub name: String,
    /// How it is written, when it is a date or time; else it is text.
    pub format: Option<TimeFormat>,
}

impl NameField {
    /// The published column: `_lf_name_region`.
    pub fn column(&self) -> String {
        format!("_lf_name_{}", self.name)
    }
}

impl NamePattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Why it is not one, in words for the person who wrote it.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.contains('/') {
            return Err("it is matched with the last part of a name, which has no `/`".to_owned());
        }
        let (mut fields, mut expression) = (Vec::<NameField>::new(), String::new());
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}', '*']) {
            let (literal, found) = rest.split_at(at);
            expression.push_str(&regex::escape(literal));
            rest = match found.strip_prefix('{') {
                None if found.starts_with('}') => return Err("a `}` has no `{`".to_owned()),
                None => {
                    expression.push_str("(?:.*)");
                    found.get(1..).unwrap_or_default()
                }
                Some(inside) => {
                    let (inside, after) = inside.split_once('}').ok_or("a `{` is never closed")?;
                    let field = field(inside)?;
                    if fields.iter().any(|known| known.name == field.name) {
                        return Err(format!("it has the field `{}` twice", field.name));
                    }
                    expression.push_str(&format!("({})", shape(&field)));
                    fields.push(field);
                    after
                }
            };
        }
        expression.push_str(&regex::escape(rest));
        if fields.len() > FIELDS_MAX {
            return Err(format!("it has more than {FIELDS_MAX} fields"));
        }
        let whole = compiled(&format!(r"(?is)\A{expression}\z"))?;
        Ok(Self { text: text.to_owned(), fields, whole })
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its fields, in order.
    pub fn fields(&self) -> &[NameField] {
        &self.fields
    }

    /// Each field's text in the last part of a name; `None` when the name does not match.
    pub fn read<'n>(&self, base: &'n [u8]) -> Option<Vec<&'n str>> {
        let captures = self.whole.captures(std::str::from_utf8(base).ok()?)?;
        captures.iter().skip(1).map(|found| found.map(|text| text.as_str())).collect()
    }
}

fn field(inside: &str) -> Result<NameField, String> {
    let (name, format) = match inside.split_once(':') {
        Some((name, format)) => (name, Some(TimeFormat::new(format)?)),
        None => (inside, None),
    };
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if name.is_empty() || name.len() > 50 || !name.bytes().all(plain) {
        return Err(format!("`{{{inside}}}` must be named by a-z, 0-9 and `_`"));
    }
    Ok(NameField { name: name.to_owned(), format })
}

/// What a field's text looks like; whether it is a day that exists is seen later.
fn shape(field: &NameField) -> String {
    let Some(format) = &field.format else { return ".+?".to_owned() };
    let part = |item: &Item| match item {
        Item::Exactly(c) => regex::escape(&c.to_string()),
        Item::Year => "[0-9]{4}".to_owned(),
        Item::DayOfYear => "[0-9]{3}".to_owned(),
        Item::ShortYear
        | Item::Month
        | Item::Day
        | Item::Hour
        | Item::Hour12
        | Item::Minute
        | Item::Second => "[0-9]{2}".to_owned(),
        Item::LooseMonth | Item::LooseDay | Item::LooseHour => "[0-9]{1,2}".to_owned(),
        Item::MonthName | Item::LongMonthName => "[A-Za-z]+".to_owned(),
        Item::HalfDay => "[AP]M".to_owned(),
        Item::Fraction => "[0-9]{1,6}".to_owned(),
        Item::Zone => "(?:Z|[+-][0-9]{2}:?[0-9]{2})".to_owned(),
        Item::Epoch => "-?[0-9]+".to_owned(),
    };
    format.items().iter().map(part).collect()
}

impl PartialEq for NamePattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NamePattern({:?})", self.text)
    }
}

impl Serialize for NamePattern {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for NamePattern {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(from)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_from_the_name() {
        let pattern = NamePattern::new("sales_{region}_{date:%Y%m%d}.xlsx").expect("a pattern");
        let names: Vec<_> = pattern.fields().iter().map(NameField::column).collect();
        assert_eq!(names, ["_lf_name_region", "_lf_name_date"]);
        let read = |name: &'static str| pattern.read(name.as_bytes());
        assert_eq!(read("Sales_north_east_20260131.XLSX"), Some(vec!["north_east", "20260131"]));
        assert_eq!(read("sales__20260131.xlsx"), None);
        assert_eq!(read("sales_x_2026131.xlsx"), None);
        assert_eq!(read("sales_x_20260131.xlsx.bak"), None);
        assert_eq!(pattern.read(b"sales_\xff_20260131.xlsx"), None);
        let loose = NamePattern::new("*[v{version}]*.csv").expect("a pattern");
        assert_eq!(loose.read(b"a [v12] final.csv"), Some(vec!["12"]));
    }

    #[test]
    fn patterns_that_cannot_work_are_refused() {
        for bad in ["", "a/b", "{", "}", "{}", "{a}{a}", "{Region}", "{d:%Q}", "{a b}"] {
            assert!(NamePattern::new(bad).is_err(), "{bad}");
        }
    }
}
