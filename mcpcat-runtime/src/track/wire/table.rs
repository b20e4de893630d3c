//! What a connection has open: the requests of its client, whose events wait here for their answers to leave, and the
//! requests of the server, which wait for the client.
//!
//! One lock, held for a look-up; events are written after it is let go. An entry's text is used again by a later one, so
//! that a request allocates nothing here once a connection is warm.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use rmcp::model::{
    ClientRequest, ClientResult, ErrorData, GetExtensions as _, GetMeta as _, JsonRpcMessage, ProgressToken,
    RequestId, ServerJsonRpcMessage, ServerNotification, ServerRequest, ServerResult,
};
use rmcp::service::OriginatingRequestId;

use super::finish::{Done, Unsent};
use super::server_requests::{Asked, method_of};
use crate::call::Call;
use crate::client::Client;
use crate::event::{EventId, Fields, Outcome as _};
use crate::session::Session;
use crate::track::options::{Options, Payload};
use crate::track::payload::{Extra, Parameters};
use crate::track::rounds;
use crate::track::tracked::Shared;

/// Texts that are kept for later entries.
const SPARE: usize = 64;

/// The marker by which a request finds the table of its connection.
#[derive(Clone)]
pub(in crate::track) struct OnWire(pub(in crate::track) Arc<Table>);

/// A server that records.
#[derive(Clone)]
pub(in crate::track) struct Recorder {
    pub(in crate::track) shared: Arc<Shared>,
    pub(in crate::track) options: Arc<Options>,
}

/// See the module.
pub(in crate::track) struct Table {
    state: Mutex<State>,
    /// Known from the start on a pipe, since the first request over HTTP.
    recorder: OnceLock<Recorder>,
    pipe: bool,
}

#[derive(Default)]
struct State {
    open: HashMap<RequestId, Entry>,
    asked: HashMap<RequestId, Asked>,
    /// The connection's session, as its last request had it.
    session: Option<Session>,
    /// It ends with the connection.
    owned: bool,
    spare: Vec<String>,
    closed: bool,
}

struct Entry {
    method: Method,
    /// The tool, the prompt or the URI.
    name: String,
    since: Instant,
    stage: Stage,
    progress_token: Option<ProgressToken>,
    counts: Counts,
    /// The client has cancelled it: rmcp lets no answer pass any more.
    cancelled: bool,
}

/// The method of a request: text of ours for those that rmcp knows.
enum Method {
    Known(&'static str),
    Own(String),
}

impl Method {
    fn as_str(&self) -> &str {
        match self {
            Self::Known(method) => method,
            Self::Own(method) => method,
        }
    }
}

/// How far a request is.
pub(in crate::track) enum Stage {
    /// No handler has seen it.
    Received,
    /// A handler runs; this is its event.
    Runs(Session, EventId),
    /// A handler runs, and no event is wanted.
    Unrecorded,
    /// The handler has ended.
    Done(Done),
}

/// What the server told its client meanwhile.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::track) struct Counts {
    progress: u32,
    logs: u32,
    /// Log messages while other requests were open too: which of them they belong to, nobody can say.
    logs_shared: u32,
}

impl Counts {
    pub(super) fn note(self, fields: &mut Fields) {
        for (name, count) in [
            ("mcpcat_progress", self.progress),
            ("mcpcat_logs", self.logs),
            ("mcpcat_logs_shared", self.logs_shared),
        ] {
            if count > 0 {
                fields.property(name, &count);
            }
        }
    }
}

impl Table {
    pub(in crate::track) fn new(recorder: Option<Recorder>) -> Arc<Self> {
        let pipe = recorder.is_some();
        let recorder = recorder.map(OnceLock::from).unwrap_or_default();
        Arc::new(Self { state: Mutex::default(), recorder, pipe })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request has come.
    pub(super) fn received(&self, id: &RequestId, request: &ClientRequest) {
        let method = known(request);
        let method = method.map_or_else(|| Method::Own(request.method().to_owned()), Method::Known);
        let mut state = self.lock();
        let mut name = state.spare.pop().unwrap_or_default();
        name.push_str(subject(request));
        let entry = Entry {
            method,
            name,
            since: Instant::now(),
            stage: Stage::Received,
            progress_token: request.get_meta().get_progress_token(),
            counts: Counts::default(),
            cancelled: false,
        };
        let before = state.open.insert(id.clone(), entry);
        drop(state);
        // A client that uses an id again has no use for the answer before.
        if let Some(Entry { stage: Stage::Done(done), counts, .. }) = before {
            done.unsent(counts, Unsent::Cancelled);
        }
    }

    /// A handler begins with a request, in this session of the connection.
    pub(in crate::track) fn began(
        &self,
        id: &RequestId,
        session: &Session,
        owned: bool,
        stage: Stage,
        recorder: impl FnOnce() -> Recorder,
    ) {
        self.recorder.get_or_init(recorder);
        let mut state = self.lock();
        if state.session.as_ref().is_none_or(|known| !known.is(session)) {
            state.session = Some(session.plain());
            state.owned = owned;
        }
        if let Some(entry) = state.open.get_mut(id) {
            entry.stage = stage;
        }
    }

    /// Whether an answer to a request may still leave.
    pub(in crate::track) fn awaits(&self, id: &RequestId) -> bool {
        self.lock().open.get(id).is_some_and(|entry| !entry.cancelled)
    }

    /// A handler has ended: its event waits for its answer, unless none will leave.
    pub(in crate::track) fn done(&self, id: &RequestId, done: Done) {
        let mut state = self.lock();
        let why = match state.open.get_mut(id) {
            Some(entry) if !entry.cancelled => {
                entry.stage = Stage::Done(done);
                return;
            }
            Some(_) => Unsent::Cancelled,
            None => Unsent::Disconnected,
        };
        let counts = state.remove(id).map(|entry| entry.counts).unwrap_or_default();
        let left = state.asked_during(id);
        drop(state);
        left.into_iter().for_each(Asked::unanswered);
        done.unsent(counts, why);
    }

    /// A request that ended without an answer, and whose event has been written.
    pub(in crate::track) fn forget(&self, id: &RequestId) {
        let mut state = self.lock();
        state.remove(id);
        let left = state.asked_during(id);
        drop(state);
        left.into_iter().for_each(Asked::unanswered);
    }

    /// The client has cancelled a request.
    pub(super) fn cancelled(&self, id: &RequestId) {
        let mut state = self.lock();
        let Some(entry) = state.open.get_mut(id) else { return };
        entry.cancelled = true;
        if matches!(entry.stage, Stage::Runs(..)) {
            // Its handler ends it.
            return;
        }
        let Some(Entry { stage: Stage::Done(done), counts, .. }) = state.remove(id) else { return };
        let left = state.asked_during(id);
        drop(state);
        left.into_iter().for_each(Asked::unanswered);
        done.unsent(counts, Unsent::Cancelled);
    }

    /// The client has answered a request of the server.
    pub(super) fn answered(&self, id: &RequestId, outcome: Result<&ClientResult, &ErrorData>) {
        // As rmcp does: some clients send the number back as text.
        let number = match id {
            RequestId::String(text) => text.parse().ok().map(RequestId::Number),
            RequestId::Number(_) => None,
        };
        let asked = {
            let mut state = self.lock();
            let own = state.asked.remove(id);
            own.or_else(|| state.asked.remove(&number?))
        };
        if let Some(asked) = asked {
            asked.answered(outcome);
        }
    }

    /// A message is about to leave. Whoever waits for its event first.
    pub(super) fn sending(&self, message: &ServerJsonRpcMessage) -> Option<Client> {
        match message {
            JsonRpcMessage::Response(response) => self.answering(&response.id, Ok(&response.result)),
            JsonRpcMessage::Error(error) => self.answering(error.id.as_ref()?, Err(&error.error)),
            JsonRpcMessage::Request(request) => {
                self.asking(&request.id, &request.request);
                None
            }
            JsonRpcMessage::Notification(notification) => {
                self.telling(&notification.notification);
                None
            }
        }
    }

    fn answering(&self, id: &RequestId, outcome: Result<&ServerResult, &ErrorData>) -> Option<Client> {
        let mut state = self.lock();
        let mut entry = state.remove(id)?;
        let left = state.asked_during(id);
        let session = state.session.clone();
        drop(state);
        left.into_iter().for_each(Asked::unanswered);
        let stage = std::mem::replace(&mut entry.stage, Stage::Unrecorded);
        let settles = match (stage, outcome) {
            (Stage::Done(done), outcome) => done.sent(entry.counts, outcome),
            (Stage::Received, Err(error)) => {
                self.refused(id, &entry, session, error);
                None
            }
            _ => None,
        };
        self.spare(entry.name);
        settles
    }

    fn spare(&self, mut text: String) {
        let mut state = self.lock();
        if state.spare.len() < SPARE && text.capacity() <= 256 {
            text.clear();
            state.spare.push(text);
        }
    }

    /// The event of a request that rmcp answered itself, with an error.
    fn refused(&self, id: &RequestId, entry: &Entry, session: Option<Session>, error: &ErrorData) {
        let Some(recorder) = self.recorder.get() else { return };
        let (Some(client), method) = (recorder.client(), entry.method.as_str()) else { return };
        let session = session.or_else(|| self.pipe.then(|| recorder.shared.connection.lone(client.core())));
        let Some(session) = session.filter(|_| recorder.options.records_method(method)) else { return };
        let mut call = Call::request(session, method);
        call.began(entry.since.elapsed());
        if let Some(fields) = call.fields() {
            fields.body_member("event_type", &format!("mcp:{method}"));
            let name = Some(entry.name.as_str()).filter(|name| !name.is_empty());
            if let Some(name) = name {
                fields.name(name);
            }
            if recorder.options.payload(method, name) != Payload::Nothing {
                let extra = Extra { id, extensions: &rmcp::model::Extensions::new() };
                let params = serde_json::json!({ "name": name });
                fields.parameters(&Parameters { method, params: &params, extra });
            }
            fields.property("mcpcat_refused", "before any handler");
        }
        call.finish(error.error());
    }

    /// The server asks its client for something.
    fn asking(&self, id: &RequestId, request: &ServerRequest) {
        let Some(recorder) = self.recorder.get() else { return };
        let method = method_of(request);
        if recorder.client().is_none() || !recorder.options.records_method(method) {
            return;
        }
        let during = request.extensions().get::<OriginatingRequestId>().map(|origin| origin.0.clone());
        let (session, parent) = {
            let state = self.lock();
            let stage = during.as_ref().and_then(|id| Some(&state.open.get(id)?.stage));
            match stage {
                Some(Stage::Runs(session, event)) => (Some(session.clone()), Some(*event)),
                _ => (state.session.clone(), None),
            }
        };
        let Some(session) = session.filter(Session::records) else { return };
        let payload = recorder.options.payload(method, None);
        let asked = Asked::new(session, parent, during, payload, id, request);
        self.lock().asked.insert(id.clone(), asked);
    }

    /// The server tells its client something.
    fn telling(&self, notification: &ServerNotification) {
        let mut state = self.lock();
        match notification {
            ServerNotification::ProgressNotification(progress) => {
                let token = &progress.params.progress_token;
                if let Some(entry) =
                    state.open.values_mut().find(|entry| entry.progress_token.as_ref() == Some(token))
                {
                    entry.counts.progress += 1;
                }
            }
            ServerNotification::LoggingMessageNotification(_) => {
                let alone = state.open.len() == 1;
                for entry in state.open.values_mut() {
                    let counts = &mut entry.counts;
                    let count = if alone { &mut counts.logs } else { &mut counts.logs_shared };
                    *count += 1;
                }
            }
            ServerNotification::CancelledNotification(cancelled) => {
                let asked = cancelled.params.request_id.as_ref().and_then(|id| state.asked.remove(id));
                drop(state);
                if let Some(asked) = asked {
                    asked.cancelled(cancelled.params.reason.as_deref());
                }
            }
            ServerNotification::TaskStatusNotification(status) => {
                let session = state.session.clone();
                drop(state);
                if let Some(session) = session {
                    rounds::task_is(&session, &status.params.task);
                }
            }
            _ => {}
        }
    }

    /// Nothing leaves any more.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let (open, asked) = (std::mem::take(&mut state.open), std::mem::take(&mut state.asked));
        let session = state.session.take().filter(|_| state.owned);
        drop(state);
        asked.into_values().for_each(Asked::unanswered);
        for entry in open.into_values() {
            if let Stage::Done(done) = entry.stage {
                done.unsent(entry.counts, Unsent::Disconnected);
            }
        }
        if let Some(session) = session {
            rounds::session_ended(&session);
        }
    }
}

impl State {
    fn remove(&mut self, id: &RequestId) -> Option<Entry> {
        self.open.remove(id)
    }

    /// What the server asked its client for, for the sake of a request that is over.
    fn asked_during(&mut self, id: &RequestId) -> Vec<Asked> {
        if self.asked.is_empty() {
            return Vec::new();
        }
        let of_request = |_: &RequestId, asked: &mut Asked| asked.during.as_ref() == Some(id);
        self.asked.extract_if(of_request).map(|(_, asked)| asked).collect()
    }
}

impl Recorder {
    /// The client, where anything is recorded.
    fn client(&self) -> Option<&Client> {
        self.shared.client.as_ref().ok().filter(|client| client.core().records())
    }
}

/// The methods that rmcp has a type for.
fn known(request: &ClientRequest) -> Option<&'static str> {
    Some(match request {
        ClientRequest::PingRequest(_) => "ping",
        ClientRequest::InitializeRequest(_) => "initialize",
        ClientRequest::DiscoverRequest(_) => "server/discover",
        ClientRequest::CompleteRequest(_) => "completion/complete",
        ClientRequest::SetLevelRequest(_) => "logging/setLevel",
        ClientRequest::GetPromptRequest(_) => "prompts/get",
        ClientRequest::ListPromptsRequest(_) => "prompts/list",
        ClientRequest::ListResourcesRequest(_) => "resources/list",
        ClientRequest::ListResourceTemplatesRequest(_) => "resources/templates/list",
        ClientRequest::ReadResourceRequest(_) => "resources/read",
        ClientRequest::SubscriptionsListenRequest(_) => "subscriptions/listen",
        ClientRequest::SubscribeRequest(_) => "resources/subscribe",
        ClientRequest::UnsubscribeRequest(_) => "resources/unsubscribe",
        ClientRequest::CallToolRequest(_) => "tools/call",
        ClientRequest::ListToolsRequest(_) => "tools/list",
        ClientRequest::GetTaskRequest(_) => "tasks/get",
        ClientRequest::UpdateTaskRequest(_) => "tasks/update",
        ClientRequest::CancelTaskRequest(_) => "tasks/cancel",
        ClientRequest::ListSkillsRequest(_) => "skills/list",
        ClientRequest::GetSkillRequest(_) => "skills/get",
        ClientRequest::ReadResourceDirectoryRequest(_) => "resources/directory/read",
        _ => return None,
    })
}

/// What a request is about.
fn subject(request: &ClientRequest) -> &str {
    match request {
        ClientRequest::CallToolRequest(request) => &request.params.name,
        ClientRequest::GetPromptRequest(request) => &request.params.name,
        ClientRequest::ReadResourceRequest(request) => &request.params.uri,
        ClientRequest::SubscribeRequest(request) => &request.params.uri,
        ClientRequest::UnsubscribeRequest(request) => &request.params.uri,
        ClientRequest::GetSkillRequest(request) => &request.params.uri,
        ClientRequest::ReadResourceDirectoryRequest(request) => &request.params.uri,
        _ => "",
    }
}
