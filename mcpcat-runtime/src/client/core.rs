//! What all handles and sessions of one client share: the spool, the ledger, the worker's mailbox and the
//! counters that number sessions and events.

mod live;
mod switching;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Instant;

use tokio::sync::Notify;

use live::{Live, Lives};

use super::config::Config;
use super::{ConfigError, OnDisk, consent};
use crate::delivery::DropReason;
use crate::delivery::Stats;
use crate::delivery::dead_letters::DeadLetters;
use crate::delivery::ledger::Ledger;
use crate::delivery::mailbox::{Command, Mailbox, Reply, Scope};
use crate::delivery::thread::{self, Running};
use crate::delivery::unanswered::Unanswered;
use crate::delivery::wait;
use crate::event::fields::{Fields, PooledFields};
use crate::event::id::random_ksuid;
use crate::event::record::{Definition, RecordKind};
use crate::event::{EventId, id};
use crate::notice;
use crate::sessions::Sessions;
use crate::spool::{self, Backend, Mark, Reader, Refused, clock};

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
    /// Whether events are taken: nothing has said no, so far as this process knows.
    on: AtomicBool,
    /// Whether payloads are left out: see [`Fields::leave_payloads_out`].
    names_only: Arc<AtomicBool>,
    lives: Lives,
    /// Which process image made the client.
    generation: u64,
    me: Weak<Self>,
    /// Held while recording is switched off or on. By fork generation: see [`Self::turning`].
    turning: [Mutex<()>; 4],
    running: Mutex<Vec<Running>>,
    stop_watching: Arc<Notify>,
    /// Where events go has been said.
    announced: AtomicBool,
    closed: AtomicBool,
    sequence: AtomicU64,
    references: AtomicU64,
    marks: AtomicU64,
    pub(crate) sessions: Sessions,
}

impl Core {
    pub(super) fn start(config: Config) -> Result<Arc<Self>, ConfigError> {
        let off = config.off_now();
        let core = Self::new(config);
        match off {
            None => core.open().map_err(ConfigError::Thread)?,
            Some(off) => core.clear(&off),
        }
        // What an option or a variable has switched off stays off.
        if core.config.off.is_none() {
            consent::register(&core.me);
            core.watch();
        }
        Ok(core)
    }

    fn new(config: Config) -> Arc<Self> {
        let instance = random_ksuid(clock::unix_micros(), spool::fork_generation());
        Arc::new_cyclic(|me| Self {
            names_only: Arc::new(AtomicBool::new(config.names_only)),
            config,
            ledger: Arc::default(),
            instance: instance.to_string(),
            on: AtomicBool::new(false),
            lives: Lives::default(),
            generation: spool::fork_generation(),
            me: Weak::clone(me),
            turning: Default::default(),
            running: Mutex::default(),
            stop_watching: Arc::default(),
            announced: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            sequence: AtomicU64::new(0),
            references: AtomicU64::new(1),
            marks: AtomicU64::new(1),
            sessions: Sessions::default(),
        })
    }

    /// Waits for the end of what runs for this client, until the deadline.
    pub(super) fn join(&self, deadline: Instant) {
        if self.is_forked() {
            // It runs in the parent alone; here there is nothing to wait for or to let go.
            return;
        }
        let running = std::mem::take(&mut *self.running.lock().unwrap_or_else(PoisonError::into_inner));
        running.into_iter().for_each(|running| running.wait(deadline));
    }

    /// Whether payloads are left out.
    #[inline]
    pub(crate) fn is_names_only(&self) -> bool {
        self.names_only.load(Ordering::Relaxed)
    }

    /// Leaves payloads out from now on.
    #[cfg(feature = "rmcp")]
    pub(crate) fn leave_payloads_out(&self) {
        if !self.names_only.swap(true, Ordering::Relaxed) && self.announced.swap(false, Ordering::Relaxed) {
            self.announce();
        }
    }

    /// Buffers for an event.
    #[inline]
    pub(crate) fn fields(&self) -> PooledFields {
        let mut fields = PooledFields::default();
        self.prepare(&mut fields);
        fields
    }

    /// Makes buffers fit for an event of this client.
    #[inline]
    pub(crate) fn prepare(&self, fields: &mut PooledFields) {
        fields.prepare(&self.config.policy);
        fields.fields().leave_payloads_out(self.is_names_only());
    }

    /// A core without a worker: whoever holds the reader is the delivery. For the recorder of tests.
    pub(crate) fn unattended(config: Config) -> (Arc<Self>, Reader) {
        let opened = spool::open(spool_options(&config).backend(Backend::Memory));
        let mailbox = Arc::new(Mailbox::unattended());
        let generation = spool::fork_generation();
        let core = Self::new(config);
        core.lives.push(Live { spool: opened.spool, scrubbed: None, mailbox, generation });
        core.take_events(true);
        (core, opened.reader)
    }

    /// The log, for a test that is the delivery.
    #[cfg(test)]
    pub(crate) fn spool(&self) -> Option<Arc<spool::Spool>> {
        self.live().map(|live| Arc::clone(&live.spool))
    }

    /// Whether events go anywhere.
    #[inline]
    pub(crate) fn records(&self) -> bool {
        self.on.load(Ordering::Acquire)
    }

    /// This process's newest log and worker; `None` also in a forked child that has not published yet.
    #[inline]
    fn live(&self) -> Option<&Live> {
        self.lives.newest().filter(|live| live.generation == spool::fork_generation())
    }

    /// The same for whoever publishes: a forked child opens its own.
    fn live_or_own(&self) -> Option<&Live> {
        if let Some(live) = self.live() {
            return Some(live);
        }
        self.open_own();
        self.live()
    }

    /// Whether this is a forked child of the process that made the client.
    pub(super) fn is_forked(&self) -> bool {
        self.generation != spool::fork_generation()
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
        self.records() && self.live().is_some()
    }

    /// Writes an event, with its session's definition where that is missing. Counted as published;
    /// [`refuse`](Self::refuse) counts it as dropped, if it was.
    pub(crate) fn write(
        &self,
        record: &mut Vec<u8>,
        mark: &Mark,
        definition: impl Fn() -> Definition,
    ) -> Result<(), DropReason> {
        if !self.records() {
            return Ok(());
        }
        let generation = spool::fork_generation();
        let live = match self.lives.newest() {
            Some(live) if live.generation == generation => Some(live),
            _ => self.live_or_own(),
        };
        self.ledger.publish();
        let Some(live) = live else { return Err(DropReason::Forked) };
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
        self.stop_watching.notify_one();
        {
            let _turning = self.turning();
            if !self.closed.swap(true, Ordering::Relaxed) && self.records() {
                RECORDING.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let Some(live) = self.live() else { return reply(self.ledger.stats()) };
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
