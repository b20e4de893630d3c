//! Conversations where the transport has no sessions: what each known client puts into its requests links them, never
//! across principals, and never as it stands.

use std::collections::BTreeSet;

use mcpcat::{Client, Convention, Principal, Source, Tracked, Trust};
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
use serde_json::{Value, json};

use crate::sessions::serve;
use crate::support::{Collector, PATIENCE, Sample, of_type};

const ACCEPT: &str = "application/json, text/event-stream";
const MODERN: &str = "2026-07-28";
/// Requests of one conversation.
const REQUESTS: usize = 20;

/// A request as a client sends it, shortened to what concerns the conversation. The values are made up.
struct Recorded {
    client: &'static str,
    user_agent: &'static str,
    meta: Value,
    headers: Vec<(&'static str, String)>,
    /// What must not leave.
    secrets: [&'static str; 2],
}

fn recorded() -> Vec<Recorded> {
    let turn = |turn: &str| {
        json!({ "session_id": "0199a-codex-conversation", "turn_id": turn, "model": "gpt-5.2-codex" })
            .to_string()
    };
    vec![
        Recorded {
            client: "Visual Studio Code",
            user_agent: "node",
            meta: json!({
                "vscode.conversationId": "8d1f3c1e-vscode-conversation", "vscode.requestId": "r-1", "progressToken": "p",
            }),
            headers: vec![],
            secrets: ["8d1f3c1e-vscode-conversation", "r-1\""],
        },
        Recorded {
            client: "openai-mcp",
            user_agent: "openai-mcp/1.0.0",
            meta: json!({
                "openai/session": "v1/chatgpt-conversation", "openai/subject": "v1/chatgpt-subject",
                "openai/userAgent": "ChatGPT/1.0", "openai/locale": "en-US",
            }),
            headers: vec![],
            secrets: ["v1/chatgpt-conversation", "v1/chatgpt-subject"],
        },
        Recorded {
            client: "opencode",
            user_agent: "opencode/1.4.1",
            meta: json!({ "sessionID": "opencode-conversation", "messageID": "opencode-message" }),
            headers: vec![],
            secrets: ["opencode-conversation", "opencode-message"],
        },
        Recorded {
            client: "codex-mcp-client",
            user_agent: "codex-mcp-client/0.61.0",
            meta: json!({ "x-codex-turn-metadata": turn("codex-turn") }),
            headers: vec![],
            secrets: ["0199a-codex-conversation", "codex-turn\""],
        },
        Recorded {
            client: "codex-mcp-client",
            user_agent: "codex-mcp-client/0.61.0",
            meta: json!({}),
            headers: vec![("x-codex-turn-metadata", turn("codex-turn"))],
            secrets: ["0199a-codex-conversation", "codex-turn\""],
        },
    ]
}

/// A tool call of it, as a revision without a handshake or a stateless service takes it.
async fn call(url: &str, recorded: &Recorded, modern: bool, token: &str, id: usize) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut meta = recorded.meta.clone();
    let version = if modern { MODERN } else { "2025-06-18" };
    let mut request = http
        .post(url)
        .header("accept", ACCEPT)
        .header("user-agent", recorded.user_agent)
        .header("authorization", format!("Bearer {token}"))
        .header("mcp-protocol-version", version);
    if modern {
        meta["io.modelcontextprotocol/protocolVersion"] = MODERN.into();
        meta["io.modelcontextprotocol/clientInfo"] = json!({ "name": recorded.client, "version": "1" });
        meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
        request = request.header("mcp-method", "tools/call").header("mcp-name", "greet");
    }
    for (name, value) in &recorded.headers {
        request = request.header(*name, value);
    }
    let body = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {
        "name": "greet", "arguments": { "name": "Ada" }, "_meta": meta } });
    let answer = request.json(&body).send().await.unwrap();
    let text = tokio::time::timeout(PATIENCE, answer.text()).await.unwrap().unwrap();
    assert!(text.contains("hello Ada"), "{text}");
}

/// A service without sessions.
async fn service(make: impl Fn() -> Tracked<Sample> + Send + Sync + 'static) -> String {
    let config = StreamableHttpServerConfig::default().with_legacy_session_mode(false);
    serve(move || Ok(make()), config).await
}

fn sessions(bodies: &[Value]) -> BTreeSet<String> {
    bodies.iter().map(|body| body["session_id"].as_str().unwrap().to_owned()).collect()
}

/// What a collector gets of these calls, each with its token.
async fn played(
    recorded: &Recorded,
    modern: bool,
    tokens: impl Iterator<Item = &'static str>,
    make: impl Fn(&Client) -> Tracked<Sample> + Send + Sync + 'static,
) -> (Vec<Value>, String) {
    let collector = Collector::start().await;
    let client = collector.client();
    let tracker = client.clone();
    let url = service(move || make(&tracker)).await;
    for (id, token) in tokens.enumerate() {
        call(&url, recorded, modern, token, id).await;
    }
    let stats = client.flush(PATIENCE).await;
    assert_eq!(stats.pending, 0, "{stats}");
    let received = collector.received();
    let text = received.iter().map(|it| String::from_utf8_lossy(&it.bytes).into_owned()).collect();
    (received.iter().map(|it| it.json()).collect(), text)
}

#[tokio::test]
async fn each_clients_conversation_is_one_session_with_nothing_injected() {
    for recorded in recorded() {
        for modern in [true, false] {
            let tokens = std::iter::repeat_n("secret-token-one", REQUESTS);
            let (bodies, text) = played(&recorded, modern, tokens, |client| client.track(Sample)).await;
            let mode = format!("{}, modern {modern}", recorded.client);
            let calls = of_type(&bodies, "mcp:tools/call");
            assert_eq!((calls.len(), bodies.len()), (REQUESTS, 2 * REQUESTS), "{mode}");
            assert_eq!(sessions(&bodies).len(), 1, "{mode}");
            for call in calls {
                assert_eq!(call["properties"]["mcpcat_session"], "conversation", "{mode}: {call}");
                assert_eq!(call["properties"]["mcpcat_conversation"].as_str().unwrap().len(), 32, "{mode}");
            }
            for secret in recorded.secrets.iter().chain(&["secret-token-one"]) {
                assert!(!text.contains(secret), "{mode}: {secret} has left");
            }
        }
    }
}

#[tokio::test]
async fn two_principals_who_say_the_same_are_two_sessions() {
    for recorded in recorded() {
        for modern in [true, false] {
            let mode = format!("{}, modern {modern}", recorded.client);
            let tokens = || (0..6).map(|n| ["token-one", "token-two"][n % 2]);
            // By their credentials, by what the author says of them, and one principal with two credentials.
            let (bodies, _) = played(&recorded, modern, tokens(), |client| client.track(Sample)).await;
            assert_eq!(sessions(&bodies).len(), 2, "{mode}");
            let (bodies, _) = played(&recorded, modern, tokens(), |client| {
                client.track(Sample).principal(|request| request.header("authorization").map(str::to_owned))
            })
            .await;
            assert_eq!(sessions(&bodies).len(), 2, "{mode}");
            let (bodies, text) = played(&recorded, modern, tokens(), |client| {
                client.track(Sample).principal(|_| Some("ada@example.com".to_owned()))
            })
            .await;
            assert_eq!(sessions(&bodies).len(), 1, "{mode}");
            assert!(!text.contains("ada@example.com"), "{mode}");
        }
    }
}

#[tokio::test]
async fn a_resolver_comes_before_what_a_client_says() {
    let recorded = &recorded()[1];
    let (bodies, _) = played(recorded, true, std::iter::repeat_n("t", 2), |client| {
        client.track(Sample).resolve_session(|_| Some("by the author".to_owned()))
    })
    .await;
    let id = mcpcat::SessionId::derive("by the author", crate::support::PROJECT);
    assert_eq!(sessions(&bodies), BTreeSet::from([id.to_string()]));
    let call = of_type(&bodies, "mcp:tools/call")[0];
    assert!(call["properties"]["mcpcat_conversation"].is_string(), "noted all the same: {call}");
}

#[tokio::test]
async fn the_table_can_be_added_to_and_taken_away() {
    let own = Recorded {
        client: "ours",
        user_agent: "ours/1",
        meta: json!({ "ours": { "thread": 7 } }),
        headers: vec![],
        secrets: ["", ""],
    };
    let calls = || std::iter::repeat_n("t", 3);
    let (bodies, _) = played(&own, true, calls(), |client| {
        client.track(Sample).convention(Convention::new("ours", Source::meta("ours").member("thread")))
    })
    .await;
    assert_eq!(sessions(&bodies).len(), 1);
    let (bodies, _) = played(&own, true, calls(), |client| {
        let noted = Convention::new("ours", Source::meta("ours").member("thread")).trust(Trust::Noted);
        client.track(Sample).convention(noted).plain_conversations()
    })
    .await;
    assert_eq!(sessions(&bodies).len(), 3, "noted, and no session");
    assert_eq!(of_type(&bodies, "mcp:tools/call")[0]["properties"]["mcpcat_conversation"], "7");
    let known = &recorded()[0];
    let (bodies, _) = played(known, true, calls(), |client| client.track(Sample).without_conventions()).await;
    assert_eq!(sessions(&bodies).len(), 3);
}

#[tokio::test]
async fn who_the_agent_is_stands_beside_the_user() {
    let codex = &recorded()[3];
    let (bodies, _) = played(codex, false, std::iter::once("t"), |client| {
        client.track(Sample).identify(|_| async { Some(mcpcat::Identity::new("user-7")) })
    })
    .await;
    let call = of_type(&bodies, "mcp:tools/call")[0];
    assert_eq!(call["actor_id"], "user-7");
    assert_eq!(
        call["properties"]["mcpcat_agent"],
        json!({ "model": "gpt-5.2-codex", "model_from": "client", "harness": "codex-mcp-client/0.61.0" })
    );
}

#[tokio::test]
async fn consent_hears_of_the_principal_before_anything_is_recorded() {
    let collector = Collector::start().await;
    let client = Client::builder(crate::support::PROJECT)
        .base_url(&collector.url)
        .state_dir(crate::support::state_dir())
        .consent(|asked: &mcpcat::privacy::Asked| asked.principal.as_deref() != Some("declines"))
        .build()
        .unwrap();
    let tracker = client.clone();
    let url = service(move || {
        tracker.track(Sample).principal(|request| {
            let said = request.header("authorization")?.strip_prefix("Bearer ")?;
            // As an authentication layer would leave it.
            Some(Principal::new(said).id().to_owned())
        })
    })
    .await;
    let recorded = &recorded()[0];
    for (id, token) in ["declines", "agrees", "declines"].into_iter().enumerate() {
        call(&url, recorded, true, token, id).await;
    }
    let stats = client.flush(PATIENCE).await;
    assert_eq!((stats.delivered, stats.without_consent), (2, 4), "{stats}");
}
