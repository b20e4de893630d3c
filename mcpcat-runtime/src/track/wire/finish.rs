//! The end of a request's event, when it is known what the client gets.

use rmcp::model::{ErrorData, ServerResult};
use serde::Serialize;

use super::table::Counts;
use crate::call::Call;
use crate::client::Client;
use crate::event::{ErrorInfo, Fields, Outcome as _};
use crate::track::form::Form;
use crate::track::options::Payload;
use crate::track::payload::Answer;
use crate::track::rounds::Thread;

/// A request whose handler has ended and whose answer has not left yet.
pub(in crate::track) struct Done {
    pub(in crate::track) call: Call,
    pub(in crate::track) payload: Payload,
    pub(in crate::track) thread: Thread,
    pub(in crate::track) said: Said,
    /// Who waits for the event before the answer leaves.
    pub(in crate::track) settles: Option<Client>,
    /// Of a request that lasted until somebody ended it: its answer is on the event already, and no failure if the
    /// client ended it.
    pub(in crate::track) lasted: bool,
    pub(in crate::track) by_client: bool,
}

/// What the handler answered.
pub(in crate::track) enum Said {
    /// An answer of this form. It is kept as JSON where rmcp may make something else of it.
    Answer(Form, Option<String>),
    Error(ErrorData),
}

/// Why an answer never left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::track) enum Unsent {
    Cancelled,
    Disconnected,
}

/// What the handler said, beside what the client got.
#[derive(Serialize)]
struct Beside<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answered: Option<&'static str>,
}

/// The property that says what the handler answered, where that is not what the client got.
const HANDLER: &str = "mcpcat_handler";

impl Said {
    fn beside_result(&self, fields: &mut Fields, sent: Form) {
        match self {
            Self::Answer(form, own) => {
                let changed = form.changed(sent);
                if !changed.is_empty() {
                    fields.property("mcpcat_rewritten", &changed);
                }
                if let Some(own) = own.as_ref().filter(|_| form.loses_content(sent)) {
                    fields.property_json(HANDLER, own);
                }
            }
            Self::Error(error) => error_beside(fields, error, None),
        }
    }

    fn beside_error(&self, fields: &mut Fields, sent: &ErrorData) {
        match self {
            Self::Answer(form, own) => match own {
                Some(own) => fields.property_json(HANDLER, own),
                None => {
                    let beside = Beside { code: None, message: None, answered: Some(form.kind()) };
                    fields.property(HANDLER, &beside);
                }
            },
            Self::Error(own) if own.code != sent.code || own.message != sent.message => {
                error_beside(fields, own, Some(sent));
            }
            Self::Error(_) => {}
        }
    }
}

fn error_beside(fields: &mut Fields, own: &ErrorData, sent: Option<&ErrorData>) {
    let message = Some(own.message.as_ref()).filter(|own| sent.is_none_or(|sent| *own != sent.message));
    fields.property(HANDLER, &Beside { code: Some(own.code.0), message, answered: None });
}

impl Done {
    /// Ends the event: this is what the client gets. Whoever waits for the event before it leaves.
    pub(super) fn sent(
        mut self,
        counts: Counts,
        outcome: Result<&ServerResult, &ErrorData>,
    ) -> Option<Client> {
        let mut failure = None;
        if let Some(fields) = self.call.fields() {
            counts.note(fields);
            match outcome {
                Ok(result) => {
                    failure = result.failure();
                    if !self.lasted {
                        result.record(fields, self.payload);
                        self.said.beside_result(fields, result.form());
                    }
                }
                Err(error) => {
                    failure = error.error();
                    self.said.beside_error(fields, error);
                }
            }
        }
        let failure = failure.filter(|_| !self.by_client);
        let waits = outcome.ok().and_then(Answer::waits);
        self.thread.answered(&mut self.call, waits, failure.as_ref(), self.payload);
        self.call.finish(failure);
        self.settles
    }

    /// Ends the event: the client got nothing.
    pub(super) fn unsent(mut self, counts: Counts, why: Unsent) {
        if let Some(fields) = self.call.fields() {
            counts.note(fields);
            let said = match &self.said {
                Said::Answer(form, None) => {
                    fields.property(
                        HANDLER,
                        &Beside { code: None, message: None, answered: Some(form.kind()) },
                    );
                    None
                }
                Said::Answer(_, Some(own)) => {
                    fields.property_json(HANDLER, own);
                    None
                }
                Said::Error(error) => {
                    error_beside(fields, error, None);
                    error.error()
                }
            };
            unsent(fields);
            let failure = (!self.by_client).then(|| why.error(said.as_ref()));
            return self.call.finish(failure);
        }
        self.call.forget();
    }
}

/// Marks an event whose answer no client got.
pub(in crate::track) fn unsent(fields: &mut Fields) {
    fields.property("mcpcat_answer", "not sent");
}

impl Unsent {
    pub(in crate::track) fn error(self, handlers: Option<&ErrorInfo>) -> ErrorInfo {
        crate::track::ending::interrupted(self == Self::Disconnected, handlers)
    }
}
