//! Dates and times by a declared format, read and printed.

use crate::contract::{Item, TimeFormat};
use crate::convert::infer::canonical::{Zone, civil_from_days, days};

const DAY_MICROS: i64 = 86_400_000_000;
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// Seconds since 1970 of the year 10000.
const EPOCH_END: i64 = 253_402_300_800;
/// Seconds since 1970 of the year 1.
const EPOCH_START: i64 = -62_135_596_800;

/// Parts of a moment as they are read.
#[derive(Default)]
struct Parts {
    year: i32,
    month: i32,
    day: i32,
    day_of_year: i32,
    hour: i64,
    afternoon: Option<bool>,
    minute: i64,
    second: i64,
    micros: i64,
    zone_minutes: i64,
    epoch: Option<i64>,
    /// Whether [`print()`] would write the same.
    exact: bool,
}

/// Microseconds since 1970-01-01, in UTC if the format has a zone, and whether [`print()`] gives the
/// text back; `None` for a text that the format does not describe.
pub fn read(format: &TimeFormat, text: &str) -> Option<(i64, bool)> {
    let mut parts = Parts { exact: true, ..Parts::default() };
    let mut rest = text;
    for item in format.items() {
        rest = parts.take(*item, rest)?;
    }
    let micros = parts.micros_since_1970(format)?;
    rest.is_empty().then_some((micros, parts.exact))
}

/// The day, if the moment is a midnight.
pub fn day(micros: i64) -> Option<i32> {
    (micros % DAY_MICROS == 0).then(|| i32::try_from(micros / DAY_MICROS).ok()).flatten()
}

impl Parts {
    fn take<'t>(&mut self, item: Item, text: &'t str) -> Option<&'t str> {
        let rest = match item {
            Item::Exactly(c) => return text.strip_prefix(c),
            Item::Year => number(text, 4).map(|(value, rest)| (self.year = value, rest)),
            Item::ShortYear => number(text, 2).map(|(value, rest)| {
                (self.year = if value >= 69 { 1900 + value } else { 2000 + value }, rest)
            }),
            Item::Month => number(text, 2).map(|(value, rest)| (self.month = value, rest)),
            Item::LooseMonth => self.loose(text).map(|(value, rest)| (self.month = value, rest)),
            Item::MonthName | Item::LongMonthName => {
                let (month, rest) = self.month_name(item, text)?;
                Some((self.month = month, rest))
            }
            Item::Day => number(text, 2).map(|(value, rest)| (self.day = value, rest)),
            Item::LooseDay => self.loose(text).map(|(value, rest)| (self.day = value, rest)),
            Item::DayOfYear => {
                number(text, 3).map(|(value, rest)| (self.day_of_year = value, rest))
            }
            Item::Hour | Item::Hour12 => {
                number(text, 2).map(|(value, rest)| (self.hour = value.into(), rest))
            }
            Item::LooseHour => {
                self.loose(text).map(|(value, rest)| (self.hour = value.into(), rest))
            }
            Item::HalfDay => {
                let (word, rest) = text.split_at_checked(2)?;
                self.exact &= word == "AM" || word == "PM";
                let afternoon = word.eq_ignore_ascii_case("PM");
                (afternoon || word.eq_ignore_ascii_case("AM"))
                    .then(|| (self.afternoon = Some(afternoon), rest))
            }
            Item::Minute => number(text, 2).map(|(value, rest)| (self.minute = value.into(), rest)),
            Item::Second => number(text, 2).map(|(value, rest)| (self.second = value.into(), rest)),
            Item::Fraction => self.fraction(text).map(|rest| ((), rest)),
            Item::Zone => self.zone(text).map(|rest| ((), rest)),
            Item::Epoch => self.epoch(text).map(|rest| ((), rest)),
        };
        rest.map(|((), rest)| rest)
    }

    /// One or two digits; a leading zero would not be printed.
    fn loose<'t>(&mut self, text: &'t str) -> Option<(i32, &'t str)> {
        let digits = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
        self.exact &= digits == 1 || !text.starts_with('0');
        number(text, digits)
    }

    fn month_name<'t>(&mut self, item: Item, text: &'t str) -> Option<(i32, &'t str)> {
        (1..).zip(MONTHS).find_map(|(number, long)| {
            let name = if item == Item::MonthName { long.get(..3)? } else { long };
            let (word, rest) = text.split_at_checked(name.len())?;
            let met = word.eq_ignore_ascii_case(name);
            self.exact &= !met || word == name;
            met.then_some((number, rest))
        })
    }

    fn fraction<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (fraction, rest) = text.split_at_checked(digits)?;
        let power = 6_usize.checked_sub(digits).filter(|_| digits > 0)?;
        self.exact &= digits == 6;
        self.micros = fraction.parse::<i64>().ok()? * 10_i64.pow(u32::try_from(power).ok()?);
        Some(rest)
    }

    /// `Z`, `+02:00` or `+0200`. The offset is not kept, so that only `Z` is printed back.
    fn zone<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        if let Some(rest) = text.strip_prefix('Z') {
            return Some(rest);
        }
        self.exact = false;
        let colon = text.as_bytes().get(3) == Some(&b':');
        let (zone, rest) = text.split_at_checked(if colon { 6 } else { 5 })?;
        let zone = match colon {
            true => Zone::parse(zone.as_bytes())?,
            false => {
                let (hours, minutes) = zone.split_at_checked(3)?;
                Zone::parse(format!("{hours}:{minutes}").as_bytes())?
            }
        };
        self.zone_minutes = zone.minutes().into();
        Some(rest)
    }

    fn epoch<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let sign = usize::from(text.starts_with('-'));
        let digits = text.bytes().skip(sign).take_while(u8::is_ascii_digit).count();
        let (seconds, rest) = text.split_at_checked(sign + digits)?;
        let value: i64 = seconds.parse().ok()?;
        self.exact &= value.to_string() == seconds;
        self.epoch = (EPOCH_START..EPOCH_END).contains(&value).then_some(value);
        self.epoch.map(|_| rest)
    }

    fn micros_since_1970(&self, format: &TimeFormat) -> Option<i64> {
        if let Some(seconds) = self.epoch {
            return Some(seconds * 1_000_000 + self.micros);
        }
        let days = if format.has(Item::DayOfYear) {
            let length = days(self.year, 12, 31)? - days(self.year, 1, 1)? + 1;
            let within = (1..=length).contains(&self.day_of_year);
            within.then_some(days(self.year, 1, 1)? + self.day_of_year - 1)?
        } else {
            days(self.year, self.month, self.day)?
        };
        let hour = match self.afternoon {
            None => self.hour,
            Some(_) if !(1..=12).contains(&self.hour) => return None,
            Some(afternoon) => self.hour % 12 + if afternoon { 12 } else { 0 },
        };
        if hour > 23 || self.minute > 59 || self.second > 59 {
            return None;
        }
        let seconds = (hour * 60 + self.minute - self.zone_minutes) * 60 + self.second;
        Some(i64::from(days) * DAY_MICROS + seconds * 1_000_000 + self.micros)
    }
}

/// So many digits.
fn number(text: &str, digits: usize) -> Option<(i32, &str)> {
    let (number, rest) = text.split_at_checked(digits)?;
    let all_digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    Some((all_digits.then(|| number.parse().ok()).flatten()?, rest))
}

/// A moment in a format; `None` when that would lose a part of it.
pub fn print(format: &TimeFormat, micros: i64) -> Option<String> {
    let day = i32::try_from(micros.div_euclid(DAY_MICROS)).ok()?;
    let of_day = micros.rem_euclid(DAY_MICROS);
    let (seconds, fraction) = (of_day / 1_000_000, of_day % 1_000_000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let kept = [(Item::Fraction, fraction), (Item::Second, second), (Item::Minute, minute)];
    let has_hour =
        format.has(Item::Hour) || format.has(Item::LooseHour) || format.has(Item::Hour12);
    let lost = kept.iter().any(|(item, part)| *part != 0 && !format.has(*item));
    let whole = format.has(Item::Epoch) && (fraction == 0 || format.has(Item::Fraction));
    if !whole && (lost || (hour != 0 && !has_hour)) {
        return None;
    }
    let (year, month, of_month) = civil_from_days(day);
    let name = || MONTHS.get(usize::try_from(month - 1).ok()?).copied();
    let mut text = String::new();
    for item in format.items() {
        text.push_str(&match item {
            Item::Exactly(c) => c.to_string(),
            Item::Year => format!("{year:04}"),
            Item::ShortYear => {
                (1969..2069).contains(&year).then(|| format!("{:02}", year % 100))?
            }
            Item::Month => format!("{month:02}"),
            Item::LooseMonth => month.to_string(),
            Item::MonthName => name()?.get(..3)?.to_owned(),
            Item::LongMonthName => name()?.to_owned(),
            Item::Day => format!("{of_month:02}"),
            Item::LooseDay => of_month.to_string(),
            Item::DayOfYear => format!("{:03}", day - days(year, 1, 1)? + 1),
            Item::Hour => format!("{hour:02}"),
            Item::LooseHour => hour.to_string(),
            Item::Hour12 => format!("{:02}", (hour + 11) % 12 + 1),
            Item::HalfDay => (if hour < 12 { "AM" } else { "PM" }).to_owned(),
            Item::Minute => format!("{minute:02}"),
            Item::Second => format!("{second:02}"),
            Item::Fraction => format!("{fraction:06}"),
            Item::Zone => "Z".to_owned(),
            Item::Epoch => micros.div_euclid(1_000_000).to_string(),
        });
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn format(text: &str) -> TimeFormat {
        TimeFormat::new(text).expect(text)
    }

    fn iso(of: &str, text: &str) -> Option<String> {
        let (micros, _) = read(&format(of), text)?;
        print(&format("%Y-%m-%dT%H:%M:%S.%f"), micros)
    }

    #[test]
    fn what_the_format_says_is_read_and_nothing_else() {
        for (of, text, expected) in [
            ("%d.%m.%Y", "31.01.2026", "2026-01-31T00:00:00.000000"),
            ("%-d/%-m/%y", "1/2/69", "1969-02-01T00:00:00.000000"),
            ("%d %b %Y", "29 feb 2024", "2024-02-29T00:00:00.000000"),
            ("%B %-d, %Y", "May 1, 2024", "2024-05-01T00:00:00.000000"),
            ("%Y%j", "2024366", "2024-12-31T00:00:00.000000"),
            ("%m/%d/%Y %I:%M %p", "01/31/2026 12:05 AM", "2026-01-31T00:05:00.000000"),
            ("%Y-%m-%d %H:%M:%S.%f", "2026-01-31 23:59:59.5", "2026-01-31T23:59:59.500000"),
            ("%Y-%m-%dT%H:%M:%S%z", "2026-01-01T01:00:00+0200", "2025-12-31T23:00:00.000000"),
            ("%s", "-1", "1969-12-31T23:59:59.000000"),
        ] {
            assert_eq!(iso(of, text).as_deref(), Some(expected), "{of} {text}");
        }
        for (of, text) in [
            ("%d.%m.%Y", "31.02.2026"),
            ("%d.%m.%Y", "1.2.2026"),
            ("%d.%m.%Y", "31.01.2026 "),
            ("%d.%m.%Y", "+1.01.2026"),
            ("%d.%m.%Y", "31.01.0000"),
            ("%Y%j", "2023366"),
            ("%Y-%m-%d %H:%M", "2026-01-31 24:00"),
            ("%m/%d/%Y %I:%M %p", "01/31/2026 13:05 PM"),
            ("%d %b %Y", "29 Fév 2024"),
            ("%s", "99999999999999"),
            ("%s", ""),
        ] {
            assert_eq!(read(&format(of), text), None, "{of} {text}");
        }
    }

    proptest! {
        #[test]
        fn exact_means_that_it_prints_back(
            seconds in -2_000_000_000_i64..4_000_000_000,
            of in proptest::sample::select(vec![
                "%d.%m.%Y", "%-d/%-m/%y", "%d %b %Y %H:%M:%S", "%Y-%j %-H", "%B %-d, %Y",
                "%m/%d/%Y %I:%M:%S %p", "%Y-%m-%dT%H:%M:%S%z", "%s", "%Y%m%d%H%M%S",
            ]),
        ) {
            let of = format(of);
            if let Some(text) = print(&of, seconds * 1_000_000) {
                let (micros, exact) = read(&of, &text).expect("its own printing is read");
                prop_assert!(exact);
                prop_assert_eq!(print(&of, micros), Some(text));
            }
        }
    }
}
