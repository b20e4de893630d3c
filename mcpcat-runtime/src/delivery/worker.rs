//! Between the spool and the endpoint: a task on a thread that is none of the host's, so that events from plain
//! threads, from `Drop` and from a runtime that is shutting down all arrive.
//!
//! It reads records in order, joins bodies, keeps as many requests in flight as the pace allows, writes the
//! ledger, and parks when there is nothing to do. Where nothing may be on a disk before it is scrubbed, it
//! scrubs ahead of the requests and moves events from memory to the disk.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::Notify;
// The runtime's clock, which tests let run ahead.
use tokio::time::Instant;

use super::backlog::{Backlog, What};
use super::batch::{self, Fate, MAX_BATCHES, Offer};
use super::callback::LossHook;
use super::drain::{self, Member};
use super::ingest::{Ingest, Offers};
use super::ledger::{DropReason, Ledger, Stats};
use super::letters::{self, Letters};
use super::resting::Resting;
use super::retry::{Answer, MAX_STRIKES, Pace, Verdict, judge};
use super::thread::{self, Running};
use super::types::{Sorted, Types};
use super::unanswered::Unanswered;
use crate::event::EventId;
use crate::event::id;
use crate::event::record::{Definition, Header, RecordKind};
use crate::event::wire::{self, Dialect};
use crate::policy::Sample;
use crate::privacy::Privacy;
use crate::spool::{self, Adopter, Position, Reader, Refused, Spool, fence};

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
/// Events held for a name at once; beyond it they go out under the provisional one.
const MAX_HELD: usize = 1_024;
/// Probes of one outage take an event that has not failed yet, so that a single bad one cannot hold up the rest;
/// after this many they go round among those that failed.
const MAX_PROBED: usize = 64;
/// Events that are given to the user's hooks at once.
const MAX_HOOKED: usize = 32;

/// What publishers and the worker share.
#[derive(Debug)]
pub(crate) struct Mailbox {
    notify: Notify,
    parked: AtomicBool,
    /// A segment was opened since the worker last made ready.
    rolled: AtomicBool,
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
            rolled: AtomicBool::new(false),
            commands: Mutex::new(Some(Vec::new())),
            unnamed: Mutex::default(),
        }
    }

    /// One that no worker reads: every command comes back.
    pub(crate) fn unattended() -> Self {
        Self { commands: Mutex::new(None), ..Self::new() }
    }

    /// After an append: wakes the worker if it is parked, which costs a load otherwise.
    pub(crate) fn appended(&self) {
        // Pairs with the fence in `wait`: either the worker sees the record or this sees that it is parked.
        fence::often();
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
        self.rolled.store(true, Ordering::Relaxed);
        self.notify.notify_one();
    }

    /// Whether the worker will take no more commands.
    pub(crate) fn has_ended(&self) -> bool {
        lock(&self.commands).is_none()
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

/// What a flush waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// What was published before it, and what was adopted.
    All,
    /// What this process published before it. An answer to a user waits for it: it comes first, and changes
    /// nothing of how long events wait for a name or the endpoint is left alone.
    Own,
}

/// Whom to tell how it ended.
pub(crate) type Reply = Box<dyn FnOnce(Stats) + Send>;

pub(crate) enum Command {
    /// Answer when everything before the mark numbered `mark` has ended, or at the deadline. Sent before
    /// the mark is appended.
    Flush { mark: u64, scope: Scope, deadline: std::time::Instant, reply: Reply },
    /// The mark found no room: answer when nothing is left.
    MarkRefused(u64),
    /// Send the dead letters again, and say how many there are.
    Resend(Box<dyn FnOnce(u64) + Send>),
    /// Deliver what there is until the deadline, answer, end the worker.
    Shutdown { deadline: std::time::Instant, reply: Reply },
}

impl Command {
    pub(crate) fn into_reply(self) -> Option<Reply> {
        match self {
            Self::Flush { reply, .. } | Self::Shutdown { reply, .. } => Some(reply),
            Self::MarkRefused(_) | Self::Resend(_) => None,
        }
    }
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Flush { .. } => "Flush",
            Self::MarkRefused(_) => "MarkRefused",
            Self::Resend(_) => "Resend",
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
    pub(crate) ingest: Arc<Ingest>,
    pub(crate) dialect: Dialect,
    pub(crate) sample: Sample,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) letters: Letters,
    pub(crate) on_loss: Option<LossHook>,
    /// Where scrubbed events rest, when others may not.
    pub(crate) resting: Option<(Arc<Spool>, Reader)>,
    /// How long the end of the process may wait for this client's events.
    pub(crate) drain: Duration,
    pub(crate) unanswered: Unanswered,
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

/// Closes the mailbox of a worker that ended by a panic: whoever asks it something is not to wait for ever.
struct LastWord(Arc<Mailbox>);

impl Drop for LastWord {
    fn drop(&mut self) {
        // Their replies are dropped with them, which is an answer.
        drop(lock(&self.0.commands).take());
        if std::thread::panicking() {
            tracing::error!(
                target: "mcpcat",
                "the delivery panicked and has ended; what is on disk is delivered by the next start"
            );
        }
    }
}

/// Where an event waits: in this process's log, in one it adopted, or among the dead letters.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    Own(Position),
    Adopted(Position),
    /// On disk, scrubbed, under this number.
    Resting(Position, u64),
    Letter,
}

/// One event on its way.
#[derive(Debug)]
struct Item {
    at: Place,
    id: EventId,
    body: Bytes,
    /// Only a collector that offers to take any type gets it.
    foreign_type: bool,
    /// It goes in a request of its own: in a batch it would be in the way of others.
    alone: bool,
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

impl Item {
    fn new(at: Place, id: EventId, foreign_type: bool, body: Bytes) -> Self {
        Self { at, id, body, foreign_type, alone: false, cleared: false, strikes: 0, failed_at: None }
    }

    /// The event as it may leave, or why it may not.
    async fn clear(mut self, privacy: &Privacy) -> Result<Self, (Self, String)> {
        if !self.cleared {
            match privacy.apply(Vec::from(std::mem::take(&mut self.body))).await {
                Ok(body) => self.body = Bytes::from(body),
                Err(withheld) => return Err((self, withheld.to_string())),
            }
            self.cleared = true;
        }
        Ok(self)
    }
}

struct Waiter {
    /// `None` when the mark found no room.
    mark: Option<u64>,
    /// Where the mark stood, once it has been read.
    passed: Option<Position>,
    /// Nothing of what was published before the mark is left.
    free: bool,
    /// What was published before the mark rests up to here.
    rested: Option<u64>,
    scope: Scope,
    deadline: Instant,
    reply: Reply,
}

/// How an attempt ended.
enum Attempt {
    One(Item, Answer, Offers),
    /// The endpoint was asked what it takes.
    Asked(Answer, Offers),
    /// With the answer's body, which says what became of each.
    Many(Vec<Item>, Answer, Option<Bytes>),
    /// Privacy kept every one of them back.
    Nothing,
}

/// An attempt, and the events that privacy kept back from it, with the reasons.
struct Ended {
    attempt: Attempt,
    withheld: Vec<(Item, String)>,
}

type InFlight = Pin<Box<dyn Future<Output = Ended> + Send>>;
type Clearing = Pin<Box<dyn Future<Output = Result<Item, (Item, String)>> + Send>>;

/// What a wait was ended by.
enum Done {
    Sent(Ended),
    Cleared(Result<Item, (Item, String)>),
}

struct Worker {
    setup: Setup,
    /// What the end of the process sees of it.
    member: Option<Arc<Member>>,
    /// Since when the process is ending.
    ending_since: Option<Instant>,
    /// An earlier process had no answer, or this one has had none when it should have: not expected any more.
    unanswered: bool,
    /// The endpoint has taken something of this process, or refused it for itself.
    answered: bool,
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
    /// Marks that were read before the command that they belong to was taken.
    early: HashMap<u64, Position>,
    shutdown: Option<(Instant, Reply)>,
    /// Batches are offered, within these bounds.
    offer: Option<Offer>,
    /// The endpoint's batches did not work: single events from now on.
    single: bool,
    /// Which types of events the endpoint takes.
    types: Types<Item>,
    /// Nobody has been told yet that some are not sent.
    types_untold: bool,
    /// Dead letters on their way, and those that arrived.
    letters_out: usize,
    letters_taken: HashSet<EventId>,
    resting: Option<Resting>,
    /// On their way from memory to where they rest: being scrubbed, and waiting for room there.
    clearing: FuturesUnordered<Clearing>,
    roomless: VecDeque<Item>,
    successes: u64,
    drained: bool,
    prepared: Instant,
    last_record: Instant,
    swept: u64,
}

impl Worker {
    fn new(mut setup: Setup, member: Option<Arc<Member>>) -> Self {
        let adopter = std::mem::replace(&mut setup.adopter, Adopter::none());
        let hooked = setup.privacy.has_hooks();
        let resting = setup.resting.take().map(|(spool, reader)| Resting::new(spool, reader, hooked));
        Self {
            privacy: Arc::new(setup.privacy.clone()),
            backlog: Backlog::new(adopter, setup.project.clone()),
            unanswered: setup.unanswered.is_remembered(),
            setup,
            member,
            ending_since: None,
            answered: false,
            pace: Pace::new(),
            definitions: HashMap::new(),
            needed: VecDeque::new(),
            in_flight: FuturesUnordered::new(),
            retries: VecDeque::new(),
            held: VecDeque::new(),
            outstanding: BTreeSet::new(),
            waiters: Vec::new(),
            early: HashMap::new(),
            shutdown: None,
            offer: None,
            single: false,
            types: Types::new(),
            types_untold: true,
            letters_out: 0,
            letters_taken: HashSet::new(),
            resting,
            clearing: FuturesUnordered::new(),
            roomless: VecDeque::new(),
            successes: 0,
            drained: false,
            prepared: Instant::now(),
            last_record: Instant::now(),
            swept: 0,
        }
    }

    async fn run(mut self) {
        self.prepare();
        loop {
            self.take_commands();
            self.release_held();
            self.scrub_ahead();
            self.fill();
            self.count_evicted();
            self.setup.ledger.announce(self.setup.on_loss.as_ref());
            self.answer_waiters();
            self.heed_end();
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
        if let Some(resting) = &self.resting {
            resting.close();
        }
        let late = lock(&self.setup.mailbox.commands).take();
        self.setup.ledger.announce(self.setup.on_loss.as_ref());
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
                Command::Flush { mark, scope, deadline, reply } => {
                    if scope == Scope::All {
                        self.pace.hurry();
                    }
                    self.waiters.push(Waiter {
                        mark: Some(mark),
                        passed: self.early.remove(&mark),
                        free: false,
                        rested: None,
                        scope,
                        deadline: deadline.into(),
                        reply,
                    });
                }
                Command::MarkRefused(mark) => {
                    for waiter in self.waiters.iter_mut().filter(|waiter| waiter.mark == Some(mark)) {
                        waiter.mark = None;
                    }
                }
                Command::Resend(reply) => reply(self.resend()),
                Command::Shutdown { deadline, reply } => {
                    self.pace.hurry();
                    if let Some((_, earlier)) = self.shutdown.replace((deadline.into(), reply)) {
                        earlier(self.setup.ledger.stats());
                    }
                }
            }
        }
    }

    /// Says how it stands to the end of the process, which waits for it.
    fn heed_end(&mut self) {
        let Some(member) = self.member.as_ref().filter(|_| drain::is_asked()) else { return };
        let now = Instant::now();
        let since = *self.ending_since.get_or_insert(now);
        if !self.answered && !self.unanswered && now >= since + expected_within(self.setup.drain) {
            self.unanswered = true;
            self.setup.unanswered.remember();
        }
        let fails = self.pace.paused_until().is_some() || (self.unanswered && !self.answered);
        member.in_vain.store(fails && self.is_at_rest(), Ordering::Release);
        drain::changed();
    }

    /// The endpoint works.
    fn succeeded(&mut self) {
        self.pace.succeeded(Instant::now());
        if !std::mem::replace(&mut self.answered, true) && self.unanswered {
            self.setup.unanswered.forget();
        }
    }

    /// Starts as many requests as the pace allows.
    fn fill(&mut self) {
        let probing = self.pace.paused_until().is_some();
        let mut allowed = self.pace.allowance(Instant::now(), self.in_flight.len());
        if self.offer.is_some() {
            // Few and large: what is published meanwhile gathers for the next one.
            allowed = allowed.min(MAX_BATCHES.saturating_sub(self.in_flight.len()));
        }
        while allowed > 0 {
            let Some(item) = self.next_taken(probing) else { break };
            match self.offer.clone().filter(|_| !probing && !item.alone) {
                Some(offer) => self.send_batch(item, offer),
                None => self.send(item),
            }
            allowed -= 1;
        }
        if allowed > 0 && self.types.due(self.patience()).is_some_and(|due| due <= Instant::now()) {
            self.ask();
        }
    }

    /// The next event to send of those whose type the endpoint takes. While that is not known they wait for somebody
    /// else's answer.
    fn next_taken(&mut self, probing: bool) -> Option<Item> {
        loop {
            let item = self.next(probing)?;
            match self.types.sort(item, |item| item.foreign_type, Instant::now()) {
                Sorted::Goes(item) => return Some(item),
                Sorted::Stays(item) => self.leave(item),
                Sorted::Waits => {}
                Sorted::Blocked(item) => {
                    self.retries.push_front(item);
                    return None;
                }
            }
        }
    }

    /// Asks the endpoint which types it takes: no other event's answer has said it.
    fn ask(&mut self) {
        self.types.set_asking(true);
        let ingest = Arc::clone(&self.setup.ingest);
        self.in_flight.push(Box::pin(async move {
            let (answer, offers) = ingest.ask().await;
            Ended { attempt: Attempt::Asked(answer, offers), withheld: Vec::new() }
        }));
    }

    fn asked(&mut self, answer: &Answer, any: bool) {
        self.types.set_asking(false);
        match judge(answer) {
            // Also one that does not know the question: it has offered nothing.
            Verdict::Retry { after } if !matches!(answer, Answer::Status { code: 501, .. }) => {
                self.failed(answer, after);
            }
            _ => {
                self.succeeded();
                self.heard(any);
            }
        }
    }

    /// An answer has said which types are taken.
    fn heard(&mut self, any: bool) {
        for item in self.types.heard(any) {
            match any {
                true => self.retries.push_back(item),
                false => self.leave(item),
            }
        }
    }

    /// An event that nobody would take is not sent.
    fn leave(&mut self, item: Item) {
        if std::mem::take(&mut self.types_untold) {
            let base = self.setup.ingest.shown();
            tracing::info!(
                target: "mcpcat",
                "{base} does not offer to take events of types that the product has none for (a method of your own, \
                 `skills/*`, `server/discover`): they are not sent, and counted as `not_offered`"
            );
        }
        self.ended(item.at);
        self.setup.ledger.not_offered(matches!(item.at, Place::Adopted(_) | Place::Letter));
    }

    /// The next event to send: those that failed before, then new ones; for a probe the other way round.
    fn next(&mut self, probing: bool) -> Option<Item> {
        let own_first = self.waiters.iter().any(|waiter| waiter.scope == Scope::Own);
        let fresh = |it: &mut Self| match own_first {
            true => it.publish().or_else(|| it.adopt()),
            false => it.adopt().or_else(|| it.publish()),
        };
        if probing && self.retries.len() < MAX_PROBED {
            return fresh(self).or_else(|| self.retries.pop_front());
        }
        self.retries.pop_front().or_else(|| fresh(self))
    }

    fn send(&mut self, item: Item) {
        let ingest = Arc::clone(&self.setup.ingest);
        let privacy = Arc::clone(&self.privacy);
        let ledger = Arc::clone(&self.setup.ledger);
        self.in_flight.push(Box::pin(async move {
            let item = match item.clear(&privacy).await {
                Ok(item) => item,
                Err(withheld) => return Ended { attempt: Attempt::Nothing, withheld: vec![withheld] },
            };
            ledger.request();
            let (answer, offers) = ingest.post(item.body.clone()).await;
            Ended { attempt: Attempt::One(item, answer, offers), withheld: Vec::new() }
        }));
    }

    /// Sends what waits together with `first`, within the bounds of the offer.
    fn send_batch(&mut self, first: Item, offer: Offer) {
        let hooked = self.privacy.has_hooks();
        let most = if hooked { offer.max_events.min(MAX_HOOKED) } else { offer.max_events };
        let mut bytes = first.body.len() + 1;
        let mut items = vec![first];
        while items.len() < most && bytes < offer.max_bytes {
            let Some(item) = self.next_taken(false) else { break };
            bytes += item.body.len() + 1;
            if item.alone || bytes > offer.max_bytes {
                self.retries.push_front(item);
                break;
            }
            items.push(item);
        }
        if items.len() == 1 {
            return items.into_iter().for_each(|item| self.send(item));
        }
        let ingest = Arc::clone(&self.setup.ingest);
        let privacy = Arc::clone(&self.privacy);
        let ledger = Arc::clone(&self.setup.ledger);
        self.in_flight.push(Box::pin(async move {
            let (mut cleared, mut withheld) = (Vec::with_capacity(items.len()), Vec::new());
            if hooked {
                let all = items.into_iter().map(|item| item.clear(&privacy));
                for item in futures_util::future::join_all(all).await {
                    item.map_or_else(|kept| withheld.push(kept), |item| cleared.push(item));
                }
            } else {
                for item in items {
                    item.clear(&privacy)
                        .await
                        .map_or_else(|kept| withheld.push(kept), |item| cleared.push(item));
                }
            }
            if cleared.is_empty() {
                return Ended { attempt: Attempt::Nothing, withheld };
            }
            ledger.request();
            let lines = batch::lines(cleared.iter().map(|item| &item.body));
            let (answer, body) = ingest.post_batch(&offer, lines).await;
            Ended { attempt: Attempt::Many(cleared, answer, body), withheld }
        }));
    }

    /// Puts the dead letters on their way again. They stay in their file until they have arrived.
    fn resend(&mut self) -> u64 {
        if self.letters_out > 0 {
            return 0;
        }
        let letters = self.setup.letters.read();
        self.letters_out = letters.len();
        self.setup.ledger.adopt(letters.len() as u64);
        for (id, body) in letters {
            let mut item = Item::new(Place::Letter, id, letters::is_foreign_type(&body), body);
            item.cleared = true;
            // What was refused once is not worth a whole batch's refusal.
            item.alone = true;
            self.retries.push_back(item);
        }
        self.letters_out as u64
    }

    /// The next event that an earlier process left.
    fn adopt(&mut self) -> Option<Item> {
        let event = self.backlog.next(&self.setup.ledger)?;
        let at = Place::Adopted(event.at);
        Some(match event.what {
            What::Event { header, members, session } => {
                let body = wire::body(&self.setup.dialect, &header, &members, &session);
                Item::new(at, header.id, header.foreign_type, Bytes::from(body))
            }
            What::Cleared { id, body, hooked, foreign_type } => {
                // The stricter of two processes: hooks that it has not seen see it now.
                let cleared = hooked || !self.privacy.has_hooks();
                Item { cleared, ..Item::new(at, id, foreign_type, Bytes::from(body)) }
            }
        })
    }

    /// The next event of this process.
    fn publish(&mut self) -> Option<Item> {
        let Some(resting) = &mut self.resting else { return self.read() };
        let (at, number, id, foreign_type, body) = resting.next()?;
        Some(Item { cleared: true, ..Item::new(Place::Resting(at, number), id, foreign_type, body) })
    }

    /// Scrubs what waits in memory, so that it can rest: whether or not the endpoint answers.
    fn scrub_ahead(&mut self) {
        if self.resting.is_none() {
            return;
        }
        for item in std::mem::take(&mut self.roomless) {
            self.rest(item);
        }
        while self.may_scrub()
            && let Some(item) = self.read()
        {
            self.ready(item);
        }
    }

    fn may_scrub(&self) -> bool {
        self.roomless.is_empty() && self.clearing.len() < MAX_HOOKED
    }

    /// An event of the log that is whole: to be sent, or to be scrubbed and rest.
    fn ready(&mut self, item: Item) {
        if self.resting.is_none() {
            return self.retries.push_back(item);
        }
        let privacy = Arc::clone(&self.privacy);
        self.clearing.push(Box::pin(async move { item.clear(&privacy).await }));
    }

    fn cleared(&mut self, outcome: Result<Item, (Item, String)>) {
        match outcome {
            Ok(item) => self.rest(item),
            Err(withheld) => self.withhold(withheld),
        }
    }

    /// Moves a scrubbed event from memory to the disk.
    fn rest(&mut self, item: Item) {
        let Some(resting) = &mut self.resting else { return self.retries.push_back(item) };
        match resting.keep(item.id, item.foreign_type, &item.body) {
            Ok(()) => self.ended(item.at),
            // Room comes when something of it has been delivered. Until then memory fills, and then publishers
            // are told.
            Err(Refused::Full) if !resting.is_empty() => self.roomless.push_back(item),
            Err(_) => self.retries.push_back(item),
        }
    }

    fn prepare(&mut self) {
        self.setup.reader.prepare();
        if let Some(resting) = &mut self.resting {
            resting.reader.prepare();
        }
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
            match RecordKind::try_from(record.kind) {
                Ok(RecordKind::Session) => {
                    if let Some(definition) = Definition::decode(record.bytes) {
                        if !definition.pending {
                            // Nobody waits any more for what this says.
                            lock(&self.setup.mailbox.unnamed).remove(&definition.reference);
                        }
                        self.definitions.insert(definition.reference, (definition, at.segment()));
                    }
                    self.needed.push_back(at);
                }
                Ok(RecordKind::Event) => {
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
                        self.ended(Place::Own(at));
                        self.setup.ledger.withdraw();
                        continue;
                    }
                    let body = Self::join(&self.definitions, &self.setup.dialect, &header, members);
                    return Some(Item::new(Place::Own(at), header.id, header.foreign_type, body));
                }
                Ok(RecordKind::FlushMark) => {
                    if let Ok(number) = record.bytes.try_into().map(u64::from_le_bytes) {
                        match self.waiters.iter_mut().find(|waiter| waiter.mark == Some(number)) {
                            Some(waiter) => waiter.passed = Some(at),
                            None => drop(self.early.insert(number, at)),
                        }
                    }
                    self.setup.reader.complete(at);
                }
                Ok(RecordKind::Scrubbed) | Err(_) => self.setup.reader.complete(at),
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

    /// How long an event waits for its session's name now.
    fn patience(&self) -> Duration {
        let hurried = self.shutdown.is_some()
            || drain::is_asked()
            || self.waiters.iter().any(|waiter| waiter.scope == Scope::All);
        if hurried { HOLD_HURRIED } else { HOLD }
    }

    /// Lets go the events whose session has been named, and names those that waited too long.
    fn release_held(&mut self) {
        let patience = self.patience();
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
                self.ended(Place::Own(held.at));
                self.setup.ledger.withdraw();
                continue;
            }
            let body = Self::join(&self.definitions, &self.setup.dialect, &held.header, &held.members);
            self.ready(Item::new(Place::Own(held.at), held.header.id, held.header.foreign_type, body));
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
        let lost = self.setup.reader.lost() + self.resting.as_mut().map_or(0, |it| it.reader.lost());
        self.setup.ledger.drop_events(DropReason::Damaged, lost);
        self.release_definitions();
        let freed = self.setup.reader.freed_through();
        if freed > self.swept {
            self.swept = freed;
            let waiting: BTreeSet<u64> = self.held.iter().map(|held| held.header.session).collect();
            self.definitions
                .retain(|reference, (_, segment)| *segment > freed || waiting.contains(reference));
        }
    }

    /// What gave way to newer events. A flush that asked for some of it has nothing left to wait for but what is
    /// on its way.
    fn count_evicted(&mut self) {
        if let Some(resting) = &mut self.resting {
            self.setup
                .ledger
                .drop_events(DropReason::Evicted, resting.reader.evicted_of(RecordKind::Scrubbed.into()));
        }
        let reader = &mut self.setup.reader;
        self.setup.ledger.drop_events(DropReason::Evicted, reader.evicted_of(RecordKind::Event.into()));
        let marks = reader.evicted_of(RecordKind::FlushMark.into()) as usize;
        let waiting = self.waiters.iter_mut().filter(|it| it.mark.is_some() && it.passed.is_none());
        for waiter in waiting.take(marks) {
            waiter.passed = self.outstanding.last().copied();
            waiter.free = waiter.passed.is_none();
        }
    }

    fn ended(&mut self, at: Place) {
        let at = match at {
            Place::Own(at) => at,
            Place::Adopted(at) => return self.backlog.complete(at),
            Place::Resting(at, number) => {
                if let Some(resting) = &mut self.resting {
                    resting.complete(at, number);
                }
                return;
            }
            Place::Letter => {
                self.letters_out -= 1;
                if self.letters_out == 0 {
                    let taken = std::mem::take(&mut self.letters_taken);
                    if let Err(error) = self.setup.letters.remove(&taken) {
                        tracing::warn!(target: "mcpcat", "dead letters that arrived are still kept: {error}");
                    }
                }
                return;
            }
        };
        self.outstanding.remove(&at);
        self.setup.reader.complete(at);
        self.release_definitions();
    }

    /// A definition is done with when the log has gone on and all of its segment is read and every event there has
    /// ended.
    fn release_definitions(&mut self) {
        let unread = (self.setup.reader.read_through() + 1).min(self.setup.spool.segment());
        let oldest = self.outstanding.first().map_or(unread, |oldest| oldest.segment().min(unread));
        while self.needed.front().is_some_and(|needed| needed.segment() < oldest) {
            if let Some(needed) = self.needed.pop_front() {
                self.setup.reader.complete(needed);
            }
        }
    }

    fn conclude(&mut self, ended: Ended) {
        for withheld in ended.withheld {
            self.withhold(withheld);
        }
        match ended.attempt {
            Attempt::One(item, answer, offers) => {
                if !self.single && offers.batches.is_some() && self.offer.is_none() {
                    self.offer = offers.batches;
                }
                if judge(&answer) == Verdict::Delivered {
                    self.heard(offers.any_type);
                }
                self.conclude_one(item, &answer);
            }
            Attempt::Asked(answer, offers) => self.asked(&answer, offers.any_type),
            Attempt::Many(items, answer, body) => self.conclude_many(items, &answer, body),
            Attempt::Nothing => {}
        }
    }

    fn withhold(&mut self, (item, why): (Item, String)) {
        self.report(format!("an event was withheld: {why}"));
        self.ended(item.at);
        self.setup.ledger.drop_event(DropReason::Withheld);
    }

    fn conclude_one(&mut self, item: Item, answer: &Answer) {
        let now = Instant::now();
        match judge(answer) {
            Verdict::Delivered => {
                self.succeeded();
                self.delivered(&item);
            }
            Verdict::Rejected(code) => {
                // The endpoint works and has read the event: for the pace this is a success.
                self.succeeded();
                self.rejected(&item, &format!("status {code}"));
            }
            Verdict::Retry { after } => {
                let what = self.failed(answer, after);
                self.again(item, &what);
            }
            Verdict::Misdirected(code) => {
                let began = self.pace.failed(now, Some(Duration::from_secs(1)), random());
                let text = format!(
                    "{} answered {code}: check the base URL and the project id; events wait",
                    self.setup.ingest.shown()
                );
                if began {
                    tracing::error!(target: "mcpcat", "{text}");
                }
                self.setup.ledger.fail(text);
                self.retries.push_back(item);
            }
        }
    }

    fn conclude_many(&mut self, mut items: Vec<Item>, answer: &Answer, body: Option<Bytes>) {
        let ids: Vec<String> = items.iter().map(|item| item.id.to_string()).collect();
        match judge(answer) {
            Verdict::Delivered => match body.map(|body| batch::fates(&body, &ids)) {
                Some(Some(fates)) => {
                    self.succeeded();
                    for (mut item, fate) in items.into_iter().zip(fates) {
                        match fate {
                            Fate::Taken => self.delivered(&item),
                            Fate::Rejected(why) => self.rejected(&item, &why),
                            Fate::Unknown => {
                                item.alone = true;
                                self.retries.push_back(item);
                            }
                        }
                    }
                    return;
                }
                Some(None) => self.no_batches("its answer does not say what became of each event"),
                None => {
                    let broken = Answer::Transport("the answer to a batch broke off".to_owned());
                    let what = self.failed(&broken, None);
                    return items.into_iter().for_each(|item| self.again(item, &what));
                }
            },
            Verdict::Rejected(413) => self.offer = self.offer.take().and_then(Offer::halved),
            Verdict::Rejected(415) if self.offer.as_ref().is_some_and(|offer| offer.gzip) => {
                // It offered to unpack and does not: as it is, then.
                if let Some(offer) = &mut self.offer {
                    offer.gzip = false;
                }
            }
            Verdict::Rejected(415) => self.no_batches("status 415"),
            Verdict::Misdirected(code) => self.no_batches(&format!("status {code}")),
            Verdict::Retry { .. } if matches!(answer, Answer::Status { code: 501, .. }) => {
                self.no_batches("status 501");
            }
            // Something in it offends: each by itself will tell.
            Verdict::Rejected(_) => items.iter_mut().for_each(|item| item.alone = true),
            Verdict::Retry { after } => {
                let what = self.failed(answer, after);
                return items.into_iter().for_each(|item| self.again(item, &what));
            }
        }
        items.into_iter().rev().for_each(|item| self.retries.push_front(item));
    }

    fn no_batches(&mut self, why: &str) {
        self.offer = None;
        self.single = true;
        let base = self.setup.ingest.shown();
        tracing::info!(target: "mcpcat", "{base} offered batches that do not work ({why}): one event a request");
    }

    fn delivered(&mut self, item: &Item) {
        self.successes += 1;
        if matches!(item.at, Place::Letter) {
            self.letters_taken.insert(item.id);
        }
        // First the mark in the log, then the number: a process that ends as soon as nothing is pending leaves nothing
        // that its next start would send again.
        self.ended(item.at);
        self.setup.ledger.deliver();
    }

    fn rejected(&mut self, item: &Item, why: &str) {
        self.report(format!("the endpoint refused an event: {why}"));
        // A letter is in the file already.
        if !matches!(item.at, Place::Letter) {
            match self.setup.letters.keep(&item.body) {
                Ok(true) => self.setup.ledger.keep_aside(),
                Ok(false) => {}
                Err(error) => tracing::warn!(target: "mcpcat", "a refused event is not kept aside: {error}"),
            }
        }
        self.ended(item.at);
        self.setup.ledger.drop_event(DropReason::Rejected);
    }

    /// Counts a failure of the endpoint; in words, what it was.
    fn failed(&mut self, answer: &Answer, after: Option<Duration>) -> String {
        let what = match answer {
            Answer::Status { code, .. } => format!("status {code}"),
            Answer::Transport(why) => why.clone(),
        };
        let began = self.pace.failed(Instant::now(), after, random());
        let text = format!("{} does not answer well ({what}); events wait", self.setup.ingest.shown());
        if began {
            self.report(text);
        } else {
            self.setup.ledger.fail(text);
        }
        what
    }

    /// Later, unless it is this event that the endpoint fails on: others have arrived between its failures.
    fn again(&mut self, mut item: Item, what: &str) {
        if item.failed_at.is_some_and(|successes| successes < self.successes) {
            item.strikes += 1;
            item.alone = true;
        }
        item.failed_at = Some(self.successes);
        if item.strikes < MAX_STRIKES {
            return self.retries.push_back(item);
        }
        self.report(format!("an event was given up after {MAX_STRIKES} failures: {what}"));
        self.ended(item.at);
        self.setup.ledger.drop_event(DropReason::Exhausted);
    }

    fn report(&self, text: String) {
        tracing::warn!(target: "mcpcat", "{text}");
        self.setup.ledger.fail(text);
    }

    fn answer_waiters(&mut self) {
        if self.waiters.is_empty() {
            return;
        }
        let now = Instant::now();
        let adopted = self.backlog.is_done() && self.letters_out == 0;
        let idle = self.drained && self.outstanding.is_empty() && self.rests_nothing();
        // Nothing is tried before then.
        let silent_until = self.pace.paused_until().filter(|_| self.in_flight.is_empty());
        let (mut kept, mut answered) = (Vec::new(), Vec::new());
        for mut waiter in self.waiters.drain(..) {
            // A producer that stands still blocks its segment and not those behind it.
            let read = |mark: Position| self.setup.reader.read_through() + 1 >= mark.segment();
            let passed = waiter.passed.is_some_and(|mark| {
                read(mark) && self.outstanding.first().is_none_or(|oldest| *oldest > mark)
            });
            let passed = (passed || waiter.free)
                && self.resting.as_ref().is_none_or(|resting| {
                    resting.ended(*waiter.rested.get_or_insert_with(|| resting.mark()))
                });
            let adopted = adopted || waiter.scope == Scope::Own;
            let done = adopted && (passed || (idle && waiter.mark.is_none()));
            let vain =
                waiter.scope == Scope::Own && silent_until.is_some_and(|until| until > waiter.deadline);
            if done || vain || now >= waiter.deadline {
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

    /// Nothing waits on disk; always so where scrubbed events do not rest apart.
    fn rests_nothing(&self) -> bool {
        self.resting.as_ref().is_none_or(Resting::is_empty)
    }

    /// Whether what may be kept is kept: what is left in memory is lost with the worker.
    fn is_at_rest(&self) -> bool {
        let moved = self.drained && self.clearing.is_empty() && self.held.is_empty();
        self.resting.is_none() || moved || !self.roomless.is_empty()
    }

    /// When the worker ends, whatever is left.
    fn end(&self) -> Option<Instant> {
        let (deadline, _) = self.shutdown.as_ref()?;
        Some(if self.is_at_rest() { *deadline } else { *deadline + SETTLE })
    }

    fn finished(&self) -> bool {
        let (Some((deadline, _)), Some(end)) = (&self.shutdown, self.end()) else { return false };
        // Nothing would be tried before the deadline: whoever waits need not.
        let pointless = self.in_flight.is_empty()
            && self.is_at_rest()
            && self.pace.paused_until().is_some_and(|resume| resume > *deadline);
        Instant::now() >= end
            || pointless
            || (self.drained
                && self.outstanding.is_empty()
                && self.in_flight.is_empty()
                && self.letters_out == 0
                && self.rests_nothing()
                && self.backlog.is_done())
    }

    /// Until something happens: an answer, a command, a moment that was waited for, or the next poll.
    async fn wait(&mut self) {
        let mut until = self.deadline();
        let mailbox = Arc::clone(&self.setup.mailbox);
        let now = Instant::now();
        // Also while paused or with a full window: producers go on, and what is full may have to give way.
        if now.duration_since(self.prepared) >= PREPARE || mailbox.rolled.swap(false, Ordering::Relaxed) {
            self.prepared = now;
            self.prepare();
            self.count_evicted();
        }
        let paused = self.pace.paused_until().filter(|resume| *resume > now || !self.in_flight.is_empty());
        let mut parked = false;
        if let Some(resume) = paused {
            until = earliest(until, (self.in_flight.is_empty()).then_some(resume));
        }
        // While paused nothing is read: the records wait where they are, unless they may rest only elsewhere.
        let reads = match &self.resting {
            Some(_) => self.may_scrub(),
            None => paused.is_none() && self.in_flight.len() < self.pace.allowance(now, 0),
        };
        if !self.roomless.is_empty() {
            until = earliest(until, Some(now + 10 * PREPARE));
        }
        if reads {
            if self.last_record.elapsed() < IDLE {
                until = earliest(until, Some(now + POLL));
            } else {
                mailbox.parked.store(true, Ordering::Relaxed);
                // Pairs with the fence in `appended`.
                if !fence::seldom() {
                    until = earliest(until, Some(now + POLL));
                }
                parked = true;
                if let Some(item) = self.read() {
                    self.ready(item);
                    mailbox.parked.store(false, Ordering::Relaxed);
                    return;
                }
            }
        }
        let sleep = async {
            match until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        let done = tokio::select! {
            biased;
            Some(done) = self.in_flight.next(), if !self.in_flight.is_empty() => Some(Done::Sent(done)),
            Some(done) = self.clearing.next(), if !self.clearing.is_empty() => Some(Done::Cleared(done)),
            () = mailbox.notify.notified() => {
                self.last_record = Instant::now();
                None
            }
            () = sleep => None,
        };
        if parked {
            mailbox.parked.store(false, Ordering::Relaxed);
        }
        match done {
            Some(Done::Sent(ended)) => self.conclude(ended),
            Some(Done::Cleared(outcome)) => self.cleared(outcome),
            None => {}
        }
        // All that are ready: answers that keep coming must not keep events in memory.
        while let Some(Some(outcome)) = self.clearing.next().now_or_never() {
            self.cleared(outcome);
        }
    }

    /// The next moment at which somebody's patience ends.
    fn deadline(&self) -> Option<Instant> {
        let patience = self.patience();
        let waiters = self.waiters.iter().map(|waiter| waiter.deadline).min();
        let held = self.held.front().map(|held| held.since + patience);
        let types = self.types.due(patience);
        let ending = self.ending_since.filter(|_| !self.answered && !self.unanswered);
        let answer = ending.map(|since| since + expected_within(self.setup.drain));
        earliest(earliest(earliest(waiters, held), answer), earliest(types, self.end()))
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

/// A number in `0.0..1.0` that spreads the probes of many clients.
fn random() -> f64 {
    (id::random(0).0 >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever asks a worker that has panicked gets his command back, or his reply dropped: nobody waits for ever.
    #[test]
    fn nobody_waits_for_a_worker_that_has_panicked() {
        let mailbox = Arc::new(Mailbox::new());
        let (sender, receiver) = std::sync::mpsc::channel::<Stats>();
        let flush = |sender: std::sync::mpsc::Sender<Stats>| Command::Flush {
            mark: 1,
            scope: Scope::All,
            deadline: std::time::Instant::now() + Duration::from_secs(600),
            reply: Box::new(move |stats| drop(sender.send(stats))),
        };
        mailbox.command(flush(sender.clone())).unwrap();
        let last_word = LastWord(Arc::clone(&mailbox));
        let running = thread::run(move || async move {
            let _last_word = last_word;
            std::panic::resume_unwind(Box::new("on purpose"));
        })
        .unwrap();
        running.wait(std::time::Instant::now() + Duration::from_secs(60));
        assert!(mailbox.has_ended());
        assert!(mailbox.command(flush(sender)).is_err());
        assert!(receiver.recv().is_err(), "the reply of before went with its worker");
    }
}
