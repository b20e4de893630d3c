//! What is sent, how it goes, and what becomes of it: requests in flight, events to be sent again, batches, the
//! conclusion that each answer allows. Decisions about pauses are [`Throttle`]'s, about answers [`judge`]'s.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
// The runtime's clock, which tests let run ahead.
use tokio::sync::watch;
use tokio::time::Instant;

use super::DropReason;
use super::batch::{self, Fate, MAX_BATCHES, Offer};
use super::event_type_gate::{EventTypeGate, Gate};
use super::ingest::{Ingest, Offers};
use super::item::{Item, Origin, Withheld};
use super::ledger::Ledger;
use super::retry::{Answer, MAX_STRIKES, Throttle, Verdict, judge};
use super::scrubbing::MAX_HOOKED;
use super::sources::Sources;
use super::unanswered::Unanswered;
use crate::event::id;
use crate::privacy::Privacy;

/// Probes of one outage take an event that has not failed yet, so that a single bad one cannot hold up the rest;
/// after this many they go round among those that failed.
const MAX_PROBED: usize = 64;

/// How an attempt ended.
enum Attempt {
    One(Item, Answer, Offers),
    /// The endpoint was asked what it takes.
    Asked(Answer, Offers),
    /// With the answer's body, which says what became of each.
    Many(Vec<Item>, Answer, Option<Bytes>),
    /// Privacy kept every one of them back.
    Nothing,
    /// The user said no meanwhile.
    Cancelled(Vec<Item>),
}

/// An attempt, and the events that privacy kept back from it.
pub(super) struct Ended {
    attempt: Attempt,
    withheld: Vec<Withheld>,
}

type InFlight = Pin<Box<dyn Future<Output = Ended> + Send>>;

pub(super) struct Outbox {
    ingest: Arc<Ingest>,
    privacy: Arc<Privacy>,
    ledger: Arc<Ledger>,
    throttle: Throttle,
    in_flight: FuturesUnordered<InFlight>,
    retries: VecDeque<Item>,
    /// Batches are offered, within these bounds.
    offer: Option<Offer>,
    /// The endpoint's batches did not work: single events from now on.
    single: bool,
    /// Which types of events the endpoint takes.
    gate: EventTypeGate<Item>,
    /// Nobody has been told yet that some are not sent.
    gate_untold: bool,
    successes: u64,
    unanswered: Unanswered,
    /// The user has said no: requests in flight are broken off, and none begins.
    cancelled: watch::Sender<bool>,
    /// An earlier process had no answer, or this one has had none when it should have: not expected any more.
    is_unanswered: bool,
    /// The endpoint has taken something of this process, or refused it for itself.
    answered: bool,
}

impl Outbox {
    pub(super) fn new(
        ingest: Arc<Ingest>,
        privacy: Arc<Privacy>,
        ledger: Arc<Ledger>,
        unanswered: Unanswered,
    ) -> Self {
        Self {
            ingest,
            privacy,
            ledger,
            throttle: Throttle::new(),
            in_flight: FuturesUnordered::new(),
            retries: VecDeque::new(),
            offer: None,
            single: false,
            gate: EventTypeGate::new(),
            gate_untold: true,
            successes: 0,
            is_unanswered: unanswered.is_remembered(),
            unanswered,
            answered: false,
            cancelled: watch::Sender::new(false),
        }
    }

    /// Somebody waits: the next probe comes sooner.
    pub(super) fn hurry(&mut self) {
        self.throttle.hurry();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// While the endpoint fails, when it is tried again.
    pub(super) fn paused_until(&self) -> Option<Instant> {
        self.throttle.paused_until()
    }

    /// Whether another request could start.
    pub(super) fn has_room(&self, now: Instant) -> bool {
        self.in_flight.len() < self.throttle.allowance(now, 0)
    }

    /// When the endpoint is to be asked which types it takes.
    pub(super) fn gate_due(&self, patience: Duration) -> Option<Instant> {
        self.gate.due(patience)
    }

    /// The next attempt that has ended; never where none is in flight.
    pub(super) async fn next(&mut self) -> Ended {
        match self.in_flight.next().await {
            Some(ended) => ended,
            None => std::future::pending().await,
        }
    }

    /// Whether an answer is still expected while the process ends.
    pub(super) fn expects_answer(&self) -> bool {
        !self.answered && !self.is_unanswered
    }

    /// No answer has come when one was expected.
    pub(super) fn give_up_answer(&mut self) {
        self.is_unanswered = true;
        self.unanswered.remember();
    }

    /// Whether the endpoint is known to fail.
    pub(super) fn fails(&self) -> bool {
        self.throttle.paused_until().is_some() || (self.is_unanswered && !self.answered)
    }

    /// Sends nothing more. Requests in flight are broken off; they may have arrived.
    pub(super) fn cancel(&mut self) {
        self.cancelled.send_replace(true);
    }

    /// Gives up everything that is not in flight.
    pub(super) fn discard(&mut self, sources: &mut Sources) {
        let gated: Vec<_> = self.gate.heard(false).collect();
        let waiting = std::mem::take(&mut self.retries);
        waiting.into_iter().chain(gated).for_each(|item| self.give_up(&item, sources));
    }

    /// An event that its user does not want sent.
    pub(super) fn give_up(&mut self, item: &Item, sources: &mut Sources) {
        sources.ended(item.origin);
        self.ledger.drop_event(DropReason::OptedOut);
    }

    /// To be sent as soon as there is room.
    pub(super) fn push(&mut self, item: Item) {
        self.retries.push_back(item);
    }

    /// Starts as many requests as the throttle allows.
    pub(super) fn fill(&mut self, sources: &mut Sources, patience: Duration) {
        let probing = self.throttle.paused_until().is_some();
        let mut allowed = self.throttle.allowance(Instant::now(), self.in_flight.len());
        if self.offer.is_some() {
            // Few and large: what is published meanwhile gathers for the next one.
            allowed = allowed.min(MAX_BATCHES.saturating_sub(self.in_flight.len()));
        }
        while allowed > 0 {
            let Some(item) = self.next_taken(sources, probing) else { break };
            match self.offer.clone().filter(|_| !probing && !item.alone) {
                Some(offer) => self.send_batch(item, offer, sources),
                None => self.send(item),
            }
            allowed -= 1;
        }
        if allowed > 0 && self.gate.due(patience).is_some_and(|due| due <= Instant::now()) {
            self.ask();
        }
    }

    /// The next event to send of those whose type the endpoint takes. While that is not known they wait for somebody
    /// else's answer.
    fn next_taken(&mut self, sources: &mut Sources, probing: bool) -> Option<Item> {
        loop {
            let item = self.next_item(sources, probing)?;
            match self.gate.sort(item, |item| item.foreign_type, Instant::now()) {
                Gate::Send(item) => return Some(item),
                Gate::Drop(item) => self.leave(item, sources),
                Gate::Hold => {}
                Gate::Blocked(item) => {
                    self.retries.push_front(item);
                    return None;
                }
            }
        }
    }

    /// The next event to send: those that failed before, then new ones; for a probe the other way round.
    fn next_item(&mut self, sources: &mut Sources, probing: bool) -> Option<Item> {
        if probing && self.retries.len() < MAX_PROBED {
            return sources.next().or_else(|| self.retries.pop_front());
        }
        self.retries.pop_front().or_else(|| sources.next())
    }

    /// Asks the endpoint which types it takes: no other event's answer has said it.
    fn ask(&mut self) {
        self.gate.set_asking(true);
        let ingest = Arc::clone(&self.ingest);
        let cancelled = self.cancelled.subscribe();
        self.in_flight.push(Box::pin(async move {
            let attempt = match unless(cancelled, ingest.ask()).await {
                Some((answer, offers)) => Attempt::Asked(answer, offers),
                None => Attempt::Nothing,
            };
            Ended { attempt, withheld: Vec::new() }
        }));
    }

    fn send(&mut self, item: Item) {
        let ingest = Arc::clone(&self.ingest);
        let privacy = Arc::clone(&self.privacy);
        let ledger = Arc::clone(&self.ledger);
        let cancelled = self.cancelled.subscribe();
        self.in_flight.push(Box::pin(async move {
            let item = match item.scrub(&privacy).await {
                Ok(item) => item,
                Err(withheld) => return Ended { attempt: Attempt::Nothing, withheld: vec![withheld] },
            };
            let send = async {
                ledger.request();
                ingest.post(item.body.clone()).await
            };
            let attempt = match unless(cancelled, send).await {
                Some((answer, offers)) => Attempt::One(item, answer, offers),
                None => Attempt::Cancelled(vec![item]),
            };
            Ended { attempt, withheld: Vec::new() }
        }));
    }

    /// Sends what waits together with `first`, within the bounds of the offer.
    fn send_batch(&mut self, first: Item, offer: Offer, sources: &mut Sources) {
        let hooked = self.privacy.has_hooks();
        let most = if hooked { offer.max_events.min(MAX_HOOKED) } else { offer.max_events };
        let mut bytes = first.body.len() + 1;
        let mut items = vec![first];
        while items.len() < most && bytes < offer.max_bytes {
            let Some(item) = self.next_taken(sources, false) else { break };
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
        let ingest = Arc::clone(&self.ingest);
        let privacy = Arc::clone(&self.privacy);
        let ledger = Arc::clone(&self.ledger);
        let cancelled = self.cancelled.subscribe();
        self.in_flight.push(Box::pin(async move {
            let (mut scrubbed, mut withheld) = (Vec::with_capacity(items.len()), Vec::new());
            if hooked {
                let all = items.into_iter().map(|item| item.scrub(&privacy));
                for item in futures_util::future::join_all(all).await {
                    item.map_or_else(|kept| withheld.push(kept), |item| scrubbed.push(item));
                }
            } else {
                for item in items {
                    item.scrub(&privacy)
                        .await
                        .map_or_else(|kept| withheld.push(kept), |item| scrubbed.push(item));
                }
            }
            if scrubbed.is_empty() {
                return Ended { attempt: Attempt::Nothing, withheld };
            }
            let send = async {
                ledger.request();
                let lines = batch::lines(scrubbed.iter().map(|item| &item.body));
                ingest.post_batch(&offer, lines).await
            };
            let attempt = match unless(cancelled, send).await {
                Some((answer, body)) => Attempt::Many(scrubbed, answer, body),
                None => Attempt::Cancelled(scrubbed),
            };
            Ended { attempt, withheld }
        }));
    }

    /// An attempt has ended: each of its events has too, or is sent again.
    pub(super) fn conclude(&mut self, ended: Ended, sources: &mut Sources) {
        for withheld in ended.withheld {
            self.withhold(withheld, sources);
        }
        match ended.attempt {
            Attempt::One(item, answer, offers) => {
                if !self.single && offers.batches.is_some() && self.offer.is_none() {
                    self.offer = offers.batches;
                }
                if judge(&answer) == Verdict::Delivered {
                    self.heard(offers.any_type, sources);
                }
                self.conclude_one(item, &answer, sources);
            }
            Attempt::Asked(answer, offers) => self.asked(&answer, offers.any_type, sources),
            Attempt::Many(items, answer, body) => self.conclude_many(items, &answer, body, sources),
            Attempt::Nothing => {}
            Attempt::Cancelled(items) => items.iter().for_each(|item| self.give_up(item, sources)),
        }
    }

    fn asked(&mut self, answer: &Answer, any: bool, sources: &mut Sources) {
        self.gate.set_asking(false);
        match judge(answer) {
            // Also one that does not know the question: it has offered nothing.
            Verdict::Retry { after } if !matches!(answer, Answer::Status { code: 501, .. }) => {
                self.failed(answer, after);
            }
            _ => {
                self.succeeded();
                self.heard(any, sources);
            }
        }
    }

    /// An answer has said which types are taken.
    fn heard(&mut self, any: bool, sources: &mut Sources) {
        for item in self.gate.heard(any) {
            match any {
                true => self.retries.push_back(item),
                false => self.leave(item, sources),
            }
        }
    }

    fn conclude_one(&mut self, item: Item, answer: &Answer, sources: &mut Sources) {
        match judge(answer) {
            Verdict::Delivered => {
                self.succeeded();
                self.delivered(&item, sources);
            }
            Verdict::Rejected(code) => {
                // The endpoint works and has read the event: for the throttle this is a success.
                self.succeeded();
                self.rejected(&item, &format!("status {code}"), sources);
            }
            Verdict::Retry { after } => {
                let what = self.failed(answer, after);
                self.again(item, &what, sources);
            }
            Verdict::Misconfigured(code) => {
                let began = self.throttle.failed(Instant::now(), Some(Duration::from_secs(1)), random());
                let text = format!(
                    "{} answered {code}: check the base URL and the project id; events wait",
                    self.ingest.shown()
                );
                if began {
                    crate::notice::error(&text);
                }
                self.ledger.fail(text);
                self.retries.push_back(item);
            }
        }
    }

    fn conclude_many(
        &mut self,
        mut items: Vec<Item>,
        answer: &Answer,
        body: Option<Bytes>,
        sources: &mut Sources,
    ) {
        let ids: Vec<String> = items.iter().map(|item| item.id.to_string()).collect();
        match judge(answer) {
            Verdict::Delivered => match body.map(|body| batch::fates(&body, &ids)) {
                Some(Some(fates)) => {
                    self.succeeded();
                    for (mut item, fate) in items.into_iter().zip(fates) {
                        match fate {
                            Fate::Taken => self.delivered(&item, sources),
                            Fate::Rejected(why) => self.rejected(&item, &why, sources),
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
                    return items.into_iter().for_each(|item| self.again(item, &what, sources));
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
            Verdict::Misconfigured(code) => self.no_batches(&format!("status {code}")),
            Verdict::Retry { .. } if matches!(answer, Answer::Status { code: 501, .. }) => {
                self.no_batches("status 501");
            }
            // Something in it offends: each by itself will tell.
            Verdict::Rejected(_) => items.iter_mut().for_each(|item| item.alone = true),
            Verdict::Retry { after } => {
                let what = self.failed(answer, after);
                return items.into_iter().for_each(|item| self.again(item, &what, sources));
            }
        }
        items.into_iter().rev().for_each(|item| self.retries.push_front(item));
    }

    fn no_batches(&mut self, why: &str) {
        self.offer = None;
        self.single = true;
        let base = self.ingest.shown();
        tracing::info!(target: "mcpcat", "{base} offered batches that do not work ({why}): one event a request");
    }

    /// The endpoint works.
    fn succeeded(&mut self) {
        self.throttle.succeeded(Instant::now());
        if !std::mem::replace(&mut self.answered, true) && self.is_unanswered {
            self.unanswered.forget();
        }
    }

    /// Counts a failure of the endpoint; in words, what it was.
    fn failed(&mut self, answer: &Answer, after: Option<Duration>) -> String {
        let what = match answer {
            Answer::Status { code, .. } => format!("status {code}"),
            Answer::Transport(why) => why.clone(),
        };
        let began = self.throttle.failed(Instant::now(), after, random());
        let text = format!("{} does not answer well ({what}); events wait", self.ingest.shown());
        if began {
            self.report(text);
        } else {
            self.ledger.fail(text);
        }
        what
    }

    // The mark in the log comes first in each of these, then the number: a process that ends as soon as nothing is
    // pending leaves nothing that its next start would send again.

    fn delivered(&mut self, item: &Item, sources: &mut Sources) {
        self.successes += 1;
        if matches!(item.origin, Origin::DeadLetter) {
            sources.resent.arrived(item.id);
        }
        sources.ended(item.origin);
        self.ledger.deliver();
    }

    fn rejected(&mut self, item: &Item, why: &str, sources: &mut Sources) {
        self.report(format!("the endpoint refused an event: {why}"));
        // A dead letter is in the file already.
        if !matches!(item.origin, Origin::DeadLetter) {
            match sources.resent.file.keep(&item.body) {
                Ok(true) => self.ledger.keep_aside(),
                Ok(false) => {}
                Err(error) => crate::notice::warn(format_args!("a refused event is not kept aside: {error}")),
            }
        }
        sources.ended(item.origin);
        self.ledger.drop_event(DropReason::Rejected);
    }

    /// Later, unless it is this event that the endpoint fails on: others have arrived between its failures.
    fn again(&mut self, mut item: Item, what: &str, sources: &mut Sources) {
        if item.failed_at.is_some_and(|successes| successes < self.successes) {
            item.strikes += 1;
            item.alone = true;
        }
        item.failed_at = Some(self.successes);
        if item.strikes < MAX_STRIKES {
            return self.retries.push_back(item);
        }
        self.report(format!("an event was given up after {MAX_STRIKES} failures: {what}"));
        sources.ended(item.origin);
        self.ledger.drop_event(DropReason::Exhausted);
    }

    pub(super) fn withhold(&mut self, (item, why): Withheld, sources: &mut Sources) {
        self.report(format!("an event was withheld: {why}"));
        sources.ended(item.origin);
        self.ledger.drop_event(DropReason::Withheld);
    }

    /// An event that nobody would take is not sent.
    fn leave(&mut self, item: Item, sources: &mut Sources) {
        if std::mem::take(&mut self.gate_untold) {
            let base = self.ingest.shown();
            tracing::info!(
                target: "mcpcat",
                "{base} does not offer to take events of types that the product has none for (a method of your own, \
                 `skills/*`, `server/discover`): they are not sent, and counted as `not_offered`"
            );
        }
        sources.ended(item.origin);
        self.ledger.not_offered(matches!(item.origin, Origin::Adopted(_) | Origin::DeadLetter));
    }

    fn report(&self, text: String) {
        crate::notice::warn(&text);
        self.ledger.fail(text);
    }
}

/// What a request ends with, unless it is cancelled before.
async fn unless<T>(mut cancelled: watch::Receiver<bool>, request: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        // The other end lives as long as whoever waits for this.
        _ = cancelled.wait_for(|cancelled| *cancelled) => None,
        ended = request => Some(ended),
    }
}

/// A number in `0.0..1.0` that spreads the probes of many clients.
fn random() -> f64 {
    (id::random(0).0 >> 11) as f64 / (1_u64 << 53) as f64
}
