//! What a number format makes of a number (ECMA-376 part 1, section 18.8.31).
//!
//! Only the first section counts (`0;-0;…` is `0`). Text in quotes, escaped characters, fills, skips,
//! colours and locales are no tokens. What a format shows rounded is not rounded here: a format
//! decides between number, date, time and text, never over digits.

/// What a number under a format is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Format {
    /// A number; the default.
    Number,
    /// A number that is shown with decimals, as a percentage, fraction or power of ten: not a whole
    /// number even where its value happens to be one.
    Decimals,
    /// A calendar date.
    Date,
    /// A date with a time of day.
    Moment,
    /// A time of day.
    Time,
    /// A length of time, such as `[h]:mm`.
    Duration,
    /// At least two zeros and fixed text, such as `00000` or `000-00`: an identifier.
    Padded(Vec<Piece>),
}

/// A piece of a padded format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// A digit, or 0 where the number has none.
    Digit,
    /// A character as it is.
    Literal(char),
}

/// What was met in a format's first section.
#[derive(Default)]
struct Met {
    date: bool,
    /// `m` means a month unless hours or seconds are there too.
    month: bool,
    time: bool,
    duration: bool,
    decimals: bool,
    zeros: usize,
    /// A digit place that is not a plain zero, or grouping: not a padded format.
    other_digits: bool,
    pieces: Vec<Piece>,
}

impl Format {
    /// Reads a format code.
    pub(super) fn of_code(code: &str) -> Self {
        if code.eq_ignore_ascii_case("general") || code == "@" {
            return Self::Number;
        }
        Met::in_section(code).format()
    }

    /// A number as a padded format shows it; `None` for what such a format would show altered: a
    /// fraction, a negative number, one beyond the whole numbers a double holds exactly.
    pub(super) fn padded(pieces: &[Piece], number: f64) -> Option<String> {
        let whole = super::value::whole(number).filter(|whole| *whole >= 0)?;
        let places = pieces.iter().filter(|piece| **piece == Piece::Digit).count();
        let digits = format!("{whole:0places$}");
        // Digits beyond the places stand at the first place.
        let (mut surplus, rest) = digits.split_at_checked(digits.len() - places)?;
        let mut rest = rest.chars();
        let mut shown = String::new();
        for piece in pieces {
            match piece {
                Piece::Digit => {
                    shown.push_str(std::mem::take(&mut surplus));
                    shown.extend(rest.next());
                }
                Piece::Literal(literal) => shown.push(*literal),
            }
        }
        Some(shown)
    }
}

impl Met {
    fn in_section(code: &str) -> Self {
        let mut met = Self::default();
        let mut rest = code.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                ';' => break,
                '\\' => met.pieces.extend(rest.next().map(Piece::Literal)),
                '_' | '*' => rest.by_ref().take(1).for_each(drop),
                '"' => {
                    let quoted = rest.by_ref().take_while(|c| *c != '"');
                    met.pieces.extend(quoted.map(Piece::Literal));
                }
                '[' => {
                    let inside: String = rest.by_ref().take_while(|c| *c != ']').collect();
                    met.bracket(&inside);
                }
                'E' | 'e' if matches!(rest.peek(), Some('+' | '-')) => met.decimals = true,
                'A' | 'a' if matches!(rest.peek(), Some('M' | 'm' | '/')) => {
                    met.time = true;
                    rest.by_ref().take_while(|c| !matches!(c, 'P' | 'p')).for_each(drop);
                    rest.by_ref().take(1).for_each(drop);
                }
                token => met.token(token),
            }
        }
        met
    }

    fn bracket(&mut self, inside: &str) {
        let lower = inside.to_ascii_lowercase();
        let counted = |unit: char| !lower.is_empty() && lower.chars().all(|c| c == unit);
        self.duration |= counted('h') || counted('m') || counted('s');
    }

    fn token(&mut self, token: char) {
        match token.to_ascii_lowercase() {
            'd' | 'y' => self.date = true,
            'h' | 's' => self.time = true,
            'm' => self.month = true,
            '0' => {
                self.zeros += 1;
                self.pieces.push(Piece::Digit);
            }
            '.' | '%' => self.decimals = true,
            '#' | '?' | ',' | '@' => self.other_digits = true,
            '/' if self.other_digits => self.decimals = true,
            _ => self.pieces.push(Piece::Literal(token)),
        }
    }

    fn format(self) -> Format {
        if self.duration {
            Format::Duration
        } else if self.date && self.time {
            Format::Moment
        } else if self.time {
            Format::Time
        } else if self.date || self.month {
            Format::Date
        } else if self.decimals {
            Format::Decimals
        } else if self.zeros >= 2 && !self.other_digits {
            Format::Padded(self.pieces)
        } else {
            Format::Number
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_apart() {
        let number = ["General", "0", "#,##0", "@", "0\" pcs\"", "#", "[Red]0", "\"day\" 0"];
        let decimals = ["0.00", "#,##0.00 [$€-407]", "0%", "0.00E+00", "# ?/?", "##0.0E+0"];
        let dates = ["mm-dd-yy", "d-mmm", "yyyy\\-mm\\-dd", "[$-409]d/m/yy;@", "mmm-yy"];
        let moments = ["m/d/yy h:mm", "yyyy-mm-dd hh:mm:ss", "dd.mm.yyyy h:mm AM/PM"];
        let times = ["h:mm", "h:mm AM/PM", "mm:ss", "mmss.0", "hh:mm:ss.000"];
        let durations = ["[h]:mm:ss", "[mm]:ss", "[s]"];
        let all = [
            (Format::Number, number.as_slice()),
            (Format::Decimals, &decimals),
            (Format::Date, &dates),
            (Format::Moment, &moments),
            (Format::Time, &times),
            (Format::Duration, &durations),
        ];
        for (format, codes) in all {
            for code in codes {
                assert_eq!(Format::of_code(code), format, "{code}");
            }
        }
    }

    #[test]
    fn padded_numbers_are_text_as_displayed() {
        let shown = |code: &str, number: f64| {
            let Format::Padded(pieces) = Format::of_code(code) else { panic!("{code}") };
            Format::padded(&pieces, number)
        };
        assert_eq!(shown("00000", 123.0).as_deref(), Some("00123"));
        assert_eq!(shown("00000", 1_234_567.0).as_deref(), Some("1234567"));
        assert_eq!(shown("000\\-00\\-0000", 12_345_678.0).as_deref(), Some("012-34-5678"));
        assert_eq!(shown("\"A\"000;@", 7.0).as_deref(), Some("A007"));
        assert_eq!(shown("000-00", 1_234_567.0).as_deref(), Some("12345-67"));
        assert_eq!(shown("00000", 1.5), None);
        assert_eq!(shown("00000", -1.0), None);
    }
}
