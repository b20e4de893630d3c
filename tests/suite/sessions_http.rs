//! Sessions over HTTP beyond the first connection: a client that comes back, a stream that is resumed, a session that
//! is taken up from a store, an id that nobody issued, and the revision that has no sessions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use rmcp::model::{ClientConfig, ProtocolVersion};
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
use rmcp::transport::streamable_http_server::session::{SessionState, SessionStore, SessionStoreError};
use rmcp::{ClientLifecycleMode, ClientServiceExt as _};
use serde_json::{Value, json};

use crate::sessions::serve;
use crate::sessions_pipes::called;
use crate::support::{Collector, PATIENCE, PROJECT, Sample, call, of_type};

const ACCEPT: &str = "application/json, text/event-stream";

type Agent = RunningService<RoleClient, ClientConfig>;

/// A client of this name that shakes hands as the revisions with sessions do.
async fn agent(url: &str, name: &str) -> Agent {
    let transport = StreamableHttpClientTransport::from_uri(url);
    called(name).serve_with_lifecycle(transport, ClientLifecycleMode::Initialize).await.unwrap()
}

/// A client of this name that speaks the revision without them.
async fn modern_agent(url: &str, name: &str) -> Agent {
    let transport = StreamableHttpClientTransport::from_uri(url);
    let mode = ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] };
    called(name).serve_with_lifecycle(transport, mode).await.unwrap()
}

async fn greet(agent: &Agent, name: &str) {
    agent.call_tool(call("greet", json!({ "name": name }))).await.unwrap();
}

/// The event that greeting somebody raised, and its tool call's.
fn greeted<'a>(bodies: &'a [Value], name: &str) -> (&'a Value, &'a Value) {
    let event = bodies.iter().find(|body| body["parameters"] == json!({ "name": name })).unwrap();
    let call = bodies.iter().find(|body| body["id"] == event["parent_id"]).unwrap();
    assert_eq!(event["session_id"], call["session_id"], "a call and its event stay together");
    (event, call)
}

fn session_of<'a>(bodies: &'a [Value], name: &str) -> &'a Value {
    &greeted(bodies, name).1["session_id"]
}

/// What one request was answered with: the session that was issued, and the text.
struct Said {
    status: u16,
    session: Option<String>,
    text: String,
}

/// A request as bytes on a socket, where a client would not do what is to be shown.
async fn post(url: &str, headers: &[(&str, &str)], body: &Value) -> Said {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = http.post(url).header("accept", ACCEPT).json(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    let session = answer.headers().get("mcp-session-id").map(|id| id.to_str().unwrap().to_owned());
    let status = answer.status().as_u16();
    let text = tokio::time::timeout(PATIENCE, answer.text()).await.unwrap().unwrap();
    Said { status, session, text }
}

fn initialize(client: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": client, "version": "1" } } })
}

fn greeting(id: u32, name: &str) -> Value {
    let params = json!({ "name": "greet", "arguments": { "name": name } });
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })
}

#[tokio::test]
async fn a_client_that_connects_again_begins_a_session() {
    let collector = Collector::start().await;
    let client = collector.client();
    let tracker = client.clone();
    let url = serve(move || Ok(tracker.track(Sample)), Default::default()).await;
    let other = agent(&url, "other").await;
    for name in ["first", "second"] {
        let comes_back = agent(&url, "comes back").await;
        let beside = format!("beside the {name}");
        tokio::join!(greet(&comes_back, name), greet(&other, &beside));
        comes_back.cancel().await.unwrap();
    }
    let _ = client.flush(PATIENCE).await;
    let bodies = collector.bodies();
    assert_ne!(session_of(&bodies, "first"), session_of(&bodies, "second"));
    assert_eq!(session_of(&bodies, "beside the first"), session_of(&bodies, "beside the second"));
    let opened: BTreeMap<_, _> = of_type(&bodies, "mcp:initialize")
        .iter()
        .map(|body| (body["session_id"].to_string(), body["client_name"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(opened.len(), 3);
    assert_eq!(opened[&session_of(&bodies, "second").to_string()], "comes back");
    assert_eq!(opened[&session_of(&bodies, "beside the first").to_string()], "other");
}

#[tokio::test]
async fn a_stream_that_is_resumed_goes_on_in_its_session() {
    let collector = Collector::start().await;
    let client = collector.client();
    let tracker = client.clone();
    let config =
        StreamableHttpServerConfig::default().with_sse_retry(Some(std::time::Duration::from_millis(1)));
    let url = serve(move || Ok(tracker.track(Sample)), config).await;
    let mut sessions = Vec::new();
    for name in ["one", "two"] {
        let session = post(&url, &[], &initialize(name)).await.session.unwrap();
        let with = [("mcp-session-id", session.as_str())];
        let before = post(&url, &with, &greeting(1, &format!("{name} before"))).await;
        // The answer came in a stream whose messages are numbered; the connection is gone, the stream is not.
        let last =
            before.text.lines().find_map(|line| line.strip_prefix("id: ")).expect("numbered").to_owned();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let resumed = http.get(&url).header("accept", ACCEPT).header("mcp-session-id", &session);
        let resumed = resumed.header("last-event-id", last).send().await.unwrap();
        assert_eq!(resumed.status(), 200);
        post(&url, &with, &greeting(2, &format!("{name} after"))).await;
        sessions.push(session);
    }
    let _ = client.flush(PATIENCE).await;
    let bodies = collector.bodies();
    for (name, session) in ["one", "two"].iter().zip(&sessions) {
        let id = mcpcat::SessionId::derive(session, PROJECT);
        let events: Vec<_> = bodies.iter().filter(|body| body["session_id"] == id.as_str()).collect();
        assert_eq!(events.len(), 5, "a handshake, two calls, an event in each: {events:#?}");
        assert_eq!(
            session_of(&bodies, &format!("{name} before")),
            session_of(&bodies, &format!("{name} after"))
        );
    }
    assert_eq!(bodies.len(), 10, "a resumed stream is no request");
}

/// Sessions outside of the process, as a service of several replicas keeps them.
#[derive(Default)]
struct Store(Mutex<BTreeMap<String, SessionState>>);

#[async_trait::async_trait]
impl SessionStore for Store {
    async fn load(&self, id: &str) -> Result<Option<SessionState>, SessionStoreError> {
        Ok(self.0.lock().unwrap().get(id).cloned())
    }
    async fn store(&self, id: &str, state: &SessionState) -> Result<(), SessionStoreError> {
        self.0.lock().unwrap().insert(id.to_owned(), state.clone());
        Ok(())
    }
    async fn delete(&self, id: &str) -> Result<(), SessionStoreError> {
        self.0.lock().unwrap().remove(id);
        Ok(())
    }
}

fn stored(store: &Arc<Store>) -> StreamableHttpServerConfig {
    let mut config = StreamableHttpServerConfig::default();
    config.session_store = Some(Arc::clone(store) as Arc<dyn SessionStore>);
    config
}

/// Two sessions begin at `first` and go on at `second`, which knows them only from the store.
async fn restored(collector: &Collector, client: &mcpcat::Client, first: &str, second: &str) {
    let mut sessions = Vec::new();
    for name in ["ada", "bob"] {
        let session = post(first, &[], &initialize(name)).await.session.unwrap();
        post(first, &[("mcp-session-id", &session)], &greeting(1, &format!("{name} before"))).await;
        sessions.push((name, session));
    }
    let taken_up = sessions.iter().map(async |(name, session)| {
        let with = [("mcp-session-id", session.as_str())];
        for (id, when) in [(1, "after"), (2, "later")] {
            let answer = post(second, &with, &greeting(id, &format!("{name} {when}"))).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
    });
    futures_util::future::join_all(taken_up).await;
    let _ = client.flush(PATIENCE).await;
    let bodies = collector.bodies();
    for (name, session) in &sessions {
        let id = mcpcat::SessionId::derive(session, PROJECT);
        for when in ["before", "after", "later"] {
            let (event, call) = greeted(&bodies, &format!("{name} {when}"));
            assert_eq!(call["session_id"], id.as_str(), "{name} {when}");
            assert_eq!((&event["client_name"], &call["client_name"]), (&json!(name), &json!(name)), "{when}");
        }
        let of_session: Vec<_> = bodies.iter().filter(|body| body["session_id"] == id.as_str()).collect();
        let opened = of_session.iter().filter(|body| body["event_type"] == "mcp:initialize").count();
        assert_eq!((opened, of_session.len()), (1, 7), "{name} began once: {of_session:#?}");
    }
    assert_eq!(bodies.len(), 14);
}

#[tokio::test]
async fn a_session_taken_up_by_another_replica_does_not_begin_twice() {
    let collector = Collector::start().await;
    let client = collector.client();
    let store = Arc::<Store>::default();
    let replica = async || {
        let tracker = client.clone();
        serve(move || Ok(tracker.track(Sample)), stored(&store)).await
    };
    let (first, second) = tokio::join!(replica(), replica());
    restored(&collector, &client, &first, &second).await;
}

/// One instance has served the session before, and serves it again on another connection.
#[tokio::test]
async fn a_session_taken_up_by_the_instance_that_it_left_does_not_begin_twice() {
    let collector = Collector::start().await;
    let client = collector.client();
    let store = Arc::<Store>::default();
    let shared = Arc::new(client.track(Sample));
    let replica = async || {
        let shared = Arc::clone(&shared);
        serve(move || Ok(Arc::clone(&shared)), stored(&store)).await
    };
    let (first, second) = tokio::join!(replica(), replica());
    restored(&collector, &client, &first, &second).await;
}

/// What a client says twice is recorded twice: it is a request, whatever it is good for.
#[tokio::test]
async fn a_handshake_that_a_client_repeats_is_recorded() {
    let collector = Collector::start().await;
    let client = collector.client();
    let tracker = client.clone();
    let url = serve(move || Ok(tracker.track(Sample)), Default::default()).await;
    let session = post(&url, &[], &initialize("twice")).await.session.unwrap();
    let with = [("mcp-session-id", session.as_str())];
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(post(&url, &with, &initialized).await.status, 202);
    for id in [1, 2] {
        let mut again = initialize("twice");
        again["id"] = json!(id);
        assert_eq!(post(&url, &with, &again).await.status, 200);
    }
    let _ = client.flush(PATIENCE).await;
    let bodies = collector.bodies();
    let opened = of_type(&bodies, "mcp:initialize");
    let id = mcpcat::SessionId::derive(&session, PROJECT);
    assert_eq!(opened.len(), 3, "{bodies:#?}");
    assert!(opened.iter().all(|body| body["session_id"] == id.as_str()));
}

#[tokio::test]
async fn an_id_that_nobody_issued_is_no_session() {
    let collector = Collector::start().await;
    let client = collector.client();
    let tracker = client.clone();
    let url = serve(move || Ok(tracker.track(Sample)), Default::default()).await;
    let issued = post(&url, &[], &initialize("real")).await.session.unwrap();
    let refused = post(&url, &[("mcp-session-id", "made-up")], &greeting(1, "nobody")).await;
    let taken = post(&url, &[("mcp-session-id", &issued)], &greeting(1, "somebody")).await;
    assert_eq!((refused.status, taken.status), (404, 200));
    let _ = client.flush(PATIENCE).await;
    let bodies = collector.bodies();
    let id = mcpcat::SessionId::derive(&issued, PROJECT);
    assert_eq!(bodies.len(), 3, "{bodies:#?}");
    assert!(bodies.iter().all(|body| body["session_id"] == id.as_str()));
}

#[tokio::test]
async fn two_stateless_clients_share_nothing_and_their_handshakes_carry_their_names() {
    let collector = Collector::start().await;
    let client = collector.client();
    let tracker = client.clone();
    let config = StreamableHttpServerConfig::default().with_legacy_session_mode(false);
    let url = serve(move || Ok(tracker.track(Sample)), config).await;
    let (first, second) = tokio::join!(agent(&url, "first"), agent(&url, "second"));
    for when in ["before", "after"] {
        let names = ["first", "second"].map(|name| format!("{name} {when}"));
        tokio::join!(greet(&first, &names[0]), greet(&second, &names[1]));
    }
    let _ = client.flush(PATIENCE).await;
    let bodies = collector.bodies();
    let calls = ["first before", "first after", "second before", "second after"];
    let sessions: BTreeSet<_> = calls.iter().map(|name| session_of(&bodies, name).to_string()).collect();
    assert_eq!(sessions.len(), 4, "each request is its own");
    for name in calls {
        let (event, call) = greeted(&bodies, name);
        assert_eq!(call["properties"]["mcpcat_session"], "unlinked");
        // The service makes up a client for these; it is nobody's.
        assert!(call.get("client_name").is_none() && event.get("client_name").is_none(), "{call}");
    }
    let mut opened: Vec<_> =
        of_type(&bodies, "mcp:initialize").iter().map(|body| body["client_name"].as_str().unwrap()).collect();
    opened.sort_unstable();
    assert_eq!(opened, ["first", "second"], "the handshake itself says who it is of");
}

#[tokio::test]
async fn requests_of_the_revision_without_sessions_stand_alone() {
    for shared in [false, true] {
        let collector = Collector::start().await;
        let client = collector.client();
        let (tracker, one) = (client.clone(), Arc::new(client.track(Sample)));
        let make = move || Ok(if shared { Arc::clone(&one) } else { Arc::new(tracker.track(Sample)) });
        let url = serve(make, Default::default()).await;
        let (first, second) = tokio::join!(modern_agent(&url, "first"), modern_agent(&url, "second"));
        for when in ["before", "after"] {
            let names = ["first", "second"].map(|name| format!("{name} {when}"));
            tokio::join!(greet(&first, &names[0]), greet(&second, &names[1]));
        }
        // An older client beside them has a session all the same.
        let older = agent(&url, "older").await;
        greet(&older, "older before").await;
        greet(&older, "older after").await;
        let _ = client.flush(PATIENCE).await;
        let bodies = collector.bodies();
        let mut sessions = BTreeSet::new();
        for client in ["first", "second"] {
            for when in ["before", "after"] {
                let (event, call) = greeted(&bodies, &format!("{client} {when}"));
                assert!(sessions.insert(call["session_id"].to_string()), "{client} {when}");
                assert_eq!(call["properties"]["mcpcat_session"], "unlinked");
                assert_eq!((&call["client_name"], &event["client_name"]), (&json!(client), &json!(client)));
            }
        }
        let older = session_of(&bodies, "older before");
        assert_eq!(older, session_of(&bodies, "older after"));
        assert!(sessions.insert(older.to_string()));
        assert_eq!(of_type(&bodies, "mcp:initialize").len(), 1, "only the older one shook hands");
    }
}

/// The header of the older revisions means nothing on a request of the newest, whoever's it is.
#[tokio::test]
async fn a_session_header_on_a_request_of_the_newest_revision_means_nothing() {
    let collector = Collector::start().await;
    let client = collector.client();
    let shared = Arc::new(client.track(Sample));
    let url = serve(move || Ok(Arc::clone(&shared)), Default::default()).await;
    let issued = post(&url, &[], &initialize("owner")).await.session.unwrap();
    post(&url, &[("mcp-session-id", &issued)], &greeting(1, "owner's")).await;
    let modern = |id: u32, name: &str| {
        let mut request = greeting(id, name);
        request["params"]["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "newest", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        request
    };
    let headers = |session| {
        let newest =
            [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "greet")];
        [newest.as_slice(), &[("mcp-session-id", session)]].concat()
    };
    for (name, session) in
        [("borrowed", issued.as_str()), ("borrowed again", &issued), ("made up", "made-up")]
    {
        let answer = post(&url, &headers(session), &modern(2, name)).await;
        assert!(answer.status == 200 && answer.text.contains("hello"), "{}", answer.text);
    }
    let _ = client.flush(PATIENCE).await;
    let bodies = collector.bodies();
    let names = ["owner's", "borrowed", "borrowed again", "made up"];
    let sessions: BTreeSet<_> = names.iter().map(|name| session_of(&bodies, name).to_string()).collect();
    assert_eq!(sessions.len(), 4, "{sessions:?}");
    let made_up = mcpcat::SessionId::derive("made-up", PROJECT);
    assert_ne!(session_of(&bodies, "made up"), made_up.as_str());
    for name in &names[1..] {
        let (_, call) = greeted(&bodies, name);
        assert_eq!(
            (&call["client_name"], &call["properties"]["mcpcat_session"]),
            (&json!("newest"), &json!("unlinked"))
        );
    }
}
