//! Hooks from outside: they see every event, what they must not change stays, and none of the ways in which they
//! can go wrong lets an event out or holds up the next.
#![expect(clippy::unwrap_used, reason = "helpers of tests are not seen as tests")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use mcpcat_runtime::Client;
use mcpcat_runtime::CustomEvent;
use mcpcat_runtime::policy::{KeyPolicy, Policy};
use mcpcat_runtime::privacy::{Asked, Event, Explained, Hook, HookError, Patterns, Privacy, Withheld};
use mcpcat_runtime::testing::Recorder;
use serde_json::{Value, json};

fn body() -> Value {
    json!({
        "id": "evt_1", "session_id": "ses_1", "project_id": "proj_1", "event_type": "agentcat:custom",
        "timestamp": "2026-11-22T00:00:00.000Z", "sequence": 7, "server_name": "a server",
        "parameters": {"plan": "a plan", "deep": [{"list": ["a", 1, null]}]},
        "tags": {"region": "a region"}, "properties": {"note": "a note"},
        "identify_actor_name": "a name", "user_intent": "",
    })
}

async fn apply(privacy: &Privacy, body: &Value) -> Result<Value, Withheld> {
    let out = privacy.apply(serde_json::to_vec(body).unwrap()).await?;
    Ok(serde_json::from_slice(&out).unwrap())
}

/// An upper bound for tests that would hang if they failed.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.unwrap()
}

#[tokio::test]
async fn without_hooks_the_patterns_are_applied() {
    let privacy = Privacy::new();
    assert!(!privacy.has_hooks());
    assert_eq!(apply(&privacy, &body()).await.unwrap(), body());
    let mut secret = body();
    secret["user_intent"] = json!("https://a:b@c");
    assert_eq!(apply(&privacy, &secret).await.unwrap()["user_intent"], "https://[redacted: userinfo]@c");
    let privacy = privacy.patterns(Patterns::new().off());
    assert_eq!(apply(&privacy, &secret).await.unwrap(), secret);
}

#[test]
fn the_policys_keys_hold_inside_texts_too() {
    let policy = Policy::new().keys(KeyPolicy::new().also("employee_id").except("pin"));
    let recorder = Recorder::with(Client::builder("p").base_url("http://127.0.0.1:9").policy(policy));
    let event = CustomEvent::new("asked").message(r#"{"employeeId":"e-1","pin":1234,"token":"t"}"#);
    let body: Value = serde_json::from_str(&recorder.client().explain(event).body.unwrap()).unwrap();
    assert!(
        body.to_string()
            .contains(r#"{\"employeeId\":\"[redacted: key]\",\"pin\":1234,\"token\":\"[redacted: key]\"}"#),
        "{body}"
    );
}

#[tokio::test]
async fn an_event_hook_may_change_or_drop_but_not_forge() {
    let change = |mut event: Event| {
        for name in ["id", "session_id", "project_id", "event_type", "sequence"] {
            event.insert(name.into(), "forged".into());
        }
        event.remove("timestamp");
        event.insert("parent_id".into(), "forged".into());
        event.insert("parameters".into(), json!({"plan": "changed"}));
        event
    };
    let mut expected = body();
    expected["parameters"] = json!({"plan": "changed"});
    let plain = Privacy::new().redact_event(change);
    let future = Privacy::new().redact_event_async(move |event| async move {
        tokio::time::sleep(Duration::from_millis(1)).await;
        Ok::<_, HookError>(Some(change(event)))
    });
    for privacy in [plain, future] {
        assert!(privacy.has_hooks());
        assert_eq!(apply(&privacy, &body()).await.unwrap(), expected);
    }
    let drops = Privacy::new().redact_event(|_: Event| None::<Event>);
    assert_eq!(apply(&drops, &body()).await, Err(Withheld::Dropped));
    let fails = Privacy::new().redact_event_async(|_| async { Err::<Event, _>("no database") });
    let withheld = apply(&fails, &body()).await.unwrap_err();
    assert_eq!(withheld, Withheld::Failed { hook: Hook::Event, message: "no database".into() });
    assert_eq!(withheld.reason(), "hook_failed");
}

#[tokio::test]
async fn a_text_hook_sees_every_text_but_what_identifies_the_event() {
    let expected = json!({
        "id": "evt_1", "session_id": "ses_1", "project_id": "proj_1", "event_type": "agentcat:custom",
        "timestamp": "2026-11-22T00:00:00.000Z", "sequence": 7, "server_name": "<a server>",
        "parameters": {"plan": "<a plan>", "deep": [{"list": ["<a>", 1, null]}]},
        "tags": {"region": "<a region>"}, "properties": {"note": "<a note>"},
        "identify_actor_name": "<a name>", "user_intent": "",
    });
    let plain = Privacy::new().redact_text(|text: &str| format!("<{text}>"));
    let future = Privacy::new().redact_text_async(|text| async move {
        tokio::task::yield_now().await;
        Ok::<_, HookError>(format!("<{text}>"))
    });
    for privacy in [plain, future] {
        assert_eq!(apply(&privacy, &body()).await.unwrap(), expected);
    }
    let fails = Privacy::new()
        .redact_text(|text: &str| if text == "a note" { Err("no") } else { Ok(text.to_owned()) });
    assert_eq!(
        apply(&fails, &body()).await,
        Err(Withheld::Failed { hook: Hook::Text, message: "no".into() })
    );
}

#[tokio::test]
async fn what_a_hook_returns_is_scrubbed_and_bounded_too() {
    let privacy = Privacy::new().redact_event(|mut event: Event| {
        let mut deep = json!("bottom");
        for _ in 0..200_000 {
            deep = Value::Array(vec![deep]);
        }
        event.insert("parameters".into(), deep);
        event.insert("aaa".into(), json!(vec!["x ".repeat(20_000); 100]));
        event.insert("api_key".into(), "PLANTED".into());
        event.insert("properties".into(), json!({"password": "PLANTED", "url": "https://a:PLANTED@b"}));
        event
    });
    let out = privacy.apply(serde_json::to_vec(&body()).unwrap()).await.unwrap();
    assert!(out.len() <= Policy::new().limits.event_bytes + 1_024, "{}", out.len());
    let text = String::from_utf8(out).unwrap();
    assert!(!text.contains("PLANTED"));
    let value: Value = serde_json::from_str(&text).unwrap();
    for name in ["id", "session_id", "project_id", "event_type", "timestamp", "sequence"] {
        assert_eq!(value[name], body()[name]);
    }
}

#[tokio::test]
async fn what_is_not_an_event_does_not_pass_a_hook() {
    let privacy = Privacy::new().redact_event(|event: Event| event);
    for body in ["", "[]", "{\"a\":", "1"] {
        let withheld = privacy.apply(body.into()).await.unwrap_err();
        assert_eq!(withheld.reason(), "unreadable", "{body}");
    }
}

/// A hook that hangs on events with a member `hang` until the sender is dropped.
fn hanging() -> (impl Fn(Event) -> Event + Send + Sync, mpsc::Sender<()>) {
    let (release, released) = mpsc::channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let hook = move |event: Event| {
        if event.contains_key("hang") {
            // Ends with an error when the sender is gone, for all that wait.
            let _ = released.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).recv();
        }
        event
    };
    (hook, release)
}

#[tokio::test]
async fn five_hanging_hooks_cost_five_events_and_no_other() {
    let (hook, release) = hanging();
    let privacy = Privacy::new().redact_event(hook).deadline(Duration::from_millis(200));
    let mut hangs = body();
    hangs["hang"] = json!(true);
    let hung = join_all((0..5).map(|_| apply(&privacy, &hangs)));
    let bodies = body();
    let fine = join_all((0..50).map(|_| apply(&privacy, &bodies)));
    let (hung, fine) = soon(join(hung, fine)).await;
    assert!(hung.iter().all(|outcome| *outcome == Err(Withheld::TimedOut { hook: Hook::Event })), "{hung:?}");
    assert!(fine.iter().all(|outcome| outcome.is_ok()));
    // They still hang, and the next events still pass.
    for _ in 0..20 {
        assert!(soon(apply(&privacy, &bodies)).await.is_ok());
    }
    drop(release);
}

#[tokio::test]
async fn when_every_slot_hangs_events_are_dropped_at_once_until_one_comes_back() {
    let (hook, release) = hanging();
    let deadline = Duration::from_millis(100);
    let privacy = Privacy::new().redact_event(hook).deadline(deadline).slots(2);
    let mut hangs = body();
    hangs["hang"] = json!(true);
    let hung = soon(join_all((0..2).map(|_| apply(&privacy, &hangs)))).await;
    assert!(hung.iter().all(|outcome| *outcome == Err(Withheld::TimedOut { hook: Hook::Event })), "{hung:?}");
    let start = Instant::now();
    for _ in 0..1_000 {
        assert_eq!(apply(&privacy, &body()).await, Err(Withheld::Stalled { hook: Hook::Event }));
    }
    assert!(start.elapsed() < deadline * 100, "a thousand events did not wait for a deadline each");
    drop(release);
    soon(async {
        while apply(&privacy, &body()).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_future_that_never_ends_gives_its_slot_back() {
    let privacy = Privacy::new()
        .redact_event_async(|event: Event| async move {
            if event.contains_key("hang") {
                std::future::pending::<()>().await;
            }
            event
        })
        .redact_text_async(|text| async move {
            if text == "hang" {
                std::future::pending::<()>().await;
            }
            text
        })
        .deadline(Duration::from_millis(50))
        .slots(1);
    let (mut event, mut text) = (body(), body());
    event["hang"] = json!(true);
    text["user_intent"] = json!("hang");
    for (body, hook) in [(&event, Hook::Event), (&text, Hook::Text)] {
        assert_eq!(soon(apply(&privacy, body)).await, Err(Withheld::TimedOut { hook }));
        soon(async {
            while apply(&privacy, &self::body()).await.is_err() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_panic_is_a_failure_of_that_event_alone() {
    fn panics(event: Event) -> Event {
        assert!(!event.contains_key("panic"), "a hook panics in this test");
        event
    }
    let mut bad = body();
    bad["panic"] = json!(true);
    bad["user_intent"] = json!("panic");
    let hooks = [
        (Hook::Event, Privacy::new().redact_event(panics)),
        (Hook::Event, Privacy::new().redact_event_async(|event| async move { panics(event) })),
        (
            Hook::Text,
            Privacy::new().redact_text(|text: &str| {
                assert_ne!(text, "panic", "a hook panics in this test");
                text.to_owned()
            }),
        ),
    ];
    for (hook, privacy) in hooks {
        let privacy = privacy.slots(1);
        for _ in 0..5 {
            assert_eq!(soon(apply(&privacy, &bad)).await, Err(Withheld::Panicked { hook }));
            assert!(soon(apply(&privacy, &body())).await.is_ok());
        }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_hook_that_blocks_does_not_stall_the_workers_runtime() {
    let (send, receive) = mpsc::channel::<()>();
    let receive = Mutex::new(receive);
    let privacy = Privacy::new().redact_event(move |event: Event| {
        // Only the task below, on the worker's own thread, can end this.
        receive.lock().map_err(|_| "poisoned")?.recv().map_err(|_| "nobody sent")?;
        Ok::<_, &str>(event)
    });
    let sender = async {
        tokio::task::yield_now().await;
        send.send(()).unwrap();
    };
    let bodies = body();
    let (outcome, ()) = soon(join(apply(&privacy, &bodies), sender)).await;
    assert!(outcome.is_ok(), "{outcome:?}");
}

#[tokio::test]
async fn no_more_hooks_run_at_once_than_there_are_slots() {
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (now, peak) = (Arc::clone(&running), Arc::clone(&most));
    let privacy = Privacy::new()
        .redact_event_async(move |event: Event| {
            let (now, peak) = (Arc::clone(&now), Arc::clone(&peak));
            async move {
                peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                now.fetch_sub(1, Ordering::SeqCst);
                event
            }
        })
        .slots(3);
    let bodies = body();
    let outcomes = soon(join_all((0..200).map(|_| apply(&privacy, &bodies)))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
}

fn explained(privacy: Privacy) -> (Explained, Vec<(String, String)>) {
    let client = Client::builder("proj_explained").base_url("http://127.0.0.1:9").privacy(privacy);
    let recorder = Recorder::with(client);
    let event = CustomEvent::new("explained")
        .parameter("password", "PLANTED")
        .parameter("a/b", json!({"url": "https://a:PLANTED@b", "picture": "QUJD".repeat(4_000)}))
        .parameter("list", (0..105).collect::<Vec<_>>())
        .message("x".repeat(3_000))
        .property("name", "Ada")
        .tag("bad/key", "x");
    let explained = recorder.client().explain(&event);
    assert!(recorder.events().is_empty(), "nothing is published");
    let body = explained.body.clone().unwrap_or_default();
    assert!(!body.contains("PLANTED"), "{body}");
    let removed = explained.removed.iter().map(|it| (it.place.clone(), it.rule.clone())).collect();
    (explained, removed)
}

#[test]
fn an_event_is_explained_as_it_would_leave_and_what_would_not_is_named_by_its_rule() {
    let (plain, removed) = explained(Privacy::new());
    let rule = |removed: &[(String, String)], at: &str| {
        removed.iter().find(|(place, _)| place == at).map(|(_, rule)| rule.clone()).unwrap_or_default()
    };
    assert_eq!(rule(&removed, "/parameters/password"), "sensitive key");
    assert_eq!(rule(&removed, "/parameters/a~1b/url"), "pattern: userinfo");
    assert_eq!(rule(&removed, "/parameters/a~1b/picture"), "binary content");
    assert_eq!(rule(&removed, "/parameters/list/100"), "limit", "{removed:?}");
    assert_eq!(rule(&removed, "/user_intent"), "limit");
    assert!(rule(&removed, "").contains("bad/key"), "{removed:?}");
    assert_eq!(removed.len(), 6, "{removed:?}");
    let body: Value = serde_json::from_str(plain.body.as_deref().unwrap()).unwrap();
    assert_eq!(body["project_id"], "proj_explained");
    assert!(plain.to_string().contains("\nremoved /parameters/password (sensitive key)"));

    let hooked = Privacy::new().redact_text(|text: &str| text.replace("Ada", "[name]")).redact_event(
        |mut event: Event| {
            event.remove("user_intent");
            event
        },
    );
    let (with_hooks, removed) = explained(hooked);
    assert_eq!(rule(&removed, "/properties/name"), "redact_text");
    assert!(removed.contains(&("/user_intent".into(), "redact_event".into())), "{removed:?}");
    assert!(with_hooks.body.unwrap().contains("[name]"));

    let (nothing, removed) = explained(Privacy::new().redact_event(|_: Event| None::<Event>));
    assert_eq!(nothing.body, None);
    assert!(removed.iter().any(|(place, rule)| place.is_empty() && rule.contains("`redact_event` dropped")));
}

/// Also inside a runtime, where hooks have to run and must not block it.
#[tokio::test]
async fn an_event_is_explained_inside_a_runtime_too() {
    let (explained, _) = explained(Privacy::new().redact_text_async(|text: String| async move {
        tokio::time::sleep(Duration::from_millis(1)).await;
        text.replace("Ada", "[name]")
    }));
    assert!(explained.body.unwrap().contains("[name]"));
    let off = Client::builder("p").base_url("http://127.0.0.1:9").enabled(false).build().unwrap();
    assert_eq!(off.explain(()).body, None);
    let unwilling = Recorder::with(Client::builder("p").consent(|_: &Asked| false));
    assert_eq!(unwilling.client().explain(()).removed[0].rule, "consent");
}
