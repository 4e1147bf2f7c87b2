//! A zone with nothing but its SFTP door open, and clients for it.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use landfall::archive::Archive;
use landfall::clock::{Clock, Timestamp};
use landfall::config::{self, Config, Partner, partner};
use landfall::durable::Durability;
use landfall::evidence::Notary;
use landfall::ledger::{
    Arrival, ArrivalQuery, Event, Ledger, Listed, Recorded, Sender, Sidecar, SidecarName, Usage,
    sqlite,
};
use landfall::names::{ArrivalId, FeedName, FileName, PartnerName};
use landfall::receive::completion::Judges;
use landfall::receive::receipt::Papers;
use landfall::receive::sftp::dialog::Speaker;
use landfall::receive::sftp::{Desk, Door, keys};
use landfall::receive::staging::{Recovered, Staging};
use landfall::receive::{Existing, Intake, LocalIntake, Refusal, Settled};
use landfall::zone::Zone;
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running door over a temporary zone.
pub struct Site {
    folder: tempfile::TempDir,
    pub zone: Zone,
    pub ledger: Arc<dyn Ledger>,
    pub recovered: Recovered,
    pub address: SocketAddr,
    pub legacy: Option<SocketAddr>,
    runtime: Option<Runtime>,
    /// Closed, no file can be settled.
    pub gate: Arc<Gate>,
    stop: watch::Sender<bool>,
    change: fn(&mut Config),
    speaker: Option<Speaker>,
    judges: Option<Judges>,
}

impl Site {
    /// Signs the ledger's head, as a served zone does within a second of an outcome.
    pub fn sign(&self) {
        let config = config::parse("landfall.toml", "[zone]\ndurability = 'relaxed'\n");
        let config = config::Live::from(Arc::new(config.expect("valid")));
        let (zone, ledger) = (self.zone.clone(), Arc::clone(&self.ledger));
        let notary = Notary::open(zone, config, ledger, Clock::system()).expect("opened");
        notary.sign().expect("signed");
    }

    /// Feeds `orders` and `stock`; partner `acme` may send to both, `bolt` to `orders`.
    pub fn open() -> Self {
        Self::with(|_| {})
    }

    /// The same with other settings.
    pub fn with(change: fn(&mut Config)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let zone = Zone::new(folder.path().join("zone"));
        fs::create_dir_all(zone.partners()).expect("made");
        Self::peopled(Self::start(folder, zone, change, None))
    }

    /// The same, where SFTP is answered by something else than the partner's view.
    pub fn speaking(speaker: Speaker) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let zone = Zone::new(folder.path().join("zone"));
        fs::create_dir_all(zone.partners()).expect("made");
        Self::peopled(Self::start(folder, zone, |_| {}, Some(speaker)))
    }

    fn peopled(site: Self) -> Self {
        site.add_partner("acme", |acme| acme.feeds = vec![feed("orders"), feed("stock")]);
        site.add_partner("bolt", |bolt| bolt.feeds = vec![feed("orders")]);
        site
    }

    fn start(
        folder: tempfile::TempDir,
        zone: Zone,
        change: fn(&mut Config),
        speaker: Option<Speaker>,
    ) -> Self {
        let text = "[zone]\nname = 'test'\n[feed.orders]\n[feed.stock]\n";
        let mut config = config::parse("landfall.toml", text).expect("valid");
        config.durability = Durability::Relaxed;
        config.free_reserve = Some(0);
        // Tests of refusals are not to be kept waiting by them.
        config.sftp.penalty_exempt = vec!["127.0.0.1/32".parse().expect("a network")];
        change(&mut config);
        let config = Arc::new(config);
        let clock = Clock::system();
        fs::create_dir_all(zone.run_time()).expect("made");
        let ledger = sqlite::open(&zone.ledger_file(), clock.clone(), config.durability);
        let ledger: Arc<dyn Ledger> = Arc::new(ledger.expect("opened"));
        let archive = Archive::new(zone.clone(), config.durability);
        let intake = LocalIntake::new(
            zone.clone(),
            Arc::clone(&config),
            archive,
            Arc::clone(&ledger),
            clock.clone(),
        );
        let judges = Some(Judges::start(intake.completions()).expect("started"));
        let gate = Arc::new(Gate::default());
        let intake: Arc<dyn Intake> = Arc::new(Gated { intake, gate: Arc::clone(&gate) });
        let (staging, recovered) =
            Staging::recover(&zone, config.durability, clock.clone()).expect("recovered");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let desk =
            Desk { zone: zone.clone(), config: Arc::clone(&config).into(), intake, staging, clock };
        let door = runtime.block_on(Door::bind(desk, ([127, 0, 0, 1], 0).into())).expect("bound");
        let door = match speaker.clone() {
            Some(speaker) => door.speaking(speaker),
            None => door,
        };
        let (address, legacy) = (door.local_addr(), door.legacy_addr());
        let (stop, stopping) = watch::channel(false);
        runtime.spawn(door.run(stopping));
        let runtime = Some(runtime);
        Self {
            folder,
            zone,
            ledger,
            recovered,
            address,
            legacy,
            runtime,
            gate,
            stop,
            change,
            speaker,
            judges,
        }
    }

    /// Ends everything without asking it to, and starts again over the same zone. What a thread was
    /// at is let end: unlike after a kill it would go on beside the new door.
    pub fn restart(mut self) -> Self {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(60));
        }
        let (zone, change, speaker) = (self.zone.clone(), self.change, self.speaker.clone());
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().expect("a folder"));
        drop(self);
        Self::start(folder, zone, change, speaker)
    }

    /// Writes a partner with a fresh key in `key(name)`.
    pub fn add_partner(&self, name: &str, change: impl FnOnce(&mut Partner)) {
        let partner_name: PartnerName = name.parse().expect("a partner");
        let key = keys::ensure(&self.key(name), "test").expect("a key");
        let mut partner = Partner::new(partner_name.clone());
        partner.keys = vec![partner::Key::new(keys::public_line(&key))];
        change(&mut partner);
        fs::write(self.zone.partner_file(&partner_name), partner::render(&partner))
            .expect("written");
    }

    /// Rewrites a partner.
    pub fn change_partner(&self, name: &str, change: impl FnOnce(&mut Partner)) {
        let name: PartnerName = name.parse().expect("a partner");
        let mut partner = partner::load(&self.zone, &name).expect("there");
        change(&mut partner);
        fs::write(self.zone.partner_file(&name), partner::render(&partner)).expect("written");
    }

    /// Where a partner's private key lies.
    pub fn key(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}_key"))
    }

    /// A folder for the client's files.
    pub fn client(&self) -> PathBuf {
        let path = self.folder.path().join("client");
        fs::create_dir_all(&path).expect("made");
        path
    }

    /// Writes a file of the client and gives its path.
    pub fn local(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.client().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(&path, bytes).expect("written");
        path
    }

    /// Runs OpenSSH's `sftp` with a batch of commands.
    pub fn sftp(&self, user: &str, batch: &str) -> Said {
        self.sftp_with(user, &[], batch)
    }

    /// The same with options.
    pub fn sftp_with(&self, user: &str, options: &[&str], batch: &str) -> Said {
        let script = self.local(".batch", batch);
        let mut command = self.openssh("sftp", user);
        command.args(options).arg("-P").arg(self.address.port().to_string());
        command.arg("-b").arg(script).arg(format!("{user}@127.0.0.1"));
        run(&mut command)
    }

    /// Runs OpenSSH's `scp`; `{}` in an argument is `user@host:`.
    pub fn scp(&self, user: &str, arguments: &[&str]) -> Said {
        let mut command = self.openssh("scp", user);
        command.arg("-P").arg(self.address.port().to_string());
        for argument in arguments {
            command.arg(argument.replace("{}", &format!("{user}@127.0.0.1:")));
        }
        run(&mut command)
    }

    /// Runs a command over OpenSSH's `ssh`.
    pub fn ssh(&self, user: &str, arguments: &[&str]) -> Said {
        let mut command = self.openssh("ssh", user);
        command.arg("-p").arg(self.address.port().to_string()).arg(format!("{user}@127.0.0.1"));
        run(command.args(arguments))
    }

    /// An OpenSSH program with the partner's key and none of the user's own settings.
    pub fn openssh(&self, program: &str, user: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.client()).arg("-F").arg("/dev/null");
        for option in [
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
        ] {
            command.arg("-o").arg(option);
        }
        command.arg("-i").arg(self.key(user));
        command
    }

    /// Everything that has landed, oldest first.
    pub fn arrivals(&self) -> Vec<Arrival> {
        let mut all = self.ledger.arrivals(&ArrivalQuery { limit: 100_000, ..Default::default() });
        let all = all.as_mut().expect("read");
        all.sort_by_key(|arrival| arrival.sequence);
        std::mem::take(all)
    }

    /// The names that have landed, oldest first.
    pub fn landed(&self) -> Vec<String> {
        self.arrivals().iter().map(|arrival| arrival.name.to_string()).collect()
    }

    /// The raw bytes of an arrival.
    pub fn raw(&self, arrival: &Arrival) -> Vec<u8> {
        fs::read(self.zone.resolve(&arrival.raw).expect("inside")).expect("read")
    }

    /// Waits until an event has come that `wanted` picks.
    pub fn wait_for<T>(&self, wanted: impl Fn(&Event) -> Option<T>) -> T {
        let begun = std::time::Instant::now();
        let mut after = 0;
        while begun.elapsed() < PATIENCE {
            let events: Vec<Recorded> = self.ledger.events(after, 1000).expect("read");
            if let Some(found) = events.iter().find_map(|recorded| wanted(&recorded.event)) {
                return found;
            }
            after = events.last().map_or(after, |last| last.sequence);
            self.ledger.wait_beyond(after, Duration::from_secs(1));
        }
        panic!("no such event; there were {:#?}", self.ledger.events(0, 1000));
    }

    /// How many events there are that `wanted` picks.
    pub fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        let events = self.ledger.events(0, 100_000).expect("read");
        events.iter().filter(|recorded| wanted(&recorded.event)).count()
    }

    /// Runs a client written with russh.
    pub fn block_on<T>(&self, client: impl Future<Output = T>) -> T {
        let runtime = self.runtime.as_ref().expect("running");
        runtime.block_on(async {
            tokio::time::timeout(4 * PATIENCE, client).await.expect("the client hangs")
        })
    }

    /// Stops the server in order, and waits until it has.
    pub fn stop(&self) {
        self.stop.send_replace(true);
        self.block_on(self.stop.closed());
    }

    /// What lies in staging.
    pub fn staged_files(&self) -> usize {
        fs::read_dir(self.zone.staging()).expect("listed").count()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.gate.open();
        self.stop.send_replace(true);
        if let Some(judges) = self.judges.take() {
            judges.stop();
        }
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
    }
}

/// A gate before the archive: a slow disk that a test can hold.
#[derive(Default)]
pub struct Gate {
    /// Whether it is closed, and how many wait before it.
    state: Mutex<(bool, usize)>,
    moved: Condvar,
}

impl Gate {
    pub fn close(&self) {
        self.state.lock().expect("sound").0 = true;
    }

    pub fn open(&self) {
        self.state.lock().expect("sound").0 = false;
        self.moved.notify_all();
    }

    /// Waits until somebody waits before it.
    pub fn wait_for_somebody(&self) {
        let state = self.state.lock().expect("sound");
        drop(self.moved.wait_while(state, |(_, waiting)| *waiting == 0).expect("sound"));
    }

    fn pass(&self) {
        let mut state = self.state.lock().expect("sound");
        state.1 += 1;
        self.moved.notify_all();
        let mut state = self.moved.wait_while(state, |(closed, _)| *closed).expect("sound");
        state.1 -= 1;
    }
}

struct Gated {
    intake: LocalIntake,
    gate: Arc<Gate>,
}

impl Intake for Gated {
    fn settle(&self, settled: Settled) -> Result<Arrival, Refusal> {
        self.gate.pass();
        self.intake.settle(settled)
    }

    fn current(
        &self,
        sender: &Sender,
        feed: &FeedName,
        name: &FileName,
    ) -> Result<Option<Arrival>, Refusal> {
        self.intake.current(sender, feed, name)
    }

    fn arrival(&self, sender: &Sender, id: ArrivalId) -> Result<Arrival, Refusal> {
        self.intake.arrival(sender, id)
    }

    fn listing(&self, sender: &Sender, feed: &FeedName) -> Result<Vec<Listed>, Refusal> {
        self.intake.listing(sender, feed)
    }

    fn sidecar_name(&self, feed: &FeedName, name: &FileName) -> Option<SidecarName> {
        self.intake.sidecar_name(feed, name)
    }

    fn settle_sidecar(&self, settled: Settled, means: SidecarName) -> Result<Sidecar, Refusal> {
        self.gate.pass();
        self.intake.settle_sidecar(settled, means)
    }

    fn sidecar(
        &self,
        sender: &Sender,
        feed: &FeedName,
        name: &FileName,
    ) -> Result<Option<Sidecar>, Refusal> {
        self.intake.sidecar(sender, feed, name)
    }

    fn sidecars(&self, sender: &Sender, feed: &FeedName) -> Result<Vec<Sidecar>, Refusal> {
        self.intake.sidecars(sender, feed)
    }

    fn sidecars_of(&self, arrival: ArrivalId) -> Result<Vec<Sidecar>, Refusal> {
        self.intake.sidecars_of(arrival)
    }

    fn sidecar_bytes(&self, sidecar: &Sidecar) -> Result<Vec<u8>, Refusal> {
        self.intake.sidecar_bytes(sidecar)
    }

    fn hide_sidecar(&self, sidecar: &Sidecar) -> Result<(), Refusal> {
        self.intake.hide_sidecar(sidecar)
    }

    fn rename(&self, landed: ArrivalId, to: &FileName, existing: Existing) -> Result<(), Refusal> {
        self.intake.rename(landed, to, existing)
    }

    fn touch(&self, id: ArrivalId, time: Option<u32>, mode: Option<u32>) -> Result<(), Refusal> {
        self.intake.touch(id, time, mode)
    }

    fn hide(&self, landed: ArrivalId) -> Result<(), Refusal> {
        self.intake.hide(landed)
    }

    fn papers(&self, sender: &Sender, id: ArrivalId) -> Result<Papers, Refusal> {
        self.intake.papers(sender, id)
    }

    fn hide_papers(&self, sender: &Sender, id: ArrivalId) -> Result<(), Refusal> {
        self.intake.hide_papers(sender, id)
    }

    fn open_raw(&self, landed: ArrivalId) -> Result<fs::File, Refusal> {
        self.intake.open_raw(landed)
    }

    fn usage(&self, sender: &Sender, since: Timestamp) -> Result<Usage, Refusal> {
        self.intake.usage(sender, since)
    }

    fn partner(&self, user: &str) -> Option<Partner> {
        self.intake.partner(user)
    }

    fn events(&self, after: u64, limit: u32) -> Result<Vec<Recorded>, Refusal> {
        self.intake.events(after, limit)
    }

    fn wait_beyond(&self, after: u64, timeout: Duration) -> u64 {
        self.intake.wait_beyond(after, timeout)
    }

    fn note(&self, event: Event) {
        self.intake.note(event);
    }
}

/// What a program said and whether it succeeded.
#[derive(Debug)]
pub struct Said {
    pub success: bool,
    pub out: String,
    pub err: String,
}

impl Said {
    /// Both outputs, for a search.
    pub fn all(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    /// Fails the test unless the program succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(self.success, "{}", self.all());
        self
    }

    /// Fails the test unless the program failed and said this.
    #[track_caller]
    pub fn refused(self, told: &str) -> Self {
        assert!(!self.success, "it succeeded: {}", self.all());
        assert!(self.all().contains(told), "`{told}` is not in: {}", self.all());
        self
    }
}

/// Runs a program to its end.
pub fn run(command: &mut Command) -> Said {
    let program = command.get_program().to_owned();
    let output = command.output().unwrap_or_else(|error| missing(&program, &error));
    let Output { status, stdout, stderr } = output;
    Said {
        success: status.success(),
        out: String::from_utf8_lossy(&stdout).into_owned(),
        err: String::from_utf8_lossy(&stderr).into_owned(),
    }
}

fn missing(program: &OsStr, error: &std::io::Error) -> Output {
    panic!("{} cannot be run ({error}); tests/setup installs OpenSSH", program.display());
}

/// A feed's name.
pub fn feed(name: &str) -> FeedName {
    name.parse().expect("a feed")
}

/// Bytes that do not repeat soon.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Reads a file of the client.
pub fn read(path: impl AsRef<Path>) -> Vec<u8> {
    fs::read(path).expect("read")
}
