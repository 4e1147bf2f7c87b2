//! The zone that `landfall init` makes: the repository's `landing/`, kept in the program.

use crate::durable::{Durability, Error};
use crate::zone::Zone;

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        /// Path below the zone and content.
        const FILES: &[(&str, &[u8])] =
            &[$(($path, include_bytes!(concat!("../../landing/", $path)))),*];
    };
}

files! {
    "landfall.toml",
    "contracts/README.md",
    "inbox/budget/READ ME.txt",
    "inbox/customers/READ ME.txt",
    "inbox/misc/READ ME.txt",
    "inbox/orders/READ ME.txt",
    "inbox/shipments/READ ME.txt",
    "partners/README.md",
    "samples/budget.xlsx",
    "samples/kunden.csv",
    "samples/orders.csv",
    "samples/parcels.tsv",
    "samples/terms.pdf",
}

/// Writes the default zone's files that are not there yet; returns what was written. The
/// configuration comes last: it is what makes a folder a zone.
///
/// # Errors
/// The first file that could not be written.
pub fn write(zone: &Zone) -> Result<Vec<&'static str>, Error> {
    let mut written = Vec::new();
    for (path, content) in FILES.iter().rev() {
        let target = zone.root().join(path);
        let folder = target.parent().unwrap_or(zone.root());
        Durability::Full.create_folders(folder)?;
        match Durability::Full.write_new(&target, content) {
            Ok(()) => written.push(*path),
            Err(error) if error.is_name_taken() => {}
            Err(error) => return Err(error),
        }
    }
    written.reverse();
    Ok(written)
}

/// The sample files: name and content.
pub fn samples() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    FILES.iter().filter_map(|(path, content)| Some((path.strip_prefix("samples/")?, *content)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn the_default_zone_is_valid_and_never_overwrites() {
        let folder = tempfile::tempdir().expect("a folder");
        let zone = Zone::new(folder.path().join("new/zone"));
        assert_eq!(write(&zone).expect("written").len(), FILES.len());
        config::load(&zone).expect("a valid configuration");
        std::fs::write(zone.config_file(), "# mine").expect("written");
        assert!(write(&zone).expect("nothing to do").is_empty());
        assert_eq!(std::fs::read(zone.config_file()).expect("read"), b"# mine");
        assert_eq!(samples().count(), 5);
    }

    #[test]
    fn every_file_of_the_repository_is_in_it() {
        let landing = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("landing");
        for folder in ["samples", "contracts", "inbox/orders", "inbox/misc", "partners"] {
            for entry in std::fs::read_dir(landing.join(folder)).expect("listed") {
                let name = entry.expect("an entry").file_name();
                let path = format!("{folder}/{}", name.to_string_lossy());
                let made_at_run_time = name.to_string_lossy().ends_with(".toml")
                    || (folder.starts_with("inbox") && !path.ends_with("READ ME.txt"));
                assert!(made_at_run_time || FILES.iter().any(|(p, _)| *p == path), "{path}");
            }
        }
    }
}
