//! `subscriptions/listen` lasts until somebody ends it: one event, with how long it was and who ended it. That the
//! client has heard enough is no error.

use rmcp::model::{
    ClientConfig, ErrorData, ProtocolVersion, ServerCapabilities, ServerConfig, SubscriptionFilter,
};
use rmcp::service::{RoleClient, RunningService, SubscriptionContext};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::{ClientLifecycleMode, ClientServiceExt as _, ServerHandler};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::sessions::serve;
use crate::sessions_pipes::called;
use crate::support::{Collector, of_type};

const LISTEN: &str = "mcp:subscriptions/listen";

/// How the server goes on once it has told of one change.
#[derive(Clone, Copy)]
enum Goes {
    UntilCancelled,
    /// Until its future is dropped: it does not look whether anybody listens.
    Deaf,
    FailsWhenCancelled,
    Ends,
    Fails,
}

#[derive(Clone)]
struct Publisher {
    goes: Goes,
    began: watch::Sender<usize>,
}

impl ServerHandler for Publisher {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().enable_tool_list_changed().build())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.supported_by(&self.get_info().capabilities))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        mcpcat::emit!("listening");
        let _ = context.sink().notify_tool_list_changed().await;
        self.began.send_modify(|count| *count += 1);
        match self.goes {
            Goes::UntilCancelled => context.cancelled().await,
            Goes::Deaf => std::future::pending().await,
            Goes::FailsWhenCancelled => {
                context.cancelled().await;
                return Err(ErrorData::internal_error("nobody listens", None));
            }
            Goes::Ends => {}
            Goes::Fails => return Err(ErrorData::internal_error("the feed is down", None)),
        }
        Ok(())
    }
}

type Agent = RunningService<RoleClient, ClientConfig>;

fn modern() -> ClientLifecycleMode {
    ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
}

async fn over_http(goes: Goes, client: &mcpcat::Client) -> (Agent, watch::Receiver<usize>) {
    let server = Publisher { goes, began: watch::Sender::new(0) };
    let (tracker, began) = (client.clone(), server.began.subscribe());
    let url = serve(move || Ok(tracker.track(server.clone())), Default::default()).await;
    let transport = StreamableHttpClientTransport::from_uri(url);
    (called("listener").serve_with_lifecycle(transport, modern()).await.unwrap(), began)
}

async fn over_a_pipe(goes: Goes, client: &mcpcat::Client) -> (Agent, watch::Receiver<usize>) {
    let server = Publisher { goes, began: watch::Sender::new(0) };
    let (tracked, began) = (client.track(server.clone()), server.began.subscribe());
    let (client_io, server_io) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move {
        if let Ok(running) = tracked.serve(server_io).await {
            let _ = running.waiting().await;
        }
    });
    (called("listener").serve_with_lifecycle(client_io, modern()).await.unwrap(), began)
}

/// Listens until it has heard of one change, ends it as `goes` says, and gives its event.
async fn listened(goes: Goes, http: bool, hangs_up: bool) -> Value {
    let collector = Collector::offering_any_type().await;
    let client = collector.client();
    let (agent, mut began) =
        if http { over_http(goes, &client).await } else { over_a_pipe(goes, &client).await };
    let wanted = SubscriptionFilter::builder().tools_list_changed().prompts_list_changed().build();
    let subscription = agent.listen(wanted).await;
    began.wait_for(|began| *began == 1).await.unwrap();
    match (subscription, hangs_up) {
        (_, true) => {
            agent.cancel().await.unwrap();
        }
        (Ok(mut subscription), false) => {
            subscription.cancel().await.unwrap();
        }
        (Err(_), false) => {}
    }
    // What the client asked first, what was published inside, and the subscription itself.
    collector.wait(3).await;
    let bodies = collector.bodies();
    let events = of_type(&bodies, LISTEN);
    assert_eq!(events.len(), 1, "{bodies:#?}");
    let event = events[0];
    let inside = bodies.iter().find(|body| body["resource_name"] == "listening").unwrap();
    assert_eq!((&inside["parent_id"], &inside["session_id"]), (&event["id"], &event["session_id"]));
    assert_eq!(event["client_name"], "listener");
    let asked = &event["parameters"]["request"];
    assert_eq!(asked["method"], "subscriptions/listen");
    let wanted = json!({ "toolsListChanged": true, "promptsListChanged": true });
    assert_eq!(asked["params"]["notifications"], wanted);
    event.clone()
}

fn how(event: &Value) -> (&Value, &str) {
    (&event["is_error"], event["properties"]["mcpcat_ended"].as_str().unwrap_or("not said"))
}

#[tokio::test]
async fn a_subscription_that_its_client_ends_has_not_failed() {
    for goes in [Goes::UntilCancelled, Goes::FailsWhenCancelled, Goes::Deaf] {
        let event = listened(goes, true, false).await;
        assert_eq!(
            how(&event),
            (&json!(false), "disconnected"),
            "closing its stream ends it over HTTP: {event}"
        );
        assert!(event.get("error").is_none());
        assert_eq!(event["properties"]["mcpcat_session"], "unlinked");
        let event = listened(goes, false, false).await;
        assert_eq!(how(&event), (&json!(false), "cancelled"), "a notification ends it over a pipe: {event}");
        let event = listened(goes, false, true).await;
        assert_eq!(how(&event).0, &json!(false), "{event}");
    }
}

#[tokio::test]
async fn a_subscription_that_its_server_ends_is_complete_or_failed() {
    for http in [true, false] {
        let event = listened(Goes::Ends, http, false).await;
        assert_eq!(how(&event), (&json!(false), "completed"));
        let accepted = json!({ "notifications": { "toolsListChanged": true } });
        assert_eq!(event["response"], accepted, "prompts are not this server's to tell of");
        let event = listened(Goes::Fails, http, false).await;
        assert_eq!(how(&event), (&json!(true), "completed"));
        assert!(event["error"]["message"].as_str().unwrap().contains("the feed is down"), "{event}");
    }
}
