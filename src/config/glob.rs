//! Patterns on file names: `*`, `?`, `[a-z]`, `[!a-z]`, without regard to ASCII case.
//!
//! `?` and `[…]` match one character, or one byte that is not UTF-8. Matching never backtracks
//! further than the last `*`, so its work is bounded by pattern × name, whatever a sender calls its
//! files. `[*]` matches a star itself.

/// Whether any pattern matches; no patterns match everything.
pub(super) fn matches_any(patterns: &[String], name: &[u8]) -> bool {
    patterns.is_empty() || {
        let name = units(name);
        patterns.iter().any(|pattern| matches(&steps(pattern), &name))
    }
}

/// Says why a pattern can never mean what it seems to.
pub(super) fn check(pattern: &str) -> Result<(), &'static str> {
    if pattern.is_empty() {
        return Err("it is empty");
    }
    if pattern.contains('/') {
        return Err("a pattern is matched with the last part of a name, which has no `/`");
    }
    let mut rest = pattern;
    while let Some(at) = rest.find(['[', '{', '}']) {
        let (_, found) = rest.split_at(at);
        let Some(after) = found.strip_prefix('[') else {
            return Err("`{…}` is not supported; write `[{]` for the character itself");
        };
        let (_, after) = class(after).ok_or("`[` is never closed; write `[[]` for itself")?;
        rest = after;
    }
    Ok(())
}

/// One character of a name, in lower case; bytes that are not UTF-8 stand above all characters.
type Unit = u32;

fn units(name: &[u8]) -> Vec<Unit> {
    let mut units = Vec::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        units.extend(chunk.valid().chars().map(unit));
        units.extend(chunk.invalid().iter().map(|byte| u32::from(char::MAX) + u32::from(*byte)));
    }
    units
}

fn unit(c: char) -> Unit {
    u32::from(c.to_ascii_lowercase())
}

enum Step {
    Star,
    Any,
    One(Unit),
    /// Ranges, and whether a match is a miss.
    Class(Vec<(Unit, Unit)>, Negated),
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Negated(bool);

impl Step {
    fn takes(&self, unit: Unit) -> bool {
        match self {
            Self::Star => false,
            Self::Any => true,
            Self::One(one) => *one == unit,
            Self::Class(ranges, Negated(negated)) => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&unit)) != *negated
            }
        }
    }
}

fn steps(pattern: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        steps.push(match c {
            '*' => Step::Star,
            '?' => Step::Any,
            '[' => match class(rest) {
                Some((step, after)) => {
                    rest = after;
                    step
                }
                None => Step::One(unit('[')),
            },
            other => Step::One(unit(other)),
        });
    }
    steps
}

/// Reads what follows a `[` up to its `]`; a `]` right at the start stands for itself.
fn class(text: &str) -> Option<(Step, &str)> {
    let inside = text.strip_prefix(['!', '^']);
    let negated = Negated(inside.is_some());
    let inside = inside.unwrap_or(text);
    let first = inside.chars().next()?.len_utf8();
    let end = first + inside.get(first..)?.find(']')?;
    let members: Vec<char> = inside.get(..end)?.chars().collect();
    let mut ranges = Vec::new();
    let mut rest = members.as_slice();
    loop {
        rest = match rest {
            [low, '-', high, after @ ..] => {
                ranges.push((unit(*low), unit(*high)));
                after
            }
            [one, after @ ..] => {
                ranges.push((unit(*one), unit(*one)));
                after
            }
            [] => break,
        };
    }
    Some((Step::Class(ranges, negated), inside.get(end + 1..)?))
}

/// Matches greedily and goes back only to the last star, which is enough for globs.
fn matches(steps: &[Step], name: &[Unit]) -> bool {
    let (mut step, mut at) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(unit) = name.get(at) {
        match steps.get(step) {
            Some(Step::Star) => {
                step += 1;
                star = Some((step, at));
            }
            Some(other) if other.takes(*unit) => {
                step += 1;
                at += 1;
            }
            Some(_) | None => match &mut star {
                Some((after_star, taken)) => {
                    *taken += 1;
                    (step, at) = (*after_star, *taken);
                }
                None => return false,
            },
        }
    }
    steps.get(step..).unwrap_or_default().iter().all(|rest| matches!(rest, Step::Star))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(pattern: &str, name: &[u8]) -> bool {
        matches_any(&[pattern.to_owned()], name)
    }

    #[test]
    fn globs_match_whole_names_without_case() {
        for (pattern, name) in [
            ("*.csv", "Orders.CSV"),
            ("orders_????.csv", "orders_2026.csv"),
            ("a*b*c", "a-b-b-c"),
            ("[a-c]x", "Bx"),
            ("[!a-c]x", "dx"),
            ("[]]x", "]x"),
            ("[*]", "*"),
            ("?.csv", "ü.csv"),
            ("*", ""),
        ] {
            assert!(check(pattern).is_ok() && takes(pattern, name.as_bytes()), "{pattern} {name}");
        }
        for (pattern, name) in [("*.csv", "a.csv.gz"), ("a?", "a"), ("[!a]x", "ax"), ("a", "ab")] {
            assert!(!takes(pattern, name.as_bytes()), "{pattern} {name}");
        }
        assert!(takes("a?b", b"a\xffb"));
        assert!(matches_any(&[], b"anything"));
    }

    #[test]
    fn many_stars_do_not_explode() {
        let pattern = "*a".repeat(100) + "b";
        assert!(!takes(&pattern, "a".repeat(250).as_bytes()));
    }

    #[test]
    fn patterns_that_cannot_work_are_refused() {
        for bad in ["", "a/b", "[a", "[]", "x_{date}.csv"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
