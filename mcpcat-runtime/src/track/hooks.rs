//! The author's hooks: who is calling, and what to write on the events of a call. They run beside the call,
//! never in its way; its events wait for them in the log, and go out without them when they take too long.

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use rmcp::model::JsonObject;
use serde::Serialize;

use super::request::RequestInfo;
use crate::event::guard::{self, HELD_BYTES};
use crate::event::json;
use crate::event::record::Actor;
use crate::policy::check_tag;
use crate::session::{Session, Values};
use mcpcat_wire::tag::MAX_TAGS;

/// As long as events wait for them.
pub(super) const LONGEST: Duration = Duration::from_secs(5);

/// Who is behind a session.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Identity {
    id: String,
    name: Option<String>,
    data: JsonObject,
}

impl Identity {
    /// Somebody, by an id of the author's own.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), name: None, data: JsonObject::new() }
    }

    /// What to call them.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// More about them: a plan, a company. Scrubbed by key like everything else.
    pub fn data(mut self, key: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
        self.data.insert(key.into(), value.into());
        self
    }
}

/// What a hook may answer: an `Option`, or a `Result` of one.
pub trait HookAnswer<T>: sealed::Sealed {
    /// The value, none, or why there is none.
    ///
    /// # Errors
    /// What the hook failed with, in words.
    #[doc(hidden)]
    fn answer(self) -> Result<Option<T>, String>;
}

/// The answers are those that are listed here and no others.
mod sealed {
    pub trait Sealed {}

    impl<T> Sealed for Option<T> {}
    impl<T, E> Sealed for Result<Option<T>, E> {}
}

impl<T> HookAnswer<T> for Option<T> {
    fn answer(self) -> Result<Option<T>, String> {
        Ok(self)
    }
}

impl<T, E: fmt::Display> HookAnswer<T> for Result<Option<T>, E> {
    fn answer(self) -> Result<Option<T>, String> {
        self.map_err(|error| guard::text(&error, HELD_BYTES))
    }
}

type Answering<T> = Pin<Box<dyn Future<Output = Result<Option<T>, String>> + Send>>;
pub(super) type Hook<T> = Arc<dyn Fn(RequestInfo<'static>) -> Answering<T> + Send + Sync>;
pub(super) type Tags = Vec<(String, String)>;

#[derive(Clone)]
pub(super) struct Hooks {
    pub(super) identify: Option<Hook<Identity>>,
    pub(super) tags: Option<Hook<Tags>>,
    pub(super) properties: Option<Hook<JsonObject>>,
    pub(super) deadline: Duration,
}

impl Default for Hooks {
    fn default() -> Self {
        Self { identify: None, tags: None, properties: None, deadline: LONGEST }
    }
}

pub(super) fn hook<T, R, F>(
    ask: impl Fn(RequestInfo<'static>) -> F + Send + Sync + 'static,
) -> Option<Hook<T>>
where
    R: HookAnswer<T>,
    F: Future<Output = R> + Send + 'static,
{
    Some(Arc::new(move |request| {
        let asking = ask(request);
        Box::pin(async move { asking.await.answer() })
    }))
}

impl Hooks {
    /// Whether anybody is to be asked about a call of this session.
    pub(super) fn concern(&self, session: &Session) -> bool {
        self.tags.is_some() || self.properties.is_some() || self.asks_who(session)
    }

    fn asks_who(&self, session: &Session) -> bool {
        self.identify.is_some() && !session.is_identified()
    }

    /// Asks in the background. `session` is the call's view of its session.
    pub(super) fn ask(&self, session: &Session, request: RequestInfo<'static>) {
        let settling = Settling { session: session.clone(), values: Values::default() };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(self.clone().run(settling, request))),
            Err(_) => settling.failed("hooks", "there is no tokio runtime to run them"),
        }
    }

    async fn run(self, mut settling: Settling, request: RequestInfo<'static>) {
        let identify = self.identify.clone().filter(|_| self.asks_who(&settling.session));
        let (who, tags, properties) = futures_util::join!(
            self.bounded("identify", identify, request.clone(), &settling),
            self.bounded("event_tags", self.tags.clone(), request.clone(), &settling),
            self.bounded("event_properties", self.properties.clone(), request, &settling),
        );
        if let Some(who) = who {
            let data = settling.json(&who.data).filter(|_| !who.data.is_empty());
            let actor = Actor { id: who.id, name: who.name, data };
            settling.session.update(|facts| facts.actor = Some(actor));
        }
        settling.values.tags = tags.and_then(|tags| settling.tags(tags));
        settling.values.properties = properties.and_then(|properties| settling.json(&properties));
    }

    async fn bounded<T>(
        &self,
        name: &'static str,
        hook: Option<Hook<T>>,
        request: RequestInfo<'static>,
        settling: &Settling,
    ) -> Option<T> {
        let hook = hook?;
        let asking = AssertUnwindSafe(async move { hook(request).await }).catch_unwind();
        match tokio::time::timeout(self.deadline, asking).await {
            Ok(Ok(Ok(answer))) => return answer,
            Ok(Ok(Err(why))) => settling.failed(name, &why),
            Ok(Err(_)) => settling.failed(name, "it panicked"),
            Err(_) => settling.failed(name, &format!("it took longer than {:?}", self.deadline)),
        }
        None
    }
}

/// Lets the call's events go when it is dropped, at the latest with the host's runtime.
struct Settling {
    session: Session,
    values: Values,
}

impl Settling {
    fn failed(&self, hook: &str, why: &str) {
        self.session.core().ledger.hook_failed(format!("`{hook}` gave nothing: {why}"));
    }

    fn json<T: Serialize>(&self, value: &T) -> Option<String> {
        let mut out = Vec::new();
        json::write_value(&mut out, value, &self.session.core().config.policy).ok()?;
        String::from_utf8(out).ok()
    }

    fn tags(&self, tags: Tags) -> Option<String> {
        let mut kept = serde_json::Map::new();
        let mut problems = 0;
        for (key, value) in tags {
            let broken = match check_tag(&key, &value) {
                Err(rule) => Some(rule.to_string()),
                Ok(()) if kept.len() == MAX_TAGS => Some(format!("an event carries at most {MAX_TAGS} tags")),
                Ok(()) => None,
            };
            match broken {
                None => drop(kept.insert(key, value.into())),
                Some(rule) => {
                    problems += 1;
                    crate::notice::warn(format_args!("tag `{key}` of `event_tags` was left out: {rule}"));
                }
            }
        }
        if problems > 0 {
            self.session.core().ledger.problem(problems);
        }
        if kept.is_empty() { None } else { self.json(&kept) }
    }
}

impl Drop for Settling {
    fn drop(&mut self) {
        let values = std::mem::take(&mut self.values);
        let said = values.tags.is_some() || values.properties.is_some();
        if !self.session.settle(values) && said {
            self.failed("hooks", "they ended after the events had left");
        }
    }
}
