//! One call is one thing: its rounds, its task, what the server asked its client for meanwhile, and how each of them ended,
//! read back as a tree.

use rmcp::model::*;
use rmcp::service::{PeerRequestOptions, RequestContext};
use rmcp::{RoleServer, ServerHandler};
use serde_json::{Value, json};
use std::time::Duration;

use crate::calls_wire::{Pipe, modern_meta};
use crate::support::{Collector, PATIENCE};

/// A server whose tools ask their client for things.
#[derive(Clone)]
struct Asking;

fn of<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn elicitation() -> Value {
    json!({ "method": "elicitation/create", "params": { "mode": "form", "message": "Which size?",
        "requestedSchema": { "type": "object", "properties": { "size": { "type": "string" } } } } })
}

fn sampling() -> Value {
    json!({ "method": "sampling/createMessage", "params": { "maxTokens": 5, "messages": [
        { "role": "user", "content": { "type": "text", "text": "say it" } } ] } })
}

fn text(text: &str) -> CallToolResponse {
    CallToolResult::success(vec![ContentBlock::text(text)]).into()
}

impl ServerHandler for Asking {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().enable_tasks().build())
            .with_server_info(Implementation::new("asking", "1"))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let peer = &context.peer;
        let failed = |error: rmcp::ServiceError| ErrorData::internal_error(error.to_string(), None);
        let no = PeerRequestOptions::no_options;
        match (request.name.as_ref(), request.request_state.as_deref()) {
            ("samples", _) => {
                peer.send_request(of(sampling())).await.map_err(failed)?;
                Ok(text("sampled"))
            }
            ("elicits", _) => {
                let answer = peer.send_request(of(elicitation())).await.map_err(failed)?;
                Ok(text(&serde_json::to_string(&answer).unwrap()))
            }
            ("waits", _) => {
                let asked = if request.arguments.is_some() { sampling() } else { elicitation() };
                let handle = peer.send_request_with_option(of(asked), no()).await.map_err(failed)?;
                tokio::select! {
                    _ = handle.await_response() => Ok(text("answered")),
                    () = context.ct.cancelled() => Ok(text("too late")),
                }
            }
            ("gives up", _) => {
                let options = PeerRequestOptions::with_timeout(Duration::from_millis(20));
                let handle =
                    peer.send_request_with_option(of(elicitation()), options).await.map_err(failed)?;
                Ok(text(&handle.await_response().await.unwrap_err().to_string()))
            }
            ("does not wait", _) => {
                drop(peer.send_request_with_option(of(elicitation()), no()).await.map_err(failed)?);
                let progress =
                    ProgressNotificationParam::new(ProgressToken(NumberOrString::String("p".into())), 1.0);
                for _ in 0..2 {
                    peer.notify_progress(progress.clone()).await.map_err(failed)?;
                }
                Ok(text("went on"))
            }
            ("rounds", None) => {
                let inputs = of(json!({ "size": elicitation(), "words": sampling() }));
                Ok(InputRequiredResult::new(Some(inputs), Some("state after the first round".into())).into())
            }
            ("rounds", Some("state after the first round")) => {
                let inputs = of(json!({ "again": elicitation() }));
                Ok(InputRequiredResult::new(Some(inputs), Some("state after the second round".into())).into())
            }
            ("rounds", Some(_)) if request.input_responses.is_some_and(|it| it.contains_key("again")) => {
                Ok(text("done"))
            }
            ("rounds", Some(_)) => Err(ErrorData::invalid_params("nothing came", None)),
            (name, _) if name.starts_with("later") => {
                Ok(CallToolResponse::Task(CreateTaskResult::new(Task::new(
                    format!("task-{}", name.trim_start_matches("later ")),
                    TaskStatus::Working,
                    "2026-01-01T00:00:00Z",
                    "2026-01-01T00:00:00Z",
                ))))
            }
            _ => Err(ErrorData::invalid_params("no such tool", None)),
        }
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        let mut task = json!({
            "resultType": "complete", "taskId": request.task_id, "createdAt": "2026-01-01T00:00:00Z",
            "lastUpdatedAt": "2026-01-01T00:00:01Z", "status": "completed",
            "result": { "content": [{ "type": "text", "text": "done" }] },
        });
        match request.task_id.as_str() {
            "task-fails" => {
                task["status"] = json!("failed");
                task["error"] = json!({ "code": -32000, "message": "the machine broke" });
                task.as_object_mut().unwrap().remove("result");
            }
            "task-tool error" => {
                task["result"] =
                    json!({ "content": [{ "type": "text", "text": "no paper" }], "isError": true });
            }
            _ => {}
        }
        Ok(of(task))
    }

    async fn cancel_task(&self, _: CancelTaskParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }
}

/// The events of a collector as a tree, each with how it ended.
fn tree(events: &[Value]) -> String {
    fn line(event: &Value) -> String {
        let kind = event["event_type"].as_str().unwrap().trim_start_matches("mcp:");
        let properties = &event["properties"];
        let mut line = kind.to_owned();
        if let Some(name) = event["resource_name"].as_str() {
            line += &format!(" {name}");
        }
        for key in ["mcpcat_round", "mcpcat_outcome", "mcpcat_answer", "mcpcat_progress", "mcpcat_refused"] {
            if let Some(value) = properties.get(key) {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                line += &format!(", {}: {value}", key.trim_start_matches("mcpcat_"));
            }
        }
        if let Some(tag) = event["tags"].get("agentcat_mrtr") {
            line += &format!(", {}", tag.as_str().unwrap());
        }
        if event["is_error"] == true {
            let error = &event["error"];
            line += &format!(
                ", failed: {}",
                error["type"].as_str().unwrap_or(error["message"].as_str().unwrap())
            );
        }
        assert!(event["duration"].is_u64(), "{event}");
        line
    }
    fn grow(out: &mut String, events: &[Value], parent: Option<&Value>, depth: usize) {
        let mut children: Vec<&Value> =
            events.iter().filter(|event| event.get("parent_id") == parent).collect();
        children.sort_by_key(|event| event["sequence"].as_u64());
        for event in children {
            out.push_str(&format!("{}{}\n", "  ".repeat(depth), line(event)));
            grow(out, events, event.get("id"), depth + 1);
        }
    }
    let mut out = String::new();
    grow(&mut out, events, None, 0);
    out
}

fn call(id: u32, name: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {
        "name": name, "_meta": { "progressToken": "p" } } })
}

/// Answers the server's next request.
async fn answer(pipe: &mut Pipe, answer: Value) {
    let mut message = answer;
    let asked = loop {
        let asked = pipe.next().await;
        if asked.get("method").is_some() && asked.get("id").is_some() {
            break asked;
        }
    };
    message["jsonrpc"] = json!("2.0");
    message["id"] = asked["id"].clone();
    pipe.send(&message).await;
}

/// The answer to a request, whatever comes before.
async fn answered(pipe: &mut Pipe, id: u32) -> Value {
    loop {
        let message = pipe.next().await;
        if message["id"] == id && message.get("method").is_none() {
            return message;
        }
    }
}

async fn cancel(pipe: &mut Pipe, id: u32) {
    // Until it has asked.
    while pipe.next().await.get("method").is_none() {}
    let cancelled =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } });
    pipe.send(&cancelled).await;
}

async fn read_back(collector: &Collector, client: &mcpcat::Client) -> Vec<Value> {
    let stats = client.flush(PATIENCE).await;
    assert_eq!((stats.dropped, stats.pending), (0, 0), "{stats}");
    let events = collector.bodies();
    let sessions: std::collections::BTreeSet<_> =
        events.iter().map(|it| it["session_id"].to_string()).collect();
    assert_eq!(sessions.len(), 1, "one session");
    events
}

#[tokio::test]
async fn what_a_server_asks_for_lies_under_the_call_that_asked() {
    let collector = Collector::offering_any_type().await;
    let client = collector.client();
    let mut pipe = Pipe::to(client.track(Asking));
    pipe.initialize(json!({ "sampling": {}, "elicitation": {} })).await;

    pipe.send(&call(1, "samples")).await;
    let sampled = json!({ "role": "assistant", "model": "m", "content": { "type": "text", "text": "said" } });
    answer(&mut pipe, json!({ "result": sampled })).await;
    answered(&mut pipe, 1).await;
    for (id, action) in [(2, "accept"), (3, "decline"), (4, "cancel")] {
        pipe.send(&call(id, "elicits")).await;
        answer(&mut pipe, json!({ "result": { "action": action, "content": { "size": "L" } } })).await;
        answered(&mut pipe, id).await;
    }
    pipe.send(&call(5, "samples")).await;
    answer(&mut pipe, json!({ "error": { "code": -1, "message": "the user said no" } })).await;
    answered(&mut pipe, 5).await;
    for (id, name) in [(6, "gives up"), (7, "does not wait")] {
        pipe.send(&call(id, name)).await;
        answered(&mut pipe, id).await;
    }
    // The client cancels the call while it waits for an elicitation, and for a sampling.
    pipe.send(&call(8, "waits")).await;
    cancel(&mut pipe, 8).await;
    let mut sampling = call(9, "waits");
    sampling["params"]["arguments"] = json!({ "kind": "sampling" });
    pipe.send(&sampling).await;
    cancel(&mut pipe, 9).await;
    // What nobody ever answers ends with the connection.
    pipe.send(&call(10, "waits")).await;
    while pipe.next().await.get("method").is_none() {}
    let session_is_over = collector.wait(18);
    drop(pipe);
    let _ = session_is_over.await;
    let events = {
        let all = |events: &[Value]| events.iter().filter(|it| it["resource_name"] == "waits").count() == 3;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !all(&collector.bodies()) {
            assert!(tokio::time::Instant::now() < deadline, "{}", tree(&collector.bodies()));
            collector.wait(collector.received().len() + 1).await;
        }
        read_back(&collector, &client).await
    };
    let tree = tree(&events);
    eprintln!("{tree}");
    assert_eq!(
        tree,
        "\
initialize
tools/call samples
  sampling/createMessage, outcome: answered
tools/call elicits
  elicitation/create, outcome: accepted
tools/call elicits
  elicitation/create, outcome: declined
tools/call elicits
  elicitation/create, outcome: dismissed
tools/call samples, failed: InternalError
  sampling/createMessage, outcome: refused, failed: JsonRpcError(-1)
tools/call gives up
  elicitation/create, outcome: cancelled, failed: cancelled
tools/call does not wait, progress: 2
  elicitation/create, outcome: unanswered, failed: unanswered
tools/call waits, answer: not sent, failed: cancelled
  elicitation/create, outcome: unanswered, failed: unanswered
tools/call waits, answer: not sent, failed: cancelled
  sampling/createMessage, outcome: unanswered, failed: unanswered
tools/call waits, answer: not sent, failed: disconnected
  elicitation/create, outcome: unanswered, failed: unanswered
"
    );
    let sampling = events.iter().find(|it| it["event_type"] == "mcp:sampling/createMessage").unwrap();
    assert_eq!(sampling["parameters"]["request"]["params"]["maxTokens"], 5);
    assert_eq!(sampling["response"], sampled);
}

/// A request of the newest revision.
fn modern(id: u32, method: &str, mut params: Value) -> Value {
    params["_meta"] =
        modern_meta(json!({ "sampling": {}, "elicitation": {}, "extensions": { TASKS_EXTENSION_ID: {} } }));
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

async fn ask(pipe: &mut Pipe, id: u32, method: &str, params: Value) -> Value {
    pipe.send(&modern(id, method, params)).await;
    answered(pipe, id).await
}

#[tokio::test]
async fn rounds_and_tasks_are_one_call_each() {
    let collector = Collector::offering_any_type().await;
    let client = collector.client();
    let mut pipe = Pipe::to(client.track(Asking));
    let pipe_ = &mut pipe;
    let first = ask(pipe_, 1, "tools/call", json!({ "name": "rounds" })).await;
    assert_eq!(first["result"]["resultType"], "input_required");
    // One is accepted, the other left out; then one is declined, and the call is complete.
    let second = json!({ "name": "rounds", "requestState": first["result"]["requestState"],
        "inputResponses": { "size": { "action": "accept", "content": { "size": "L" } } } });
    let second = ask(pipe_, 2, "tools/call", second).await;
    let third = json!({ "name": "rounds", "requestState": second["result"]["requestState"],
        "inputResponses": { "again": { "action": "decline" } } });
    ask(pipe_, 3, "tools/call", third).await;
    // To a second call nobody comes back.
    ask(pipe_, 4, "tools/call", json!({ "name": "rounds" })).await;
    for (id, name) in
        [(5, "later completes"), (6, "later fails"), (7, "later tool error"), (8, "later is cancelled")]
    {
        ask(pipe_, id, "tools/call", json!({ "name": name })).await;
        let task = json!({ "taskId": format!("task-{}", name.trim_start_matches("later ")) });
        let method = if id == 8 { "tasks/cancel" } else { "tasks/get" };
        ask(pipe_, id + 10, method, task.clone()).await;
        if id == 5 {
            // It has ended already.
            ask(pipe_, id + 20, method, task).await;
        }
    }
    drop(pipe);
    // The connection's end says that nobody came back.
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while tree(&collector.bodies()).matches("unanswered").count() < 4 {
        assert!(tokio::time::Instant::now() < deadline, "{}", tree(&collector.bodies()));
        collector.wait(collector.received().len() + 1).await;
    }
    let events = read_back(&collector, &client).await;
    let tree = tree(&events);
    eprintln!("{tree}");
    assert_eq!(
        tree,
        "\
tools/call rounds, round: 1, input_required
  elicitation/create size, outcome: accepted
  sampling/createMessage words, outcome: unanswered, failed: unanswered
  tools/call rounds, round: 2, input_required
  elicitation/create again, outcome: declined
  tools/call rounds, round: 3, continuation
tools/call rounds, round: 1, input_required
  elicitation/create size, outcome: unanswered, failed: unanswered
  sampling/createMessage words, outcome: unanswered, failed: unanswered
tools/call later completes
  tasks/get
  tasks/result later completes, outcome: completed
  tasks/get
tools/call later fails
  tasks/get
  tasks/result later fails, outcome: failed, failed: the machine broke
tools/call later tool error
  tasks/get
  tasks/result later tool error, outcome: completed, failed: no paper
tools/call later is cancelled
  tasks/cancel
  tasks/result later is cancelled, outcome: cancelled, failed: cancelled
"
    );
}
