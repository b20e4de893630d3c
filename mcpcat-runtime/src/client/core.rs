//! What all handles and sessions of one client share: the spool, the ledger, the worker's mailbox and the
//! counters that number sessions and events.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use super::config::Config;
use super::{ConfigError, OnDisk};
use crate::delivery::DropReason;
use crate::delivery::Stats;
use crate::delivery::dead_letters::DeadLetters;
use crate::delivery::ledger::Ledger;
use crate::delivery::mailbox::{Command, Mailbox, Reply, Scope};
use crate::delivery::thread::{self, Running};
use crate::delivery::unanswered::Unanswered;
use crate::delivery::wait;
use crate::delivery::worker::{self, Setup};
use crate::event::EventId;
use crate::event::fields::Fields;
use crate::event::id;
use crate::event::id::random_ksuid;
use crate::event::record::{Definition, RecordKind};
use crate::notice;
use crate::sessions::Sessions;
use crate::spool::{self, Backend, Mark, Reader, Refused, Spool, clock};

/// Clients of this process that record.
static RECORDING: AtomicUsize = AtomicUsize::new(0);

/// Whether any client of this process records: one load, so that an event nobody wants costs nothing.
#[inline]
pub(crate) fn recording() -> bool {
    RECORDING.load(Ordering::Relaxed) != 0
}

pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) ledger: Arc<Ledger>,
    /// Distinguishes this client's run in the events it sends.
    pub(crate) instance: String,
    /// `None` when recording is off.
    live: Option<Live>,
    /// What a forked child opened for itself; `None` if it could not.
    forked: OnceLock<Option<Live>>,
    closed: AtomicBool,
    sequence: AtomicU64,
    references: AtomicU64,
    marks: AtomicU64,
    pub(crate) sessions: Sessions,
}

/// A log and the worker that delivers it. Of one process: a forked child has neither.
struct Live {
    spool: Arc<Spool>,
    /// Behind a spool in memory: where the worker keeps what it has scrubbed.
    scrubbed: Option<Arc<Spool>>,
    mailbox: Arc<Mailbox>,
    generation: u64,
}

impl Live {
    /// In memory where descriptors are so short that the thread cannot be had beside files.
    fn open(config: &Config, ledger: &Arc<Ledger>) -> std::io::Result<(Self, Running)> {
        Self::open_in(config, ledger, config.backend).or_else(|error| {
            if config.backend == Backend::Memory {
                return Err(error);
            }
            let live = Self::open_in(config, ledger, Backend::Memory)?;
            crate::notice::warn(format_args!(
                "events are kept in memory and lost with the process: {error}; raise its limit of open files"
            ));
            Ok(live)
        })
    }

    fn open_in(config: &Config, ledger: &Arc<Ledger>, backend: Backend) -> std::io::Result<(Self, Running)> {
        let first = if rests_scrubbed(config) { Backend::Memory } else { backend };
        let mut opened = spool::open(spool_options(config).backend(first));
        let mut warnings = std::mem::take(&mut opened.warnings);
        let mut scrubbed = None;
        if rests_scrubbed(config) && backend != Backend::Memory {
            let mut disk = spool::open(spool_options(config).backend(backend));
            warnings.append(&mut disk.warnings);
            // Where there is no disk, events are sent from the memory that they are in.
            if disk.backend != Backend::Memory {
                opened.adopter = disk.adopter;
                scrubbed = Some((disk.spool, disk.reader));
            }
        }
        let scrubbed_log = scrubbed.as_ref().map(|(spool, _)| Arc::clone(spool));
        let mailbox = Arc::new(Mailbox::new());
        let setup = Setup {
            spool: Arc::clone(&opened.spool),
            reader: opened.reader,
            adopter: opened.adopter,
            privacy: config.privacy.clone(),
            project: config.project.to_string(),
            ingest: Arc::new(config.connection.ingest(&config.base, config.request_timeout)),
            dialect: config.dialect.clone(),
            sample: config.sample,
            ledger: Arc::clone(ledger),
            mailbox: Arc::clone(&mailbox),
            dead_letters: dead_letters(config),
            on_loss: config.on_loss.clone(),
            scrubbed,
            drain: config.drain,
            unanswered: unanswered(config),
        };
        let running = worker::spawn(setup)?;
        for warning in &warnings {
            notice::warn(warning);
        }
        super::exit::register(config.drain_at_exit);
        let generation = spool::fork_generation();
        Ok((Self { spool: opened.spool, scrubbed: scrubbed_log, mailbox, generation }, running))
    }
}

impl Core {
    pub(super) fn start(config: Config) -> Result<(Arc<Self>, Option<Running>), ConfigError> {
        let ledger = Arc::new(Ledger::default());
        let (live, running) = if config.off.is_none() {
            let (live, running) = Live::open(&config, &ledger).map_err(ConfigError::Thread)?;
            say_where(&config);
            RECORDING.fetch_add(1, Ordering::Relaxed);
            (Some(live), Some(running))
        } else {
            opt_out(&config);
            (None, None)
        };
        Ok((Arc::new(Self::new(config, ledger, live)), running))
    }

    fn new(config: Config, ledger: Arc<Ledger>, live: Option<Live>) -> Self {
        let instance = random_ksuid(clock::unix_micros(), spool::fork_generation());
        Self {
            config,
            ledger,
            instance: instance.to_string(),
            live,
            forked: OnceLock::new(),
            closed: AtomicBool::new(false),
            sequence: AtomicU64::new(0),
            references: AtomicU64::new(1),
            marks: AtomicU64::new(1),
            sessions: Sessions::default(),
        }
    }

    /// A core without a worker: whoever holds the reader is the delivery. For the recorder of tests.
    pub(crate) fn unattended(config: Config) -> (Arc<Self>, Reader) {
        let opened = spool::open(spool_options(&config).backend(Backend::Memory));
        let mailbox = Arc::new(Mailbox::unattended());
        let generation = spool::fork_generation();
        let live = Live { spool: opened.spool, scrubbed: None, mailbox, generation };
        RECORDING.fetch_add(1, Ordering::Relaxed);
        (Arc::new(Self::new(config, Arc::default(), Some(live))), opened.reader)
    }

    /// The log, for a test that is the delivery.
    #[cfg(test)]
    pub(crate) fn spool(&self) -> Option<Arc<Spool>> {
        self.live.as_ref().map(|live| Arc::clone(&live.spool))
    }

    /// Whether events go anywhere.
    pub(crate) fn records(&self) -> bool {
        self.live.is_some()
    }

    /// This process's log and worker; `None` also in a forked child that has not published yet.
    fn live(&self) -> Option<&Live> {
        let (live, generation) = (self.live.as_ref()?, spool::fork_generation());
        if live.generation == generation {
            return Some(live);
        }
        self.forked.get()?.as_ref().filter(|forked| forked.generation == generation)
    }

    /// The same for whoever publishes: a forked child opens its own.
    fn live_or_own(&self) -> Option<&Live> {
        if self.is_forked() {
            self.open_own();
        }
        self.live()
    }

    #[cold]
    fn open_own(&self) {
        self.forked.get_or_init(|| {
            #[cfg(all(unix, feature = "signals"))]
            super::signals::leave_alone();
            // What the parent published is the parent's to deliver and to count.
            self.ledger.restart();
            if let Some(scrubbed) = self.live.as_ref().and_then(|live| live.scrubbed.as_ref()) {
                scrubbed.leave_to_parent();
            }
            let opened = Live::open(&self.config, &self.ledger);
            opened
                .inspect_err(|error| {
                    notice::error(format_args!("this forked child records nothing: {error}"));
                })
                .ok()
                .map(|(live, _)| live)
        });
    }

    /// Whether this is a forked child of the process that made the client.
    pub(super) fn is_forked(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.generation != spool::fork_generation())
    }

    pub(crate) fn next_sequence(&self) -> u64 {
        self.sequence.fetch_add(1, Ordering::Relaxed)
    }

    /// A number for a new session.
    pub(crate) fn next_reference(&self) -> u64 {
        self.references.fetch_add(1, Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn new_event_id(&self, unix_micros: u64) -> EventId {
        id::generate(unix_micros, spool::fork_generation())
    }

    /// Writes a session's definition, which `mark` stands for.
    pub(crate) fn define(&self, mark: &Mark, definition: impl Fn() -> Definition) {
        if let Some(live) = self.live_or_own()
            && live.spool.define(mark, RecordKind::Session.into(), || definition().encode()).is_ok()
        {
            live.mailbox.appended();
        }
    }

    /// Counts and logs what was left out of an event.
    pub(crate) fn report(&self, fields: &Fields) {
        let problems = fields.problems();
        if !problems.is_empty() && self.records() {
            self.ledger.problem(problems.len());
            for problem in problems {
                notice::warn(problem);
            }
        }
    }

    /// Whether an event can be written without more ado: recording is on, and this is the process that opened the
    /// log.
    #[inline]
    pub(crate) fn is_ready(&self) -> bool {
        self.records() && !self.is_forked()
    }

    /// Writes an event, with its session's definition where that is missing. Counted as published;
    /// [`refuse`](Self::refuse) counts it as dropped, if it was.
    pub(crate) fn write(
        &self,
        record: &mut Vec<u8>,
        mark: &Mark,
        definition: impl Fn() -> Definition,
    ) -> Result<(), DropReason> {
        let generation = spool::fork_generation();
        let live = match &self.live {
            Some(live) if live.generation == generation => live,
            Some(_) => match self.live_or_own() {
                Some(forked) => forked,
                None => {
                    self.ledger.publish();
                    return Err(DropReason::Forked);
                }
            },
            None => return Ok(()),
        };
        self.ledger.publish();
        if self.closed.load(Ordering::Relaxed) {
            return Err(DropReason::Closed);
        }
        let define = || (RecordKind::Session.into(), definition().encode());
        match live.spool.append_defined(RecordKind::Event.into(), record, mark, generation, define) {
            Ok(appended) => {
                if appended.rolled {
                    live.mailbox.wake();
                } else {
                    live.mailbox.appended();
                }
                Ok(())
            }
            Err(refused) => Err(match refused {
                Refused::Full => DropReason::SpoolFull,
                Refused::TooLarge { .. } => DropReason::TooLarge,
                Refused::Closed => DropReason::Closed,
                Refused::Forked => DropReason::Forked,
                _ => DropReason::SpoolFailed,
            }),
        }
    }

    /// Counts an event that was dropped before it was written.
    pub(crate) fn count_dropped(&self, reason: DropReason) {
        self.ledger.publish();
        self.refuse(reason);
    }

    /// Counts an event that was refused, and has the loss announced.
    pub(crate) fn refuse(&self, reason: DropReason) -> DropReason {
        self.ledger.drop_event(reason);
        if self.ledger.has_news() {
            match self.live() {
                Some(live) if !live.mailbox.has_ended() => live.mailbox.wake(),
                _ => self.ledger.announce(self.config.on_loss.as_ref()),
            }
        }
        reason
    }

    pub(crate) fn expect_name(&self, reference: u64, cell: Arc<OnceLock<String>>) {
        if let Some(live) = self.live_or_own() {
            live.mailbox.expect_name(reference, cell);
        }
    }

    pub(super) fn flush(&self, deadline: Instant, reply: Reply) {
        self.flush_scope(Scope::All, deadline, reply);
    }

    /// Waits for what this process published, and not for what earlier ones left.
    pub(super) fn flush_own(&self, deadline: Instant, reply: Reply) {
        self.flush_scope(Scope::Own, deadline, reply);
    }

    fn flush_scope(&self, scope: Scope, deadline: Instant, reply: Reply) {
        let Some(live) = self.live() else { return reply(self.ledger.stats()) };
        let mark = self.marks.fetch_add(1, Ordering::Relaxed);
        if let Err(command) = live.mailbox.command(Command::Flush { mark, scope, deadline, reply }) {
            return self.answer(command);
        }
        if live.spool.append(RecordKind::FlushMark.into(), &[&mark.to_le_bytes()]).is_err() {
            let _ = live.mailbox.command(Command::MarkRefused(mark));
        }
        live.mailbox.appended();
    }

    /// Puts the dead letters on their way; `reply` is told how many.
    pub(super) fn resend(&self, reply: Box<dyn FnOnce(u64) + Send>) {
        if let Some(live) = self.live() {
            // A worker that has ended sends nothing: the reply is dropped, and that is the answer.
            let _ = live.mailbox.command(Command::Resend(reply));
        }
    }

    pub(super) fn shutdown(&self, deadline: Instant, reply: Reply) {
        let Some(live) = self.live() else { return reply(self.ledger.stats()) };
        if !self.closed.swap(true, Ordering::Relaxed) {
            RECORDING.fetch_sub(1, Ordering::Relaxed);
        }
        if let Err(command) = live.mailbox.command(Command::Shutdown { deadline, reply }) {
            self.answer(command);
        }
    }

    pub(super) fn shutdown_and_wait(&self, deadline: Instant) -> Stats {
        let (sender, receiver) = std::sync::mpsc::channel();
        self.shutdown(deadline, Box::new(move |stats| drop(sender.send(stats))));
        if thread::is_here() {
            return self.ledger.stats();
        }
        wait::answer_blocking(&receiver, deadline).unwrap_or_else(|| self.ledger.stats())
    }

    /// The worker has ended: its numbers are final.
    fn answer(&self, command: Command) {
        if let Some(reply) = command.into_reply() {
            reply(self.ledger.stats());
        }
    }
}

/// Says where events go, once for each destination: nobody should have to guess.
fn say_where(config: &Config) {
    if !config.connection.is_dry_run() {
        let text = format_args!("events of project `{}` go to {}", config.project, config.base);
        notice::inform(text, config.quiet.as_deref());
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Deletes what this program, project and endpoint left on disk, wherever this client would have kept it.
fn opt_out(config: &Config) {
    let manifest = manifest(config);
    let runs = spool::forget(config.state_dir.clone(), &manifest);
    dead_letters_on_disk(config).forget();
    if runs > 0 {
        tracing::info!(target: "mcpcat", "recording is off: undelivered events of {runs} earlier runs are deleted");
    }
}

fn dead_letters(config: &Config) -> DeadLetters {
    match config.backend {
        // The user wants nothing on a disk.
        Backend::Memory => DeadLetters::nowhere(),
        _ => dead_letters_on_disk(config),
    }
}

fn unanswered(config: &Config) -> Unanswered {
    match config.backend {
        Backend::Memory => Unanswered::nowhere(),
        _ => Unanswered::of(config.state_dir.clone(), &manifest(config).endpoint),
    }
}

fn dead_letters_on_disk(config: &Config) -> DeadLetters {
    let (stem, base) = (executable().1, config.base.text());
    DeadLetters::of(config.state_dir.clone(), &manifest(config)).or_of(&stem, &config.project, &base)
}

fn manifest(config: &Config) -> spool::Manifest {
    let (name, stem) = executable();
    let application = config.application.clone().unwrap_or(name);
    spool::Manifest::new(application, config.project.to_string(), config.base.text()).formerly(stem)
}

/// Whether nothing may be on a disk before patterns and hooks have seen it.
fn rests_scrubbed(config: &Config) -> bool {
    config.privacy.has_hooks() || config.on_disk == OnDisk::ScrubbedOnly
}

/// How logs are opened, wherever they are.
fn spool_options(config: &Config) -> spool::Options {
    let mut options = spool::Options::new(manifest(config))
        .cap_bytes(config.capacity_bytes)
        .total_bytes(config.spool_dir_bytes)
        .overflow(config.overflow);
    if let Some(path) = &config.state_dir {
        options = options.state_dir(path);
    }
    options
}

/// The program's name, which tells its logs from another program's in the same state directory, and what earlier
/// versions took for it. Not its folder: that changes with each release, in many places.
fn executable() -> (String, String) {
    let path = std::env::current_exe().unwrap_or_default();
    let text = |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned());
    let unknown = || "unknown".to_owned();
    (text(path.file_name()).unwrap_or_else(unknown), text(path.file_stem()).unwrap_or_else(unknown))
}
