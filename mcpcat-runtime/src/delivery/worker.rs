//! Between the spool and the endpoint: a thread of its own with a runtime of its own, so that events from
//! plain threads, from `Drop` and from a runtime that is shutting down all arrive.
//!
//! It reads records in order, joins bodies, keeps as many requests in flight as the pace allows, writes the
//! ledger, and parks when there is nothing to do.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Notify;

use super::backlog::Backlog;
use super::http::{BaseUrl, Sender};
use super::ledger::{DropReason, Ledger, Stats};
use super::retry::{Answer, MAX_STRIKES, Pace, Verdict, judge};
use crate::event::id;
use crate::event::record::{self, Definition, Header};
use crate::event::wire::{self, Dialect};
use crate::policy::Sample;
use crate::privacy::Privacy;
use crate::spool::{Adopter, Position, Reader, Spool};

/// How often a busy worker looks for new records: no publisher wakes it.
const POLL: Duration = Duration::from_millis(10);
/// Without a record for this long the worker parks, and the next append wakes it.
const IDLE: Duration = Duration::from_secs(1);
/// How long an event waits for its session to be named by the transport.
const HOLD: Duration = Duration::from_secs(5);
/// The same while somebody waits in `flush` or `shutdown`.
const HOLD_HURRIED: Duration = Duration::from_millis(250);
/// Events held for a name at once; beyond it they go out under the provisional one.
const MAX_HELD: usize = 1_024;

/// A record kind of the worker's own: everything before it was published before somebody called `flush`.
pub(crate) const FLUSH_MARK: u8 = 3;

/// What publishers and the worker share.
#[derive(Debug)]
pub(crate) struct Mailbox {
    notify: Notify,
    parked: AtomicBool,
    /// `None` once the worker has ended.
    commands: Mutex<Option<Vec<Command>>>,
    /// Sessions whose transport has not named them yet, by reference. Whoever fills the cell first decides.
    unnamed: Mutex<HashMap<u64, Arc<OnceLock<String>>>>,
}

impl Mailbox {
    pub(crate) fn new() -> Self {
        Self {
            notify: Notify::new(),
            parked: AtomicBool::new(false),
            commands: Mutex::new(Some(Vec::new())),
            unnamed: Mutex::default(),
        }
    }

    /// After an append: wakes the worker if it is parked, which costs a load and a fence otherwise.
    pub(crate) fn appended(&self) {
        // Pairs with the fence in `park`: either the worker sees the record or this sees that it is parked.
        fence(Ordering::SeqCst);
        if self.parked.load(Ordering::Relaxed) {
            self.notify.notify_one();
        }
    }

    /// Hands a command to the worker, or gives it back when the worker has ended.
    pub(crate) fn command(&self, command: Command) -> Result<(), Command> {
        match lock(&self.commands).as_mut() {
            Some(commands) => commands.push(command),
            None => return Err(command),
        }
        self.notify.notify_one();
        Ok(())
    }

    /// After an append that opened a segment: the worker makes the next one ready.
    pub(crate) fn wake(&self) {
        self.notify.notify_one();
    }

    pub(crate) fn expect_name(&self, reference: u64, cell: Arc<OnceLock<String>>) {
        lock(&self.unnamed).insert(reference, cell);
    }

    /// The name of a session, if somebody has given it one; `overdue` gives it `provisional` for good.
    fn name(&self, reference: u64, provisional: &str, overdue: bool) -> Option<String> {
        let mut unnamed = lock(&self.unnamed);
        let Some(cell) = unnamed.get(&reference) else {
            // Only this process names its sessions: nobody will any more.
            return Some(provisional.to_owned());
        };
        let name = if overdue { cell.get_or_init(|| provisional.to_owned()) } else { cell.get()? }.clone();
        unnamed.remove(&reference);
        Some(name)
    }
}

/// A poisoned lock still holds good data: nothing here is left half-changed.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Whom to tell how it ended.
pub(crate) type Reply = Box<dyn FnOnce(Stats) + Send>;

pub(crate) enum Command {
    /// Answer when everything before the mark numbered `mark` has ended, or at the deadline. Sent before
    /// the mark is appended.
    Flush { mark: u64, deadline: Instant, reply: Reply },
    /// The mark found no room: answer when nothing is left.
    MarkRefused(u64),
    /// Deliver what there is until the deadline, answer, end the thread.
    Shutdown { deadline: Instant, reply: Reply },
}

impl Command {
    pub(crate) fn into_reply(self) -> Option<Reply> {
        match self {
            Self::Flush { reply, .. } | Self::Shutdown { reply, .. } => Some(reply),
            Self::MarkRefused(_) => None,
        }
    }
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Flush { .. } => "Flush",
            Self::MarkRefused(_) => "MarkRefused",
            Self::Shutdown { .. } => "Shutdown",
        })
    }
}

/// What the worker needs to begin.
pub(crate) struct Setup {
    pub(crate) spool: Arc<Spool>,
    pub(crate) reader: Reader,
    pub(crate) adopter: Adopter,
    pub(crate) privacy: Privacy,
    pub(crate) project: String,
    pub(crate) base: BaseUrl,
    pub(crate) dialect: Dialect,
    pub(crate) request_timeout: Duration,
    pub(crate) sample: Sample,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) mailbox: Arc<Mailbox>,
}

/// Starts the thread. It ends after [`Command::Shutdown`].
pub(crate) fn spawn(setup: Setup) -> std::io::Result<std::thread::JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("mcpcat".to_owned()).spawn(move || {
        runtime.block_on(Worker::new(setup).run());
    })
}

/// Where an event waits: in this process's log, or in one it adopted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    Own(Position),
    Adopted(Position),
}

/// One event on its way.
#[derive(Debug)]
struct Item {
    at: Place,
    body: Bytes,
    /// The body is as it will leave: patterns and hooks have seen it.
    cleared: bool,
    strikes: u32,
    /// The number of successes when it last failed.
    failed_at: Option<u64>,
}

/// An event whose session has no name yet.
#[derive(Debug)]
struct Held {
    at: Position,
    header: Header,
    members: Vec<u8>,
    since: Instant,
}

struct Waiter {
    /// `None` when the mark found no room.
    mark: Option<u64>,
    /// Where the mark stood, once it has been read.
    passed: Option<Position>,
    deadline: Instant,
    reply: Reply,
}

/// How an attempt ended.
enum Attempt {
    Answered(Answer),
    /// Privacy kept the event back, for the reason given.
    Withheld(String),
}

type InFlight = Pin<Box<dyn Future<Output = (Item, Attempt)> + Send>>;

struct Worker {
    setup: Setup,
    sender: Arc<Sender>,
    privacy: Arc<Privacy>,
    backlog: Backlog,
    pace: Pace,
    definitions: HashMap<u64, (Definition, u64)>,
    /// Definitions in the log that its events may still need, should another process adopt it.
    needed: VecDeque<Position>,
    in_flight: FuturesUnordered<InFlight>,
    retries: VecDeque<Item>,
    held: VecDeque<Held>,
    /// Events read and not ended.
    outstanding: BTreeSet<Position>,
    waiters: Vec<Waiter>,
    shutdown: Option<(Instant, Reply)>,
    successes: u64,
    drained: bool,
    last_record: Instant,
    swept: u64,
}

impl Worker {
    fn new(mut setup: Setup) -> Self {
        let sender = Sender::new(&setup.base, setup.request_timeout);
        if let Some(why) = sender.problem() {
            tracing::error!(target: "mcpcat", "no connection can be made to {}: {why}", setup.base.text());
        }
        let adopter = std::mem::replace(&mut setup.adopter, Adopter::none());
        Self {
            sender: Arc::new(sender),
            privacy: Arc::new(setup.privacy.clone()),
            backlog: Backlog::new(adopter, setup.project.clone()),
            setup,
            pace: Pace::new(),
            definitions: HashMap::new(),
            needed: VecDeque::new(),
            in_flight: FuturesUnordered::new(),
            retries: VecDeque::new(),
            held: VecDeque::new(),
            outstanding: BTreeSet::new(),
            waiters: Vec::new(),
            shutdown: None,
            successes: 0,
            drained: false,
            last_record: Instant::now(),
            swept: 0,
        }
    }

    async fn run(mut self) {
        self.setup.reader.prepare();
        loop {
            self.take_commands();
            self.release_held();
            self.fill();
            self.answer_waiters();
            if self.finished() {
                break;
            }
            self.wait().await;
        }
        if self.outstanding.is_empty() {
            // Nothing is left that would need them: the log can be deleted.
            for at in std::mem::take(&mut self.needed) {
                self.setup.reader.complete(at);
            }
        }
        self.setup.spool.close();
        let late = lock(&self.setup.mailbox.commands).take();
        let stats = self.setup.ledger.stats();
        let waiters = self.waiters.drain(..).map(|waiter| waiter.reply);
        let shutdown = self.shutdown.take().map(|(_, reply)| reply);
        let late = late.into_iter().flatten().filter_map(Command::into_reply);
        for reply in waiters.chain(shutdown).chain(late) {
            reply(stats.clone());
        }
    }

    fn take_commands(&mut self) {
        let commands = lock(&self.setup.mailbox.commands).as_mut().map(std::mem::take);
        for command in commands.unwrap_or_default() {
            match command {
                Command::Flush { mark, deadline, reply } => {
                    self.waiters.push(Waiter { mark: Some(mark), passed: None, deadline, reply });
                }
                Command::MarkRefused(mark) => {
                    for waiter in self.waiters.iter_mut().filter(|waiter| waiter.mark == Some(mark)) {
                        waiter.mark = None;
                    }
                }
                Command::Shutdown { deadline, reply } => {
                    if let Some((_, earlier)) = self.shutdown.replace((deadline, reply)) {
                        earlier(self.setup.ledger.stats());
                    }
                }
            }
        }
    }

    /// Starts as many requests as the pace allows: those that failed before, then new records.
    fn fill(&mut self) {
        let mut allowed = self.pace.allowance(Instant::now(), self.in_flight.len());
        while allowed > 0 {
            let next = self.retries.pop_front().or_else(|| self.adopt()).or_else(|| self.read());
            let Some(item) = next else { return };
            self.send(item);
            allowed -= 1;
        }
    }

    fn send(&mut self, mut item: Item) {
        let sender = Arc::clone(&self.sender);
        let privacy = Arc::clone(&self.privacy);
        let ledger = Arc::clone(&self.setup.ledger);
        self.in_flight.push(Box::pin(async move {
            if !item.cleared {
                match privacy.apply(Vec::from(std::mem::take(&mut item.body))).await {
                    Ok(body) => item.body = Bytes::from(body),
                    Err(withheld) => return (item, Attempt::Withheld(withheld.to_string())),
                }
                item.cleared = true;
            }
            ledger.request();
            let answer = sender.post(item.body.clone()).await;
            (item, Attempt::Answered(answer))
        }));
    }

    /// The next event that an earlier process left.
    fn adopt(&mut self) -> Option<Item> {
        let event = self.backlog.next(&self.setup.ledger)?;
        let body = wire::body(&self.setup.dialect, &event.header, &event.members, &event.session);
        Some(Item {
            at: Place::Adopted(event.at),
            body: Bytes::from(body),
            cleared: false,
            strikes: 0,
            failed_at: None,
        })
    }

    /// The next event of the log that can go out.
    fn read(&mut self) -> Option<Item> {
        self.drained = false;
        loop {
            let Some(record) = self.setup.reader.next() else {
                self.drained = true;
                self.sweep();
                return None;
            };
            self.last_record = Instant::now();
            let at = record.at;
            match record.kind {
                record::SESSION => {
                    if let Some(definition) = Definition::decode(record.bytes) {
                        if !definition.pending {
                            // Nobody waits any more for what this says.
                            lock(&self.setup.mailbox.unnamed).remove(&definition.reference);
                        }
                        self.definitions.insert(definition.reference, (definition, at.segment()));
                    }
                    self.needed.push_back(at);
                }
                record::EVENT => {
                    let Some((header, members)) = Header::decode(record.bytes) else {
                        self.setup.ledger.drop_event(DropReason::Damaged);
                        self.setup.reader.complete(at);
                        continue;
                    };
                    self.outstanding.insert(at);
                    if Self::is_unnamed(&self.definitions, header.session) {
                        let members = members.to_vec();
                        self.held.push_back(Held { at, header, members, since: self.last_record });
                        continue;
                    }
                    if Self::samples_out(&self.definitions, self.setup.sample, &header) {
                        self.setup.ledger.withdraw();
                        self.ended(Place::Own(at));
                        continue;
                    }
                    let body = Self::join(&self.definitions, &self.setup.dialect, &header, members);
                    return Some(Item {
                        at: Place::Own(at),
                        body,
                        cleared: false,
                        strikes: 0,
                        failed_at: None,
                    });
                }
                FLUSH_MARK => {
                    let number = record.bytes.try_into().ok().map(u64::from_le_bytes);
                    for waiter in self.waiters.iter_mut().filter(|waiter| waiter.mark == number) {
                        waiter.passed = Some(at);
                    }
                    self.setup.reader.complete(at);
                }
                _ => self.setup.reader.complete(at),
            }
        }
    }

    fn join(
        definitions: &HashMap<u64, (Definition, u64)>,
        dialect: &Dialect,
        header: &Header,
        members: &[u8],
    ) -> Bytes {
        let unknown = Definition::default();
        let session = definitions.get(&header.session).map_or(&unknown, |(definition, _)| definition);
        Bytes::from(wire::body(dialect, header, members, session))
    }

    /// Whether the share of sessions leaves an event out whose session had no name when it was raised. For
    /// others the call site has decided, alike.
    fn samples_out(definitions: &HashMap<u64, (Definition, u64)>, sample: Sample, header: &Header) -> bool {
        let session = definitions.get(&header.session).and_then(|(it, _)| it.session_id.as_deref());
        header.is_error != Some(true) && session.is_some_and(|id| !sample.keeps(id))
    }

    fn is_unnamed(definitions: &HashMap<u64, (Definition, u64)>, reference: u64) -> bool {
        definitions.get(&reference).is_some_and(|(definition, _)| definition.pending)
    }

    /// Lets go the events whose session has been named, and names those that waited too long.
    fn release_held(&mut self) {
        let hurried = self.shutdown.is_some() || !self.waiters.is_empty();
        let patience = if hurried { HOLD_HURRIED } else { HOLD };
        let now = Instant::now();
        // Definitions that name a session stand behind the held events in the log: read on.
        let crowded = self.held.len() > MAX_HELD;
        let mut kept = VecDeque::new();
        while let Some(held) = self.held.pop_front() {
            if Self::is_unnamed(&self.definitions, held.header.session) {
                let overdue = crowded || now.duration_since(held.since) >= patience;
                if !self.try_name(held.header.session, overdue) {
                    kept.push_back(held);
                    continue;
                }
            }
            if Self::samples_out(&self.definitions, self.setup.sample, &held.header) {
                self.setup.ledger.withdraw();
                self.ended(Place::Own(held.at));
                continue;
            }
            let body = Self::join(&self.definitions, &self.setup.dialect, &held.header, &held.members);
            let at = Place::Own(held.at);
            self.retries.push_back(Item { at, body, cleared: false, strikes: 0, failed_at: None });
        }
        self.held = kept;
    }

    /// Whether the session has a name now; `overdue` gives it its provisional one for good.
    fn try_name(&mut self, reference: u64, overdue: bool) -> bool {
        let Some((definition, _)) = self.definitions.get_mut(&reference) else { return true };
        let provisional = definition.session_id.clone().unwrap_or_default();
        let name = self.setup.mailbox.name(reference, &provisional, overdue);
        let Some(name) = name else { return false };
        definition.session_id = Some(name);
        definition.pending = false;
        true
    }

    /// Forgets the definitions of sessions whose records have left the log, and counts what the log lost.
    fn sweep(&mut self) {
        for _ in 0..self.setup.reader.lost() {
            self.setup.ledger.drop_event(DropReason::Damaged);
        }
        let freed = self.setup.reader.freed_through();
        if freed > self.swept {
            self.swept = freed;
            let waiting: BTreeSet<u64> = self.held.iter().map(|held| held.header.session).collect();
            self.definitions
                .retain(|reference, (_, segment)| *segment > freed || waiting.contains(reference));
        }
    }

    fn ended(&mut self, at: Place) {
        let at = match at {
            Place::Own(at) => at,
            Place::Adopted(at) => return self.backlog.complete(at),
        };
        self.outstanding.remove(&at);
        self.setup.reader.complete(at);
        // A definition is done with when every event of its segment and of those before it is, and the log
        // has gone on: an event may stand one segment before the definition it needs.
        let oldest = self.outstanding.first().map_or(self.setup.spool.segment(), |oldest| oldest.segment());
        while self.needed.front().is_some_and(|needed| needed.segment() < oldest) {
            if let Some(needed) = self.needed.pop_front() {
                self.setup.reader.complete(needed);
            }
        }
    }

    fn conclude(&mut self, mut item: Item, attempt: &Attempt) {
        let now = Instant::now();
        let ledger = Arc::clone(&self.setup.ledger);
        let answer = match attempt {
            Attempt::Answered(answer) => answer,
            Attempt::Withheld(why) => {
                ledger.drop_event(DropReason::Withheld);
                self.report(&ledger, format!("an event was withheld: {why}"));
                return self.ended(item.at);
            }
        };
        match judge(answer) {
            Verdict::Delivered => {
                self.successes += 1;
                self.pace.succeeded();
                ledger.deliver();
                self.ended(item.at);
            }
            Verdict::Rejected(code) => {
                // The endpoint works and has read the event: for the pace this is a success.
                self.pace.succeeded();
                ledger.drop_event(DropReason::Rejected);
                self.report(&ledger, format!("the endpoint refused an event with status {code}"));
                self.ended(item.at);
            }
            Verdict::Retry { after } => {
                let what = match answer {
                    Answer::Status { code, .. } => format!("status {code}"),
                    Answer::Transport(why) => why.clone(),
                };
                if item.failed_at.is_some_and(|successes| successes < self.successes) {
                    item.strikes += 1;
                }
                item.failed_at = Some(self.successes);
                let began = self.pace.failed(now, after, random());
                if item.strikes >= MAX_STRIKES {
                    ledger.drop_event(DropReason::Exhausted);
                    self.report(
                        &ledger,
                        format!("an event was given up after {MAX_STRIKES} failures: {what}"),
                    );
                    self.ended(item.at);
                    return;
                }
                let text = format!("{} does not answer well ({what}); events wait", self.setup.base.text());
                if began {
                    self.report(&ledger, text);
                } else {
                    ledger.fail(text);
                }
                self.retries.push_back(item);
            }
            Verdict::Misdirected(code) => {
                let began = self.pace.failed(now, Some(Duration::from_secs(1)), random());
                let text = format!(
                    "{} answered {code}: check the base URL and the project id; events wait",
                    self.setup.base.text()
                );
                if began {
                    tracing::error!(target: "mcpcat", "{text}");
                }
                ledger.fail(text);
                self.retries.push_back(item);
            }
        }
    }

    fn report(&self, ledger: &Ledger, text: String) {
        tracing::warn!(target: "mcpcat", "{text}");
        ledger.fail(text);
    }

    fn answer_waiters(&mut self) {
        if self.waiters.is_empty() {
            return;
        }
        let now = Instant::now();
        let adopted = self.backlog.is_done();
        let idle = self.drained && self.outstanding.is_empty();
        let (mut kept, mut answered) = (Vec::new(), Vec::new());
        for waiter in self.waiters.drain(..) {
            let passed = waiter
                .passed
                .is_some_and(|mark| self.outstanding.first().is_none_or(|oldest| *oldest > mark));
            let done = adopted && (passed || (idle && waiter.mark.is_none()));
            if done || now >= waiter.deadline {
                answered.push(waiter);
            } else {
                kept.push(waiter);
            }
        }
        self.waiters = kept;
        if !answered.is_empty() {
            let stats = self.setup.ledger.stats();
            for waiter in answered {
                (waiter.reply)(stats.clone());
            }
        }
    }

    fn finished(&self) -> bool {
        let Some((deadline, _)) = &self.shutdown else { return false };
        Instant::now() >= *deadline
            || (self.drained
                && self.outstanding.is_empty()
                && self.in_flight.is_empty()
                && self.backlog.is_done())
    }

    /// Until something happens: an answer, a command, a moment that was waited for, or the next poll.
    async fn wait(&mut self) {
        let mut until = self.deadline();
        let mailbox = Arc::clone(&self.setup.mailbox);
        let now = Instant::now();
        let paused = self.pace.paused_until().filter(|resume| *resume > now || !self.in_flight.is_empty());
        let mut parked = false;
        if let Some(resume) = paused {
            // While paused nothing is read: the records wait where they are.
            until = earliest(until, (self.in_flight.is_empty()).then_some(resume));
        } else if self.in_flight.len() < self.pace.allowance(now, 0) {
            self.setup.reader.prepare();
            if self.last_record.elapsed() < IDLE {
                until = earliest(until, Some(now + POLL));
            } else {
                mailbox.parked.store(true, Ordering::Relaxed);
                // Pairs with the fence in `appended`.
                fence(Ordering::SeqCst);
                parked = true;
                if let Some(item) = self.read() {
                    self.retries.push_front(item);
                    mailbox.parked.store(false, Ordering::Relaxed);
                    return;
                }
            }
        }
        let sleep = async {
            match until {
                Some(until) => tokio::time::sleep_until(until.into()).await,
                None => std::future::pending().await,
            }
        };
        let done = tokio::select! {
            biased;
            Some(done) = self.in_flight.next(), if !self.in_flight.is_empty() => Some(done),
            () = mailbox.notify.notified() => {
                self.last_record = Instant::now();
                None
            }
            () = sleep => None,
        };
        if parked {
            mailbox.parked.store(false, Ordering::Relaxed);
        }
        if let Some((item, attempt)) = done {
            self.conclude(item, &attempt);
        }
    }

    /// The next moment at which somebody's patience ends.
    fn deadline(&self) -> Option<Instant> {
        let hurried = self.shutdown.is_some() || !self.waiters.is_empty();
        let patience = if hurried { HOLD_HURRIED } else { HOLD };
        let waiters = self.waiters.iter().map(|waiter| waiter.deadline).min();
        let held = self.held.front().map(|held| held.since + patience);
        earliest(earliest(waiters, held), self.shutdown.as_ref().map(|(deadline, _)| *deadline))
    }
}

fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// A number in `0.0..1.0` that spreads the probes of many clients.
fn random() -> f64 {
    (id::random(0).0 >> 11) as f64 / (1_u64 << 53) as f64
}
