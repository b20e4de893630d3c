//! Parameters that agents are asked for and tools never see: added to schemas where tools are listed, taken
//! out of arguments where tools are called. What a tool declares itself is its own and stays untouched.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::{Value, json};

use super::feedback::{FeedbackTool, WishTool};

pub(super) const CONTEXT: &str = "context";
pub(super) const SESSION_ID: &str = "session_id";
pub(super) const AGENT_ID: &str = "agent_id";
pub(super) const MODEL: &str = "agent_model";
/// The tool with which an agent says what it misses; the product's name for it.
pub(super) const WISH_TOOL: &str = "get_more_tools";
/// The member that a structured result tells the handle in.
pub(super) const SESSION_MEMBER: &str = "mcp_session";

const CONTEXT_TEXT: &str = "One sentence about why this tool is being called and what the user wants to \
     achieve with it. It must hold no credentials and nothing personal.";
const SESSION_TEXT: &str = "Links the calls of one conversation. The first call sends `start`; its answer \
     holds a line `session_id: ses_…`, and every later call of the conversation sends that value, whole and \
     unchanged. Sub-agents that continue the conversation send it too. It is never made up.";
const AGENT_TEXT: &str = "A short name of the agent that makes this call, such as `planner`, the same in all \
     of its calls and different from other agents' names.";
const MODEL_TEXT: &str = "The name of the language model that makes this call, as exactly as it is known, or \
     `unknown`.";

/// What the author asked for.
#[derive(Clone, Default)]
pub(super) struct Injection {
    /// `Some` injects the intent parameter; the text inside replaces its description.
    pub(super) intent: Option<Option<Arc<str>>>,
    pub(super) wish_tool: Option<Arc<WishTool>>,
    pub(super) feedback_tool: Option<Arc<FeedbackTool>>,
    pub(super) session_handle: bool,
    pub(super) agent_id: bool,
    pub(super) model: bool,
    /// What is known of the handler's tools, shared by the clones of one wrapper.
    pub(super) tools: Arc<Tools>,
}

impl Injection {
    /// Whether tools look different to clients.
    pub(super) fn is_asked_for(&self) -> bool {
        self.intent.is_some()
            || self.wish_tool.is_some()
            || self.feedback_tool.is_some()
            || self.session_handle
            || self.agent_id
            || self.model
    }

    /// The parameters; `linked` when something else tells the session.
    pub(super) fn wanted(&self, linked: bool) -> Injected {
        Injected {
            context: self.intent.is_some(),
            session_id: self.session_handle && !linked,
            agent_id: self.agent_id,
            model: self.model,
        }
    }
}

/// Which of the parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Injected {
    pub(super) context: bool,
    pub(super) session_id: bool,
    pub(super) agent_id: bool,
    pub(super) model: bool,
}

impl Injected {
    /// Of those wanted, the ones that a schema leaves room for.
    fn within(self, own: Declared) -> Self {
        Self {
            context: self.context && !own.closed && !own.context,
            session_id: self.session_id && !own.closed && !own.session_id,
            agent_id: self.agent_id && !own.closed && !own.agent_id,
            model: self.model && !own.closed && !own.model,
        }
    }
}

/// What a tool declares itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Declared {
    context: bool,
    pub(super) session_id: bool,
    agent_id: bool,
    model: bool,
    /// Its schema is a choice between schemas: a property beside it would belong to none of them.
    closed: bool,
}

impl Declared {
    fn of(schema: &JsonObject) -> Self {
        let has =
            |name| schema.get("properties").and_then(Value::as_object).is_some_and(|p| p.contains_key(name));
        Self {
            context: has(CONTEXT),
            session_id: has(SESSION_ID),
            agent_id: has(AGENT_ID),
            model: has(MODEL),
            closed: ["oneOf", "allOf", "anyOf"].iter().any(|key| schema.contains_key(*key)),
        }
    }
}

/// What listings have shown of tools, for handlers whose `get_tool` says nothing.
#[derive(Debug, Default)]
pub(super) struct Tools(Mutex<HashMap<Box<str>, Declared>>);

impl Tools {
    /// Remembers what a tool declares, as the handler shows it.
    pub(super) fn learn(&self, tool: &Tool) {
        self.remember(&tool.name, Declared::of(&tool.input_schema));
    }

    fn remember(&self, name: &str, declared: Declared) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.get(name) != Some(&declared) {
            known.insert(name.into(), declared);
        }
    }

    pub(super) fn declared(&self, name: &str, tool: Option<&Tool>) -> Option<Declared> {
        match tool {
            Some(tool) => Some(Declared::of(&tool.input_schema)),
            None => self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied(),
        }
    }

    /// Whether the handler has listed a tool of this name.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(name)
    }
}

/// Shows a tool as clients shall see it.
pub(super) fn decorate(tool: &mut Tool, injection: &Injection, wanted: Injected) {
    let declared = Declared::of(&tool.input_schema);
    injection.tools.remember(&tool.name, declared);
    add(tool, injection, wanted.within(declared));
}

fn add(tool: &mut Tool, injection: &Injection, injected: Injected) {
    if injected == Injected::default() {
        return;
    }
    let schema = Arc::make_mut(&mut tool.input_schema);
    if injected.session_id {
        let pattern = "^(start|ses_[0-9A-Za-z]{27})$";
        require(
            schema,
            SESSION_ID,
            json!({ "type": "string", "description": SESSION_TEXT, "pattern": pattern }),
        );
        if let Some(output) = &mut tool.output_schema {
            describe_answer(Arc::make_mut(output));
        }
    }
    if injected.agent_id {
        require(schema, AGENT_ID, json!({ "type": "string", "description": AGENT_TEXT }));
    }
    if injected.model {
        require(schema, MODEL, json!({ "type": "string", "description": MODEL_TEXT }));
    }
    if injected.context {
        let text = injection.intent.as_ref().and_then(Option::as_deref).unwrap_or(CONTEXT_TEXT);
        require(schema, CONTEXT, json!({ "type": "string", "description": text }));
    }
}

fn require(schema: &mut JsonObject, name: &str, property: Value) {
    let properties = schema.entry("properties").or_insert_with(|| json!({}));
    if let Some(properties) = properties.as_object_mut() {
        properties.insert(name.to_owned(), property);
        if let Some(required) = schema.entry("required").or_insert_with(|| json!([])).as_array_mut() {
            required.push(name.into());
        }
    }
}

/// A structured answer may tell the handle.
fn describe_answer(output: &mut JsonObject) {
    if let Some(properties) = output.get_mut("properties").and_then(Value::as_object_mut) {
        properties.entry(SESSION_MEMBER).or_insert_with(|| {
            json!({ "type": "object", "properties": {
                "session_id": { "type": "string" },
                "agent_id": { "type": "string" },
                "status": { "type": "string", "enum": ["issued", "active", "unrecognized"] },
            } })
        });
    }
}

/// A tool of ours.
#[derive(Clone)]
pub(super) enum Ours {
    Wish(Arc<WishTool>),
    Feedback(Arc<FeedbackTool>),
}

impl Injection {
    /// The tool of ours that has this name.
    pub(super) fn ours(&self, name: &str) -> Option<Ours> {
        let feedback = || self.feedback_tool.as_ref().filter(|tool| tool.is_called(name));
        match &self.wish_tool {
            Some(wish) if name == WISH_TOOL => Some(Ours::Wish(Arc::clone(wish))),
            _ => feedback().map(|tool| Ours::Feedback(Arc::clone(tool))),
        }
    }

    /// All of them, as agents are shown them.
    pub(super) fn all_ours(&self, wanted: Injected) -> Vec<Tool> {
        let wish = self.wish_tool.iter().map(|wish| Ours::Wish(Arc::clone(wish)));
        let feedback = self.feedback_tool.iter().map(|tool| Ours::Feedback(Arc::clone(tool)));
        wish.chain(feedback).map(|ours| ours.tool(self, wanted)).collect()
    }
}

impl Ours {
    /// The tool, with what else is wanted of a tool. It says itself why it is called.
    pub(super) fn tool(&self, injection: &Injection, wanted: Injected) -> Tool {
        let mut tool = match self {
            Self::Feedback(feedback) => feedback.tool(),
            Self::Wish(wish) => {
                let mut schema = JsonObject::new();
                schema.insert("type".to_owned(), json!("object"));
                let context = json!({ "type": "string", "description": wish.parameter });
                require(&mut schema, CONTEXT, context);
                Tool::new(WISH_TOOL, wish.description.clone(), Arc::new(schema)).with_annotations(
                    ToolAnnotations::new().read_only(true).destructive(false).idempotent(true),
                )
            }
        };
        add(&mut tool, injection, Injected { context: false, ..wanted });
        tool
    }

    /// What a call of it is answered.
    pub(super) fn answer(&self, arguments: Option<&JsonObject>) -> String {
        match self {
            Self::Wish(wish) => wish.answer.to_string(),
            Self::Feedback(feedback) => feedback.take(arguments),
        }
    }
}

/// What an agent sent for the injected parameters of one call.
#[derive(Debug, Default)]
pub(super) struct Sent {
    injected: Injected,
    /// The tool has a `session_id` of its own.
    pub(super) foreign: bool,
    pub(super) intent: Option<String>,
    pub(super) session_id: Option<String>,
    pub(super) agent_id: Option<String>,
    pub(super) model: Option<String>,
}

impl Sent {
    pub(super) fn read(
        wanted: Injected,
        declared: Option<Declared>,
        ours: Option<&Ours>,
        arguments: Option<&JsonObject>,
    ) -> Self {
        // Of a tool that nobody has shown nothing is known to be injected: it keeps what it is sent.
        let injected = match declared {
            _ if ours.is_some() => Injected { context: matches!(ours, Some(Ours::Wish(_))), ..wanted },
            Some(declared) => wanted.within(declared),
            None => Injected::default(),
        };
        let text = |wanted: bool, name| {
            let value = arguments.filter(|_| wanted)?.get(name)?.as_str()?;
            Some(value.to_owned())
        };
        Self {
            injected,
            foreign: ours.is_none() && declared.is_some_and(|declared| declared.session_id),
            intent: text(injected.context, CONTEXT),
            session_id: text(injected.session_id, SESSION_ID),
            agent_id: text(injected.agent_id, AGENT_ID).map(|id| short(&id)).filter(|id| !id.is_empty()),
            model: text(injected.model, MODEL)
                .map(|name| short(&name))
                .filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("unknown")),
        }
    }

    /// Whether the tool was shown with a `session_id`.
    pub(super) fn has_handle(&self) -> bool {
        self.injected.session_id
    }

    /// Takes what was injected out of a call's arguments.
    pub(super) fn strip(&self, arguments: &mut Option<JsonObject>) {
        if let Some(arguments) = arguments {
            for (injected, name) in [
                (self.injected.context, CONTEXT),
                (self.injected.session_id, SESSION_ID),
                (self.injected.agent_id, AGENT_ID),
                (self.injected.model, MODEL),
            ] {
                if injected {
                    arguments.remove(name);
                }
            }
        }
    }
}

/// A name as a tag takes it: one line, at most 200 characters.
fn short(id: &str) -> String {
    id.trim().chars().take(200).map(|c| if matches!(c, '\r' | '\n') { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(schema: Value) -> Tool {
        let Value::Object(schema) = schema else { panic!("an object") };
        Tool::new("t", "d", Arc::new(schema))
    }

    fn all() -> Injection {
        Injection { intent: Some(None), session_handle: true, agent_id: true, ..Injection::default() }
    }

    #[test]
    fn each_parameter_is_added_once_and_required() {
        let injection = all();
        let mut it = tool(json!({ "type": "object", "properties": { "a": {} }, "required": ["a"] }));
        decorate(&mut it, &injection, injection.wanted(false));
        assert_eq!(it.input_schema["required"], json!(["a", "session_id", "agent_id", "context"]));
        assert_eq!(it.input_schema["properties"].as_object().unwrap().len(), 4);
    }

    #[test]
    fn a_tools_own_parameter_stays_as_it_is() {
        let injection = all();
        let own = json!({ "type": "object", "properties": { "context": { "type": "integer" } } });
        let mut it = tool(own);
        let declared = injection.tools.declared("t", Some(&it));
        decorate(&mut it, &injection, injection.wanted(true));
        assert_eq!(it.input_schema["properties"]["context"], json!({ "type": "integer" }));
        let arguments = json!({ "context": "mine", "agent_id": "me\nyou" });
        let mut arguments = arguments.as_object().cloned();
        let sent = Sent::read(injection.wanted(true), declared, None, arguments.as_ref());
        assert_eq!((sent.intent.as_deref(), sent.agent_id.as_deref()), (None, Some("me you")));
        sent.strip(&mut arguments);
        assert_eq!(Value::Object(arguments.unwrap()), json!({ "context": "mine" }));
    }

    #[test]
    fn a_choice_of_schemas_is_left_alone() {
        for key in ["oneOf", "allOf", "anyOf"] {
            let injection = all();
            let schema = json!({ "type": "object", key: [{}] });
            let mut it = tool(schema.clone());
            decorate(&mut it, &injection, injection.wanted(false));
            assert_eq!(Value::Object((*it.input_schema).clone()), schema);
        }
    }
}
