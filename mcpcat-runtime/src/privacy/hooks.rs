//! The user's own redaction: what a hook may be, and one event's way through both of them. Each runs under a
//! deadline on the pool; whatever goes wrong, the event does not leave.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::runtime::Runtime;

use super::patterns::PROTECTED;
use super::pool::{Lost, Pool};
use super::{Event, EventVerdict, Hook, HookError, TextVerdict, Withheld};

type PlainText = dyn Fn(&str) -> Result<String, HookError> + Send + Sync;
type Boxed<T> = Pin<Box<dyn Future<Output = Result<T, HookError>> + Send>>;

#[derive(Clone)]
enum EventHook {
    Plain(Arc<dyn Fn(Event) -> Result<Option<Event>, HookError> + Send + Sync>),
    Future(Arc<dyn Fn(Event) -> Boxed<Option<Event>> + Send + Sync>),
}

#[derive(Clone)]
enum TextHook {
    Plain(Arc<PlainText>),
    Future(Arc<dyn Fn(String) -> Boxed<String> + Send + Sync>),
}

/// Both hooks, where set.
#[derive(Clone, Default)]
pub(super) struct Hooks {
    event: Option<EventHook>,
    text: Option<TextHook>,
}

/// A future did not end in time; its slot is free again.
struct Late;

impl Hooks {
    pub(super) fn any(&self) -> bool {
        self.event.is_some() || self.text.is_some()
    }

    pub(super) fn only_event(&self) -> Self {
        Self { event: self.event.clone(), text: None }
    }

    pub(super) fn only_text(&self) -> Self {
        Self { event: None, text: self.text.clone() }
    }

    pub(super) fn set_event<V: EventVerdict>(&mut self, hook: impl Fn(Event) -> V + Send + Sync + 'static) {
        self.event = Some(EventHook::Plain(Arc::new(move |event| hook(event).into_verdict())));
    }

    pub(super) fn set_event_async<Fut>(&mut self, hook: impl Fn(Event) -> Fut + Send + Sync + 'static)
    where
        Fut: Future + Send + 'static,
        Fut::Output: EventVerdict,
    {
        self.event = Some(EventHook::Future(Arc::new(move |event| {
            let future = hook(event);
            Box::pin(async move { future.await.into_verdict() })
        })));
    }

    pub(super) fn set_text<V: TextVerdict>(&mut self, hook: impl Fn(&str) -> V + Send + Sync + 'static) {
        self.text = Some(TextHook::Plain(Arc::new(move |text| hook(text).into_verdict())));
    }

    pub(super) fn set_text_async<Fut>(&mut self, hook: impl Fn(String) -> Fut + Send + Sync + 'static)
    where
        Fut: Future + Send + 'static,
        Fut::Output: TextVerdict,
    {
        self.text = Some(TextHook::Future(Arc::new(move |text| {
            let future = hook(text);
            Box::pin(async move { future.await.into_verdict() })
        })));
    }

    /// An event through both hooks, with its identity put back.
    pub(super) async fn run(&self, event: Event, pool: &Pool, deadline: Duration) -> Result<Event, Withheld> {
        let mut event = event;
        if let Some(hook) = self.event.clone() {
            let identity = PROTECTED.map(|name| event.get(name).cloned());
            let outcome = pool
                .run(deadline, move |runtime| match hook {
                    EventHook::Plain(hook) => Ok(hook(event)),
                    EventHook::Future(hook) => wait(runtime, deadline, || hook(event)),
                })
                .await;
            event = settle(Hook::Event, outcome)?.ok_or(Withheld::Dropped)?;
            for (name, value) in PROTECTED.into_iter().zip(identity) {
                match value {
                    Some(value) => event.insert(name.to_owned(), value),
                    None => event.remove(name),
                };
            }
        }
        if let Some(hook) = self.text.clone() {
            let outcome = pool.run(deadline, move |runtime| texts(event, &hook, runtime, deadline)).await;
            event = settle(Hook::Text, outcome)?;
        }
        Ok(event)
    }
}

fn wait<T>(
    runtime: &Runtime,
    deadline: Duration,
    future: impl FnOnce() -> Boxed<T>,
) -> Result<Result<T, HookError>, Late> {
    // The future is made inside the runtime, so that it may set timers before it is polled.
    runtime.block_on(async { tokio::time::timeout(deadline, future()).await.map_err(|_| Late) })
}

fn settle<T>(hook: Hook, outcome: Result<Result<Result<T, HookError>, Late>, Lost>) -> Result<T, Withheld> {
    match outcome {
        Ok(Ok(Ok(value))) => Ok(value),
        Ok(Ok(Err(error))) => Err(Withheld::Failed {
            hook,
            message: crate::event::guard::text(&error, crate::event::guard::HELD_BYTES),
        }),
        Ok(Err(Late)) | Err(Lost::Late) => Err(Withheld::TimedOut { hook }),
        Err(Lost::Panicked) => Err(Withheld::Panicked { hook }),
        Err(Lost::NotStarted) => Err(Withheld::Stalled { hook }),
    }
}

/// Every text of the event, replaced. Without recursion: a hook may have returned any depth.
fn texts(
    mut event: Event,
    hook: &TextHook,
    runtime: &Runtime,
    deadline: Duration,
) -> Result<Result<Event, HookError>, Late> {
    let mut strings = Vec::new();
    let mut open: Vec<&mut Value> = event
        .iter_mut()
        .filter(|(name, _)| !PROTECTED.contains(&name.as_str()))
        .map(|(_, value)| value)
        .collect();
    while let Some(value) = open.pop() {
        match value {
            Value::String(text) if !text.is_empty() => strings.push(text),
            Value::Array(items) => open.extend(items),
            Value::Object(members) => open.extend(members.values_mut()),
            _ => {}
        }
    }
    let replaced = match hook {
        TextHook::Plain(hook) => {
            strings.into_iter().try_for_each(|text| hook(text).map(|replacement| *text = replacement))
        }
        TextHook::Future(hook) => {
            let all = async {
                for text in strings {
                    *text = hook(std::mem::take(text)).await?;
                }
                Ok(())
            };
            match runtime.block_on(async { tokio::time::timeout(deadline, all).await }) {
                Ok(replaced) => replaced,
                Err(_) => return Err(Late),
            }
        }
    };
    Ok(replaced.map(|()| event))
}

/// Drops an event level by level: dropping a value of great depth in one go overflows the stack.
pub(super) fn dismantle(event: Event) {
    let mut open: Vec<Value> = event.into_iter().map(|(_, value)| value).collect();
    while let Some(value) = open.pop() {
        match value {
            Value::Array(items) => open.extend(items),
            Value::Object(members) => open.extend(members.into_iter().map(|(_, value)| value)),
            _ => {}
        }
    }
}
