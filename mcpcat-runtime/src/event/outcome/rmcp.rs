//! The outcomes of what MCP tools return.

use rmcp::ErrorData;
use rmcp::handler::server::wrapper::Json;
use rmcp::model::{CallToolResponse, CallToolResult, ErrorCode};
use serde_json::Value;

use super::{ErrorInfo, Outcome};

/// An error if `is_error` says so; its message is the text of the content.
impl Outcome for CallToolResult {
    fn error(&self) -> Option<ErrorInfo> {
        if self.is_error != Some(true) {
            return None;
        }
        let texts: Vec<&str> =
            self.content.iter().filter_map(|block| block.as_text().map(|text| text.text.as_str())).collect();
        Some(ErrorInfo::message(if texts.is_empty() {
            "the tool answered with an error that has no text".to_owned()
        } else {
            texts.join(" ")
        }))
    }
}

/// A request for input and a task are no errors.
impl Outcome for CallToolResponse {
    fn error(&self) -> Option<ErrorInfo> {
        match self {
            CallToolResponse::Complete(result) => result.error(),
            _ => None,
        }
    }
}

impl<T: Outcome> Outcome for Json<T> {
    fn error(&self) -> Option<ErrorInfo> {
        self.0.error()
    }
}

/// Always an error; its type is the name that JSON-RPC has for the code.
impl Outcome for ErrorData {
    fn error(&self) -> Option<ErrorInfo> {
        let mut info =
            ErrorInfo::message(self.message.clone()).with_type(code_name(self.code)).with_code(self.code.0);
        if let Some(data) = &self.data {
            info.details.insert("data".to_owned(), Value::clone(data));
        }
        Some(info)
    }
}

/// The names of JSON-RPC 2.0 §5.1 and of MCP's own codes.
fn code_name(code: ErrorCode) -> String {
    match code {
        ErrorCode::PARSE_ERROR => "ParseError".to_owned(),
        ErrorCode::INVALID_REQUEST => "InvalidRequest".to_owned(),
        ErrorCode::METHOD_NOT_FOUND => "MethodNotFound".to_owned(),
        ErrorCode::INVALID_PARAMS => "InvalidParams".to_owned(),
        ErrorCode::INTERNAL_ERROR => "InternalError".to_owned(),
        ErrorCode::RESOURCE_NOT_FOUND => "ResourceNotFound".to_owned(),
        other => format!("JsonRpcError({})", other.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rmcp::model::ContentBlock;

    #[test]
    fn a_tool_result_is_an_error_when_it_says_so() {
        assert!(CallToolResult::success(vec![ContentBlock::text("fine")]).error().is_none());
        let failed = CallToolResult::error(vec![ContentBlock::text("no"), ContentBlock::text("money")]);
        assert_eq!(failed.error().unwrap().message, "no money");
        assert_eq!(CallToolResponse::from(failed).error().unwrap().message, "no money");
    }

    #[test]
    fn a_protocol_error_has_its_name_and_code() {
        let found = ErrorData::invalid_params("no such plan", Some(serde_json::json!({"plan": "gold"})))
            .error()
            .unwrap();
        assert_eq!(found.message, "no such plan");
        assert_eq!(found.type_name.as_deref(), Some("InvalidParams"));
        assert_eq!(found.code, Some(Value::from(-32602)));
        assert_eq!(found.details["data"]["plan"], "gold");
    }
}
