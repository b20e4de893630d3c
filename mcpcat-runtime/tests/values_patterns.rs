//! What the value patterns take and what they leave: every kind of secret in every place, and five hundred
//! harmless strings.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use mcpcat_runtime::privacy::Patterns;
use proptest::prelude::*;
use serde_json::{Value, json};

#[path = "shared/secrets.rs"]
mod secrets;
use secrets::{ALNUM, BASE64, BASE64URL, HEX, noise, secrets};

fn scrub(text: &str) -> String {
    Patterns::new().scrub_text(text).into_owned()
}

#[test]
fn every_kind_is_found_alone_and_inside_other_text() {
    for (label, secret) in secrets() {
        let shown = format!("[redacted: {label}]");
        assert_eq!(scrub(&secret), shown, "{secret}");
        for (before, after) in [
            ("the key is ", " and that is all"),
            ("(", ")"),
            ("\"", "\""),
            ("'", "',"),
            ("line\n", "\nline"),
            ("two\\n", "\\nthree"),
            ("<b>", "</b>"),
            ("used ", "."),
            ("é", "é"),
            ("x=", " "),
            ("arg%3D", "&b=1"),
        ] {
            let text = format!("{before}{secret}{after}");
            assert_eq!(scrub(&text), format!("{before}{shown}{after}"), "{text}");
        }
    }
}

#[test]
fn credentials_with_a_scheme_are_found() {
    for (text, expected) in [
        ("Authorization: Bearer abc123def456", "Authorization: Bearer [redacted: bearer token]"),
        (
            "authorization: bearer abcdefghijklmnopqrstuvwxyz",
            "authorization: bearer [redacted: bearer token]",
        ),
        ("send Bearer s3cr3t-t0ken-value now", "send Bearer [redacted: bearer token] now"),
        ("user=bearer status=200 token", "user=bearer status=200 token"),
        ("Basic YWRhOmh1bnRlcjI=", "Basic [redacted: basic credentials]"),
        ("-H 'X-Api-Key: abc123def'", "-H 'X-Api-Key: [redacted: header]'"),
        ("Cookie: theme=dark; sid=abc\nHost: x", "Cookie: [redacted: cookie]\nHost: x"),
        ("Authorization: token 0123456789abcdef", "Authorization: token [redacted: header]"),
        ("db:\n  password: hunter22\n  port: 5432", "db:\n  password: [redacted: key]\n  port: 5432"),
    ] {
        assert_eq!(scrub(text), expected);
    }
}

#[test]
fn urls_lose_user_information_and_sensitive_parameters() {
    for (text, expected) in [
        (
            "postgres://ada:hunter2@db.example.com:5432/app",
            "postgres://[redacted: userinfo]@db.example.com:5432/app",
        ),
        (r"https:\/\/ada:hunter2@example.com\/", r"https:\/\/[redacted: userinfo]@example.com\/"),
        ("redis://:hunter2@localhost", "redis://[redacted: userinfo]@localhost"),
        ("ssh://git@github.com/a/b", "ssh://git@github.com/a/b"),
        ("https://medium.com/@ada?x=1", "https://medium.com/@ada?x=1"),
        ("https://x.io/a?api_key=abc&page=2", "https://x.io/a?api_key=[redacted: parameter]&page=2"),
        (
            "https://x.io/a?page=2&access_token=abc#top",
            "https://x.io/a?page=2&access_token=[redacted: parameter]#top",
        ),
        (
            "https://s3/a?X-Amz-Signature=00ff&X-Amz-Date=1",
            "https://s3/a?X-Amz-Signature=[redacted: parameter]&X-Amz-Date=1",
        ),
        (
            "https://acc.blob/x?sv=1&sig=a%2Fb%3D&se=2",
            "https://acc.blob/x?sv=1&sig=[redacted: parameter]&se=2",
        ),
        (
            "Server=db;User Id=sa;Password=hunter2;Timeout=3",
            "Server=db;User Id=sa;Password=[redacted: parameter];Timeout=3",
        ),
        ("AccountName=a;AccountKey=abc+/==;X=1", "AccountName=a;AccountKey=[redacted: parameter];X=1"),
        (
            "export DB_PASSWORD=hunter2\nexport PORT=1",
            "export DB_PASSWORD=[redacted: parameter]\nexport PORT=1",
        ),
        ("login --password=hunter2 --user=ada", "login --password=[redacted: parameter] --user=ada"),
        ("user=ada&password=hunter2", "user=ada&password=[redacted: parameter]"),
        ("password=hunter2&user=ada", "password=[redacted: parameter]&user=ada"),
        ("API_KEY=\"a b c\" run", "API_KEY=\"[redacted: parameter]\" run"),
        ("API_KEY=$API_KEY run", "API_KEY=$API_KEY run"),
        ("max_tokens=100&next_token=abc", "max_tokens=100&next_token=abc"),
    ] {
        assert_eq!(scrub(text), expected);
    }
}

#[test]
fn json_inside_a_string_loses_its_sensitive_members_at_any_level() {
    let mut text = json!({"user": "ada", "password": "hun\"t\\er2", "pin": 1234, "note": "x", "ok": true, "credentials": {"a": ["PLANTED"]}}).to_string();
    for level in 0..4 {
        let scrubbed = scrub(&text);
        assert!(
            !scrubbed.contains("er2") && !scrubbed.contains("1234") && !scrubbed.contains("PLANTED"),
            "{level}: {scrubbed}"
        );
        let mut value: Value = serde_json::from_str(&scrubbed).unwrap();
        for _ in 0..level {
            value = serde_json::from_str(value["inner"].as_str().unwrap()).unwrap();
        }
        let label = "[redacted: key]";
        assert_eq!(
            value,
            json!({"user": "ada", "password": label, "pin": label, "note": "x", "ok": true, "credentials": label})
        );
        text = json!({ "inner": text }).to_string();
    }
    assert_eq!(scrub("{'password': 'hunter2', 'a': 1}"), "{'password': '[redacted: key]', 'a': 1}");
    assert_eq!(
        scrub(r#"{"password": "cut off in the mid"#),
        r#"{"password": "[redacted: key]"#.trim_end_matches('"')
    );
}

#[test]
fn optional_patterns_are_off_until_asked_for() {
    let text = "mail ada@example.com, call +49 30 901820 or (555) 123-4567, from 10.0.0.1:80 or 2001:db8::1.";
    assert_eq!(scrub(text), text);
    assert_eq!(
        Patterns::new().email().phone().ip().scrub_text(text),
        "mail [redacted: email], call [redacted: phone] or [redacted: phone], from [redacted: ip]:80 or [redacted: ip]."
    );
    assert_eq!(
        Patterns::new().phone().scrub_text("+49 30 901820 2001:db8:: 2026"),
        "[redacted: phone]:db8:: 2026",
        "digits that follow a number may be taken with it, but do not save it"
    );
    let only = Patterns::new().off().email();
    assert_eq!(only.scrub_text("ada@example.com 4111111111111111"), "[redacted: email] 4111111111111111");
    let calm = Patterns::new().email().phone().ip();
    for text in
        ["1.2.3", "v1.2.3.4.5", "12:30:45", "2026-11-22", "a @ b", "x@y", "std::io", "555-1234", "1.2.3.400"]
    {
        assert_eq!(calm.scrub_text(text), text);
    }
}

#[test]
fn a_body_is_scrubbed_everywhere_but_in_what_identifies_it() {
    let key = secrets()[10].1.clone();
    let body = json!({
        "id": key, "session_id": key, "project_id": key, "event_type": key, "timestamp": key,
        "server_name": key,
        "parameters": {"id": key, key.clone(): 1, "deep": [[{"text": format!("a\n\"{key}\"")}]], "card": 4_111_111_111_111_111_u64},
        "response": {"content": [{"type": "text", "text": json!({"token": "PLANTED", "url": "https://a:b@c"}).to_string()}]},
    });
    let bytes = serde_json::to_vec(&body).unwrap();
    let scrubbed = Patterns::new().scrub_body(&bytes);
    let label = "[redacted: github token]";
    let expected = json!({
        "id": key, "session_id": key, "project_id": key, "event_type": key, "timestamp": key,
        "server_name": label,
        "parameters": {"id": label, label: 1, "deep": [[{"text": format!("a\n\"{label}\"")}]], "card": "[redacted: card]"},
        "response": {"content": [{"type": "text", "text": json!({"token": "[redacted: key]", "url": "https://[redacted: userinfo]@c"}).to_string()}]},
    });
    assert_eq!(serde_json::from_slice::<Value>(&scrubbed).unwrap(), expected);
    assert!(matches!(Patterns::new().off().scrub_body(&bytes), Cow::Borrowed(_)));
}

#[test]
fn a_clean_body_is_not_copied() {
    let body = json!({"id": "evt_1", "parameters": {"plan": "pro\n", "n": [1, 2.5, 1_700_000_000_000_u64]}})
        .to_string();
    assert!(matches!(Patterns::new().scrub_body(body.as_bytes()), Cow::Borrowed(_)));
}

#[test]
fn what_is_not_json_is_scrubbed_as_text() {
    let key = &secrets()[10].1;
    for broken in [
        format!("{{\"a\": \"{key}"),
        format!("\"{key}\\"),
        format!("]{key}"),
        format!("{{\"a\":\"\\x {key}\""),
    ] {
        let scrubbed = Patterns::new().scrub_body(broken.as_bytes()).into_owned();
        assert!(!String::from_utf8(scrubbed).unwrap().contains(key.as_str()), "{broken}");
    }
    let mut invalid = format!("{{\"a\":\"{key}\"").into_bytes();
    invalid.push(0xff);
    assert!(!String::from_utf8_lossy(&Patterns::new().scrub_body(&invalid)).contains(key.as_str()));
}

/// What a kind of strings is called, and how its nth is made.
type Kind = (&'static str, Box<dyn Fn(u64) -> String>);

/// Twenty-five kinds of harmless strings.
fn harmless() -> Vec<Kind> {
    const WORDS: [&str; 16] = [
        "token", "session", "bearer", "secret", "invoice", "sk", "key", "author", "basic", "payment", "the",
        "page", "upgrade", "password", "client", "plan",
    ];
    let word = |i: u64, k: u64| WORDS[((i * 7 + k * 5) % 16) as usize];
    vec![
        (
            "uuid",
            Box::new(|i| {
                format!(
                    "{}-{}-4{}-a{}-{}",
                    noise(i, 8, HEX),
                    noise(i + 1, 4, HEX),
                    noise(i + 2, 3, HEX),
                    noise(i + 3, 3, HEX),
                    noise(i + 4, 12, HEX)
                )
            }),
        ),
        (
            "digits uuid",
            Box::new(|i| {
                format!("{:08}-{:04}-4{:03}-8{:03}-{:012}", i * 999_983, i * 37, i, i, i * 7_654_321_987)
            }),
        ),
        ("md5", Box::new(|i| noise(i, 32, HEX))),
        ("sha1", Box::new(|i| noise(i, 40, HEX))),
        ("sha256", Box::new(|i| format!("sha256:{}", noise(i, 64, HEX)))),
        ("base64 of text", Box::new(|i| noise(i, 200, BASE64) + "==")),
        ("base64url", Box::new(|i| noise(i, 120, BASE64URL))),
        ("version", Box::new(|i| format!("v{}.{}.{}-rc.{}+build.{}", i, i * 3, i * 7, i, i * 1000))),
        ("snowflake", Box::new(|i| (1_200_000_000_000_000_000_u64 + i * 98_765_432_123_457).to_string())),
        ("16-digit id", Box::new(|i| (1_000_000_000_000_000_u64 + i * 431_234_567_891_011).to_string())),
        ("timestamp ms", Box::new(|i| (1_700_000_000_000_u64 + i * 86_399_123).to_string())),
        (
            "iso time",
            Box::new(|i| format!("2026-11-{:02}T{:02}:59:59.{:03}Z", i % 28 + 1, i % 24, i * 37 % 1000)),
        ),
        (
            "path",
            Box::new(move |i| format!("/srv/ada/{}/{}_{}.rs:{}", word(i, 1), word(i, 2), word(i, 3), i)),
        ),
        (
            "windows path",
            Box::new(move |i| format!("C:\\Users\\{}\\new_{}\\{}.txt", word(i, 1), word(i, 2), word(i, 3))),
        ),
        (
            "rust",
            Box::new(move |i| {
                format!(
                    "let {}_token: Option<String> = config.{}(\"{}\")?; // line {i}",
                    word(i, 1),
                    word(i, 2),
                    word(i, 3)
                )
            }),
        ),
        (
            "python",
            Box::new(move |i| {
                format!(
                    "def f(password: str, {}=None):\n    token = get(token=token, key={i})\n    return password",
                    word(i, 2)
                )
            }),
        ),
        (
            "javascript",
            Box::new(move |i| {
                format!("const {} = await fetch(url, {{ headers: {{ authorization }} }}); // {i}", word(i, 1))
            }),
        ),
        (
            "prose",
            Box::new(move |i| {
                format!(
                    "The {} of a bearer token is described on page {i}: {} authentication, basic concepts.",
                    word(i, 1),
                    word(i, 2)
                )
            }),
        ),
        (
            "kebab",
            Box::new(move |i| {
                format!("sk-{}-{}-{}-{}-with-a-long-name", word(i, 1), word(i, 2), word(i, 3), word(i, 4))
            }),
        ),
        (
            "snake",
            Box::new(move |i| {
                format!("hf_{}_{}_{}_npm_{}_sk_live_{}", word(i, 1), word(i, 2), word(i, 3), word(i, 4), i)
            }),
        ),
        (
            "url",
            Box::new(move |i| {
                format!(
                    "https://example.com/@{}/{}?page={i}&max_tokens={}&sort=created_at#{}",
                    word(i, 1),
                    word(i, 2),
                    i * 100,
                    word(i, 3)
                )
            }),
        ),
        (
            "sql",
            Box::new(move |i| {
                format!(
                    "SELECT {}, password_hash FROM users WHERE id = {i} AND token_count >= {} -- {}",
                    word(i, 1),
                    i * 10,
                    word(i, 2)
                )
            }),
        ),
        (
            "phone and iban",
            Box::new(|i| format!("+49 30 {} / DE89 3704 0044 0532 0130 {:02}", 1_000_000 + i * 34_567, i)),
        ),
        (
            "json of metrics",
            Box::new(|i| {
                json!({"input_tokens": i * 10, "max_tokens": 4096, "session_id": noise(i, 27, ALNUM), "keys": ["a"], "author": "ada"}).to_string()
            }),
        ),
        (
            "log line",
            Box::new(move |i| {
                format!(
                    "2026-11-22 14:04:{:02} INFO [{}] request_id={} user={} status=200 dur={}ms key=value",
                    i % 60,
                    word(i, 1),
                    noise(i, 20, ALNUM),
                    word(i, 2),
                    i * 3
                )
            }),
        ),
    ]
}

#[test]
fn of_five_hundred_harmless_strings_at_most_two_change() {
    let kinds = harmless();
    assert_eq!(kinds.len(), 25);
    let mut changed = String::new();
    for (kind, make) in kinds {
        for i in 1..=20 {
            let text = make(i);
            let scrubbed = scrub(&text);
            if scrubbed != text {
                writeln!(changed, "{kind}: {text} -> {scrubbed}").unwrap();
            }
        }
    }
    // One in ten numbers of a card's length and prefix passes Luhn: a 16-digit id can look like a card.
    assert!(changed.lines().count() <= 2, "{changed}");
}

/// What secrets and their surroundings begin with. Repeated, each beginning could look for an end that the next one looks
/// for again.
#[rustfmt::skip]
const BEGINNINGS: &[&str] = &[
    "eyJ-", "eyJa.", "sk-", "M-", "MTIzNDU2Nzg5MDEyMzQ1Njc4.", "bearer ", "access-sandbox-", "figd_", "Q~", "5Q~", "-us",
    "-----BEGIN ", "-----BEGIN A-----", "https://hooks.slack.com/", "://", "a@", "@", "1:", "1.", "+1 ", "4111 ",
    "token:", "token: ", "token: |\n", "token=[", "token:{", "token:Some(", "password=", "password =", ";password=",
    "password is ", "password '", "identified by '", "API key ", "API key: ", "tokens:[", "Cookie: ", "Cookie: a=",
    "Authorization: ", "name=password ", "\"name\":\"password\",", "name=\"password\"\n\n", "key ",
    "\"token\":[", "\"tokens\":[", "\"tokens\":{", "\"tokens\":1", "\"token\":T(", "\"token\":'", "\"token\":\"\"\"",
    "\"token\":\"", "\"token\": \n", "'token'=>", "\"token\":[redacted ", "\\\"token\\\":\\\"", "\\\"token\\\":[",
    "=", ":", "'", "\"", "`", "\"\"\"", "[", "{", "<", "-", "--", " -p", " -u ", "--user=", "--user ", "--token '", "--token \\\n",
    "<password>", "<password", "<password a=", "<a name=", "<password><![CDATA[", "\\", "\\\\", "\\n", "\\u0041", "\\x41",
    "%41", "%25", "%", "%20", "&#", "&amp;", "&lt;password&gt;", "p%61ssword%3D", "pass%77ord=", "\n", " ", "\t", "  =",
];

/// Compares lengths: what is read once costs four times as much at four times the length, what is read again for each
/// beginning sixteen times. The least of some tries, for a machine that is busy with something else.
#[test]
fn a_text_made_of_beginnings_is_read_in_linear_time() {
    let patterns = Patterns::new().email().phone().ip();
    let took = |text: &str| {
        let start = Instant::now();
        assert!(patterns.scrub_text(text).len() <= text.len() * 12 + 32);
        start.elapsed()
    };
    let mut slow = Vec::new();
    for beginning in BEGINNINGS {
        let text = |bytes: usize| beginning.repeat(bytes / beginning.len());
        let (short, long) = (text(8_000), text(32_000));
        let mut least = (Duration::MAX, Duration::MAX);
        let in_proportion = (0..20).any(|_| {
            least = (least.0.min(took(&short)), least.1.min(took(&long)));
            least.1 < least.0 * 10
        });
        if !in_proportion {
            slow.push((beginning, least));
        }
    }
    assert!(slow.is_empty(), "{slow:#?}");
}

#[test]
fn a_blank_that_is_escaped_hides_no_secret() {
    for text in [
        "q=the%20password%20is%20hunter2X9",
        "q=a%20b&x=password%20hunter2X9",
        "q=a%20b;%20password=hunter2X9",
        "q=a%20b%20API%20key=hunter2X9",
        "q=IDENTIFIED%20BY%20'hunter2X9'",
        "q=curl%20-u%20ada:hunter2X9%20-v",
        "q=login%20--password%20hunter2X9",
        "q=a%20b%20Authorization:%20Bearer%20hunter2X9",
        "q=my%20card%204242%204242%204242%204242",
    ] {
        let scrubbed = scrub(text);
        assert!(!scrubbed.contains("hunter2X9") && !scrubbed.contains("4242"), "{scrubbed}");
    }
    let plain = "https://example.com/billing/7?page=2&filter=a%20b&q=the%20best%20of%20times";
    assert_eq!(scrub(plain), plain);
}

fn any_body() -> impl Strategy<Value = Value> {
    let piece = prop_oneof![
        any::<String>(),
        prop::sample::select(secrets()).prop_map(|(_, secret)| secret),
        "[a-zA-Z\"\\\\:=&?@/ .-]{0,30}",
        Just("\"password\":\"x\"".to_owned()),
        Just("https://a:b@c?token=d".to_owned()),
    ];
    let text = prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.join(" "));
    let leaf = prop_oneof![
        text.clone().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(Value::from(4_111_111_111_111_111_u64)),
        Just(Value::Null),
    ];
    let inner = leaf.prop_recursive(4, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(text.clone(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    prop::collection::btree_map("[a-z_]{1,8}", inner, 0..6)
        .prop_map(|map| Value::Object(map.into_iter().collect()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_scrubbed_body_is_json_without_secrets_and_stays_as_it_is(body in any_body(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&body) } else { serde_json::to_string(&body) }.unwrap();
        let patterns = Patterns::new().email().phone().ip();
        let scrubbed = patterns.scrub_body(text.as_bytes()).into_owned();
        let shown = String::from_utf8(scrubbed.clone()).unwrap();
        prop_assert!(serde_json::from_str::<Value>(&shown).is_ok(), "{shown}");
        let again = patterns.scrub_body(&scrubbed);
        prop_assert_eq!(String::from_utf8_lossy(&again), shown);
    }

    #[test]
    fn a_planted_secret_is_never_left(
        (_, secret) in prop::sample::select(secrets()),
        before in "[a-z \"'{}\\[\\]:,.<>\n\té=&]{0,20}[ \"'{}\\[\\]:,<>\n\té=&]",
        after in "([ \"'{}\\[\\]:,<>\n\té][a-z ]{0,10})?",
    ) {
        let body = json!({"parameters": {"list": [{"text": format!("{before}{secret}{after}")}]}}).to_string();
        let scrubbed = Patterns::new().scrub_body(body.as_bytes()).into_owned();
        let shown = String::from_utf8(scrubbed).unwrap();
        let inside = serde_json::to_string(&secret).unwrap();
        prop_assert!(!shown.contains(inside.trim_matches('"')), "{shown}");
    }
}
