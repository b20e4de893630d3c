//! Secrets beside their keys in every form that people and programs write them in, and harmless lines that stay.

use mcpcat_runtime::privacy::Patterns;
use serde_json::{Value, json};

#[path = "shared/corpus.rs"]
mod corpus;

/// The values that must not be left of the forms below.
const SECRETS: [&str; 5] = ["s3cr3tPLANTED9", "letmein", "4711", "1111", "44053201"];

#[rustfmt::skip]
const FORMS: &[&str] = &[
    "connection to db failed: password=s3cr3tPLANTED9 dbname=y",
    "password=letmein dbname=y host=z",
    "FATAL: could not connect (host=a password=letmein dbname=y)",
    "host=db user=ada password='s3cr3tPLANTED9' dbname=x",
    "mysqldump --password s3cr3tPLANTED9 db",
    "curl --user ada:s3cr3tPLANTED9 https://x",
    "mysql -u root -ps3cr3tPLANTED9 db",
    "sshpass -p s3cr3tPLANTED9 ssh h",
    "curl -u ada:s3cr3tPLANTED9 https://x.io",
    "aws_secret_access_key = s3cr3tPLANTED9",
    "[default]\naws_access_key_id = x\naws_secret_access_key = s3cr3tPLANTED9\nregion = eu",
    "password = \"s3cr3tPLANTED9\"",
    "[db]\npassword = letmein\nport = 1",
    "Login { user: \"ada\", password: \"s3cr3tPLANTED9\" }",
    "Config { token: Some(\"s3cr3tPLANTED9\"), n: 1 }",
    "Outer { inner: Inner { api_key: Some(Token(\"s3cr3tPLANTED9\")) } }",
    "password: \"a\\\"s3cr3tPLANTED9\"",
    "Creds { pin: 4711, n: 1 }",
    "{\"\\u0070assword\": \"s3cr3tPLANTED9\"}",
    "{\"pass\\u0077ord\":\"s3cr3tPLANTED9\"}",
    "<password>s3cr3tPLANTED9</password>",
    "<db password=\"s3cr3tPLANTED9\"/>",
    "<Password type=\"text\">\n  s3cr3tPLANTED9\n</Password>",
    "<add key=\"Password\" value=\"s3cr3tPLANTED9\"/>",
    "<property name=\"password\">s3cr3tPLANTED9</property>",
    "'password' => 's3cr3tPLANTED9'",
    "[password] => s3cr3tPLANTED9",
    "{\"password\"=>\"s3cr3tPLANTED9\"}",
    "{:password=>\"s3cr3tPLANTED9\", :n=>1}",
    "{ user: 'ada', password: 's3cr3tPLANTED9' }",
    "{user: ada, password: letmein}",
    "user%3Dada%26password%3Ds3cr3tPLANTED9",
    "p%61ssword=s3cr3tPLANTED9&x=1",
    "a=1&passw%6Frd=s3cr3tPLANTED9&b=2",
    "redirect=https%3A%2F%2Fx%3Ftoken%3Ds3cr3tPLANTED9%26a%3D1",
    "db:\n  password: letmein\n  port: 1",
    "password:\n    s3cr3tPLANTED9",
    "password: |\n  s3cr3tPLANTED9\n  more9Line\nnext: 1",
    "--password \\\n  s3cr3tPLANTED9",
    "[\"--password\", \"s3cr3tPLANTED9\"]",
    "--api-key=s3cr3tPLANTED9",
    "Authorization: Basic s3cr3tPLANTED9==",
    "X-Api-Key: s3cr3tPLANTED9",
    "> Cookie: sid=s3cr3tPLANTED9; a=b",
    "&lt;password&gt;s3cr3tPLANTED9&lt;/password&gt;",
    "&quot;password&quot;:&quot;s3cr3tPLANTED9&quot;",
    "%7B%22password%22%3A%22s3cr3tPLANTED9%22%7D",
    "the password is s3cr3tPLANTED9",
    "password s3cr3tPLANTED9 rejected",
    "ALTER USER ada WITH PASSWORD 's3cr3tPLANTED9'",
    "CREATE USER a IDENTIFIED BY 's3cr3tPLANTED9'",
    "error: dsn=postgres://ada:s3cr3tPLANTED9@h/db",
    "Api key: s3cr3tPLANTED9",
    "API key = s3cr3tPLANTED9",
    "client secret: s3cr3tPLANTED9",
    "-Dpassword=s3cr3tPLANTED9",
    "export TOKEN=s3cr3tPLANTED9",
    "set PASSWORD=s3cr3tPLANTED9",
    "$env:API_KEY = \"s3cr3tPLANTED9\"",
    "config[\"password\"] = \"s3cr3tPLANTED9\"",
    "config['password']='s3cr3tPLANTED9'",
    "DB_PASSWORD: s3cr3tPLANTED9",
    "pw=s3cr3tPLANTED9",
    "dsn=s3cr3tPLANTED9",
    "kms_key: s3cr3tPLANTED9",
    "security_answer=s3cr3tPLANTED9",
    "signature=s3cr3tPLANTED9&a=b",
    "iban: DE89370400440532013000",
    "name=\"password\"\r\n\r\ns3cr3tPLANTED9\r\n--x",
    "{\"name\":\"password\",\"value\":\"s3cr3tPLANTED9\"}",
    "- name: DB_PASSWORD\n  value: s3cr3tPLANTED9",
    "**Password:** s3cr3tPLANTED9",
    "**Password**: s3cr3tPLANTED9",
    "`password`: `s3cr3tPLANTED9`",
    "login ok password=s3cr3tPLANTED9, user=ada",
    "(password=s3cr3tPLANTED9)",
    "password:s3cr3tPLANTED9",
    "secret := \"s3cr3tPLANTED9\"",
    "password=\"s3cr3tPLANTED9\"",
    "{\"a\": \"{\\\"b\\\": \\\"{\\\\\\\"password\\\\\\\": \\\\\\\"s3cr3tPLANTED9\\\\\\\", \\\\\\\"pin\\\\\\\": 4711}\\\"}\"}",
    "\"\\\"{\\\\\\\"\\\\\\\\u0070assword\\\\\\\": \\\\\\\"s3cr3tPLANTED9\\\\\\\"}\\\"\"",
    "\"Login { password: \\\"s3cr3tPLANTED9\\\" }\"",
    "4111.1111.1111.1111",
    "4111 1111 1111 1111",
    "4111-1111-1111-1111",
    "card 4111 1111\n1111 1111 ok",
    "{\"tokens\": [\"s3cr3tPLANTED9\"]}",
    "{\"tokens\": \"s3cr3tPLANTED9\"}",
    "tokens=s3cr3tPLANTED9",
    "password='s3cr3tPLANTED9' ",
    "pwd=s3cr3tPLANTED9;Server=x",
    "User ID=sa;Password=letmein;Server=x",
    "Password = letmein; Server = x",
    "é password=s3cr3tPLANTED9 é",
    "пароль password=s3cr3tPLANTED9 日本",
    "{\"credentials\": {\"user\": \"a\", \"key\": \"s3cr3tPLANTED9\"}}",
    "credentials: Credentials { user: \"a\", key: \"s3cr3tPLANTED9\" }",
    "\"password\" : \"s3cr3tPLANTED9\"",
    "PASSWORD: 's3cr3tPLANTED9'",
    "password => s3cr3tPLANTED9,",
    "Config(user=ada, password=s3cr3tPLANTED9)",
    "Config(user='ada', password='letmein')",
    "Config[user=ada, password=letmein]",
    "Config{user='ada', password=letmein}",
    "token: s3cr3tPLANTED9",
    "machine x login ada password s3cr3tPLANTED9",
    "requirepass s3cr3tPLANTED9",
    "--token 's3cr3tPLANTED9'",
    "docker login -u ada -p s3cr3tPLANTED9 reg.io",
    "redis-cli -a s3cr3tPLANTED9 ping",
    "redis://:s3cr3tPLANTED9@h",
    "password: b\"s3cr3tPLANTED9\"",
    "password=b's3cr3tPLANTED9'",
    "password: r#\"s3cr3tPLANTED9\"#",
    "token: Ok(\"s3cr3tPLANTED9\")",
    "api_key=Some(\"s3cr3tPLANTED9\")",
    "password=Some(\"s3cr3tPLANTED9\")",
    "password: `s3cr3tPLANTED9`",
    "const password = 's3cr3tPLANTED9';",
    "let api_key = \"s3cr3tPLANTED9\";",
    "password = '''s3cr3tPLANTED9'''",
    "password = \"\"\"s3cr3tPLANTED9\"\"\"",
    "Proxy-Authorization: Basic s3cr3tPLANTED9",
    "authorization: s3cr3tPLANTED9",
    "'Authorization': 'Bearer s3cr3tPLANTED9'",
    "-H 'Authorization: token s3cr3tPLANTED9'",
    "\"headers\":{\"X-Auth-Token\":[\"s3cr3tPLANTED9\"]}",
    "password[]=s3cr3tPLANTED9&x=1",
    "user[password]=s3cr3tPLANTED9&x=1",
    "?Password=s3cr3tPLANTED9",
    "passphrase: correct-horse-s3cr3tPLANTED9",
    "password: SecretString(\"s3cr3tPLANTED9\")",
    "db_password\t=\ts3cr3tPLANTED9",
    "password  :  s3cr3tPLANTED9",
    "\"password\"\n:\n\"s3cr3tPLANTED9\"",
    "password=s3cr3tPLANTED9\\nnext=1",
    "line\\npassword: s3cr3tPLANTED9\\nnext: 1",
    "<soap:Password>s3cr3tPLANTED9</soap:Password>",
    "<password><![CDATA[s3cr3tPLANTED9]]></password>",
    "<input type='password' name='password' value='s3cr3tPLANTED9'>",
    "otp=482910",
    "pin: 4711",
    "cvv=123",
    "Some(password: Some(\"s3cr3tPLANTED9\"))",
    "{\\\"password\\\":\\\"s3cr3tPLANTED9\\\"}",
    "{\\\\\\\"password\\\\\\\":\\\\\\\"s3cr3tPLANTED9\\\\\\\"}",
    "{\\x22password\\x22:\\x22s3cr3tPLANTED9\\x22}",
    "password%253Ds3cr3tPLANTED9",
    "{'pass': 's3cr3tPLANTED9'}",
    "{\"pw\": \"s3cr3tPLANTED9\"}",
    "conn_string=s3cr3tPLANTED9",
    "connection_uri: s3cr3tPLANTED9",
    "passPhrase: 's3cr3tPLANTED9'",
    "DATABASE_URL=s3cr3tPLANTED9",
    "SENTRY_DSN=s3cr3tPLANTED9",
];

fn scrub(text: &str) -> String {
    Patterns::new().scrub_text(text).into_owned()
}

#[test]
fn a_secret_beside_its_key_is_found_in_every_form() {
    let left: Vec<_> = FORMS
        .iter()
        .map(|form| (form, scrub(form)))
        .filter(|(form, shown)| shown == *form || SECRETS.iter().any(|secret| shown.contains(secret)))
        .collect();
    assert!(left.is_empty(), "{} of {}: {left:#?}", left.len(), FORMS.len());
}

#[test]
fn a_form_is_found_among_words_of_any_script_and_over_lines() {
    for form in FORMS {
        for (before, after) in
            [("é\n", "\nand so on"), ("パスを確認\n", "\n日本"), ("a first line\r\n", "\r\n")]
        {
            let shown = scrub(&format!("{before}{form}{after}"));
            assert!(!SECRETS.iter().any(|secret| shown.contains(secret)), "{form:?} -> {shown:?}");
            assert!(shown.starts_with(before), "{form:?} -> {shown:?}");
        }
    }
}

#[test]
fn a_form_is_found_inside_json_at_any_level() {
    for form in FORMS {
        let mut text = (*form).to_owned();
        for level in 0..4 {
            text = json!({ "note": text }).to_string();
            let shown = scrub(&text);
            let bare = shown.replace('\\', "");
            assert!(!SECRETS.iter().any(|secret| bare.contains(secret)), "{level} {form:?} -> {shown}");
            let parsed: Result<Value, _> = serde_json::from_str(&shown);
            assert!(parsed.is_ok(), "{level} {form:?} -> {shown}");
        }
    }
}

#[test]
fn what_was_scrubbed_stays_as_it_is() {
    for form in FORMS {
        let once = scrub(form);
        assert_eq!(scrub(&once), once, "{form:?}");
    }
}

#[test]
fn of_two_thousand_harmless_lines_at_most_two_change() {
    let lines = corpus::harmless();
    assert!(lines.len() >= 2_000, "{}", lines.len());
    let changed: Vec<_> =
        lines.iter().map(|line| (line, scrub(line))).filter(|(line, shown)| shown != *line).collect();
    assert!(changed.len() <= 2, "{} of {}: {changed:#?}", changed.len(), lines.len());
    // As one text, where each line has the others around it.
    let text = lines.join("\n");
    let whole = scrub(&text);
    let changed: Vec<_> = text.lines().zip(whole.lines()).filter(|(line, shown)| line != shown).collect();
    assert!(changed.len() <= 2 && text.lines().count() == whole.lines().count(), "{changed:#?}");
}

#[test]
fn numbers_of_tokens_stay_and_texts_of_tokens_go() {
    let body = json!({
        "id": "evt_1", "parameters": {"tokens": 12, "usage": {"tokens": {"input": 3, "kind": "abc"}}, "after": "x"},
        "response": {"tokens": ["abc", 7, {"a": "def"}], "input_tokens": 5, "next": "y"},
    });
    let bytes = body.to_string();
    let shown: Value = serde_json::from_slice(&Patterns::new().scrub_body(bytes.as_bytes())).unwrap();
    let gone = "[redacted: key]";
    assert_eq!(
        shown,
        json!({
            "id": "evt_1",
            "parameters": {"tokens": 12, "usage": {"tokens": {"input": 3, "kind": gone}}, "after": "x"},
            "response": {"tokens": [gone, 7, {"a": gone}], "input_tokens": 5, "next": "y"},
        })
    );
}
