//! A proposal as the text of a contract: what [`super::parse`] reads back as the same columns, with
//! what was measured beside each as comments.

use std::fmt::Write as _;

use crate::contract::{DeclaredColumn, Form, Marks, Proposal, ProposedColumn, TimeFormat};

/// Writes a proposal down.
pub fn render(proposal: &Proposal) -> String {
    let mut text = String::new();
    for line in &proposal.heading {
        comment(&mut text, line);
    }
    if proposal.evolves {
        comment(&mut text, "The files do not all have the same columns.");
        text.push_str("mode.columns = \"evolve\"\n");
    }
    if proposal.rejects_max > 0 {
        comment(&mut text, "So many records were left out of one file, at the most.");
        line(&mut text, "max_rejects", &proposal.rejects_max.to_string());
    }
    let (fewest, most) = proposal.rows;
    let had = if fewest == most { fewest.to_string() } else { format!("{fewest} to {most}") };
    let rule = format!("rows = {{ min = {fewest}, max = {most} }}");
    comment(&mut text, &format!("A file had {had} records: {rule} would hold others."));
    if let Some(key) = &proposal.unique {
        line(&mut text, "unique", &format!("[{}]", list(key)));
    }
    for column in &proposal.columns {
        write_column(&mut text, column);
    }
    text
}

fn write_column(text: &mut String, proposed: &ProposedColumn) {
    let column = &proposed.column;
    text.push('\n');
    for remark in &proposed.remarks {
        comment(text, remark);
    }
    text.push_str(&format!("[column.{}]\n", key(&column.name)));
    line(text, "type", &quoted(&type_name(&column.form)));
    write_form(text, &column.form);
    write_rules(text, column);
    if proposed.unique {
        line(text, "unique", "true");
    }
}

fn write_rules(text: &mut String, column: &DeclaredColumn) {
    if !column.aliases.is_empty() {
        line(text, "aliases", &list(&column.aliases));
    }
    if !column.nulls.is_empty() {
        line(text, "null", &list(&column.nulls));
    }
    if column.trim {
        line(text, "trim", "true");
    }
    if column.required {
        line(text, "required", "true");
    }
}

fn type_name(form: &Form) -> String {
    match form {
        Form::Timestamp { utc: true, .. } => "timestamp_utc".to_owned(),
        Form::Text
        | Form::Int64(_)
        | Form::Decimal { .. }
        | Form::Double(_)
        | Form::Date(_)
        | Form::Timestamp { utc: false, .. }
        | Form::Bool { .. } => form.kind().to_string(),
    }
}

/// What a form has beside its type, where it is not the default.
fn write_form(text: &mut String, form: &Form) {
    match form {
        Form::Text | Form::Timestamp { format: None, .. } => {}
        Form::Int64(marks) | Form::Decimal { marks, .. } | Form::Double(marks) => {
            if marks.point != Marks::default().point {
                line(text, "decimal", &quoted(&marks.point.to_string()));
            }
            if let Some(mark) = marks.thousands {
                line(text, "thousands", &quoted(&mark.to_string()));
            }
        }
        Form::Date(format) if *format == TimeFormat::iso_date() => {}
        Form::Date(format) | Form::Timestamp { format: Some(format), .. } => {
            line(text, "format", &quoted(format.as_str()));
        }
        Form::Bool { yes, no } => {
            line(text, "yes", &list(yes));
            line(text, "no", &list(no));
        }
    }
}

fn line(text: &mut String, key: &str, value: &str) {
    text.push_str(&format!("{key} = {value}\n"));
}

/// Lines of a comment have no control characters (TOML 1.0, Comment).
fn comment(text: &mut String, line: &str) {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.push_str("# ");
    text.extend(line.chars().map(plain));
    text.push('\n');
}

fn list(texts: &[String]) -> String {
    let all: Vec<_> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", all.join(", "))
}

/// A bare key where that is one (TOML 1.0, Keys), else a quoted one.
fn key(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let bare = !name.is_empty() && name.chars().all(is_bare);
    if bare { name.to_owned() } else { quoted(name) }
}

/// A basic string of one line (TOML 1.0, String).
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                // Writing to a text cannot fail.
                write!(out, "\\u{:04X}", u32::from(c)).unwrap_or_default();
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;
    use crate::contract::BadValues;

    fn column(name: &str, form: Form) -> ProposedColumn {
        let column = DeclaredColumn {
            name: name.to_owned(),
            aliases: Vec::new(),
            form,
            nulls: Vec::new(),
            trim: false,
            required: false,
            bad_values: BadValues::RejectRow,
            min: None,
            max: None,
            pattern: None,
            allowed: None,
        };
        ProposedColumn { column, unique: false, remarks: vec!["seen\nby \u{7f}many".to_owned()] }
    }

    #[test]
    fn what_is_written_reads_back_as_the_same() {
        let words = |word: &str| vec![word.to_owned()];
        let format = |text| TimeFormat::new(text).expect("a format");
        let marks = Marks { point: ',', thousands: Some('\u{a0}') };
        let forms = [
            Form::Text,
            Form::Int64(Marks::default()),
            Form::Decimal { precision: 18, scale: 2, marks },
            Form::Double(Marks::default()),
            Form::Date(TimeFormat::iso_date()),
            Form::Date(format("%d \"%m\" %Y")),
            Form::Timestamp { format: None, utc: false },
            Form::Timestamp { format: None, utc: true },
            Form::Timestamp { format: Some(format("%d.%m.%Y %H:%M")), utc: false },
            Form::Bool { yes: words("J"), no: words("N") },
        ];
        let names = ["a", "b-1", "c d", "é", "q\"u\\o", "x\ny", "dot.ted", "1", "'", "#"];
        let mut columns: Vec<_> =
            names.iter().zip(forms).map(|(name, form)| column(name, form)).collect();
        columns[1].column.nulls = words("\\N");
        columns[1].column.required = true;
        columns[1].column.trim = true;
        columns[1].unique = true;
        columns[2].column.aliases = words("Betrag €");
        let key = vec!["a".to_owned(), "x\ny".to_owned()];
        let proposal = Proposal {
            heading: words("of many\u{0}files"),
            evolves: true,
            rejects_max: 3,
            rows: (1, 20),
            unique: Some(key.clone()),
            columns,
        };
        let text = render(&proposal);
        let read =
            parse("proposed", &text).unwrap_or_else(|problems| panic!("{problems:?}\n{text}"));
        let declared: Vec<_> = proposal.columns.iter().map(|of| of.column.clone()).collect();
        assert_eq!(read.columns, declared, "{text}");
        assert_eq!(read.unique, [vec!["b-1".to_owned()], key]);
        assert_eq!(read.max_rejects.count, 3);
        assert_eq!(read.differing_columns, crate::contract::DifferingColumns::Evolve);
    }
}
