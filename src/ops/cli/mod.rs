//! The command line: one file a command, each with its `Args` and `run`.
//!
//! Standard output is the result, standard error everything else. `--json` prints one object, or
//! one a line for lists, each with `"schema": "landfall.<thing>/v1"` (events are CloudEvents); times are RFC 3339 in UTC,
//! sizes are bytes. What goes wrong is one [`Diagnostic`], as text or JSON. Exit codes: [`Exit`].
//!
//! Reads open the ledger read-only and work whether or not a server runs. Writes go through the
//! server's control socket, or take the zone's lock when nothing runs.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::telemetry::{self, LogForm, Loudness};
use crate::diagnostic::Diagnostic;

mod alert;
mod audit;
mod backup;
mod batch;
mod check;
mod convert;
mod demo;
mod drift;
mod erase;
mod events;
mod exit;
mod explain;
mod feed;
mod get;
mod hold;
mod hostkey;
mod init;
mod inspect;
mod list;
mod output;
mod partner;
mod pull;
mod quarantine;
mod reading;
mod rebuild;
mod receipt;
mod reload;
mod replay;
mod report;
mod restore;
mod retain;
mod send;
mod serve;
mod show;
mod sink;
mod status;
mod trial;
mod verify;
mod words;
mod zone;

pub use exit::Exit;
pub use output::Output;
pub use zone::ZoneArgs;

/// A landing zone for files: received over SFTP or a folder, archived, converted to Parquet,
/// handed off.
#[derive(Debug, Parser)]
#[command(name = "landfall", version, after_help = exit::HELP, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    zone: ZoneArgs,
    /// Print JSON: one object, or one a line for lists
    #[arg(long, global = true)]
    json: bool,
    /// How log lines look: text or json. LANDFALL_LOG filters them
    #[arg(
        long,
        global = true,
        value_name = "FORM",
        default_value = "text",
        hide_default_value = true
    )]
    log: LogForm,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the zone until Ctrl-C
    Serve(serve::Args),
    /// Show the whole way: a million rows and the samples, through real SFTP and the inbox
    Demo(demo::Args),
    /// Make a new zone
    Init(init::Args),
    /// Check the configuration: every problem, with its place
    Check(check::Args),
    /// Put a changed landfall.toml in force without a restart; a wrong one is refused
    Reload(reload::Args),
    /// What needs a person now, and how the zone is
    Status(status::Args),
    /// List files that arrived, newest first
    List(list::Args),
    /// The whole life of one file
    Show(show::Args),
    /// Get a file back from the archive, exactly as it came
    Get(get::Args),
    /// Send files of this machine to a feed
    Send(send::Args),
    /// Convert files to Parquet; needs no zone
    Convert(convert::Args),
    /// Look into a file: encoding, delimiter, header, types and why; needs no zone
    Inspect(inspect::Args),
    /// Partners: the outside accounts
    #[command(subcommand)]
    Partner(partner::Command),
    /// The keys by which partners know the server
    #[command(subcommand)]
    Hostkey(hostkey::Command),
    /// Receipts: how partners check their signatures
    #[command(subcommand)]
    Receipt(receipt::Command),
    /// History as evidence: check it, show who signed it, export it for an auditor
    #[command(subcommand)]
    Audit(audit::Command),
    /// Feeds: the streams of files and their datasets
    #[command(subcommand)]
    Feed(feed::Command),
    /// Batches: what is handed off together
    #[command(subcommand)]
    Batch(batch::Command),
    /// The desk for held files: look at one, let it go on, or decide that it goes nowhere
    #[command(subcommand)]
    Quarantine(quarantine::Command),
    /// Sinks: who is told of each batch
    #[command(subcommand)]
    Sink(sink::Command),
    /// Alerts: who is told of what needs a person
    #[command(subcommand)]
    Alert(alert::Command),
    /// Pulls: commands that fetch what nobody sends
    #[command(subcommand)]
    Pull(pull::Command),
    /// What happened, event by event; with --json as CloudEvents
    Events(events::Args),
    /// Tell what converting again from the archive would change
    Replay(replay::Args),
    /// Read everything that is kept again and compare it with the ledger
    Verify(verify::Args),
    /// Remove every copy of a file for good; a signed tombstone and its history stay
    Erase(erase::Args),
    /// What is past the time that its feed keeps it, or will be
    Retain(retain::Args),
    /// Legal holds: what they cover is not removed
    #[command(subcommand)]
    Hold(hold::Command),
    /// Take a backup of the ledger, the configuration and the keys, at any moment
    Backup(backup::Args),
    /// Put a backup back, or make a zone from it
    Restore(restore::Args),
    /// Make the ledger again from the archive alone, and say what could not be known
    Rebuild(rebuild::Args),
    /// What a diagnostic code means and the way out
    Explain(explain::Args),
    /// A converter process; started by the server
    #[command(hide = true)]
    Worker,
}

/// Runs the command line; returns its exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(refused) => {
            // Nobody is left to tell when the terminal is gone.
            refused.print().unwrap_or_default();
            return u8::try_from(refused.exit_code()).unwrap_or(2).into();
        }
    };
    if matches!(cli.command, Command::Worker) {
        return crate::convert::worker::child_main().into();
    }
    let serves = matches!(cli.command, Command::Serve(_));
    let loudness = if serves { Loudness::Serving } else { Loudness::Quiet };
    telemetry::start(cli.log, loudness);
    let output = Output::new(cli.json);
    match run(cli.command, &cli.zone, &output) {
        Ok(exit) => exit.into(),
        Err(told) => {
            output.tell(&told);
            Exit::of(told.code).into()
        }
    }
}

fn run(command: Command, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    match command {
        Command::Serve(args) => serve::run(args, zone),
        Command::Demo(args) => demo::run(args, zone, out),
        Command::Init(args) => init::run(args, zone, out),
        Command::Check(args) => check::run(args, zone, out),
        Command::Reload(args) => reload::run(args, zone, out),
        Command::Status(args) => status::run(args, zone, out),
        Command::List(args) => list::run(args, zone, out),
        Command::Show(args) => show::run(args, zone, out),
        Command::Get(args) => get::run(args, zone, out),
        Command::Send(args) => send::run(args, zone, out),
        Command::Convert(args) => convert::run(args, out),
        Command::Inspect(args) => inspect::run(args, out),
        Command::Partner(command) => partner::run(command, zone, out),
        Command::Hostkey(command) => hostkey::run(command, zone, out),
        Command::Receipt(command) => receipt::run(command, zone, out),
        Command::Audit(command) => audit::run(command, zone, out),
        Command::Feed(command) => feed::run(command, zone, out),
        Command::Batch(command) => batch::run(command, zone, out),
        Command::Quarantine(command) => quarantine::run(command, zone, out),
        Command::Sink(command) => sink::run(command, zone, out),
        Command::Alert(command) => alert::run(command, zone, out),
        Command::Pull(command) => pull::run(command, zone, out),
        Command::Events(args) => events::run(args, zone, out),
        Command::Replay(args) => replay::run(&args, zone, out),
        Command::Verify(args) => verify::run(args, zone, out),
        Command::Erase(args) => erase::run(args, zone, out),
        Command::Retain(args) => retain::run(args, zone, out),
        Command::Hold(command) => hold::run(command, zone, out),
        Command::Backup(args) => backup::run(args, zone, out),
        Command::Restore(args) => restore::run(args, zone, out),
        Command::Rebuild(args) => rebuild::run(args, zone, out),
        Command::Explain(args) => explain::run(args, out),
        // Handled before anything else is started.
        Command::Worker => Ok(Exit::Ok),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
