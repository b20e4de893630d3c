//! One call that takes several requests: rounds that ask the client for input, joined by `requestState`, and tasks, whose
//! outcome is asked for later. The first request's event is the call; what follows lies under it. A task's outcome is an
//! event of its own there, `mcp:tasks/result`: it ends the call.

use std::time::{Duration, Instant};

use rmcp::model::{DetailedTask, InputRequest, InputRequests, InputResponses, TaskPayload};

use super::keyed::fingerprint;
use super::options::Payload;
use super::wire::server_requests::{self, Outcome, never_answered};
use crate::call::Call;
use crate::event::{ErrorInfo, EventId, Fields, Outcome as _};
use crate::session::{AskedInput, OpenCall, OpenCalls, Session};

/// A shorter text links no requests that nothing else links: it may be the same in every call.
const TELLING: usize = 16;

/// How a request of a longer call says so.
#[derive(Clone, Copy, Default)]
pub(super) struct Goes<'a> {
    /// The state that the answer before gave the client.
    pub(super) state: Option<&'a str>,
    /// What the client was asked for.
    pub(super) inputs: Option<&'a InputResponses>,
    /// The task that it is about.
    pub(super) task: Option<&'a str>,
    /// It ends the task.
    pub(super) cancels: bool,
}

/// What an answer leaves open.
pub(super) enum Waits<'a> {
    Input {
        state: Option<&'a str>,
        requests: Option<&'a InputRequests>,
    },
    Task(&'a str),
    /// A task is as far as this.
    TaskIs(&'a DetailedTask),
}

/// What a request belongs to beside its session.
#[derive(Default)]
pub(super) struct Thread {
    /// Whoever is behind a request that nothing links to its session, hashed.
    behind: Option<Box<str>>,
    /// The call that this request goes on with.
    call: Option<Box<OpenCall>>,
    /// It goes on with a call, known here or not.
    continues: bool,
    /// The task that it ends.
    cancels: Option<Box<str>>,
}

impl Thread {
    /// The call that a request goes on with. `behind` names whoever is behind it, where no session does.
    pub(super) fn of(session: &Session, goes: Goes<'_>, behind: Option<String>) -> Self {
        let mut thread = Self { behind: behind.map(Into::into), ..Self::default() };
        if goes.state.is_none() && goes.inputs.is_none() && goes.task.is_none() {
            return thread;
        }
        let open = &session.core().sessions.open_calls;
        if let Some(task) = goes.task {
            thread.cancels = goes.cancels.then(|| task.into());
            thread.call = thread.key("task", session, task).and_then(|key| open.find(&key)).map(Box::new);
            return thread;
        }
        thread.continues = true;
        let key = goes.state.and_then(|state| thread.key("state", session, state));
        thread.call = key.and_then(|key| open.take(&key)).map(Box::new);
        if let Some(call) = &thread.call {
            answered_inputs(&Session::of_open_call(session.core(), call), call, goes.inputs);
        }
        thread
    }

    /// The key of a call: within the session, or of one principal where nothing links the requests.
    fn key(&self, kind: &str, session: &Session, value: &str) -> Option<String> {
        match &self.behind {
            Some(_) if value.len() < TELLING => None,
            Some(behind) => Some(fingerprint(&[kind, "behind", behind, value])),
            None => Some(fingerprint(&[kind, "session", session.id()?.as_str(), value])),
        }
    }

    /// The session and the event of the call's first request.
    pub(super) fn root(&self, core: &std::sync::Arc<crate::client::Core>) -> Option<(Session, EventId)> {
        self.call.as_ref().map(|call| (Session::of_open_call(core, call), call.root))
    }

    /// Notes on a request's event what call it goes on with.
    pub(super) fn note(&self, goes: Goes<'_>, fields: &mut Fields) {
        if let Some(state) = goes.state {
            fields.property("mcpcat_state", &fingerprint(&["state", state]));
        }
        if let Some(call) = &self.call {
            if self.continues {
                fields.property("mcpcat_round", &(call.rounds + 1));
            }
            fields.property("mcpcat_call", &call.root.to_string());
        }
    }

    /// Its answer is known: keeps a call that goes on, and ends a task's.
    pub(super) fn answered(
        &self,
        call: &mut Call,
        waits: Option<Waits<'_>>,
        failure: Option<&ErrorInfo>,
        payload: Payload,
    ) {
        let Some(waits) = waits else { return self.end(call, failure) };
        let whole = payload == Payload::All;
        let Some((session, event, ago)) = call.identity() else { return };
        let session = session.clone();
        let open = &session.core().sessions.open_calls;
        match waits {
            Waits::Input { state, requests } => {
                let asked: Vec<_> = requests.into_iter().flatten().map(|(key, it)| asked(key, it)).collect();
                let (root, began, rounds) = self.first(event, ago);
                let key = state.and_then(|state| self.key("state", &session, state));
                let next = OpenCall::new(session.state(), root, began, None, rounds, asked, whole);
                let left = match key {
                    Some(key) => open.keep(key, next),
                    // Nobody can say which request goes on with it.
                    None => vec![next],
                };
                left.iter().for_each(|call| unanswered_inputs(&session, call));
                if let Some(fields) = call.fields() {
                    fields.tag("agentcat_mrtr", "input_required");
                    if let Some(state) = state {
                        fields.property("mcpcat_next_state", &fingerprint(&["state", state]));
                    }
                    if !self.continues {
                        fields.property("mcpcat_round", &1);
                    }
                }
            }
            Waits::Task(task) => {
                let Some(fields) = call.fields() else { return };
                fields.property("mcpcat_task", &fingerprint(&["task", task]));
                let name = fields.given_name();
                let (root, began, rounds) = self.first(event, ago);
                if let Some(key) = self.key("task", &session, task) {
                    let next = OpenCall::new(session.state(), root, began, name, rounds, Vec::new(), whole);
                    open.keep(key, next).iter().for_each(|call| unanswered_inputs(&session, call));
                }
            }
            Waits::TaskIs(task) => self.task_is(&session, open, task),
        }
    }

    fn first(&self, event: EventId, ago: Duration) -> (EventId, Instant, u32) {
        match &self.call {
            Some(call) => (call.root, call.began, call.rounds + 1),
            None => {
                let now = Instant::now();
                (event, now.checked_sub(ago).unwrap_or(now), 1)
            }
        }
    }

    /// The last round of a call: how long all of it took.
    fn end(&self, call: &mut Call, failure: Option<&ErrorInfo>) {
        if let (Some(task), None, Some((session, ..))) = (&self.cancels, failure, call.identity())
            && let Some(key) = self.key("task", session, task)
            && let Some(call) = session.core().sessions.open_calls.conclude(&key)
        {
            end_task(session, &call, TaskEnd::Cancelled);
        }
        if !self.continues {
            return;
        }
        let took = self.call.as_ref().map(|call| call.began.elapsed().as_millis());
        if let Some(fields) = call.fields() {
            fields.tag("agentcat_mrtr", "continuation");
            if let Some(took) = took {
                fields.property("mcpcat_call_ms", &u64::try_from(took).unwrap_or(u64::MAX));
            }
        }
    }

    fn task_is(&self, session: &Session, open: &OpenCalls, task: &DetailedTask) {
        let Some(end) = TaskEnd::of(&task.payload) else { return };
        let key = self.key("task", session, &task.task.task_id);
        if let Some(call) = key.and_then(|key| open.conclude(&key)) {
            end_task(session, &call, end);
        }
    }
}

/// A notification says how far a task is.
pub(super) fn task_is(session: &Session, task: &DetailedTask) {
    Thread::default().task_is(session, &session.core().sessions.open_calls, task);
}

/// Nobody will go on with the calls of this session.
pub(super) fn session_ended(session: &Session) {
    let left = session.core().sessions.open_calls.end(session.state());
    left.iter().for_each(|call| unanswered_inputs(session, call));
}

enum TaskEnd<'a> {
    Completed(&'a rmcp::model::JsonObject),
    Failed(&'a rmcp::model::JsonObject),
    Cancelled,
}

impl<'a> TaskEnd<'a> {
    fn of(payload: &'a TaskPayload) -> Option<Self> {
        match payload {
            TaskPayload::Completed { result } => Some(Self::Completed(result)),
            TaskPayload::Failed { error } => Some(Self::Failed(error)),
            TaskPayload::Cancelled => Some(Self::Cancelled),
            _ => None,
        }
    }
}

/// The event that ends a call whose answer was a task.
fn end_task(session: &Session, call: &OpenCall, end: TaskEnd<'_>) {
    const METHOD: &str = "tasks/result";
    let mut event = Call::request_under(Session::of_open_call(session.core(), call), METHOD, Some(call.root));
    event.began(call.began.elapsed());
    let mut failure = None;
    if let Some(fields) = event.fields() {
        fields.body_member("event_type", &"mcp:tasks/result");
        if let Some(name) = &call.name {
            fields.name(name);
        }
        fields.property("mcpcat_call", &call.root.to_string());
        let word = match end {
            TaskEnd::Completed(result) => {
                if call.whole {
                    fields.response(result);
                }
                failure = tool_failure(result);
                "completed"
            }
            TaskEnd::Failed(error) => {
                failure = Some(ErrorInfo::from_value(error.clone().into()));
                "failed"
            }
            TaskEnd::Cancelled => {
                failure = Some(ErrorInfo::message("the task was cancelled").with_type("cancelled"));
                "cancelled"
            }
        };
        fields.property("mcpcat_outcome", word);
    }
    event.finish(failure);
}

/// The failure that a tool's result describes.
fn tool_failure(result: &rmcp::model::JsonObject) -> Option<ErrorInfo> {
    if result.get("isError") != Some(&true.into()) {
        return None;
    }
    let result: rmcp::model::CallToolResult = serde_json::from_value(result.clone().into()).ok()?;
    result.error()
}

fn asked(key: &str, request: &InputRequest) -> AskedInput {
    let method = match request {
        InputRequest::CreateMessage(_) => "sampling/createMessage",
        InputRequest::Elicitation(_) => "elicitation/create",
        InputRequest::ListRoots(_) => "roots/list",
        _ => "unknown",
    };
    AskedInput { key: key.to_owned(), method }
}

/// The client has come back: what it was asked for is answered, or is not.
fn answered_inputs(session: &Session, call: &OpenCall, inputs: Option<&InputResponses>) {
    for asked in &call.asked {
        let mut event = input(session, call, asked);
        match inputs.and_then(|inputs| inputs.get(&asked.key)) {
            Some(answer) => {
                if let Some(fields) = event.fields().filter(|_| call.whole) {
                    fields.response(answer);
                }
                server_requests::end(event, Outcome::of(answer), None);
            }
            None => server_requests::end(event, Outcome::Unanswered, Some(never_answered())),
        }
    }
}

/// The client never came back.
fn unanswered_inputs(session: &Session, call: &OpenCall) {
    let session = Session::of_open_call(session.core(), call);
    for asked in &call.asked {
        server_requests::end(input(&session, call, asked), Outcome::Unanswered, Some(never_answered()));
    }
}

/// The event of one thing that a client was asked for, which began with the answer that asked.
fn input(session: &Session, call: &OpenCall, asked: &AskedInput) -> Call {
    let mut event = server_requests::begin(session.clone(), Some(call.root), asked.method);
    event.began(call.waited());
    if let Some(fields) = event.fields() {
        fields.name(&asked.key);
    }
    event
}
