//! What one value of a configuration may be: durations, sizes, counts, choices, globs.
//!
//! Each function reads one TOML value and says, as the end of a sentence that begins with the key,
//! what is wrong with it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use toml::de::DeValue;

use super::FixedColumn;
use super::glob;
use super::problem::Wrong;
use super::reader::article;
use crate::clock::Timestamp;

fn expected(what: &str, found: &DeValue<'_>) -> Wrong {
    Wrong::new(format!("must be {what}, not {}", article(found.type_str())))
}

fn as_text<'v>(value: &'v DeValue<'_>, what: &str) -> Result<&'v str, Wrong> {
    value.as_str().ok_or_else(|| expected(what, value))
}

pub(super) fn text(value: &DeValue<'_>) -> Result<String, Wrong> {
    as_text(value, "text in quotes").map(ToOwned::to_owned)
}

pub(super) fn truth(value: &DeValue<'_>) -> Result<bool, Wrong> {
    value.as_bool().ok_or_else(|| expected("true or false", value))
}

/// A whole number from `min` on.
pub(super) fn whole<N>(min: u64) -> impl Fn(&DeValue<'_>) -> Result<N, Wrong>
where
    N: TryFrom<u64>,
{
    move |value| {
        let integer = value.as_integer().ok_or_else(|| expected("a whole number", value))?;
        let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let fits = number.filter(|number| *number >= min).and_then(|n| N::try_from(n).ok());
        fits.ok_or_else(|| Wrong::new(format!("must be a whole number from {min}, not {integer}")))
    }
}

/// Characters of a column of fixed-width text.
const WIDTH_MAX: u32 = 1 << 20;

/// `"500ms"`, `"2s"`, `"10m"`, `"24h"`, `"7d"`.
pub(super) fn duration(value: &DeValue<'_>) -> Result<Duration, Wrong> {
    const WHAT: &str = "a duration such as \"2s\", \"10m\", \"24h\" or \"7d\"";
    let text = as_text(value, WHAT)?;
    lasting(text).ok_or_else(|| Wrong::new(format!("must be {WHAT}, not `{text}`")))
}

/// How long a text lasts: `500ms`, `2s`, `10m`, `24h`, `7d`.
pub(crate) fn lasting(text: &str) -> Option<Duration> {
    let (number, unit) = number_and_unit(text)?;
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" | "min" => 60 * 1000,
        "h" => 3600 * 1000,
        "d" => 24 * 3600 * 1000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

/// Bytes: an integer, or text such as `"256 MiB"` or `"10 GB"`.
pub(super) fn size(value: &DeValue<'_>) -> Result<u64, Wrong> {
    const WHAT: &str = "a size such as \"256 MiB\" or a number of bytes";
    if value.is_integer() {
        return whole(0)(value);
    }
    let text = as_text(value, WHAT)?;
    bytes_of(text).ok_or_else(|| Wrong::new(format!("must be {WHAT}, not `{text}`")))
}

/// A size of at least one byte as it stands on a command line: a number, or `20MiB`.
pub(crate) fn bytes(text: &str) -> Result<u64, &'static str> {
    let plain = text.parse().ok();
    let bytes = plain.or_else(|| bytes_of(text)).filter(|bytes| *bytes > 0);
    bytes.ok_or("must be a size such as 20MiB")
}

fn bytes_of(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let bytes: u64 = match unit.to_ascii_lowercase().as_str() {
        "b" => 1,
        "kb" => 1000,
        "mb" => 1000_u64.pow(2),
        "gb" => 1000_u64.pow(3),
        "tb" => 1000_u64.pow(4),
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(bytes)
}

/// A size of at least one byte.
pub(super) fn some_size(value: &DeValue<'_>) -> Result<u64, Wrong> {
    match size(value)? {
        0 => Err(Wrong::new("must be at least 1 byte")),
        bytes => Ok(bytes),
    }
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(end)?;
    Some((number.parse().ok()?, unit.trim_start()))
}

pub(super) fn address(value: &DeValue<'_>) -> Result<SocketAddr, Wrong> {
    const WHAT: &str = "an address and port such as \"0.0.0.0:2222\"";
    let text = as_text(value, WHAT)?;
    text.parse().ok().ok_or_else(|| Wrong::new(format!("must be {WHAT}, not `{text}`")))
}

/// A network or a single address.
pub(super) fn network(value: &DeValue<'_>) -> Result<IpNet, Wrong> {
    const WHAT: &str = "a network such as \"203.0.113.0/24\" or an address";
    let text = as_text(value, WHAT)?;
    let one = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let network = text.parse().ok().or_else(one);
    network.ok_or_else(|| Wrong::new(format!("must be {WHAT}, not `{text}`")))
}

/// A moment, or a day, which counts to its end in UTC; in quotes or not.
pub(super) fn time(value: &DeValue<'_>) -> Result<Timestamp, Wrong> {
    const WHAT: &str = "a day such as 2027-01-31 or a time such as 2027-01-31T10:00:00Z";
    let text = match value.as_datetime() {
        Some(datetime) => datetime.to_string(),
        None => as_text(value, WHAT)?.to_owned(),
    };
    end_of(&text).ok_or_else(|| Wrong::new(format!("must be {WHAT}, not `{text}`")))
}

/// The moment that a text means; the end of it if it means a day.
pub(crate) fn end_of(text: &str) -> Option<Timestamp> {
    let of_day = || {
        let day: jiff::civil::Date = text.parse().ok()?;
        day.tomorrow().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|at| at.timestamp())
    };
    text.parse().ok().or_else(of_day)
}

/// One of a few words.
pub(super) fn choice<T: Copy>(
    words: &'static [(&'static str, T)],
) -> impl Fn(&DeValue<'_>) -> Result<T, Wrong> {
    move |value| {
        let all: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        let what = all.join(" or ");
        let given = as_text(value, &what)?;
        let chosen = words.iter().find(|(word, _)| *word == given).map(|(_, chosen)| *chosen);
        let known = words.iter().map(|(word, _)| *word);
        chosen.ok_or_else(|| Wrong::unlike(format!("must be {what}, not `{given}`"), given, known))
    }
}

/// The name of something declared in the same configuration.
pub(super) fn reference<N>(
    what: &'static str,
    declared: &[String],
) -> impl Fn(&DeValue<'_>) -> Result<N, Wrong>
where
    N: std::str::FromStr<Err = crate::names::Error>,
{
    move |value| {
        let given = as_text(value, &format!("the name of a {what}"))?;
        if !declared.iter().any(|name| name == given) {
            let message = format!("names the {what} `{given}`, but there is no [{what}.{given}]");
            return Err(Wrong::unlike(message, given, declared.iter().map(String::as_str)));
        }
        name(value)
    }
}

/// A name by the rule of its kind.
pub(super) fn name<N>(value: &DeValue<'_>) -> Result<N, Wrong>
where
    N: std::str::FromStr<Err = crate::names::Error>,
{
    let given = as_text(value, "a name")?;
    given.parse().map_err(|error: N::Err| Wrong::new(format!("is not valid: {error}")))
}

/// A glob on a name's last part.
pub(super) fn glob(value: &DeValue<'_>) -> Result<String, Wrong> {
    let pattern = as_text(value, "a pattern such as \"orders_*.csv\"")?;
    let wrong = |why| Wrong::new(format!("has the pattern `{pattern}`: {why}"));
    glob::check(pattern).map(|()| pattern.to_owned()).map_err(wrong)
}

/// One ASCII character.
pub(super) fn character(value: &DeValue<'_>) -> Result<char, Wrong> {
    const WHAT: &str = "one ASCII character such as \";\" or \"\\t\"";
    let text = as_text(value, WHAT)?;
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(c), None) if c.is_ascii() && !matches!(c, '\n' | '\r' | '\0') => Ok(c),
        (_, _) => Err(Wrong::new(format!("must be {WHAT}, not `{}`", text.escape_debug()))),
    }
}

/// What stands between fields.
pub(super) fn delimiter(value: &DeValue<'_>) -> Result<String, Wrong> {
    const WHAT: &str = "one to 16 bytes such as \";\" or \"||\"";
    let text = as_text(value, WHAT)?;
    let fits = (1..=16).contains(&text.len()) && !text.contains(['\n', '\r', '\0']);
    let wrong = || Wrong::new(format!("must be {WHAT}, not `{}`", text.escape_debug()));
    fits.then(|| text.to_owned()).ok_or_else(wrong)
}

/// A column of a fixed-width text: `"name:20"`.
pub(super) fn fixed_column(value: &DeValue<'_>) -> Result<FixedColumn, Wrong> {
    const WHAT: &str = "a column's name and width in characters such as \"name:20\"";
    let text = as_text(value, WHAT)?;
    let wrong = || Wrong::new(format!("must be {WHAT}, not `{}`", text.escape_debug()));
    let (name, width) = text.rsplit_once(':').ok_or_else(wrong)?;
    let (name, width) = (name.trim(), width.trim().parse().map_err(|_not_whole| wrong())?);
    if name.is_empty() || !(1..=WIDTH_MAX).contains(&width) {
        return Err(wrong());
    }
    Ok(FixedColumn { name: name.to_owned(), width })
}

/// A WHATWG encoding label (<https://encoding.spec.whatwg.org/#names-and-labels>).
pub(super) fn encoding(value: &DeValue<'_>) -> Result<String, Wrong> {
    let label = as_text(value, "an encoding such as \"utf-8\" or \"windows-1252\"")?;
    match encoding_rs::Encoding::for_label(label.as_bytes()) {
        Some(_) => Ok(label.to_owned()),
        None => {
            let common = ["utf-8", "utf-16le", "utf-16be", "windows-1252", "iso-8859-15"];
            let message = format!("names no encoding that is known: `{label}`");
            Err(Wrong::unlike(message, label, common))
        }
    }
}

/// An `http://` or `https://` address.
pub(super) fn web_address(value: &DeValue<'_>) -> Result<String, Wrong> {
    const WHAT: &str = "an address such as \"https://example.org/landed\"";
    let text = as_text(value, WHAT)?;
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
    match host {
        Some(host) if !host.is_empty() && !text.contains(|c: char| c.is_whitespace()) => {
            Ok(text.to_owned())
        }
        Some(_) | None => Err(Wrong::new(format!("must be {WHAT}, not `{text}`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> DeValue<'_> {
        DeValue::parse(text).expect("a TOML value").into_inner()
    }

    #[test]
    fn durations_have_a_unit() {
        for (text, millis) in
            [("'500ms'", 500), ("'2s'", 2000), ("'10m'", 600_000), ("'7d'", 604_800_000)]
        {
            let read = duration(&parsed(text)).expect(text);
            assert_eq!(read, Duration::from_millis(millis), "{text}");
        }
        for bad in ["2", "'2'", "'s'", "'2 weeks'", "'-1s'", "'99999999999999999d'"] {
            assert!(duration(&parsed(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_are_bytes_or_have_a_unit() {
        for (text, bytes) in [("7", 7), ("'256 MiB'", 256 << 20), ("'10GB'", 10_000_000_000)] {
            assert_eq!(size(&parsed(text)).ok(), Some(bytes), "{text}");
        }
        for bad in ["-1", "'10'", "'10 XB'", "1.5", "'99999999999 TiB'"] {
            assert!(size(&parsed(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn whole_numbers_keep_their_bounds() {
        assert_eq!(whole::<u32>(1)(&parsed("0x10")).ok(), Some(16));
        for bad in ["0", "-3", "4294967296", "'1'", "1.0"] {
            assert!(whole::<u32>(1)(&parsed(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn web_addresses_name_a_host() {
        assert!(web_address(&parsed("'https://a.example/x'")).is_ok());
        for bad in ["'https://'", "'ftp://a'", "'a.example'", "'https://a b'"] {
            assert!(web_address(&parsed(bad)).is_err(), "{bad}");
        }
    }
}
