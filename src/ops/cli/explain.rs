//! `landfall explain`

use super::output::table;
use super::{Exit, Output};
use crate::diagnostic::{Code, Diagnostic};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A code such as C104; all codes without one
    code: Option<String>,
}

pub(super) fn run(args: Args, out: &Output) -> Result<Exit, Diagnostic> {
    let codes = match args.code {
        Some(text) => {
            let unknown = |error: crate::diagnostic::codes::UnknownCode| {
                Diagnostic::error(Code::Z104, error.to_string())
                    .hint("`landfall explain` lists every code.")
            };
            vec![text.parse::<Code>().map_err(unknown)?]
        }
        None => Code::ALL.to_vec(),
    };
    if out.is_json() {
        codes.iter().for_each(|code| print_object(*code, out));
        return Ok(Exit::Ok);
    }
    match codes.as_slice() {
        [code] => out.print(&format!(
            "{code}: {}\n\n{}\n\nway out: {}",
            code.title(),
            code.meaning(),
            code.way_out()
        )),
        codes => {
            let rows: Vec<_> = codes.iter().map(|c| [c.to_string(), c.title().into()]).collect();
            out.print(&table(&rows));
        }
    }
    Ok(Exit::Ok)
}

fn print_object(code: Code, out: &Output) {
    #[derive(serde::Serialize)]
    struct Explained {
        code: Code,
        title: &'static str,
        meaning: &'static str,
        way_out: &'static str,
    }
    let (title, meaning, way_out) = (code.title(), code.meaning(), code.way_out());
    out.object("landfall.code/v1", &Explained { code, title, meaning, way_out });
}
