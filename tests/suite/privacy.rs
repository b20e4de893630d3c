//! A planted secret never leaves, through whatever way it was published, with hooks and without.

use mcpcat::privacy::Privacy;
use mcpcat::{Backend, Client, CustomEvent, ErrorInfo, EventData, SessionId, emit};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rmcp::model::{CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};
use serde_json::{Value, json};

use crate::support::{Collector, PATIENCE, PROJECT, call, connect, state_dir};

/// Secrets that are known by their look: the part that must never be seen, and the text that carries it.
fn by_look() -> Vec<(String, String)> {
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJwbGFudGVkIn0.c2lnbmF0dXJlLXBsYW50ZWQtaGVyZQ";
    let github = format!("ghp_{}", "p1aNt3dS3cr3tP1aNt3dS3cr3tP1aNt3dS3c");
    let aws = "AKIAIOSFODNN7PLANTED";
    let stripe = format!("sk_live_{}", "51PlantedPlantedPlantedPlant");
    let pem = "-----BEGIN PRIVATE KEY-----\nMIIPLANTEDPLANTEDPLANTED\n-----END PRIVATE KEY-----";
    vec![
        (jwt.into(), format!("the token is {jwt}, keep it")),
        (
            "planted-bearer-credential-1234".into(),
            "Authorization: Bearer planted-bearer-credential-1234".into(),
        ),
        (github.clone(), format!("git clone with {github}")),
        (aws.into(), format!("aws key {aws} in a sentence")),
        (stripe.clone(), stripe),
        ("MIIPLANTEDPLANTEDPLANTED".into(), pem.into()),
        ("4242424242424242".into(), "card 4242424242424242 exp 12/30".into()),
        ("pl4nt3d-pass".into(), "postgres://user:pl4nt3d-pass@db.internal/x".into()),
        ("pl4nt3d-query".into(), "https://example.com/cb?access_token=pl4nt3d-query&x=1".into()),
    ]
}

/// Keys whose values are never even serialised.
const KEYS: [&str; 10] = [
    "password",
    "client_secret",
    "accessToken",
    "X-Api-Key",
    "authorization",
    "Set-Cookie",
    "card_number",
    "cvv",
    "ssn",
    "private_key",
];

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

#[mcpcat::event(name = "annotated", params(text, nested, password), response, message = "working on {text}")]
fn annotated(text: &str, nested: &Value, password: &str) -> Result<String, std::io::Error> {
    if password.is_empty() { Ok(text.to_owned()) } else { Err(std::io::Error::other(text.to_owned())) }
}

/// Publishes `text` and a nested payload in every way there is.
fn publish_everywhere(client: &Client, text: &str, hidden: &str, nested: &Value) {
    let session = client.session("planted");
    let event = || {
        CustomEvent::new("custom")
            .parameter("text", text)
            .parameter("password", hidden)
            .parameters(json!({ "nested": nested }))
            .response(json!([nested, text]))
            .message(text)
            .error(&std::io::Error::other(text.to_owned()))
            .tag("region", text.chars().filter(|c| *c != '\n').take(200).collect::<String>())
            .property("deep", nested)
    };
    client.publish("planted", event()).unwrap();
    client.publish(&session, event()).unwrap();
    client.publish(SessionId::derive("planted", PROJECT), event()).unwrap();
    client
        .publish(
            "planted",
            CustomEvent::default().error_value(json!({ "message": text, "password": hidden })),
        )
        .unwrap();
    session.run(|| {
        let _ = annotated(text, nested, "");
        let _ = annotated(text, nested, hidden);
        emit!("emitted", text, nested, password = hidden, message = text, properties.deep = nested);
        emit!("failed", error = &std::io::Error::other(text.to_owned()));
        emit!(Derived { text, password: hidden, email: hidden, region: "eu", nested });
        let _ = ErrorInfo::message(text);
    });
}

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

fn contains(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planted_secret_never_leaves() {
    const HIDDEN: &str = "hidden-by-its-key-0";
    for hooked in [false, true] {
        let collector = Collector::start().await;
        let mut builder = Client::builder(PROJECT).base_url(&collector.url).state_dir(state_dir());
        if hooked {
            builder = builder.privacy(Privacy::new().redact_text(|text: &str| text.replace("Ada", "[name]")));
        }
        let client = builder.build().unwrap();
        let agent = connect(client.track(Echo)).await;
        let mut secrets = vec![HIDDEN.to_owned()];
        for (secret, text) in by_look() {
            let mut nested = json!({ "list": [{ "text": text }, text], "Ada": "Ada" });
            for key in KEYS {
                nested[key] = json!(HIDDEN);
            }
            nested["json in a string"] = json!(json!({ "password": HIDDEN, "text": text }).to_string());
            publish_everywhere(&client, &text, HIDDEN, &nested);
            for tool in ["echo", "refuse"] {
                let _ = agent.call_tool(call(tool, json!({ "text": text, "nested": nested }))).await;
            }
            secrets.push(secret);
        }
        let stats = client.flush(PATIENCE).await;
        assert_eq!((stats.pending, stats.dropped), (0, 0), "{stats}");
        let received = collector.received();
        assert!(received.len() > 90, "{}", received.len());
        for request in &received {
            for secret in &secrets {
                assert!(
                    !contains(&request.bytes, secret),
                    "{secret} in {}",
                    String::from_utf8_lossy(&request.bytes)
                );
            }
        }
        let seen = |marker: &str| received.iter().any(|request| contains(&request.bytes, marker));
        for marker in ["[redacted: key]", "[redacted: jwt]"] {
            assert!(seen(marker), "{marker} says what was there");
        }
        assert_eq!(seen("[name]"), hooked);
    }
}

/// With a hook set nothing that it has not seen rests on a disk.
#[tokio::test]
async fn with_a_hook_no_file_holds_an_event() {
    let state = state_dir();
    for (hooked, found) in [(false, true), (true, false)] {
        let mut builder = Client::builder(PROJECT)
            .base_url("http://127.0.0.1:9")
            .backend(Backend::Written)
            .drain_on_drop(std::time::Duration::ZERO)
            .state_dir(&state);
        if hooked {
            builder = builder.privacy(Privacy::new().redact_text(|text: &str| text.to_owned()));
        }
        let client = builder.build().unwrap();
        let marker = format!("resting-{hooked}");
        client.publish("s", CustomEvent::new("x").parameter("text", &marker)).unwrap();
        let mut held = false;
        let mut folders = vec![state.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else {
                    held |= contains(&std::fs::read(entry.path()).unwrap(), &marker);
                }
            }
        }
        assert_eq!(held, found, "hook: {hooked}");
    }
}

/// Any payload with a sensitive key anywhere: its value is not in the body.
#[test]
fn arbitrary_payloads_keep_their_secrets() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let collector = runtime.block_on(Collector::start());
    let client = collector.client();
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::from),
        "[a-zA-Z0-9 _\\-\"\\\\/]{0,30}".prop_map(Value::from),
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
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
    let mut planted = 0;
    let mut runner = TestRunner::new(Config { cases: 200, ..Config::default() });
    runner
        .run(&(payload, prop::sample::select(KEYS.to_vec()), 0_usize..9), |(mut payload, key, kind)| {
            let (_, text) = &by_look()[kind];
            if let Value::Object(members) = &mut payload {
                members.insert(key.to_owned(), json!("planted-under-a-key"));
            }
            let wrapped = json!({ "outer": payload, key: "planted-under-a-key", "text": text });
            client
                .publish("p", CustomEvent::new("any").parameters(&wrapped).property("again", &payload))
                .unwrap();
            Ok(())
        })
        .unwrap();
    let stats = client.flush_blocking(PATIENCE);
    assert_eq!((stats.pending, stats.dropped), (0, 0), "{stats}");
    for request in collector.received() {
        assert!(!contains(&request.bytes, "planted-under-a-key"));
        for (secret, _) in by_look() {
            assert!(!contains(&request.bytes, &secret), "{secret}");
        }
        planted += usize::from(contains(&request.bytes, "[redacted"));
    }
    assert_eq!(planted, 200);
}
