//! Between the spool and the endpoint: a task on a thread that is none of the host's, so that events from plain
//! threads, from `Drop` and from a runtime that is shutting down all arrive.
//!
//! The loop: take commands, let go what was held, scrub ahead, start requests, tell who waits, then sleep until
//! something happens. What is read and marked is in [`sources`](super::sources), what is sent in
//! [`outbox`](super::outbox), who waits in [`flushes`](super::flushes).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

// The runtime's clock, which tests let run ahead.
use tokio::time::Instant;

use super::backlog::Backlog;
use super::callback::LossHook;
use super::dead_letters::DeadLetters;
use super::drain::{self, Member};
use super::flushes::{Flushes, Progress};
use super::ingest::Ingest;
use super::intake::Intake;
use super::ledger::Ledger;
use super::mailbox::{Command, LastWord, Mailbox, Reply, Scope};
use super::outbox::{Ended, Outbox};
use super::scrubbed_log::ScrubbedLog;
use super::scrubbing::{Scrubbed, Scrubbing};
use super::sources::{Resent, Sources};
use super::thread::{self, Running};
use super::unanswered::Unanswered;
use crate::event::wire::Dialect;
use crate::policy::Sample;
use crate::privacy::Privacy;
use crate::spool::{self, Adopter, Reader, Spool};

/// How often a busy worker looks for new records: no publisher wakes it. An event waits for at most this long before
/// it is sent.
const POLL: Duration = Duration::from_millis(1);
/// Without a record for this long the worker parks, and the next append wakes it. Events that come one each
/// millisecond wake nobody.
const IDLE: Duration = Duration::from_millis(20);
/// How often room is made ready for what publishers will need.
const PREPARE: Duration = Duration::from_millis(10);
/// How long an event waits for its session to be named by the transport.
const HOLD: Duration = Duration::from_secs(5);
/// The same while somebody waits in `flush` or `shutdown`.
const HOLD_HURRIED: Duration = Duration::from_millis(250);
/// How much longer than asked the worker lives, so that what is still in memory is scrubbed and kept.
const SETTLE: Duration = Duration::from_millis(500);

/// What the worker needs to begin.
pub(crate) struct Setup {
    pub(crate) spool: Arc<Spool>,
    pub(crate) reader: Reader,
    pub(crate) adopter: Adopter,
    pub(crate) privacy: Privacy,
    pub(crate) project: String,
    pub(crate) ingest: Arc<Ingest>,
    pub(crate) dialect: Dialect,
    pub(crate) sample: Sample,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) on_loss: Option<LossHook>,
    /// Where scrubbed events are kept, when others may not be on a disk.
    pub(crate) scrubbed: Option<(Arc<Spool>, Reader)>,
    /// How long the end of the process may wait for this client's events.
    pub(crate) drain: Duration,
    pub(crate) unanswered: Unanswered,
    /// Payloads are left out of what earlier processes wrote in full.
    pub(crate) names_only: Arc<AtomicBool>,
}

/// Starts the worker. It ends after [`Command::Shutdown`].
pub(crate) fn spawn(setup: Setup) -> std::io::Result<Running> {
    let member = Arc::new(Member {
        ledger: Arc::clone(&setup.ledger),
        mailbox: Arc::clone(&setup.mailbox),
        limit: setup.drain,
        in_vain: AtomicBool::new(false),
    });
    let last_word = LastWord(Arc::clone(&setup.mailbox));
    let registration = drain::register(&member);
    thread::run(move || async move {
        let _registration = registration;
        let _last_word = last_word;
        // Segments are made here, and dead letters written.
        spool::no_file_size_signal();
        Worker::new(setup, Some(member)).run().await;
    })
}

/// The work itself, until [`Command::Shutdown`].
#[cfg(test)]
pub(crate) async fn deliver(setup: Setup) {
    Worker::new(setup, None).run().await;
}

/// What a wait was ended by.
enum Done {
    Sent(Ended),
    Scrubbed(Scrubbed),
}

struct Worker {
    sources: Sources,
    outbox: Outbox,
    mailbox: Arc<Mailbox>,
    ledger: Arc<Ledger>,
    on_loss: Option<LossHook>,
    shutdown: Option<(Instant, Reply)>,
    /// What the end of the process sees of it.
    member: Option<Arc<Member>>,
    /// How long the end of the process may wait.
    drain: Duration,
    /// Since when the process is ending.
    ending_since: Option<Instant>,
    prepared: Instant,
    /// The user has said no: what waits is given up.
    discards: bool,
}

impl Worker {
    fn new(setup: Setup, member: Option<Arc<Member>>) -> Self {
        let (ledger, mailbox) = (setup.ledger, setup.mailbox);
        let privacy = Arc::new(setup.privacy);
        let hooked = privacy.has_hooks();
        let scrubbing = setup.scrubbed.map(|(spool, reader)| {
            Scrubbing::new(ScrubbedLog::new(spool, reader, hooked), Arc::clone(&privacy))
        });
        let sources = Sources {
            intake: Intake::new(
                setup.spool,
                setup.reader,
                Arc::clone(&mailbox),
                Arc::clone(&ledger),
                setup.dialect,
                setup.sample,
            ),
            flushes: Flushes::default(),
            backlog: Backlog::new(setup.adopter, setup.project),
            scrubbing,
            resent: Resent::new(setup.dead_letters),
            ledger: Arc::clone(&ledger),
            hooked,
            names_only: setup.names_only,
        };
        let outbox = Outbox::new(setup.ingest, privacy, Arc::clone(&ledger), setup.unanswered);
        Self {
            sources,
            outbox,
            mailbox,
            ledger,
            on_loss: setup.on_loss,
            shutdown: None,
            member,
            drain: setup.drain,
            ending_since: None,
            prepared: Instant::now(),
            discards: false,
        }
    }

    async fn run(mut self) {
        self.sources.prepare();
        loop {
            self.take_commands();
            if self.discards {
                self.discard().await;
                break;
            }
            self.release_held();
            for item in self.sources.scrub_ahead() {
                self.outbox.push(item);
            }
            let patience = self.patience();
            self.outbox.fill(&mut self.sources, patience);
            self.sources.count_evicted();
            self.ledger.announce(self.on_loss.as_ref());
            self.answer_flushes();
            self.heed_end();
            if self.finished() {
                break;
            }
            self.wait().await;
        }
        self.sources.close();
        let late = self.mailbox.close();
        self.ledger.announce(self.on_loss.as_ref());
        let stats = self.ledger.stats();
        let waiting = self.sources.flushes.take_all();
        let shutdown = self.shutdown.take().map(|(_, reply)| reply);
        let late = late.into_iter().filter_map(Command::into_reply);
        for reply in waiting.chain(shutdown).chain(late) {
            reply(stats.clone());
        }
    }

    fn take_commands(&mut self) {
        for command in self.mailbox.take_commands() {
            match command {
                Command::Flush { mark, scope, deadline, reply } => {
                    if scope == Scope::All {
                        self.outbox.hurry();
                    }
                    self.sources.flushes.add(mark, scope, deadline.into(), reply);
                }
                Command::Discard => self.discards = true,
                Command::MarkRefused(mark) => self.sources.flushes.mark_refused(mark),
                Command::Resend(reply) => {
                    let letters = self.sources.resend();
                    let count = letters.len() as u64;
                    letters.into_iter().for_each(|item| self.outbox.push(item));
                    reply(count);
                }
                Command::Shutdown { deadline, reply } => {
                    self.outbox.hurry();
                    if let Some((_, earlier)) = self.shutdown.replace((deadline.into(), reply)) {
                        earlier(self.ledger.stats());
                    }
                }
            }
        }
    }

    /// Gives up everything that waits, and waits itself for what hooks and requests still hold: they are broken off or
    /// have a deadline. The log is closed by then, so that what a publisher was writing meanwhile is given up too.
    async fn discard(&mut self) {
        self.outbox.cancel();
        self.sources.resent.file.forget();
        let mailbox = Arc::clone(&self.mailbox);
        let mut end = None;
        loop {
            self.sources.discard();
            self.outbox.discard(&mut self.sources);
            self.sources.close();
            if self.sources.is_idle() && self.outbox.is_empty() {
                let now = Instant::now();
                if self.sources.intake.is_cleared() || now >= *end.get_or_insert(now + SETTLE) {
                    break;
                }
            }
            match self.sleep(&mailbox, Some(Instant::now() + POLL)).await {
                Some(Done::Sent(ended)) => self.outbox.conclude(ended, &mut self.sources),
                Some(Done::Scrubbed(Ok(item))) => self.outbox.give_up(&item, &mut self.sources),
                Some(Done::Scrubbed(Err(withheld))) => self.outbox.withhold(withheld, &mut self.sources),
                None => {}
            }
        }
    }

    /// Lets go the events whose session has been named, or that waited too long for it.
    fn release_held(&mut self) {
        for item in self.sources.intake.release_held(self.patience()) {
            if let Some(item) = self.sources.ready(item) {
                self.outbox.push(item);
            }
        }
    }

    /// How long an event waits for its session's name now.
    fn patience(&self) -> Duration {
        let hurried = self.shutdown.is_some() || drain::is_asked() || self.sources.flushes.any_for_all();
        if hurried { HOLD_HURRIED } else { HOLD }
    }

    fn answer_flushes(&mut self) {
        if self.sources.flushes.is_empty() {
            return;
        }
        let progress = Progress {
            now: Instant::now(),
            earlier_ended: self.sources.earlier_ended(),
            idle: self.sources.is_idle(),
            silent_until: self.outbox.paused_until().filter(|_| self.outbox.is_empty()),
            oldest: self.sources.intake.oldest(),
            read_through: self.sources.intake.read_through(),
            scrubbed: self.sources.scrubbing.as_ref().map(Scrubbing::log),
        };
        let ended = self.sources.flushes.take_ended(&progress);
        if !ended.is_empty() {
            let stats = self.ledger.stats();
            ended.into_iter().for_each(|reply| reply(stats.clone()));
        }
    }

    /// Says how it stands to the end of the process, which waits for it.
    fn heed_end(&mut self) {
        let Some(member) = self.member.as_ref().filter(|_| drain::is_asked()) else { return };
        let now = Instant::now();
        let since = *self.ending_since.get_or_insert(now);
        if self.outbox.expects_answer() && now >= since + expected_within(self.drain) {
            self.outbox.give_up_answer();
        }
        member.in_vain.store(self.outbox.fails() && self.sources.is_kept(), Ordering::Release);
        drain::changed();
    }

    /// When the worker ends, whatever is left.
    fn end(&self) -> Option<Instant> {
        let (deadline, _) = self.shutdown.as_ref()?;
        Some(if self.sources.is_kept() { *deadline } else { *deadline + SETTLE })
    }

    fn finished(&self) -> bool {
        let (Some((deadline, _)), Some(end)) = (&self.shutdown, self.end()) else { return false };
        // Nothing would be tried before the deadline: whoever waits need not.
        let pointless = self.outbox.is_empty()
            && self.sources.is_kept()
            && self.outbox.paused_until().is_some_and(|resume| resume > *deadline);
        Instant::now() >= end
            || pointless
            || (self.sources.is_idle() && self.outbox.is_empty() && self.sources.earlier_ended())
    }

    /// Until something happens: an answer, a command, a moment that was waited for, or the next poll.
    async fn wait(&mut self) {
        let mut until = self.deadline();
        let mailbox = Arc::clone(&self.mailbox);
        let now = Instant::now();
        // Also while paused or with a full window: producers go on, and what is full may have to give way.
        if now.duration_since(self.prepared) >= PREPARE || mailbox.take_rolled() {
            self.prepared = now;
            self.sources.prepare();
            self.sources.count_evicted();
        }
        let paused = self.outbox.paused_until().filter(|resume| *resume > now || !self.outbox.is_empty());
        if let Some(resume) = paused {
            until = earliest(until, self.outbox.is_empty().then_some(resume));
        }
        // While paused nothing is read: the records wait where they are, unless they may be kept only elsewhere.
        let reads = match &self.sources.scrubbing {
            Some(scrubbing) => scrubbing.has_room(),
            None => paused.is_none() && self.outbox.has_room(now),
        };
        if self.sources.scrubbing.as_ref().is_some_and(Scrubbing::waits_for_room) {
            until = earliest(until, Some(now + 10 * PREPARE));
        }
        let mut parked = false;
        if reads {
            if self.sources.intake.idle_for() < IDLE {
                until = earliest(until, Some(now + POLL));
            } else {
                parked = true;
                if !mailbox.park() {
                    until = earliest(until, Some(now + POLL));
                }
                if let Some(item) = self.sources.intake.read(&mut self.sources.flushes) {
                    mailbox.unpark();
                    if let Some(item) = self.sources.ready(item) {
                        self.outbox.push(item);
                    }
                    return;
                }
            }
        }
        let done = self.sleep(&mailbox, until).await;
        if parked {
            mailbox.unpark();
        }
        match done {
            Some(Done::Sent(ended)) => self.outbox.conclude(ended, &mut self.sources),
            Some(Done::Scrubbed(scrubbed)) => self.scrubbed(scrubbed),
            None => {}
        }
        // All that are ready: answers that keep coming must not keep events in memory.
        while let Some(scrubbed) = self.sources.next_scrubbed() {
            self.scrubbed(scrubbed);
        }
    }

    async fn sleep(&mut self, mailbox: &Mailbox, until: Option<Instant>) -> Option<Done> {
        let alarm = async {
            match until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        let scrubbing = self.sources.scrubbing.as_mut();
        let scrubbed = async {
            match scrubbing {
                Some(scrubbing) => scrubbing.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            ended = self.outbox.next() => Some(Done::Sent(ended)),
            scrubbed = scrubbed => Some(Done::Scrubbed(scrubbed)),
            () = mailbox.notified() => {
                self.sources.intake.stay_awake();
                None
            }
            () = alarm => None,
        }
    }

    fn scrubbed(&mut self, scrubbed: Scrubbed) {
        match scrubbed {
            Ok(item) => {
                if let Some(item) = self.sources.keep(item) {
                    self.outbox.push(item);
                }
            }
            Err(withheld) => self.outbox.withhold(withheld, &mut self.sources),
        }
    }

    /// The next moment at which somebody's patience ends.
    fn deadline(&self) -> Option<Instant> {
        let patience = self.patience();
        let held = self.sources.intake.held_since().map(|since| since + patience);
        let ending = self.ending_since.filter(|_| self.outbox.expects_answer());
        let answer = ending.map(|since| since + expected_within(self.drain));
        [self.sources.flushes.deadline(), held, answer, self.outbox.gate_due(patience), self.end()]
            .into_iter()
            .fold(None, earliest)
    }
}

/// When the process ends, an answer is expected within this much of the time that is waited: soon enough to remember
/// that none has come.
fn expected_within(drain: Duration) -> Duration {
    drain.mul_f32(0.9)
}

fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
