//! Workbooks written by hand, so that odd ones can be made precisely (ECMA-376 part 1).

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::io::{Cursor, Write};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// A workbook in the making.
#[derive(Default)]
pub struct Workbook {
    sheets: Vec<(String, &'static str, String)>,
    formats: Vec<String>,
    strings: Option<String>,
    is_1904: bool,
}

/// A cell's content; its place is given by where it is put.
#[derive(Clone, Copy)]
pub enum Cell<'a> {
    /// Nothing at all.
    None,
    /// An inline text.
    Text(&'a str),
    /// A text of the table of shared strings.
    Shared(usize),
    /// A number as written.
    Number(&'a str),
    /// A number under a format, by the format's number from [`Workbook::format`].
    Formatted(&'a str, usize),
    /// A logical value.
    Bool(bool),
    /// An error.
    Error(&'a str),
    /// A formula and its stored value, if it has one.
    Formula(&'a str, Option<&'a str>),
}

impl Workbook {
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts dates from 1904.
    pub fn counting_from_1904(mut self) -> Self {
        self.is_1904 = true;
        self
    }

    /// Adds a number format; the first is 1.
    pub fn format(mut self, code: &str) -> Self {
        self.formats.push(code.to_owned());
        self
    }

    /// Sets the table of shared strings.
    pub fn strings(mut self, strings: &[&str]) -> Self {
        let items: String = strings.iter().map(|s| format!("<si><t>{s}</t></si>")).collect();
        self.strings = Some(format!(
            r#"<sst xmlns="{MAIN}" count="{0}" uniqueCount="{0}">{items}</sst>"#,
            strings.len()
        ));
        self
    }

    /// Sets the table of shared strings as it is.
    pub fn raw_strings(mut self, xml: &str) -> Self {
        self.strings = Some(xml.to_owned());
        self
    }

    /// Adds a visible sheet with rows from the first on.
    pub fn sheet(self, name: &str, rows: &[&[Cell<'_>]]) -> Self {
        let rows: String = (1..).zip(rows).map(|(number, cells)| row(number, "", cells)).collect();
        self.raw_sheet(name, "visible", &rows)
    }

    /// Adds a sheet in a state (`visible`, `hidden`, `veryHidden`) with its rows as XML.
    pub fn raw_sheet(self, name: &str, state: &'static str, rows: &str) -> Self {
        let xml = format!("<worksheet xmlns=\"{MAIN}\"><sheetData>{rows}</sheetData></worksheet>");
        self.raw_part(name, state, xml)
    }

    /// Adds a sheet as it is.
    pub fn raw_part(mut self, name: &str, state: &'static str, xml: String) -> Self {
        self.sheets.push((name.to_owned(), state, xml));
        self
    }

    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut package = ZipWriter::new(Cursor::new(Vec::new()));
        let mut part = |path: &str, xml: &str| {
            package.start_file(path, SimpleFileOptions::default()).expect("a part");
            package.write_all(xml.as_bytes()).expect("written");
        };
        part(
            "[Content_Types].xml",
            r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="xml" ContentType="application/xml"/></Types>"#,
        );
        part(
            "_rels/.rels",
            &format!(
                r#"<Relationships xmlns="{PACKAGE}"><Relationship Id="r1" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>"#
            ),
        );
        part("xl/workbook.xml", &self.workbook());
        part("xl/_rels/workbook.xml.rels", &self.relationships());
        part("xl/styles.xml", &self.styles());
        if let Some(strings) = &self.strings {
            part("xl/sharedStrings.xml", strings);
        }
        for (number, (_, _, xml)) in (1..).zip(&self.sheets) {
            part(&format!("xl/worksheets/sheet{number}.xml"), xml);
        }
        package.finish().expect("finished").into_inner()
    }

    fn workbook(&self) -> String {
        let sheets: String = (1..)
            .zip(&self.sheets)
            .map(|(number, (name, state, _))| {
                format!(
                    r#"<sheet name="{name}" sheetId="{number}" state="{state}" r:id="r{number}"/>"#
                )
            })
            .collect();
        let date1904 = u8::from(self.is_1904);
        format!(
            r#"<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><workbookPr date1904="{date1904}"/><sheets>{sheets}</sheets></workbook>"#
        )
    }

    fn relationships(&self) -> String {
        let each: String = (1..=self.sheets.len())
            .map(|number| {
                format!(r#"<Relationship Id="r{number}" Type="{OFFICE}/worksheet" Target="worksheets/sheet{number}.xml"/>"#)
            })
            .collect();
        format!(r#"<Relationships xmlns="{PACKAGE}">{each}</Relationships>"#)
    }

    fn styles(&self) -> String {
        let numbered = || (1..).zip(&self.formats);
        let formats: String = numbered()
            .map(|(n, code)| {
                let code = code.replace('"', "&quot;");
                format!(r#"<numFmt numFmtId="{}" formatCode="{code}"/>"#, 163 + n)
            })
            .collect();
        let cells: String =
            numbered().map(|(n, _)| format!(r#"<xf numFmtId="{}"/>"#, 163 + n)).collect();
        format!(
            r#"<styleSheet xmlns="{MAIN}"><numFmts>{formats}</numFmts><cellXfs><xf numFmtId="0"/>{cells}</cellXfs></styleSheet>"#
        )
    }
}

const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006/relationships";

/// A row as XML, with attributes of its own.
pub fn row(number: u32, attributes: &str, cells: &[Cell<'_>]) -> String {
    let cells: String = (0..).zip(cells).map(|(column, cell)| xml(column, number, *cell)).collect();
    format!(r#"<row r="{number}" {attributes}>{cells}</row>"#)
}

fn xml(column: u32, row: u32, cell: Cell<'_>) -> String {
    let place = format!("{}{row}", letters(column));
    match cell {
        Cell::None => String::new(),
        Cell::Text(text) => {
            format!(
                r#"<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>"#
            )
        }
        Cell::Shared(index) => format!(r#"<c r="{place}" t="s"><v>{index}</v></c>"#),
        Cell::Number(number) => format!(r#"<c r="{place}"><v>{number}</v></c>"#),
        Cell::Formatted(number, format) => {
            format!(r#"<c r="{place}" s="{format}"><v>{number}</v></c>"#)
        }
        Cell::Bool(value) => format!(r#"<c r="{place}" t="b"><v>{}</v></c>"#, u8::from(value)),
        Cell::Error(error) => format!(r#"<c r="{place}" t="e"><v>{error}</v></c>"#),
        Cell::Formula(formula, Some(value)) => {
            format!(r#"<c r="{place}"><f>{formula}</f><v>{value}</v></c>"#)
        }
        Cell::Formula(formula, None) => format!(r#"<c r="{place}"><f>{formula}</f></c>"#),
    }
}

/// A column's letters: `A` of 0, `XFD` of 16,383.
pub fn letters(column: u32) -> String {
    let (above, letter) =
        (column / 26, char::from(b'A' + u8::try_from(column % 26).expect("small")));
    if above == 0 { letter.to_string() } else { format!("{}{letter}", letters(above - 1)) }
}
