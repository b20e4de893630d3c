//! For your tests: a recorder that holds the events your code raised, as they would leave, and assertions on
//! them that read well. No endpoint, no thread, no global state: each test has its own.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::client::{Client, ClientBuilder};
use crate::event::EventId;
pub use crate::event::catalog::assert_catalog;
use crate::event::record::{Definition, Header, RecordKind};
use crate::event::wire;
use crate::session::{InSession as _, Scoped, Session};
use crate::spool::Reader;

/// Holds the events of one test.
///
/// ```
/// # use mcpcat_runtime as mcpcat;
/// use mcpcat::testing::Recorder;
/// use mcpcat::CustomEvent;
///
/// let recorder = Recorder::new();
/// recorder.client().publish("customer", CustomEvent::new("invoice.charge").parameter("amount", 12)).unwrap();
/// recorder.event("invoice.charge").is_not_error().param("amount", 12);
/// ```
///
/// Annotated functions and `emit!` find it through a session: run them in [`run`](Self::run) or
/// [`scope`](Self::scope), or serve a handler with `recorder.client().track(handler)`.
#[derive(Debug)]
pub struct Recorder {
    client: Client,
    session: Session,
    log: Mutex<Log>,
}

#[derive(Debug)]
struct Log {
    reader: Reader,
    definitions: HashMap<u64, Definition>,
    unread: Vec<(Header, Vec<u8>)>,
    events: Vec<Recorded>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Recorder {
    /// A recorder for the project `proj_test`.
    #[must_use]
    pub fn new() -> Self {
        Self::with(ClientBuilder::new("proj_test".to_owned()))
    }

    /// A recorder with settings of yours: the policy, the meaning of session strings. The endpoint and the
    /// environment play no part.
    ///
    /// # Panics
    /// The settings cannot be used.
    #[must_use]
    pub fn with(settings: ClientBuilder) -> Self {
        let settings = settings.base_url("http://127.0.0.1:9");
        let config = match settings.check(&|_| None) {
            Ok(config) => config,
            Err(error) => panic!("the recorder's settings cannot be used: {error}"),
        };
        let (client, reader) = Client::unattended(config);
        let session = client.session("test");
        let log = Log { reader, definitions: HashMap::new(), unread: Vec::new(), events: Vec::new() };
        Self { client, session, log: Mutex::new(log) }
    }

    /// The client that records here.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The session that [`run`](Self::run) and [`scope`](Self::scope) use.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Runs a closure whose events are recorded here. For a future, and for what returns one, there is
    /// [`scope`](Self::scope): nothing of a future runs before it is awaited, when this has returned.
    pub fn run<F: Run, M>(&self, f: F) -> F::Output
    where
        F::Output: UseScopeForFutures<M>,
    {
        self.session.run(|| f.call())
    }

    /// A future whose events are recorded here.
    pub fn scope<F: Future>(&self, future: F) -> Scoped<F> {
        future.in_session(self.session.clone())
    }

    /// All events so far, in the order in which they ended.
    #[must_use]
    pub fn events(&self) -> Vec<Recorded> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.read(&self.client);
        log.events.clone()
    }

    /// The events called `name`.
    #[must_use]
    pub fn named(&self, name: &str) -> Vec<Recorded> {
        self.events().into_iter().filter(|event| event.name() == Some(name)).collect()
    }

    /// The event called `name`.
    ///
    /// # Panics
    /// There is none, or more than one.
    #[track_caller]
    #[must_use]
    pub fn event(&self, name: &str) -> Recorded {
        let mut found = self.named(name);
        match (found.pop(), found.len()) {
            (Some(event), 0) => event,
            (Some(_), more) => panic!("{} events are called `{name}`; look at them with `named`", more + 1),
            (None, _) => {
                let names: Vec<_> =
                    self.events().iter().map(|event| event.name().unwrap_or("Custom").to_owned()).collect();
                panic!("no event is called `{name}`; recorded are {names:?}")
            }
        }
    }
}

/// What [`Recorder::run`] takes: a closure.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`run` takes a closure",
    label = "this is not a closure without parameters",
    note = "for a future write `recorder.scope(future).await`"
)]
pub trait Run {
    /// What it returns.
    type Output;
    /// Runs it.
    fn call(self) -> Self::Output;
}

// Without it the compiler would speak of `FnOnce` and advise to wrap a future in a closure.
#[diagnostic::do_not_recommend]
impl<R, F: FnOnce() -> R> Run for F {
    type Output = R;

    fn call(self) -> R {
        self()
    }
}

/// A value that is not a future. There are two of these for a future and one for any other type, so that a call with a
/// future is ambiguous to the compiler: its message names this trait, whose name says what to write instead.
#[doc(hidden)]
pub trait UseScopeForFutures<M> {}

impl<T> UseScopeForFutures<()> for T {}

/// See [`UseScopeForFutures`].
#[doc(hidden)]
#[derive(Debug)]
pub enum IsAFuture {}

impl<F: Future> UseScopeForFutures<IsAFuture> for F {}

impl Log {
    fn read(&mut self, client: &Client) {
        let core = client.core();
        while let Some(record) = self.reader.next() {
            let at = record.at;
            match RecordKind::try_from(record.kind) {
                Ok(RecordKind::Session) => {
                    if let Some(definition) = Definition::decode(record.bytes) {
                        self.definitions.insert(definition.reference, definition);
                    }
                }
                Ok(RecordKind::Event) => {
                    if let Some((header, members)) = Header::decode(record.bytes) {
                        self.unread.push((header, members.to_vec()));
                    }
                }
                _ => {}
            }
            self.reader.complete(at);
        }
        // A definition may follow the event that needs it, so bodies are joined when all is read.
        for (header, members) in self.unread.drain(..) {
            let unknown = Definition::default();
            let session = self.definitions.get(&header.session).unwrap_or(&unknown);
            let body = wire::body(&core.config.dialect, &header, &members, session);
            if let Ok(body) = serde_json::from_slice(&body) {
                core.ledger.deliver();
                self.events.push(Recorded { id: header.id, body });
            }
        }
    }
}

/// One event as it would leave. Its assertions can be chained; each names what it found instead.
#[derive(Debug, Clone)]
pub struct Recorded {
    id: EventId,
    body: Value,
}

impl Recorded {
    /// The event's id.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.id
    }

    /// The event's name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.body["resource_name"].as_str()
    }

    /// The body of the wire, in its snake_case names.
    #[must_use]
    pub fn json(&self) -> &Value {
        &self.body
    }

    /// How long it took, in whole milliseconds.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        self.body["duration"].as_u64().map(Duration::from_millis)
    }

    /// It failed.
    #[track_caller]
    pub fn is_error(self) -> Self {
        assert_eq!(self.body["is_error"], true, "{self} is not an error");
        self
    }

    /// It did not fail.
    #[track_caller]
    pub fn is_not_error(self) -> Self {
        assert_ne!(self.body["is_error"], true, "{self} is an error: {}", self.body["error"]);
        self
    }

    /// Its error's message.
    #[track_caller]
    pub fn error_message(self, message: &str) -> Self {
        self.at("error", "message", &message)
    }

    /// Its error's type: a Rust type path, `panic`, `cancelled` or a JSON-RPC name.
    #[track_caller]
    pub fn error_type(self, name: &str) -> Self {
        self.at("error", "type", &name)
    }

    /// A parameter.
    #[track_caller]
    pub fn param(self, key: &str, value: impl Serialize) -> Self {
        self.at("parameters", key, &value)
    }

    /// A tag.
    #[track_caller]
    pub fn tag(self, key: &str, value: &str) -> Self {
        self.at("tags", key, &value)
    }

    /// A property.
    #[track_caller]
    pub fn property(self, key: &str, value: impl Serialize) -> Self {
        self.at("properties", key, &value)
    }

    /// Its whole response.
    #[track_caller]
    pub fn response(self, value: impl Serialize) -> Self {
        expect(&self.body["response"], &json(&value), format_args!("the response of {self}"));
        self
    }

    /// Its message.
    #[track_caller]
    pub fn message(self, text: &str) -> Self {
        expect(&self.body["user_intent"], &text.into(), format_args!("the message of {self}"));
        self
    }

    /// It was raised inside another call.
    #[track_caller]
    pub fn child_of(self, parent: &Self) -> Self {
        let id = parent.id.to_string();
        expect(&self.body["parent_id"], &id.into(), format_args!("the parent of {self}"));
        self
    }

    /// It took at least this long.
    #[track_caller]
    pub fn took_at_least(self, least: Duration) -> Self {
        assert!(self.duration() >= Some(least), "{self} took {:?}", self.duration());
        self
    }

    #[track_caller]
    fn at(self, section: &str, key: &str, value: &dyn erased::Value) -> Self {
        expect(&self.body[section][key], &value.json(), format_args!("`{key}` in the {section} of {self}"));
        self
    }
}

impl std::fmt::Display for Recorded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "event `{}`", self.name().unwrap_or("Custom"))
    }
}

/// Compares, and shows both sides as the JSON that they are.
#[track_caller]
fn expect(found: &Value, expected: &Value, what: std::fmt::Arguments<'_>) {
    assert!(found == expected, "{what}: expected {expected}, found {found}");
}

fn json<T: Serialize + ?Sized>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

/// `Serialize` is not object safe; one function for all assertions is worth a trait that is.
mod erased {
    pub(super) trait Value {
        fn json(&self) -> serde_json::Value;
    }

    impl<T: serde::Serialize> Value for T {
        fn json(&self) -> serde_json::Value {
            super::json(self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::CustomEvent;
    use std::panic::catch_unwind;

    #[test]
    fn what_is_published_is_held_as_it_would_leave() {
        let recorder = Recorder::new();
        let error = std::io::Error::other("disk full");
        recorder
            .run(|| {
                let session = Session::current().unwrap();
                recorder.client().publish(&session, CustomEvent::new("saved").parameter("n", 1).error(&error))
            })
            .unwrap();
        recorder.event("saved").is_error().error_message("disk full").param("n", 1);
        let stats = recorder.client().stats();
        assert_eq!((stats.published, stats.delivered, stats.pending), (1, 1, 0));
        assert_eq!(recorder.client().flush_blocking(Duration::ZERO).delivered, 1, "a flush answers at once");
    }

    #[test]
    fn a_wrong_expectation_says_what_was_there() {
        let recorder = Recorder::new();
        recorder.client().publish("s", CustomEvent::new("saved").parameter("n", 1)).unwrap();
        let fails = |check: fn(&Recorder)| {
            let recorder = std::panic::AssertUnwindSafe(&recorder);
            let panic = catch_unwind(move || check(*recorder)).unwrap_err();
            panic.downcast_ref::<String>().cloned().unwrap_or_default()
        };
        assert!(fails(|r| drop(r.event("lost"))).contains("recorded are [\"saved\"]"));
        assert!(
            fails(|r| drop(r.event("saved").param("n", 2)))
                .contains("`n` in the parameters of event `saved`: expected 2, found 1")
        );
        assert!(fails(|r| drop(r.event("saved").is_error())).contains("is not an error"));
    }

    #[test]
    fn two_recorders_do_not_see_each_other() {
        let (first, second) = (Recorder::new(), Recorder::new());
        first.client().publish("s", ()).unwrap();
        assert_eq!((first.events().len(), second.events().len()), (1, 0));
    }
}
