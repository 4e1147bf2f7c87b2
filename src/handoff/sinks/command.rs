//! A command as a sink: an argument vector, never a shell.
//!
//! The manifest's path is the last argument and its text is on standard input; the zone is the
//! working folder, so that the manifest's names hold. Exit code 0 acknowledges and standard output
//! is the acknowledgement. A test sets `LANDFALL_TEST=1`.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::command::{self, Ended, LastWords, Speech, Until};

use super::{ACKNOWLEDGEMENT_BYTES_MAX, Answer, Notice, Purpose, said};

/// Runs the command to its end, to its timeout or until `stop` is set. Blocks.
pub fn tell(argv: &[String], notice: &Notice, timeout: Duration, stop: &AtomicBool) -> Answer {
    let describe = |command: &mut Command| describe(command, notice);
    run(argv, (&notice.zone, &notice.manifest), describe, Until { timeout, stop })
}

/// Runs a command of a zone to its end with this on its standard input. Blocks.
pub(super) fn run(
    argv: &[String],
    (zone, input): (&Path, &[u8]),
    describe: impl FnOnce(&mut Command),
    until: Until<'_>,
) -> Answer {
    let Some((name, arguments)) = argv.split_first() else {
        return Answer::refused("the command names no program");
    };
    let mut command = Command::new(command::program(zone, name));
    command.args(arguments).current_dir(zone).env("LANDFALL_ZONE", zone);
    describe(&mut command);
    let mut first = Vec::new();
    let mut keep = |bytes: &[u8]| {
        let room = ACKNOWLEDGEMENT_BYTES_MAX.saturating_sub(first.len());
        first.extend(bytes.iter().take(room));
        Ok(())
    };
    let ended = command::run(&mut command, input, (Speech::Both, &mut keep), until);
    match ended {
        Ok(Ended::Exited(status, _)) if status.success() => Answer::Acknowledged(said(&first)),
        Ok(Ended::Exited(status, last)) => refusal(&status.to_string(), &last),
        Ok(Ended::TimedOut(last)) => refusal(
            &format!("stopped after its timeout of {} s", until.timeout.as_secs_f32()),
            &last,
        ),
        Ok(Ended::Stopped) => Answer::refused("stopped because the server stops"),
        Err(error) => Answer::refused(format!("cannot run `{name}`: {error}")),
    }
}

fn refusal(ending: &str, last: &LastWords) -> Answer {
    Answer::refused(last.text().map_or(ending.to_owned(), |told| format!("{ending}: {told}")))
}

/// Marks a command that is only tried.
pub(super) fn mark(command: &mut Command, purpose: Purpose) {
    match purpose {
        Purpose::Batch => {}
        Purpose::Test => {
            command.env("LANDFALL_TEST", "1");
        }
    }
}

fn describe(command: &mut Command, notice: &Notice) {
    mark(command, notice.purpose);
    command
        .arg(&notice.manifest_path)
        .env("LANDFALL_DELIVERY", &notice.delivery)
        .env("LANDFALL_FEED", notice.batch.feed.as_str())
        .env("LANDFALL_BATCH", notice.batch.id.to_string())
        .env("LANDFALL_SEQUENCE", notice.batch.sequence.to_string());
}
