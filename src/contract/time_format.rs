//! How dates and times are written: a strict part of strftime.
//!
//! | | |
//! | --- | --- |
//! | `%Y` | year, four digits |
//! | `%y` | year, two digits: 69 to 99 are of the 1900s, 00 to 68 of the 2000s (POSIX strptime) |
//! | `%m` `%d` | month, day: two digits |
//! | `%-m` `%-d` `%-H` | the same or the hour, one or two digits |
//! | `%b` `%B` | the month's English name, short or long, without regard to case |
//! | `%j` | day of the year, three digits |
//! | `%H` `%M` `%S` | hour 00 to 23, minute, second: two digits |
//! | `%I` `%p` | hour 01 to 12, AM or PM |
//! | `%f` | fraction of a second, one to six digits |
//! | `%z` | zone: `Z`, `+02:00` or `+0200` |
//! | `%s` | seconds since 1970 |
//! | `%%` | a percent sign |
//!
//! Everything else stands for itself.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Bytes of a format.
const BYTES_MAX: usize = 100;

/// One part of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the table above says what each letter means")]
pub enum Item {
    /// This character.
    Exactly(char),
    Year,
    ShortYear,
    Month,
    LooseMonth,
    MonthName,
    LongMonthName,
    Day,
    LooseDay,
    DayOfYear,
    Hour,
    LooseHour,
    Hour12,
    HalfDay,
    Minute,
    Second,
    Fraction,
    Zone,
    Epoch,
}

/// How a date or timestamp is written.
#[derive(Clone, PartialEq, Eq)]
pub struct TimeFormat {
    text: String,
    items: Vec<Item>,
}

impl TimeFormat {
    /// ISO 8601: `%Y-%m-%d`.
    pub fn iso_date() -> Self {
        let dash = Item::Exactly('-');
        let items = vec![Item::Year, dash, Item::Month, dash, Item::Day];
        Self { text: "%Y-%m-%d".to_owned(), items }
    }

    /// Reads a format.
    ///
    /// # Errors
    /// Why it is not one, in words for the person who wrote it.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.len() > BYTES_MAX {
            return Err(format!("it is longer than {BYTES_MAX} bytes"));
        }
        let mut items = Vec::new();
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            items.push(if c == '%' { directive(&mut rest)? } else { Item::Exactly(c) });
        }
        let format = Self { text: text.to_owned(), items };
        format.check().map(|()| format)
    }

    /// The format as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its parts, in order.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// Whether it has this part.
    pub fn has(&self, item: Item) -> bool {
        self.items.contains(&item)
    }

    /// Whether it tells a zone, or needs none: its moments are instants.
    pub fn has_zone(&self) -> bool {
        self.has(Item::Zone) || self.has(Item::Epoch)
    }

    /// Whether it has any part of a day's time.
    pub fn has_time(&self) -> bool {
        use Item::{Epoch, Fraction, HalfDay, Hour, Hour12, LooseHour, Minute, Second, Zone};
        let time = [Hour, LooseHour, Hour12, HalfDay, Minute, Second, Fraction, Zone, Epoch];
        self.items.iter().any(|item| time.contains(item))
    }

    fn check(&self) -> Result<(), String> {
        use Item::{
            Day, DayOfYear, Epoch, HalfDay, Hour, Hour12, LongMonthName, LooseDay, LooseHour,
            LooseMonth, Month, MonthName, ShortYear, Year,
        };
        let parts = self.items.iter().filter(|item| !matches!(item, Item::Exactly(_)));
        let parts: Vec<_> = parts.collect();
        if parts.iter().enumerate().any(|(at, part)| parts.iter().take(at).any(|p| p == part)) {
            return Err("it has a part twice".to_owned());
        }
        let count = |of: &[Item]| of.iter().filter(|item| self.has(**item)).count();
        let (years, hours) = (count(&[Year, ShortYear]), count(&[Hour, LooseHour, Hour12]));
        let months = count(&[Month, LooseMonth, MonthName, LongMonthName]);
        let days = count(&[Day, LooseDay]);
        if self.has(Epoch) {
            return match parts.as_slice() {
                [Epoch] | [Epoch, Item::Fraction] => Ok(()),
                _ => Err("`%s` stands alone or before `%f`".to_owned()),
            };
        }
        let by_month = months == 1 && days == 1 && !self.has(DayOfYear);
        let by_day = months == 0 && days == 0 && self.has(DayOfYear);
        if years != 1 || !(by_month || by_day) {
            return Err("it needs one year, one month and one day (or `%j`)".to_owned());
        }
        if hours > 1 || self.has(Hour12) != self.has(HalfDay) {
            return Err("it has `%H`, or `%I` with `%p`".to_owned());
        }
        let needs = [(Item::Minute, hours == 1), (Item::Second, self.has(Item::Minute))];
        match needs.iter().any(|(item, met)| self.has(*item) && !met) {
            true => Err("minutes need hours, and seconds need minutes".to_owned()),
            false if self.has(Item::Fraction) && !self.has(Item::Second) => {
                Err("`%f` needs `%S`".to_owned())
            }
            false => Ok(()),
        }
    }
}

fn directive(rest: &mut std::str::Chars<'_>) -> Result<Item, String> {
    let unknown = |given: &str| Err(format!("`%{given}` is not known"));
    Ok(match rest.next() {
        Some('Y') => Item::Year,
        Some('y') => Item::ShortYear,
        Some('m') => Item::Month,
        Some('b') => Item::MonthName,
        Some('B') => Item::LongMonthName,
        Some('d') => Item::Day,
        Some('j') => Item::DayOfYear,
        Some('H') => Item::Hour,
        Some('I') => Item::Hour12,
        Some('p') => Item::HalfDay,
        Some('M') => Item::Minute,
        Some('S') => Item::Second,
        Some('f') => Item::Fraction,
        Some('z') => Item::Zone,
        Some('s') => Item::Epoch,
        Some('%') => Item::Exactly('%'),
        Some('-') => match rest.next() {
            Some('m') => Item::LooseMonth,
            Some('d') => Item::LooseDay,
            Some('H') => Item::LooseHour,
            Some(other) => return unknown(&format!("-{other}")),
            None => return unknown("-"),
        },
        Some(other) => return unknown(&other.to_string()),
        None => return Err("it ends with `%`; write `%%` for the sign itself".to_owned()),
    })
}

impl fmt::Debug for TimeFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TimeFormat({:?})", self.text)
    }
}

impl Serialize for TimeFormat {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for TimeFormat {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(from)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_names_a_whole_day() {
        for good in [
            "%d.%m.%Y",
            "%-d/%-m/%y",
            "%Y%m%d",
            "%d %b %Y",
            "%Y-%j",
            "%m/%d/%Y %I:%M %p",
            "%s",
            "%d.%m.%Y %H:%M:%S.%f%z",
            "100%% %Y%m%d",
        ] {
            assert_eq!(TimeFormat::new(good).expect(good).as_str(), good);
        }
        let long = "x".repeat(101);
        for bad in [
            "",
            "%d.%m",
            "%Y-%Y-%m-%d",
            "%Y-%q-%d",
            "%Y%m%d%",
            "%Y-%m-%d %M",
            "%Y-%m-%d %I:%M",
            "%Y%m%d %H%M%f",
            "%s %Y",
            "%Y%y%m%d",
            long.as_str(),
        ] {
            assert!(TimeFormat::new(bad).is_err(), "{bad}");
        }
        assert_eq!(TimeFormat::new("%Y-%m-%d"), Ok(TimeFormat::iso_date()));
    }
}
