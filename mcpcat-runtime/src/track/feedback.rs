//! Tools of our own that a server may offer its agents: one to say what tool is missing, one to say how it went. Neither is
//! there unless asked for, and every word that an agent reads can be replaced.

use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::{Value, json};

use crate::event::Fields;
use crate::session::{Scope, Session};

/// The name of the event that feedback is.
const EVENT: &str = "feedback.given";

/// The tool with which an agent says what tool it misses: its texts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct WishTool {
    pub(super) description: Cow<'static, str>,
    pub(super) parameter: Cow<'static, str>,
    pub(super) answer: Cow<'static, str>,
}

impl Default for WishTool {
    fn default() -> Self {
        Self {
            description: "Tells the makers of this server which tool is missing. For when none of the other tools can do \
                          what the user asked for."
                .into(),
            parameter: "What the user wants to achieve, and what kind of tool would help. It must hold no credentials and \
                        nothing personal."
                .into(),
            answer: "All tools of this server have been listed; there are no others. The wish has been noted. Please \
                     continue with the tools there are, or tell the user what is missing."
                .into(),
        }
    }
}

impl WishTool {
    /// With our texts.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the tool is for.
    pub fn description(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.description = text.into();
        self
    }

    /// What its parameter is to hold.
    pub fn parameter(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.parameter = text.into();
        self
    }

    /// What an agent is answered.
    pub fn answer(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.answer = text.into();
        self
    }
}

/// What an agent says about how it went.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Feedback {
    /// What it was doing.
    pub task: Option<String>,
    /// Whether that is done.
    pub completed: Option<bool>,
    /// What was in the way.
    pub friction: Option<String>,
    /// How it was: `positive`, `neutral` or `negative`, or another word.
    pub sentiment: Option<String>,
    /// Anything else.
    pub text: Option<String>,
    /// The fields that the server asks for beside these.
    pub own: JsonObject,
}

impl Feedback {
    fn read(arguments: Option<&JsonObject>, own: &[OwnField]) -> Self {
        let get = |name: &str| arguments.and_then(|arguments| arguments.get(name));
        let text = |name: &str| get(name).and_then(Value::as_str).map(str::to_owned);
        let own = own.iter().filter_map(|field| Some((field.name.to_string(), get(&field.name)?.clone())));
        Self {
            task: text("task"),
            completed: get("completed").and_then(Value::as_bool),
            friction: text("friction"),
            sentiment: text("sentiment"),
            text: text("text"),
            own: own.collect(),
        }
    }

    fn record(&self, fields: &mut Fields) {
        fields.name(EVENT);
        for (name, text) in [
            ("task", &self.task),
            ("friction", &self.friction),
            ("sentiment", &self.sentiment),
            ("text", &self.text),
        ] {
            if let Some(text) = text {
                fields.parameter(name, text);
            }
        }
        if let Some(completed) = self.completed {
            fields.parameter("completed", &completed);
        }
        for (name, value) in &self.own {
            fields.parameter(name, value);
        }
    }
}

#[derive(Debug, Clone)]
struct OwnField {
    name: Cow<'static, str>,
    schema: Value,
}

type Handler = dyn Fn(&Feedback) + Send + Sync;

/// The tool with which an agent says how it went.
///
/// ```no_run
/// # use mcpcat_runtime as mcpcat;
/// use mcpcat::{Feedback, FeedbackTool};
/// # use rmcp::ServerHandler;
/// # fn serve(handler: impl ServerHandler) {
/// let tool = FeedbackTool::new(|feedback: &Feedback| eprintln!("{:?}", feedback.text))
///     .name("rate_this_shop")
///     .field("stars", serde_json::json!({ "type": "integer", "minimum": 1, "maximum": 5 }));
/// let server = mcpcat::track(handler, "proj_abc123xyz").feedback_tool_with(tool);
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct FeedbackTool {
    name: Cow<'static, str>,
    description: Cow<'static, str>,
    texts: [(&'static str, Cow<'static, str>); 5],
    own: Vec<OwnField>,
    answer: Cow<'static, str>,
    handler: Arc<Handler>,
}

impl FeedbackTool {
    /// Named `give_feedback`, with our texts. `handler` is called with what an agent says, on the call's thread: it must
    /// not block. A panic of it is caught.
    pub fn new(handler: impl Fn(&Feedback) + Send + Sync + 'static) -> Self {
        Self {
            name: "give_feedback".into(),
            description: "Tells the makers of this server how the work with its tools went. For the end of a task, or when \
                          something was in the way. It must hold no credentials and nothing personal."
                .into(),
            texts: [
                ("task", "What was to be done, in one sentence.".into()),
                ("completed", "Whether it is done.".into()),
                ("friction", "What was in the way: an unclear description, a missing parameter, an error.".into()),
                ("sentiment", "How it went: `positive`, `neutral` or `negative`.".into()),
                ("text", "Anything else that the makers should know.".into()),
            ],
            own: Vec::new(),
            answer: "The feedback has been noted.".into(),
            handler: Arc::new(handler),
        }
    }

    /// The tool's name. A tool of that name in the server stays the server's.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// What the tool is for.
    pub fn description(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.description = text.into();
        self
    }

    /// What one of its parameters (`task`, `completed`, `friction`, `sentiment`, `text`) is to hold. An empty text leaves
    /// the parameter out; another name is ignored.
    pub fn describe(mut self, parameter: &str, text: impl Into<Cow<'static, str>>) -> Self {
        if let Some((_, own)) = self.texts.iter_mut().find(|(name, _)| *name == parameter) {
            *own = text.into();
        }
        self
    }

    /// Asks for a field of your own, with its JSON schema.
    pub fn field(mut self, name: impl Into<Cow<'static, str>>, schema: Value) -> Self {
        self.own.push(OwnField { name: name.into(), schema });
        self
    }

    /// What an agent is answered.
    pub fn answer(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.answer = text.into();
        self
    }

    pub(super) fn is_called(&self, name: &str) -> bool {
        self.name == name
    }

    pub(super) fn tool(&self) -> Tool {
        let mut properties = JsonObject::new();
        for (name, text) in self.texts.iter().filter(|(_, text)| !text.is_empty()) {
            let kind = if *name == "completed" { "boolean" } else { "string" };
            properties.insert((*name).to_owned(), json!({ "type": kind, "description": text }));
        }
        for field in &self.own {
            properties.insert(field.name.to_string(), field.schema.clone());
        }
        let mut schema = JsonObject::new();
        schema.insert("type".to_owned(), json!("object"));
        schema.insert("properties".to_owned(), properties.into());
        Tool::new(self.name.clone(), self.description.clone(), Arc::new(schema))
            .with_annotations(ToolAnnotations::new().read_only(true).destructive(false).idempotent(true))
    }

    /// Records what an agent says, in the call that runs here, and tells the author. What the agent is answered.
    pub(super) fn take(&self, arguments: Option<&JsonObject>) -> String {
        let feedback = Feedback::read(arguments, &self.own);
        if let Some(session) = Session::current() {
            let parent = Scope::current().and_then(|scope| scope.parent);
            // Why it found no place, the ledger knows.
            let _ = session.publish(parent, |fields| feedback.record(fields));
        }
        if catch_unwind(AssertUnwindSafe(|| (self.handler)(&feedback))).is_err() {
            crate::notice::warn("the handler of `feedback_tool` panicked; the feedback is recorded");
        }
        self.answer.to_string()
    }
}

impl fmt::Debug for FeedbackTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeedbackTool").field("name", &self.name).finish_non_exhaustive()
    }
}
