//! `landfall partner key`: the keys of an account, taken away or given an end.

use super::{load, look, save};
use crate::clock::Timestamp;
use crate::config::Partner;
use crate::diagnostic::{Code, Diagnostic};
use crate::names::PartnerName;
use crate::ops::cli::{Output, ZoneArgs};
use crate::receive::sftp::keys;

#[derive(Debug, clap::Subcommand)]
pub(in crate::ops::cli) enum Command {
    /// Take a key away; sessions that logged in with it end
    Remove {
        /// Whose
        name: PartnerName,
        /// Which, as `partner show` prints it: SHA256:…
        fingerprint: String,
    },
    /// Give a key an end, so that its successor can take over meanwhile
    End {
        /// Whose
        name: PartnerName,
        /// Which, as `partner show` prints it: SHA256:…
        fingerprint: String,
        /// The last day (UTC) or the moment: 2027-01-31 or 2027-01-31T10:00:00Z
        #[arg(value_parser = moment)]
        until: Timestamp,
    },
}

/// A moment, or the end of a day in UTC.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    crate::config::end_of(text).ok_or_else(|| {
        "needs a day such as 2027-01-31 or a time such as 2027-01-31T10:00:00Z".to_owned()
    })
}

pub(super) fn run(command: Command, zone: &ZoneArgs, out: &Output) -> Result<(), Diagnostic> {
    let zone = zone.find()?;
    let (name, change) = match &command {
        Command::Remove { name, fingerprint } => {
            let mut account = load(&zone, name)?;
            check_known(&account, fingerprint)?;
            account.keys.retain(|key| !is(&key.line, fingerprint));
            account.authorities.retain(|ca| !is(&ca.line, fingerprint));
            let change = format!("key {fingerprint} removed");
            save(&zone, &account, &change)?;
            (name, change)
        }
        Command::End { name, fingerprint, until } => {
            let mut account = load(&zone, name)?;
            check_known(&account, fingerprint)?;
            for key in account.keys.iter_mut().filter(|key| is(&key.line, fingerprint)) {
                key.until = Some(*until);
            }
            for ca in account.authorities.iter_mut().filter(|ca| is(&ca.line, fingerprint)) {
                ca.until = Some(*until);
            }
            let change = format!("key {fingerprint} ends at {until}");
            save(&zone, &account, &change)?;
            (name, change)
        }
    };
    if out.is_json() {
        return look::show(&zone, name, out);
    }
    out.say(&format!("Partner {name}: {change}. Live now."));
    Ok(())
}

fn is(line: &str, fingerprint: &str) -> bool {
    keys::fingerprint(line).as_deref() == Some(fingerprint)
}

fn check_known(account: &Partner, fingerprint: &str) -> Result<(), Diagnostic> {
    let lines = account.keys.iter().map(|key| &key.line);
    let mut lines = lines.chain(account.authorities.iter().map(|ca| &ca.line));
    if lines.any(|line| is(line, fingerprint)) {
        return Ok(());
    }
    let told = format!("{} has no key {fingerprint}", account.name);
    Err(Diagnostic::error(Code::Z107, told)
        .hint(format!("See `landfall partner show {}`.", account.name)))
}
