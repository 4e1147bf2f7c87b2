//! The one place that wires everything together: a running zone.
//!
//! Start-up order is part of the promises: the zone's lock, then the ledger, then reconciliation of
//! disk and ledger, then the pipeline and the outbox, and only then the doors. Stopping goes the
//! other way round and is a courtesy: every step may be killed at any instruction.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::archive::Archive;
use crate::calendar::Calendar;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::convert::worker::Pool;
use crate::custody::{Eraser, Retention, Scrub};
use crate::diagnostic::{Code, Diagnostic, on_one_line};
use crate::evidence::{Keeping, Notary};
use crate::handoff::batch::Publisher;
use crate::handoff::outbox::Outbox;
use crate::ledger::{Event, Ledger, sqlite};
use crate::pipeline::{self, Parts, Pipeline};
use crate::receive::completion::{Completions, Judges};
use crate::receive::staging::Staging;
use crate::receive::{Intake, LocalIntake, folder, pull, reconcile, sftp};
use crate::zone::Zone;

use super::alerts::{self, Alerting};
use super::checkpoints::Posting;
use super::control;
use super::diagnostic::{not_the_signed, unusable};
use super::doors::Doors;
use super::erase;
use super::kept;
use super::lock::ZoneLock;
pub use super::options::Options;
use super::reload::Reload;

/// A zone whose ledger is open and agrees with the disk: everything but the doors. Holds the zone's
/// lock.
pub struct Core {
    /// The zone.
    pub zone: Zone,
    /// Its configuration.
    pub config: config::Live,
    /// Its ledger.
    pub ledger: Arc<dyn Ledger>,
    /// The narrow way in.
    pub intake: Arc<dyn Intake>,
    /// What it pulls.
    pub pulls: pull::Door,
    /// What judges the files that wait for something.
    pub completions: Arc<Completions>,
    /// Its archive.
    pub archive: Archive,
    /// Who signs the ledger's heads.
    pub notary: Arc<Notary>,
    /// What erases its files.
    pub eraser: Arc<Eraser>,
    /// What publishes its batches.
    pub publisher: Publisher,
    /// The time.
    pub clock: Clock,
    /// What this start set beside the configuration.
    pub options: Options,
    /// Gone last: nobody else may write before all else has ended.
    _lock: ZoneLock,
}

impl Core {
    /// Locks the zone, loads its configuration, opens its ledger and reconciles it with the disk.
    ///
    /// # Errors
    /// A [`Diagnostic`] that names the thing and the way out: Z101, Z102, Z103, L101.
    pub fn open(zone: Zone, options: Options) -> Result<Self, Diagnostic> {
        let clock = options.clock.clone();
        if !zone.config_file().is_file() {
            let summary = format!("{} is not a zone", zone.root().display());
            return Err(Diagnostic::error(Code::Z102, summary));
        }
        let config =
            config::load(&zone).map_err(|problems| super::diagnostic::of_problems(&problems))?;
        let config = options.apply(config);
        let durability = config.durability;
        let config = config::Live::from(Arc::new(config));
        for folder in [zone.run_time(), zone.staging(), zone.converted(), zone.keys()] {
            durability.create_folders(&folder).map_err(|error| unusable(&error))?;
        }
        let lock = ZoneLock::take(&zone)?;
        let opened = sqlite::open(&zone.ledger_file(), clock.clone(), durability);
        let ledger: Arc<dyn Ledger> = Arc::new(opened.map_err(|error| unusable(&error))?);
        // Before anything else is written: a ledger that is not the one that was signed stays as it is.
        let notary = Notary::open(zone.clone(), config.clone(), Arc::clone(&ledger), clock.clone())
            .map_err(|error| not_the_signed(&error))?;
        let archive = Archive::new(zone.clone(), durability);
        let intake = Arc::new(LocalIntake::new(
            zone.clone(),
            config.clone(),
            archive.clone(),
            Arc::clone(&ledger),
            clock.clone(),
        ));
        let completions = intake.completions();
        let environment = super::environment();
        let (place, live) = (zone.clone(), config.clone());
        let pulls = pull::Door::new(place, live, intake.clone(), clock.clone(), environment);
        let notary = Arc::new(notary);
        let publisher = pipeline::publisher(&zone, &config, &ledger, &clock);
        let eraser = Eraser::new(
            zone.clone(),
            (config.clone(), clock.clone()),
            Arc::clone(&ledger),
            Arc::clone(&notary),
            (erase::doors(&zone, &config), erase::readers(publisher.clone())),
        );
        let core = Self {
            zone,
            config: config.clone(),
            ledger,
            intake,
            pulls,
            completions,
            archive,
            notary,
            eraser: Arc::new(eraser),
            publisher,
            clock,
            options,
            _lock: lock,
        };
        core.keep_config(&core.config.now(), None)?;
        reconcile::reconcile(&core.zone, &config.now(), &core.archive, core.ledger.as_ref())
            .map_err(|error| unusable(&error))?;
        if let Err(error) = core.eraser.finish() {
            // What could not be erased needs a person; the rest of the zone does not wait for that.
            tracing::error!(error = on_one_line(&error), "an erasure is not finished");
        }
        Ok(core)
    }

    /// Archives the texts of a configuration that was loaded, and says in the ledger that it holds and
    /// who asked for it.
    ///
    /// # Errors
    /// [`Code::L101`].
    pub fn keep_config(&self, config: &Config, by: Option<&str>) -> Result<(), Diagnostic> {
        kept::keep(config, by, &self.archive, self.ledger.as_ref())
    }
}

/// A zone that is being served by this process.
pub struct Running {
    core: Arc<Core>,
    runtime: Runtime,
    sftp_address: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    folders: JoinHandle<()>,
    pulls: JoinHandle<()>,
    judges: Judges,
    keeping: Keeping,
    posting: Posting,
    scrub: Scrub,
    retention: Retention,
    calendar: Calendar,
    pipeline: Pipeline,
    pool: Arc<Pool>,
}

/// Starts to serve a zone: when it returns, its doors are open.
///
/// # Errors
/// A [`Diagnostic`] that names the thing and the way out.
pub fn start(zone: &Zone, options: Options) -> Result<Running, Diagnostic> {
    let core = Arc::new(Core::open(zone.clone(), options)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| not_started("server", &error))?;
    let (stop, stopped) = watch::channel(false);
    let pool = Pool::new(core.options.worker.clone(), core.config.now().workers.clone());
    let pool = Arc::new(pool.map_err(|error| not_started("workers", &error))?);
    let parts = Parts {
        zone: core.zone.clone(),
        config: core.config.clone(),
        ledger: Arc::clone(&core.ledger),
        archive: core.archive.clone(),
        pool: Arc::clone(&pool),
        publisher: core.publisher.clone(),
        clock: core.clock.clone(),
    };
    let started = Event::Started { version: env!("CARGO_PKG_VERSION").to_owned() };
    core.ledger.note(started).map_err(|error| unusable(&error))?;
    let pipeline = Pipeline::start(&parts).map_err(|error| not_started("pipeline", &error))?;
    let judges = Judges::start(Arc::clone(&core.completions))
        .map_err(|error| not_started("judge of what waits", &error))?;
    let scrub = start_scrub(&core)?;
    let retention = start_retention(&core)?;
    let calendar =
        Calendar::start(core.config.clone(), Arc::clone(&core.ledger), core.clock.clone())
            .map_err(|error| not_started("calendar", &error))?;
    let keeping =
        Keeping::start(Arc::clone(&core.notary)).map_err(|error| not_started("notary", &error))?;
    let mut tasks = JoinSet::new();
    let outbox = Outbox::new(
        core.zone.clone(),
        core.config.clone(),
        Arc::clone(&core.ledger),
        super::courier::of(&core.zone, core.config.now().durability),
        core.clock.clone(),
    );
    tasks.spawn_on(outbox.run(stopped.clone()), runtime.handle());
    let posting = Posting::of(&core);
    tasks.spawn_on(posting.clone().run(stopped.clone()), runtime.handle());
    let staging = open_staging(&core)?;
    let reload = Arc::new(Reload::new(Arc::clone(&core), staging.clone()));
    let hangup = runtime.block_on(async { signal(SignalKind::hangup()) });
    let hangup = hangup.map_err(|error| not_started("reload by SIGHUP", &error))?;
    tasks.spawn_on(Arc::clone(&reload).at_each(hangup, stopped.clone()), runtime.handle());
    let doors = Doors::new(core.clock.clone(), stopped.clone());
    let sftp = runtime.block_on(open_sftp(&core, (staging, &doors), &mut tasks, &stopped))?;
    let folders = open_folders(&core, &doors, stopped.clone())?;
    let pulls = open_pulls(&core, &doors, stopped.clone())?;
    let alerts = Alerting::new(alerts::Parts::of(&core, doors.clone()));
    tasks.spawn_on(alerts.run(stopped), runtime.handle());
    runtime.block_on(open_control(&core, (sftp.as_ref(), reload, doors), &mut tasks, &stop))?;
    let sftp_address = sftp.map(|(address, _)| address);
    Ok(Running {
        core,
        runtime,
        sftp_address,
        stop,
        tasks,
        folders,
        pulls,
        judges,
        keeping,
        posting,
        scrub,
        retention,
        calendar,
        pipeline,
        pool,
    })
}

/// Serves a zone until it is asked to stop by a signal or through the control socket.
///
/// # Errors
/// Why it could not start.
pub fn run(zone: &Zone, options: Options) -> Result<(), Diagnostic> {
    let running = start(zone, options)?;
    // Whoever reads that the zone is open may ask for its end at once.
    let asked = running.asked();
    running.announce();
    running.wait_for(asked);
    tracing::info!("stopping");
    running.shutdown();
    Ok(())
}

impl Running {
    /// Where the SFTP door listens; `None` when it is closed by configuration.
    pub fn sftp_address(&self) -> Option<SocketAddr> {
        self.sftp_address
    }

    /// The zone's ledger.
    pub fn ledger(&self) -> Arc<dyn Ledger> {
        Arc::clone(&self.core.ledger)
    }

    /// The zone's configuration.
    pub fn config(&self) -> Arc<Config> {
        self.core.config.now()
    }

    /// Tells the terminal and the service manager that the doors are open.
    fn announce(&self) {
        let sftp = self.sftp_address.map_or("closed".to_owned(), |address| address.to_string());
        super::say(&format!("zone {} is open: sftp on {sftp}", self.core.zone.root().display()));
        if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
            tracing::debug!(%error, "no service manager to notify");
        }
    }

    /// Blocks until a signal (SIGINT, SIGTERM) or the control socket asks for the end.
    pub fn wait(&self) {
        self.wait_for(self.asked());
    }

    /// Catches the signals that ask for the end, from now on.
    fn asked(&self) -> std::io::Result<[Signal; 2]> {
        let _context = self.runtime.enter();
        Ok([signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?])
    }

    fn wait_for(&self, asked: std::io::Result<[Signal; 2]>) {
        let mut stopped = self.stop.subscribe();
        let [mut interrupt, mut terminate] = match asked {
            Ok(asked) => asked,
            Err(error) => return tracing::error!(%error, "signals cannot be received"),
        };
        self.runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = stopped.wait_for(|stopped| *stopped) => {}
            }
        });
    }

    /// Closes the doors, lets every step end, and notes the stop.
    pub fn shutdown(self) {
        let Self {
            core,
            runtime,
            stop,
            mut tasks,
            folders,
            pulls,
            judges,
            keeping,
            posting,
            scrub,
            retention,
            calendar,
            pipeline,
            pool,
            ..
        } = self;
        stop.send_replace(true);
        runtime.block_on(async {
            while let Some(ended) = tasks.join_next().await {
                if let Err(error) = ended {
                    tracing::error!(%error, "a task of the zone failed");
                }
            }
        });
        for (door, thread) in [("folder", folders), ("pull", pulls)] {
            if thread.join().is_err() {
                tracing::error!("the {door} door panicked");
            }
        }
        judges.stop();
        calendar.stop();
        retention.stop();
        pool.close();
        pipeline.stop();
        if let Err(error) = core.ledger.note(Event::Stopped) {
            tracing::error!(%error, "the stop could not be recorded");
        }
        scrub.stop();
        keeping.stop();
        runtime.block_on(posting.last());
    }
}

fn start_scrub(core: &Core) -> Result<Scrub, Diagnostic> {
    let (zone, config) = (core.zone.clone(), core.config.clone());
    Scrub::start(zone, config, Arc::clone(&core.ledger), core.clock.clone())
        .map_err(|error| not_started("reading of kept files", &error))
}

fn start_retention(core: &Core) -> Result<Retention, Diagnostic> {
    let (ledger, eraser) = (Arc::clone(&core.ledger), Arc::clone(&core.eraser));
    Retention::start(core.config.clone(), ledger, eraser, core.clock.clone())
        .map_err(|error| not_started("removal of what is past", &error))
}

/// Finds the uploads in progress again. Also with the door closed: what nobody claims is litter.
fn open_staging(core: &Core) -> Result<Staging, Diagnostic> {
    let config = core.config.now();
    let (staging, _) = Staging::recover(&core.zone, config.durability, core.clock.clone())
        .map_err(|error| unusable(&error))?;
    staging.space().keep_free(config.free_reserve);
    Ok(staging)
}

/// Where the SFTP door listens, and whom it turns away.
type OpenDoor = (SocketAddr, Arc<sftp::Penalties>);

async fn open_sftp(
    core: &Core,
    (staging, doors): (Staging, &Doors),
    tasks: &mut JoinSet<()>,
    stopped: &watch::Receiver<bool>,
) -> Result<Option<OpenDoor>, Diagnostic> {
    let Some(listen) = core.config.now().sftp.listen else { return Ok(None) };
    let desk = sftp::Desk {
        zone: core.zone.clone(),
        config: core.config.clone(),
        intake: Arc::clone(&core.intake),
        staging,
        clock: core.clock.clone(),
    };
    let door = sftp::Door::bind(desk, listen).await.map_err(|error| {
        Diagnostic::error(Code::Z105, format!("the SFTP door cannot listen on {listen}"))
            .caused_by(&error)
            .hint("Free the address, or set another one: [sftp] listen, or --listen.")
    })?;
    let open = (door.local_addr(), door.penalties());
    let (is_open, stopped) = (doors.open("SFTP"), stopped.clone());
    tasks.spawn(async move {
        let _is_open = is_open;
        door.run(stopped).await;
    });
    Ok(Some(open))
}

fn open_folders(
    core: &Core,
    doors: &Doors,
    stopped: watch::Receiver<bool>,
) -> Result<JoinHandle<()>, Diagnostic> {
    let door = folder::Door::new(
        core.zone.clone(),
        core.config.clone(),
        Arc::clone(&core.intake),
        core.clock.clone(),
    );
    in_thread("folder", doors, move || door.run(&stopped))
}

fn open_pulls(
    core: &Core,
    doors: &Doors,
    stopped: watch::Receiver<bool>,
) -> Result<JoinHandle<()>, Diagnostic> {
    let door = core.pulls.clone();
    in_thread("pull", doors, move || door.run(&stopped))
}

/// A door with a thread of its own, which is down when that ends too early.
fn in_thread(
    name: &'static str,
    doors: &Doors,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, Diagnostic> {
    let is_open = doors.open(name);
    let run = move || {
        let _is_open = is_open;
        run();
    };
    let thread = std::thread::Builder::new().name(format!("{name}s")).spawn(run);
    thread.map_err(|error| not_started(&format!("{name} door"), &error))
}

async fn open_control(
    core: &Core,
    (sftp, reload, doors): (Option<&OpenDoor>, Arc<Reload>, Doors),
    tasks: &mut JoinSet<()>,
    stop: &watch::Sender<bool>,
) -> Result<(), Diagnostic> {
    let server =
        control::Server::bind(&core.zone).map_err(|error| not_started("control socket", &error))?;
    let (asked, mut stopped) = (stop.clone(), stop.subscribe());
    let (penalties, clock) = (sftp.map(|(_, known)| Arc::clone(known)), core.clock.clone());
    let desk = control::Desk {
        zone: core.zone.clone(),
        config: core.config.clone(),
        clock: core.clock.clone(),
        intake: Arc::clone(&core.intake),
        ledger: Arc::clone(&core.ledger),
        eraser: Arc::clone(&core.eraser),
        pulls: core.pulls.clone(),
        doors,
        status: control::ServerStatus {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: core.clock.now(),
            sftp: sftp.map(|(address, _)| address.to_string()),
            config: core.config.now().digest,
            penalised: Vec::new(),
            failing: Vec::new(),
            down: Vec::new(),
        },
        notary: Arc::clone(&core.notary),
        stop: Box::new(move || {
            asked.send_replace(true);
        }),
        reload: Box::new(move |by| reload.reload(by)),
        penalised: Box::new(move || {
            penalties.as_ref().map_or_else(Vec::new, |penalties| penalties.active(clock.now()))
        }),
    };
    tasks.spawn(server.run(desk, async move {
        // An error means that the sender is gone, which is a stop as well.
        let _stopped = stopped.wait_for(|stopped| *stopped).await;
    }));
    Ok(())
}

fn not_started(what: &str, error: &(dyn std::error::Error + 'static)) -> Diagnostic {
    Diagnostic::error(Code::Z105, format!("the {what} could not be started")).caused_by(error)
}
