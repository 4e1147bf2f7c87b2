//! `landfall init`

use std::path::PathBuf;

use super::{Exit, Output, ZoneArgs};
use crate::diagnostic::{Code, Diagnostic};
use crate::ops::default_zone;
use crate::zone::Zone;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The new zone's folder [default: as --zone]
    folder: Option<PathBuf>,
}

pub(super) fn run(args: Args, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    let folder = args.folder.unwrap_or_else(|| zone.folder());
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Diagnostic::error(Code::Z105, format!("cannot make a zone in {}", folder.display()))
            .caused_by(error)
    };
    let root = std::path::absolute(&folder).map_err(|e| failed(&e))?;
    let written = default_zone::write(&Zone::new(&root)).map_err(|e| failed(&e))?;
    if out.is_json() {
        #[derive(serde::Serialize)]
        struct Made<'a> {
            zone: &'a std::path::Path,
            written: &'a [&'static str],
        }
        out.object("landfall.init/v1", &Made { zone: &root, written: &written });
        return Ok(Exit::Ok);
    }
    let shown = folder.display();
    match written.len() {
        0 => out.print(&format!("{shown} is a zone already; nothing was changed.")),
        files => out.print(&format!(
            "Made a zone in {shown} ({files} files).\n\
             Next: landfall --zone {shown} demo      shows the whole way\n\
             \x20     landfall --zone {shown} serve     opens the doors"
        )),
    }
    Ok(Exit::Ok)
}
