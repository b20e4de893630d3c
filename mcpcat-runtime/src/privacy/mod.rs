//! What may leave. Runs on the worker, after the call site is long gone: the user's own hooks see every event
//! before anybody else does, and secrets that are known by their look are taken out of every body.

pub(crate) mod consent;
mod explain;
mod hooks;
mod patterns;
mod pool;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::event::json;
use crate::policy::Policy;
use hooks::Hooks;
pub use mcpcat_wire::values::privacy::{
    Asked, ConsentVerdict, Event, EventVerdict, Explained, HookError, Removed, TextVerdict,
};
#[doc(hidden)]
pub use patterns::PROTECTED;
pub use patterns::Patterns;
use pool::Pool;

/// How long a hook may take for one event: 2 s.
#[doc(hidden)]
pub const DEADLINE: Duration = Duration::from_secs(2);
/// Hooks that may run, or hang, at once: 8.
#[doc(hidden)]
pub const SLOTS: usize = 8;

/// The patterns and the hooks, as one step between the spool and the endpoint.
///
/// ```
/// # use mcpcat_runtime as mcpcat;
/// use mcpcat::privacy::{Event, Privacy};
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
/// # runtime.block_on(async {
/// let privacy = Privacy::new()
///     .redact_event(|event: Event| (event["event_type"] != "mcp:ping").then_some(event))
///     .redact_text(|text: &str| text.replace("Ada", "[name]"));
/// let body = br#"{"event_type":"mcp:tools/call","user_intent":"greet Ada"}"#.to_vec();
/// let body = privacy.apply(body).await.unwrap();
/// assert_eq!(body, br#"{"event_type":"mcp:tools/call","user_intent":"greet [name]"}"#);
/// # });
/// ```
#[derive(Clone)]
pub struct Privacy {
    patterns: Patterns,
    policy: Policy,
    hooks: Hooks,
    deadline: Duration,
    pool: Pool,
}

impl Default for Privacy {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Privacy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Privacy")
            .field("patterns", &self.patterns)
            .field("policy", &self.policy)
            .field("has_hooks", &self.has_hooks())
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

impl Privacy {
    /// The built-in patterns and no hooks.
    pub fn new() -> Self {
        Self {
            patterns: Patterns::new(),
            policy: Policy::new(),
            hooks: Hooks::default(),
            deadline: DEADLINE,
            pool: Pool::new(SLOTS),
        }
    }

    /// Replaces the patterns.
    #[must_use]
    pub fn patterns(mut self, patterns: Patterns) -> Self {
        self.patterns = patterns;
        self
    }

    /// The limits and keys that hold for what a hook returns. They are the ones that held at the call site. The
    /// keys also hold for keys inside texts, unless the patterns were given their own.
    pub(crate) fn policy(mut self, policy: Policy) -> Self {
        if self.patterns.keys.is_built_in() {
            self.patterns = self.patterns.keys(policy.keys.clone());
        }
        self.policy = policy;
        self
    }

    /// A hook that gets every whole event, and gives back what may leave: an event, or none to drop it, or an
    /// error, which drops it too. It may block: it runs on a thread of its own. Changes to [`PROTECTED`] members
    /// are undone.
    #[must_use]
    pub fn redact_event<F, V>(mut self, hook: F) -> Self
    where
        F: Fn(Event) -> V + Send + Sync + 'static,
        V: EventVerdict,
    {
        self.hooks.set_event(hook);
        self
    }

    /// [`Privacy::redact_event`] with a future. It runs inside a tokio runtime with timers and I/O.
    #[must_use]
    pub fn redact_event_async<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(Event) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: EventVerdict,
    {
        self.hooks.set_event_async(hook);
        self
    }

    /// A hook that gets every text of every event, at any depth but not the keys, and gives back what may leave.
    /// It runs after [`Privacy::redact_event`], and not on [`PROTECTED`] members.
    #[must_use]
    pub fn redact_text<F, V>(mut self, hook: F) -> Self
    where
        F: Fn(&str) -> V + Send + Sync + 'static,
        V: TextVerdict,
    {
        self.hooks.set_text(hook);
        self
    }

    /// [`Privacy::redact_text`] with a future. The texts of one event are given one after the other.
    #[must_use]
    pub fn redact_text_async<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: TextVerdict,
    {
        self.hooks.set_text_async(hook);
        self
    }

    /// How long each hook may take for one event before the event is dropped. Default [`DEADLINE`].
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How many hooks may run at once, at least one. One that hangs keeps its slot and its thread until it
    /// returns; when all hang, events are dropped at once. Default [`SLOTS`].
    #[must_use]
    pub fn slots(mut self, slots: usize) -> Self {
        self.pool = Pool::new(slots.max(1));
        self
    }

    pub(crate) fn hook_deadline(&self) -> Duration {
        self.deadline
    }

    /// Whether a hook is set. If one is, nothing may rest on a disk before it has run.
    #[doc(hidden)]
    pub fn has_hooks(&self) -> bool {
        self.hooks.any()
    }

    /// A finished body, as it may leave. Needs a tokio runtime with timers when a hook is set, and never blocks
    /// it longer than the patterns take.
    ///
    /// # Errors
    /// Why the event must not leave. It is to be counted and dropped.
    #[doc(hidden)]
    pub async fn apply(&self, body: Vec<u8>) -> Result<Vec<u8>, Withheld> {
        let body = if self.has_hooks() { self.hooked(&body).await? } else { body };
        Ok(match self.patterns.scrub_body(&body) {
            Cow::Borrowed(_) => body,
            Cow::Owned(scrubbed) => scrubbed,
        })
    }

    async fn hooked(&self, body: &[u8]) -> Result<Vec<u8>, Withheld> {
        let event: Event =
            serde_json::from_slice(body).map_err(|error| Withheld::Unreadable(error.to_string()))?;
        let event = self.hooks.run(event, &self.pool, self.deadline).await?;
        let written = self.written(&event, body.len());
        hooks::dismantle(event);
        written
    }

    /// What identifies the event comes first, so that a hook which returns too much cannot push it out.
    fn written(&self, event: &Event, before: usize) -> Result<Vec<u8>, Withheld> {
        let most = self.policy.limits.event_bytes.max(before);
        let mut out = Vec::with_capacity(before);
        out.push(b'{');
        let first = PROTECTED.iter().filter_map(|name| event.get_key_value(*name));
        let rest = event.iter().filter(|(name, _)| !PROTECTED.contains(&name.as_str()));
        for (i, (name, value)) in first.chain(rest).enumerate() {
            if i > 0 {
                out.push(b',');
            }
            json::write_key(&mut out, name);
            if !PROTECTED.contains(&name.as_str()) && self.policy.keys.redacts(name) {
                out.extend_from_slice(b"\"[redacted: key]\"");
                continue;
            }
            let left = most.saturating_sub(out.len() + 1);
            json::write_value_within(&mut out, value, &self.policy, left)
                .map_err(|error| Withheld::Unreadable(error.to_string()))?;
        }
        out.push(b'}');
        Ok(out)
    }
}

/// Which hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[doc(hidden)]
pub enum Hook {
    /// The one for whole events.
    Event,
    /// The one for texts.
    Text,
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Event => "redact_event",
            Self::Text => "redact_text",
        })
    }
}

/// Why an event must not leave.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[doc(hidden)]
pub enum Withheld {
    /// The event hook said so.
    Dropped,
    /// A hook returned an error.
    Failed {
        /// Which one.
        hook: Hook,
        /// What it said.
        message: String,
    },
    /// A hook took longer than its deadline.
    TimedOut {
        /// Which one.
        hook: Hook,
    },
    /// A hook panicked.
    Panicked {
        /// Which one.
        hook: Hook,
    },
    /// Every slot is held by a hook that hangs, so this one could not be started.
    Stalled {
        /// Which one.
        hook: Hook,
    },
    /// The body could not be read for the hook, or written after it.
    Unreadable(String),
}

impl Withheld {
    /// A short name that is the same for all events of a kind, for counting.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Dropped => "dropped_by_hook",
            Self::Failed { .. } => "hook_failed",
            Self::TimedOut { .. } => "hook_timed_out",
            Self::Panicked { .. } => "hook_panicked",
            Self::Stalled { .. } => "hooks_stalled",
            Self::Unreadable(_) => "unreadable",
        }
    }
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dropped => write!(f, "`redact_event` dropped the event"),
            Self::Failed { hook, message } => {
                write!(f, "`{hook}` failed, so the event was dropped: {message}")
            }
            Self::TimedOut { hook } => {
                write!(f, "`{hook}` took longer than its deadline, so the event was dropped; see `deadline`")
            }
            Self::Panicked { hook } => write!(f, "`{hook}` panicked, so the event was dropped"),
            Self::Stalled { hook } => write!(
                f,
                "every slot is held by a hook that hangs, so `{hook}` was not run and the event was dropped; see `slots`"
            ),
            Self::Unreadable(why) => write!(f, "the event could not be passed through the hooks: {why}"),
        }
    }
}

impl std::error::Error for Withheld {}
