//! A planted secret never leaves, through whatever way it was published, with hooks and without; and never rests
//! where it must not.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::{HeaderName, HeaderValue};
use mcpcat::privacy::Privacy;
use mcpcat::{
    Client, CustomEvent, EventData, Identity, ServerHandle, Session, SessionId, Tracked, emit, policy,
    publish_custom_event,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rmcp::model::{CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData};
use rmcp::service::RequestContext;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{RoleServer, ServerHandler, ServiceExt as _};
use serde_json::{Value, json};

use crate::sessions::serve;
use crate::support::{Collector, PATIENCE, PROJECT, Received, call, connect, of_type, state_dir};

#[path = "../../mcpcat-runtime/tests/shared/secrets.rs"]
mod secrets;

/// The value of every sensitive key.
const HIDDEN: &str = "hidden-by-its-key-0";

/// Secrets that are known by their look: the part that must never be seen, and the text that carries it.
fn by_look() -> Vec<(String, String)> {
    let needle = |secret: &str| secret.lines().max_by_key(|line| line.len()).unwrap_or_default().to_owned();
    let alone = secrets::secrets();
    let mut all: Vec<_> =
        alone.iter().map(|(_, secret)| (needle(secret), format!("it says {secret} there"))).collect();
    for (secret, text) in [
        ("planted-bearer-credential-1234", "Authorization: Bearer planted-bearer-credential-1234"),
        ("cGxhbnRlZDpwbDRudDNk", "curl -H 'Authorization: Basic cGxhbnRlZDpwbDRudDNk' x"),
        ("pl4nt3d-pass", "postgres://user:pl4nt3d-pass@db.internal/x"),
        ("pl4nt3d-query", "https://example.com/cb?access_token=pl4nt3d-query&x=1"),
        ("pl4nt3d-hook-0123456789", "https://hooks.slack.com/services/T0/B0/pl4nt3d-hook-0123456789"),
        ("pl4nt3d-env", "export DB_PASSWORD=pl4nt3d-env"),
        ("pl4nt3d-flag", "mysql --password=pl4nt3d-flag -u root"),
        ("pl4nt3d-cookie", "Cookie: sid=pl4nt3d-cookie"),
        ("pl4nt3d-json", r#"{"client_secret":"pl4nt3d-json"}"#),
        ("pl4nt3d-string", "Server=db;User=u;Password=pl4nt3d-string;"),
    ] {
        all.push((secret.to_owned(), text.to_owned()));
    }
    all
}

/// Keys whose values are never even serialised, in the spellings that the world uses.
#[rustfmt::skip]
const KEYS: [&str; 46] = [
    "password", "Password", "PASSWD", "pwd", "user_password", "newPassword", "passphrase", "secret",
    "client_secret", "clientSecret", "app-secret", "token", "access_token", "accessToken", "refresh-token",
    "id_token", "auth_token", "csrfToken", "api_key", "apiKey", "apikey", "X-Api-Key", "x-api-token",
    "private_key", "signingKey", "aws_secret_access_key", "authorization", "Authorization",
    "Proxy-Authorization", "cookie", "Set-Cookie", "session_cookie", "PHPSESSID", "JSESSIONID", "credentials",
    "card_number", "cardNumber", "cc-number", "credit_card", "cvv", "cvc", "ssn", "social_security_number",
    "pin", "otp", "connection_string",
];

#[test]
fn the_keys_of_these_tests_are_built_in() {
    let missing: Vec<_> = KEYS.into_iter().filter(|key| !policy::KeyPolicy::new().redacts(key)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[derive(EventData)]
#[event(name = "derived")]
struct Derived<'a> {
    text: &'a str,
    password: &'a str,
    #[event(redact)]
    email: &'a str,
    #[event(tag)]
    region: &'a str,
    nested: &'a Value,
}

/// An error whose text stands in its cause.
#[derive(Debug)]
struct Caused(std::io::Error);

impl std::fmt::Display for Caused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it failed")
    }
}

impl std::error::Error for Caused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

fn caused(text: &str) -> Caused {
    Caused(std::io::Error::other(text.to_owned()))
}

#[mcpcat::event(name = "annotated", params(text, nested, password), response, message = "working on {text}")]
fn annotated(text: &str, nested: &Value, password: &str) -> Result<String, Caused> {
    if password.is_empty() { Ok(text.to_owned()) } else { Err(caused(text)) }
}

#[mcpcat::event(name = "annotated later", params(text, nested, password), response)]
async fn annotated_async(text: &str, nested: &Value, password: &str) -> Result<Value, Caused> {
    tokio::task::yield_now().await;
    if password.is_empty() { Ok(nested.clone()) } else { Err(caused(text)) }
}

/// Where and how to publish.
struct Ways {
    client: Client,
    session: Session,
    server: Tracked<Echo>,
    shared: Arc<Tracked<Echo>>,
    handle: ServerHandle,
}

/// How many [`Ways::publish`] knows.
const WAYS: usize = 15;

impl Ways {
    fn new(client: &Client) -> Self {
        let server = client.track(Echo);
        Self {
            client: client.clone(),
            session: client.session("planted"),
            handle: server.handle(),
            shared: Arc::new(client.track(Echo)),
            server,
        }
    }

    /// Publishes a text with a secret, and a payload with more of them, in one of the ways there are.
    fn publish(&self, way: usize, text: &str, nested: &Value) {
        let Self { client, session, server, shared, handle } = self;
        let derived = Derived { text, password: HIDDEN, email: HIDDEN, region: "eu", nested };
        let event = || {
            CustomEvent::new(text)
                .parameter("text", text)
                .parameter("password", HIDDEN)
                .parameters(json!({ "nested": nested }))
                .response(json!([nested, text]))
                .message(text)
                .error(&caused(text))
                .tag("region", text.chars().filter(|c| *c != '\n').take(200).collect::<String>())
                .tag("api_key", HIDDEN)
                .property("deep", nested)
                .property("cookie", HIDDEN)
        };
        let published = match way {
            0 => client.publish("planted", event()),
            1 => client.publish(session, event()),
            2 => client.publish(SessionId::derive("planted", PROJECT), event()),
            3 => client.publish(server, event()),
            4 => client.publish(shared, event()),
            5 => client.publish(handle, event()),
            6 => publish_custom_event(session, PROJECT, event()),
            7 => publish_custom_event(server, PROJECT, event()),
            8 => publish_custom_event(handle, PROJECT, derived),
            9 => {
                let value = json!({ "message": text, "password": HIDDEN, "nested": nested });
                client.publish("planted", CustomEvent::default().error_value(value))
            }
            _ => {
                session.run(|| match way {
                    10 => drop(annotated(text, nested, "")),
                    11 => drop(annotated(text, nested, HIDDEN)),
                    12 => {
                        emit!(
                            "emitted",
                            text,
                            nested,
                            password = HIDDEN,
                            message = text,
                            tags.token = HIDDEN,
                            properties.deep = nested,
                            response = nested
                        );
                    }
                    13 => emit!("failed", error = &caused(text), nested),
                    _ => emit!(derived),
                });
                return;
            }
        };
        published.unwrap();
    }
}

fn payload(text: &str) -> Value {
    let mut nested = json!({ "list": [{ "text": text }, text], "Ada": "Ada" });
    for key in KEYS {
        nested[key] = json!(HIDDEN);
    }
    nested["below"] =
        json!([{ KEYS[0]: { "deeper": HIDDEN } }, { "card_number": 4_242_424_242_424_242_u64 }]);
    nested["json in a string"] = json!(json!({ "password": HIDDEN, "text": text }).to_string());
    nested
}

#[derive(Clone)]
struct Echo;

impl ServerHandler for Echo {
    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let text = arguments.get("text").and_then(Value::as_str).unwrap_or_default().to_owned();
        if request.name == "refuse" {
            return Err(ErrorData::invalid_params(text, Some(Value::Object(arguments))));
        }
        let mut result = CallToolResult::error(vec![ContentBlock::text(text)]);
        result.structured_content = Some(Value::Object(arguments));
        Ok(result.into())
    }
}

/// A tracked server whose every hook repeats what the request says.
fn talkative(client: &Client) -> Tracked<Echo> {
    let text = |request: &mcpcat::RequestInfo<'static>| {
        let text = request.arguments().and_then(|arguments| arguments.get("text"));
        text.and_then(Value::as_str).map(str::to_owned)
    };
    client
        .track(Echo)
        .identify(move |request| {
            let said = text(&request);
            async move {
                let said = said?;
                Some(Identity::new(&said).name(&said).data("note", said.clone()).data("password", HIDDEN))
            }
        })
        .event_tags(move |request| {
            let said = text(&request);
            async move { said.map(|said| vec![("said".to_owned(), said.replace('\n', " "))]) }
        })
        .event_properties(move |request| {
            let said = text(&request);
            async move { said.and_then(|said| json!({ "said": said, "token": HIDDEN }).as_object().cloned()) }
        })
}

fn contains(haystack: &[u8], needle: &str) -> bool {
    String::from_utf8_lossy(haystack).contains(needle)
}

fn assert_clean(received: &[Received], secrets: &[String]) {
    for request in received {
        let text = String::from_utf8_lossy(&request.bytes);
        for secret in secrets {
            assert!(!text.contains(secret.as_str()), "{secret} in {text}");
        }
    }
}

/// The first of `texts` that a file below holds.
fn on_disk<'a>(state: &Path, texts: &'a [String]) -> Option<&'a String> {
    let mut folders = vec![state.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else if let Ok(bytes) = std::fs::read(entry.path()) {
                let held = String::from_utf8_lossy(&bytes);
                if let Some(text) = texts.iter().find(|text| held.contains(text.as_str())) {
                    return Some(text);
                }
            }
        }
    }
    None
}

fn hooks() -> Privacy {
    Privacy::new()
        .redact_text(|text: &str| text.replace("Ada", "[name]"))
        .redact_event_async(async |event: mcpcat::privacy::Event| event)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planted_secret_never_leaves() {
    for hooked in [false, true] {
        let collector = Collector::start().await;
        let state = state_dir();
        let mut builder = Client::builder(PROJECT).base_url(&collector.url).state_dir(&state);
        if hooked {
            builder = builder.privacy(hooks());
        }
        let client = builder.build().unwrap();
        let ways = Ways::new(&client);
        let mut secrets = vec![HIDDEN.to_owned(), "4242424242424242".to_owned()];
        for (secret, text) in by_look() {
            let nested = payload(&text);
            for way in 0..WAYS {
                ways.publish(way, &text, &nested);
            }
            ways.session.run(|| drop(annotated(&text, &nested, HIDDEN)));
            let _ = mcpcat::InSession::in_session(annotated_async(&text, &nested, ""), ways.session.clone())
                .await;
            let agent = connect(talkative(&client)).await;
            for tool in ["echo", "refuse"] {
                let _ = agent.call_tool(call(tool, json!({ "text": text, "nested": nested }))).await;
            }
            if hooked {
                assert_eq!(on_disk(&state, std::slice::from_ref(&secret)), None);
            }
            secrets.push(secret);
        }
        let stats = client.flush(PATIENCE).await;
        assert_eq!((stats.pending, stats.dropped, stats.hook_failures), (0, 0, 0), "{stats}");
        let received = collector.received();
        assert!(received.len() >= secrets.len() * (WAYS + 3), "{}", received.len());
        assert_clean(&received, &secrets);
        let seen = |marker: &str| received.iter().any(|request| contains(&request.bytes, marker));
        for marker in ["[redacted: key]", "[redacted: jwt]", "identify_data", "\"said\":"] {
            assert!(seen(marker), "{marker} says what was there");
        }
        assert_eq!(seen("[name]"), hooked);
        if hooked {
            assert_eq!(on_disk(&state, &secrets), None);
        }
    }
}

/// Of an HTTP request nothing is recorded but the headers of the allow-list, scrubbed like everything else.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_request_over_http_only_the_allowed_headers_are_recorded() {
    const ALLOWED: [&str; 6] =
        ["user-agent", "content-type", "accept", "accept-language", "mcp-protocol-version", "mcp-session-id"];
    let collector = Collector::start().await;
    let client = collector.client();
    let tracked = client.clone();
    let url = serve(move || Ok(tracked.track(Echo)), Default::default()).await;
    let header = |name: &'static str, value: &str| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
    };
    let github = secrets::secrets().into_iter().find(|(label, _)| *label == "github token").unwrap().1;
    let mut config = StreamableHttpClientTransportConfig::with_uri(format!(
        "{url}?access_token=pl4nt3d-query&page=planted-page"
    ));
    config.auth_header = Some("pl4nt3d-bearer".to_owned());
    config.custom_headers = HashMap::from([
        header("cookie", "session=pl4nt3d-cookie"),
        header("x-api-key", "pl4nt3d-key"),
        header("x-forwarded-for", "203.0.113.77"),
        header("referer", "https://pl4nt3d-referer/"),
        header("accept-language", &format!("de {github}")),
    ]);
    let agent = ().serve(StreamableHttpClientTransport::from_config(config)).await.unwrap();
    for tool in ["echo", "refuse"] {
        let _ = agent.call_tool(call(tool, json!({ "text": "hello" }))).await;
    }
    let stats = client.flush(PATIENCE).await;
    assert_eq!((stats.pending, stats.dropped), (0, 0), "{stats}");
    let received = collector.received();
    let planted = ["pl4nt3d", "planted-page", "203.0.113.77", &github].map(str::to_owned);
    assert_clean(&received, &planted);
    let calls: Vec<Value> = collector.bodies();
    let calls = of_type(&calls, "mcp:tools/call");
    assert_eq!(calls.len(), 2);
    for event in calls {
        let headers = event["parameters"]["extra"]["requestInfo"]["headers"].as_object().unwrap();
        assert!(headers.keys().all(|name| ALLOWED.contains(&name.as_str())), "{headers:?}");
        assert_eq!(headers["accept-language"], "de [redacted: github token]");
    }
}

/// Any payload with a sensitive key and a secret anywhere, through any way, with hooks and without.
#[test]
fn arbitrary_payloads_keep_their_secrets() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let collector = runtime.block_on(Collector::start());
    let state = state_dir();
    let clients = [
        collector.client(),
        Client::builder(PROJECT).base_url(&collector.url).state_dir(&state).privacy(hooks()).build().unwrap(),
    ];
    let ways = clients.each_ref().map(Ways::new);
    let by_look = by_look();
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::from),
        "[a-zA-Z0-9 _\\-\"\\\\/]{0,30}".prop_map(Value::from),
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        prop::sample::select(by_look.clone()).prop_map(|(_, text)| Value::from(text)),
    ];
    let payload = leaf.prop_recursive(6, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(
                prop_oneof![3 => "[a-z]{1,8}".boxed(), 1 => prop::sample::select(KEYS.to_vec()).prop_map(str::to_owned).boxed()],
                inner,
                0..5
            )
            .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    let cases = (
        payload,
        prop::sample::select(KEYS.to_vec()),
        prop::sample::select(by_look.clone()),
        0..WAYS,
        any::<bool>(),
    );
    let published = AtomicUsize::new(0);
    let mut runner = TestRunner::new(Config { cases: 400, ..Config::default() });
    runner
        .run(&cases, |(mut payload, key, (_, text), way, hooked)| {
            if let Value::Object(members) = &mut payload {
                members.insert(key.to_owned(), json!(HIDDEN));
            }
            let wrapped = json!({ "outer": payload, key: { "inner": HIDDEN }, "text": text });
            ways[usize::from(hooked)].publish(way, &text, &wrapped);
            published.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
        .unwrap();
    let mut secrets: Vec<String> = by_look.into_iter().map(|(secret, _)| secret).collect();
    secrets.push(HIDDEN.to_owned());
    assert_eq!(on_disk(&state, &secrets), None);
    for client in &clients {
        let stats = client.flush_blocking(PATIENCE);
        assert_eq!((stats.pending, stats.dropped), (0, 0), "{stats}");
    }
    let received = collector.received();
    assert_eq!(received.len(), published.into_inner());
    assert_clean(&received, &secrets);
    assert!(received.iter().all(|request| contains(&request.bytes, "[redacted: ")));
}

/// Says when it is looked at.
struct Watched<'a>(&'a AtomicUsize);

impl serde::Serialize for Watched<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.fetch_add(1, Ordering::SeqCst);
        serializer.serialize_str("seen")
    }
}

#[mcpcat::event(name = "watched", params(value = Watched(looks)))]
fn watched(looks: &AtomicUsize) {}

#[tokio::test]
async fn a_session_without_consent_is_served_and_nothing_of_it_is_serialised() {
    let collector = Collector::start().await;
    let state = state_dir();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let client = Client::builder(PROJECT)
        .base_url(&collector.url)
        .state_dir(&state)
        .consent(move |session: &mcpcat::privacy::Asked| {
            counted.fetch_add(1, Ordering::SeqCst);
            session.key.as_deref() == Some("willing")
        })
        .build()
        .unwrap();
    let looks = AtomicUsize::new(0);
    let publish = |session: &Session| {
        client.publish(session, CustomEvent::new("published").parameters(json!({ "n": 1 }))).unwrap();
        session.run(|| {
            watched(&looks);
            emit!("emitted", value = Watched(&looks));
            emit!(
                "with more",
                value = Watched(&looks),
                message = "unwilling-message",
                tags.t = Watched(&looks)
            );
            emit!("elsewhere", session = "willing", value = Watched(&looks), message = "for {looks:?}");
        });
    };
    let unwilling = client.session("unwilling");
    publish(&unwilling);
    assert_eq!(looks.load(Ordering::SeqCst), 1, "only what went to a session that consents");
    assert_eq!(asked.load(Ordering::SeqCst), 2, "each session once");
    let asked_who = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked_who);
    let server = client.track(Echo).identify(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { None::<Identity> }
    });
    let agent = connect(server).await;
    let answer = agent.call_tool(call("echo", json!({ "text": "unwilling-text" }))).await.unwrap();
    assert_eq!(answer.content[0].as_text().unwrap().text, "unwilling-text", "it is served as ever");
    assert_eq!(asked_who.load(Ordering::SeqCst), 0, "nobody is asked who that is");
    assert_eq!(on_disk(&state, &["unwilling".to_owned(), "rmcp".to_owned()]), None, "not even its ends");
    publish(&client.session("willing"));
    let stats = client.flush(PATIENCE).await;
    // Four events that were published, a handshake and a call.
    assert_eq!((stats.published, stats.pending, stats.dropped), (6, 0, 0), "{stats}");
    assert!(stats.without_consent >= 6, "{}", stats.without_consent);
    let bodies = collector.bodies();
    let willing = SessionId::derive("willing", PROJECT).to_string();
    assert_eq!(bodies.len(), 6);
    assert!(bodies.iter().all(|body| body["session_id"] == willing), "{bodies:#?}");
}

#[tokio::test]
async fn until_an_asynchronous_consent_is_given_nothing_is_recorded() {
    let collector = Collector::start().await;
    let (release, released) = tokio::sync::watch::channel(false);
    let client = Client::builder(PROJECT)
        .base_url(&collector.url)
        .state_dir(state_dir())
        .consent_async(move |_| {
            let mut released = released.clone();
            async move { released.wait_for(|yes| *yes).await.is_ok() }
        })
        .build()
        .unwrap();
    client.publish("s", CustomEvent::new("early")).unwrap();
    assert_eq!((client.stats().published, client.stats().without_consent), (0, 1));
    release.send_replace(true);
    let given = async {
        while client.stats().published == 0 {
            client.publish("s", CustomEvent::new("late")).unwrap();
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, given).await.unwrap();
    let stats = client.flush(PATIENCE).await;
    assert_eq!((stats.published, stats.delivered), (1, 1), "{stats}");
    assert_eq!(collector.bodies()[0]["resource_name"], "late");
}

/// A dry run of a real program: what would leave is on stderr, and nothing has left.
#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_prints_what_would_leave_and_sends_nothing() {
    let collector = Collector::start().await;
    let state = state_dir();
    let output = std::process::Command::new(crate::support::program("publisher"))
        .args([&collector.url, &state.display().to_string(), "flush", "5"])
        .env("MCPCAT_DRY_RUN", "1")
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stderr).unwrap();
    let ids: Vec<_> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    let bodies: Vec<Value> = shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(bodies.iter().map(|body| body["id"].as_str().unwrap()).collect::<Vec<_>>(), ids);
    assert_eq!(ids.len(), 5);
    assert!(collector.received().is_empty());
    assert_eq!(std::fs::read_dir(&state).unwrap().count(), 0, "nothing is kept");
}
