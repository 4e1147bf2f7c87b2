//! A command as a sink: an argument vector, never a shell.
//!
//! The manifest's path is the last argument and its text is on standard input; the zone is the
//! working folder, so that the manifest's names hold. Exit code 0 acknowledges and standard output
//! is the acknowledgement. A test sets `LANDFALL_TEST=1`.

use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::command::{self, Ended, LastWords, Speech, Until};

use super::{ACKNOWLEDGEMENT_BYTES_MAX, Answer, Notice, Purpose, said};

/// Runs the command to its end, to its timeout or until `stop` is set. Blocks.
pub fn tell(argv: &[String], notice: &Notice, timeout: Duration, stop: &AtomicBool) -> Answer {
    let Some((name, arguments)) = argv.split_first() else {
        return Answer::refused("the command names no program");
    };
    let mut first = Vec::new();
    let mut keep = |bytes: &[u8]| {
        let room = ACKNOWLEDGEMENT_BYTES_MAX.saturating_sub(first.len());
        first.extend(bytes.iter().take(room));
        Ok(())
    };
    let mut command = describe(name, arguments, notice);
    let until = Until { timeout, stop };
    let ended = command::run(&mut command, &notice.manifest, (Speech::Both, &mut keep), until);
    match ended {
        Ok(Ended::Exited(status, _)) if status.success() => Answer::Acknowledged(said(&first)),
        Ok(Ended::Exited(status, last)) => refusal(&status.to_string(), &last),
        Ok(Ended::TimedOut(last)) => {
            refusal(&format!("stopped after its timeout of {} s", timeout.as_secs_f32()), &last)
        }
        Ok(Ended::Stopped) => Answer::refused("stopped because the server stops"),
        Err(error) => Answer::refused(format!("cannot run `{name}`: {error}")),
    }
}

fn refusal(ending: &str, last: &LastWords) -> Answer {
    Answer::refused(last.text().map_or(ending.to_owned(), |told| format!("{ending}: {told}")))
}

fn describe(name: &str, arguments: &[String], notice: &Notice) -> Command {
    let mut command = Command::new(command::program(&notice.zone, name));
    match notice.purpose {
        Purpose::Batch => {}
        Purpose::Test => {
            command.env("LANDFALL_TEST", "1");
        }
    }
    command
        .args(arguments)
        .arg(&notice.manifest_path)
        .current_dir(&notice.zone)
        .env("LANDFALL_DELIVERY", &notice.delivery)
        .env("LANDFALL_FEED", notice.batch.feed.as_str())
        .env("LANDFALL_BATCH", notice.batch.id.to_string())
        .env("LANDFALL_SEQUENCE", notice.batch.sequence.to_string())
        .env("LANDFALL_ZONE", &notice.zone);
    command
}
