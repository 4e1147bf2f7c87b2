//! How transfers end before their end, with OpenSSH's client at the other side.

use std::process::{Child, Command, Stdio};

use landfall::ledger::Event;

use crate::support::{Site, noise};

/// Bytes of the file that is sent, and how many of them are there when it is broken off.
const WHOLE: usize = 1_500_000;
const SOME: u64 = 300_000;

/// An OpenSSH `sftp` in the middle of a slow put of `a.bin`.
struct Putting {
    child: Child,
}

impl Putting {
    fn begin(site: &Site) -> Self {
        site.local("a.bin", noise(WHOLE));
        let script = site.local(".slow", "put a.bin orders/a.bin\n");
        let mut command = site.openssh("sftp", "acme");
        // In kbit/s: 500 kB a second, so that there is time for what comes next.
        command.args(["-l", "4000", "-P"]).arg(site.address.port().to_string());
        command.arg("-b").arg(script).arg("acme@127.0.0.1");
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut putting = Self { child: command.spawn().expect("sftp runs") };
        while staged_bytes(site) < SOME {
            assert!(putting.child.try_wait().expect("alive").is_none(), "it ended early");
            std::thread::yield_now();
        }
        putting
    }

    /// Sends a signal to `sftp`, and to the `ssh` that it runs if so wanted.
    fn signal(&self, signal: &str, also: &[u32]) {
        let mut kill = Command::new("kill");
        kill.arg(signal).arg(self.child.id().to_string());
        kill.args(also.iter().map(u32::to_string));
        assert!(kill.status().expect("kill runs").success());
    }

    /// The `ssh` that `sftp` runs.
    fn ssh(&self) -> Vec<u32> {
        let path = format!("/proc/{0}/task/{0}/children", self.child.id());
        let children = std::fs::read_to_string(path).expect("its children");
        children.split_whitespace().map(|id| id.parse().expect("an id")).collect()
    }

    fn end(mut self) -> bool {
        self.child.wait().expect("it ends").success()
    }
}

impl Drop for Putting {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn staged_bytes(site: &Site) -> u64 {
    let entries = std::fs::read_dir(site.zone.staging()).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|file| file.len()).sum()
}

fn interrupted(site: &Site) -> u64 {
    site.wait_for(|event| match event {
        Event::UploadInterrupted { size_bytes, .. } => Some(*size_bytes),
        _ => None,
    })
}

/// OpenSSH closes what it has sent when it is interrupted, and nobody can tell that from a shorter
/// file: it lands as what it is, and continuing it makes the version that counts.
#[test]
fn a_put_interrupted_at_the_keyboard_lands_short_and_is_continued() {
    let site = Site::open();
    let putting = Putting::begin(&site);
    putting.signal("-INT", &[]);
    // It calls that a success.
    assert!(putting.end());
    site.wait_for(|event| matches!(event, Event::Received { .. }).then_some(()));
    let short = site.arrivals();
    assert_eq!(short.len(), 1);
    assert!((SOME..WHOLE as u64).contains(&short[0].size_bytes), "{short:?}");
    let whole = noise(WHOLE);
    let length = usize::try_from(short[0].size_bytes).expect("small");
    assert!(site.raw(&short[0]) == whole[..length], "a beginning of the file");
    site.sftp("acme", "reput a.bin orders/a.bin\n").ok();
    let arrivals = site.arrivals();
    assert_eq!(arrivals.len(), 2);
    assert!(site.raw(&arrivals[1]) == whole);
    assert!(site.raw(&arrivals[0]) == whole[..length], "what landed never changes");
    let listed = site.sftp("acme", "ls -l orders\n").ok().out;
    assert_eq!(listed.matches("a.bin").count(), 1, "{listed}");
    assert!(listed.contains(&WHOLE.to_string()), "{listed}");
}

#[test]
fn a_client_killed_in_a_put_lands_nothing_and_resumes() {
    let site = Site::open();
    // With its `ssh`, the connection drops; without, `ssh` still says that there is no more.
    for with_ssh in [true, false] {
        let putting = Putting::begin(&site);
        let ssh = if with_ssh { putting.ssh() } else { Vec::new() };
        putting.signal("-KILL", &ssh);
        assert!(!putting.end());
        assert!((SOME..WHOLE as u64).contains(&interrupted(&site)));
        assert_eq!(site.landed(), Vec::<String>::new());
    }
    site.sftp("acme", "reput a.bin orders/a.bin\n").ok();
    assert_eq!(site.landed(), ["a.bin"]);
    assert!(site.raw(&site.arrivals()[0]) == noise(WHOLE));
}

#[test]
fn a_second_session_takes_over_from_one_that_hangs() {
    let site = Site::open();
    let hanging = Putting::begin(&site);
    let ssh = hanging.ssh();
    hanging.signal("-STOP", &ssh);
    let other = [noise(700_000), b"newer".to_vec()].concat();
    site.local("b.bin", &other);
    site.sftp("acme", "put b.bin orders/a.bin\n").ok();
    assert_eq!(site.landed(), ["a.bin"]);
    // It wakes up and is told; what it had sent has no part in the file.
    hanging.signal("-CONT", &ssh);
    assert!(!hanging.end());
    assert_eq!(site.landed(), ["a.bin"]);
    assert!(site.raw(&site.arrivals()[0]) == other);
}
