//! `landfall demo`: the whole way, on real files, through real doors.
//!
//! It serves the zone in this process, makes a partner with a fresh key, sends a million rows and
//! samples over SFTP, drops others into the inbox, and tells each step from the ledger's events. It
//! ends well only if every file reached its end. Run again, the same files are recorded as
//! duplicates, which counts as arrived.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use super::{Exit, Output, ZoneArgs};
use crate::diagnostic::{Code, Diagnostic};
use crate::ops::default_zone;
use crate::ops::serve::{self, Options, Running};
use crate::zone::Zone;

mod files;
mod follow;
mod orders;
mod sender;
mod summary;

use files::{Door, Parcel};
use follow::Follower;
use sender::Sender;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Stop when everything is handed off, instead of serving until Ctrl-C
    #[arg(long)]
    once: bool,
    /// Rows of the big file
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    rows: u64,
}

pub(super) fn run(args: Args, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    let began = Instant::now();
    let suffix = zone.suffix();
    let zone = find_or_make(zone, out)?;
    let running = serve::start(&zone, options(&zone)?)?;
    let outcome = show(&args, &zone, &running, &Story { out, began, suffix });
    if let Ok(Exit::Ok) = outcome
        && !args.once
    {
        out.say("\nServing until Ctrl-C.");
        running.wait();
    }
    running.shutdown();
    outcome
}

/// Where the demo tells what it does, and since when.
pub(super) struct Story<'o> {
    out: &'o Output,
    began: Instant,
    /// What a command to paste ends with.
    suffix: String,
}

impl Story<'_> {
    /// Tells a step with the time since the beginning.
    fn step(&self, who: &str, what: &str) {
        if !self.out.is_json() {
            let seconds = self.began.elapsed().as_secs_f64();
            self.out.print(&format!("{seconds:7.2} s  {who:<22}  {what}"));
        }
    }
}

/// The zone that is meant; the default one is made where there is none.
fn find_or_make(args: &ZoneArgs, out: &Output) -> Result<Zone, Diagnostic> {
    let folder = args.folder();
    if !folder.exists() {
        let root = std::path::absolute(&folder).unwrap_or_else(|_| folder.clone());
        let made = default_zone::write(&Zone::new(root));
        made.map_err(|error| failed("the zone cannot be made", &error))?;
        out.say(&format!("Made the default zone in {}.", folder.display()));
    }
    args.find()
}

/// The configured address, or any free port when that one is taken.
fn options(zone: &Zone) -> Result<Options, Diagnostic> {
    let config = super::zone::load(zone)?;
    let listen = config.sftp.listen.ok_or_else(|| {
        Diagnostic::error(Code::Z105, "this zone's SFTP door is closed")
            .hint("Set `[sftp] enabled = true` in landfall.toml.")
    })?;
    let is_free = std::net::TcpListener::bind(listen).is_ok();
    let any_port = std::net::SocketAddr::new(listen.ip(), 0);
    Ok(Options { listen: (!is_free).then_some(any_port), ..Options::default() })
}

fn show(
    args: &Args,
    zone: &Zone,
    running: &Running,
    story: &Story<'_>,
) -> Result<Exit, Diagnostic> {
    let config = running.config();
    let address = running
        .sftp_address()
        .ok_or_else(|| Diagnostic::error(Code::Z105, "this zone's SFTP door is closed"))?;
    story.step("zone", &format!("{} is open, sftp on {address}", zone.root().display()));
    let folder = workshop(zone)?;
    let made = orders::make(&folder, args.rows)
        .map_err(|error| failed("the orders cannot be generated", &error))?;
    story.step(&made.name, &format!("generated: {}", made.said()));
    let parcels = files::parcels(zone, &config, &made, &folder)?;
    let sender = Sender::prepare(zone, &parcels, address, &folder, story)?;
    let mut follower = Follower::new(running.ledger(), &parcels);
    let (over_sftp, dropped) = Parcel::by_door(&parcels);
    let failed = &AtomicBool::new(false);
    thread::scope(|scope| {
        let sending = scope.spawn(move || {
            let sent =
                sender::drop_into_inbox(zone, &dropped).and_then(|()| sender.send(&over_sftp));
            failed.store(sent.is_err(), Ordering::Relaxed);
            sent
        });
        follower.tell_until_handed_off(story, failed)?;
        match sending.join() {
            Ok(sent) => sent,
            Err(_) => Err(Diagnostic::error(Code::Z105, "the sender panicked")),
        }
    })?;
    let arrived = follower.arrived()?;
    summary::tell(zone, &story.suffix, &made, &arrived, story.out);
    Ok(if arrived.iter().all(summary::Arrived::is_well) { Exit::Ok } else { Exit::Problems })
}

/// `.landfall/demo/`, where the demo keeps its key and its files.
fn workshop(zone: &Zone) -> Result<PathBuf, Diagnostic> {
    let folder = zone.run_time().join("demo");
    let made = crate::durable::Durability::Relaxed.create_folders(&folder);
    made.map_err(|error| failed("the demo's folder cannot be made", &error))?;
    Ok(folder)
}

fn failed(what: &str, error: &(dyn std::error::Error + 'static)) -> Diagnostic {
    Diagnostic::error(Code::Z105, what).caused_by(error)
}
