//! The outcome of a call, found by type.

use mcpcat::{ErrorInfo, Outcome, event};
use rmcp::ErrorData;
use rmcp::handler::server::wrapper::Json;
use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::{Value, json};

use crate::support::{block_on, one};

fn failed<T>(code: impl FnOnce() -> T) -> Option<String> {
    let body = one(code);
    (body["is_error"] == true).then(|| body["error"]["message"].as_str().unwrap_or_default().to_owned())
}

#[event]
fn tool(error: bool) -> CallToolResult {
    let content = vec![ContentBlock::text("no"), ContentBlock::text("plan")];
    if error { CallToolResult::error(content) } else { CallToolResult::success(content) }
}

#[event]
async fn tool_result(error: bool) -> Result<CallToolResult, ErrorData> {
    if error { Err(ErrorData::invalid_params("no such plan", Some(json!(1)))) } else { Ok(tool(true)) }
}

#[event]
fn json_result(error: bool) -> Result<Json<u8>, String> {
    if error { Err("text".to_owned()) } else { Ok(Json(1)) }
}

#[test]
fn what_tools_return_is_understood() {
    assert_eq!(failed(|| tool(true)).as_deref(), Some("no plan"));
    assert_eq!(failed(|| tool(false)), None);
    let body = one(|| block_on(tool_result(true)));
    assert_eq!(body["error"]["type"], "InvalidParams");
    assert_eq!((&body["error"]["code"], &body["error"]["data"]), (&json!(-32602), &json!(1)));
    assert_eq!(failed(|| json_result(true)).as_deref(), Some("text"));
    assert_eq!(failed(|| json_result(false)), None);
}

#[test]
fn a_result_of_a_failed_tool_is_failed_too() {
    let (_, events) = crate::support::seen(|| block_on(tool_result(false)));
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|event| event.error.as_deref() == Some("no plan")), "{events:?}");
}

enum Answer {
    Found,
    Refused,
}

impl Outcome for Answer {
    fn error(&self) -> Option<ErrorInfo> {
        matches!(self, Answer::Refused).then(|| ErrorInfo::message("refused").with_type("refusal"))
    }
}

#[event]
fn own(refuse: bool) -> Answer {
    if refuse { Answer::Refused } else { Answer::Found }
}

#[event]
fn own_in_result(refuse: bool) -> anyhow::Result<Option<Box<Answer>>> {
    Ok(Some(Box::new(own(refuse))))
}

#[event]
fn bounded<T: Outcome>(value: T) -> T {
    value
}

#[event]
fn unbounded<T>(value: T) -> T {
    value
}

#[test]
fn a_users_type_decides_for_itself() {
    let body = one(|| own(true));
    assert_eq!((&body["error"]["message"], &body["error"]["type"]), (&json!("refused"), &json!("refusal")));
    assert_eq!(failed(|| own(false)), None);
    assert_eq!(failed(|| bounded(Answer::Refused)).as_deref(), Some("refused"));
    assert_eq!(failed(|| unbounded(Answer::Refused)), None, "a bare `T` is not looked into");
    let (_, events) = crate::support::seen(|| own_in_result(true));
    assert!(events.iter().all(|event| event.error.as_deref() == Some("refused")), "{events:?}");
}

#[event]
fn chained() -> anyhow::Result<()> {
    Err(anyhow::anyhow!("root").context("middle").context("outer"))
}

#[test]
fn the_chain_of_an_error_is_kept() {
    let body = one(chained);
    let messages: Vec<&Value> =
        body["error"]["chained_errors"].as_array().unwrap().iter().map(|cause| &cause["message"]).collect();
    assert_eq!(messages, ["middle", "root"]);
}

fn is_teapot(result: &Result<u16, u16>) -> bool {
    *result == Err(418) || *result == Ok(418)
}

#[event(error_if = "is_teapot")]
fn by_error_if(result: Result<u16, u16>) -> Result<u16, u16> {
    result
}

#[event(ok_if = "|found| found.is_some()")]
fn by_ok_if(found: Option<u8>) -> Option<u8> {
    found
}

#[event(error_if = "Option::is_none", response)]
async fn async_error_if(found: Option<u8>) -> Option<u8> {
    found
}

#[event(ok_if = "Vec::is_empty")]
fn by_ok_if_on_alias(list: List) -> List {
    list
}

type List = Vec<u8>;

#[test]
fn the_author_may_decide_instead() {
    assert_eq!(failed(|| by_error_if(Err(418))).as_deref(), Some("418"));
    assert_eq!(failed(|| by_error_if(Err(404))), None);
    assert!(failed(|| by_error_if(Ok(418))).is_some());
    assert!(failed(|| by_ok_if(None)).is_some());
    assert_eq!(failed(|| by_ok_if(Some(1))), None);
    assert!(failed(|| block_on(async_error_if(None))).is_some());
    assert!(failed(|| by_ok_if_on_alias(vec![1])).is_some());
}

/// Types of a user's own under the names of the language's and the standard library's.
mod names {
    use mcpcat::{ErrorInfo, Outcome, event};

    pub(super) struct String(pub(super) bool);
    #[derive(Debug)]
    pub(super) struct Number;
    #[derive(Debug)]
    pub(super) struct HashMap;
    pub(super) type Vec<T> = core::result::Result<T, &'static str>;
    pub(super) struct Result<T, E>(pub(super) T, pub(super) E);

    impl Outcome for String {
        fn error(&self) -> Option<ErrorInfo> {
            self.0.then(|| ErrorInfo::message("an own String"))
        }
    }

    impl Outcome for Number {
        fn error(&self) -> Option<ErrorInfo> {
            Some(ErrorInfo::message("an own number"))
        }
    }

    impl Outcome for HashMap {
        fn error(&self) -> Option<ErrorInfo> {
            Some(ErrorInfo::message("an own HashMap"))
        }
    }

    impl Outcome for Result<Number, Number> {
        fn error(&self) -> Option<ErrorInfo> {
            Some(ErrorInfo::message("an own Result"))
        }
    }

    #[event]
    pub(super) fn string(failed: bool) -> String {
        String(failed)
    }

    #[event]
    pub(super) async fn string_async(failed: bool) -> String {
        String(failed)
    }

    #[event]
    pub(super) fn borrowed(string: &String) -> &String {
        string
    }

    #[event]
    pub(super) fn number() -> Number {
        Number
    }

    #[event]
    pub(super) fn map_in_result() -> core::result::Result<HashMap, &'static str> {
        Ok(HashMap)
    }

    #[event]
    pub(super) fn list() -> Vec<Number> {
        Err("an alias named Vec")
    }

    #[event]
    pub(super) fn result() -> Result<Number, Number> {
        Result(Number, Number)
    }
}

#[test]
fn a_type_is_judged_by_itself_and_not_by_its_name() {
    assert_eq!(failed(|| names::string(true)).as_deref(), Some("an own String"));
    assert_eq!(failed(|| names::string(false)), None);
    assert_eq!(failed(|| block_on(names::string_async(true))).as_deref(), Some("an own String"));
    assert_eq!(failed(|| names::borrowed(&names::String(true)).0).as_deref(), Some("an own String"));
    assert_eq!(failed(names::number).as_deref(), Some("an own number"));
    assert_eq!(failed(|| names::map_in_result().is_ok()).as_deref(), Some("an own HashMap"));
    assert_eq!(failed(|| names::list().is_ok()).as_deref(), Some("an alias named Vec"));
    assert_eq!(failed(names::result).as_deref(), Some("an own Result"));
}
