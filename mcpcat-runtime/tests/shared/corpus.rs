//! Two thousand harmless lines in the shapes of real logs, code, settings and help texts, many of them full of words
//! like `token` and `password`. The same ones each time: most come from a generator without randomness of its own.

/// A number for the nth line that looks random (the multiplier and increment are Knuth's for MMIX).
fn noise(n: u64, salt: u64) -> u64 {
    let mixed = (n + 1)
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(salt.wrapping_mul(1_442_695_040_888_963_407));
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 16
}

fn pick<'a>(list: &[&'a str], n: u64, salt: u64) -> &'a str {
    list[(noise(n, salt) % list.len() as u64) as usize]
}

const NAMES: &[&str] = &["ada", "grace", "linus", "alan", "barbara", "edsger", "donald", "margaret"];
const WORDS: &[&str] = &[
    "token",
    "session",
    "secret",
    "password",
    "cookie",
    "credential",
    "key",
    "invoice",
    "author",
    "client",
    "plan",
    "signature",
    "pin",
    "page",
    "account",
    "bearer",
];
const STATES: &[&str] = &[
    "expired", "missing", "invalid", "required", "valid", "revoked", "rotated", "unknown", "disabled",
    "updated", "empty",
];
const PATHS: &[&str] =
    &["/v1/items", "/login", "/token", "/healthz", "/users/me", "/oauth/authorize", "/password/reset"];
const LEVELS: &[&str] = &["INFO", "WARN", "ERROR", "DEBUG", "TRACE"];

type Make = fn(u64) -> String;

/// The shapes, each made fifty times.
#[rustfmt::skip]
const SHAPES: &[Make] = &[
    |n| format!("2026-11-{:02}T{:02}:{:02}:07.{:03}Z {} http: {} {} status={} took={}ms", n % 28 + 1, n % 24, n % 60, n * 37 % 1000, pick(LEVELS, n, 1), pick(&["GET", "POST", "PUT"], n, 2), pick(PATHS, n, 3), 200 + n % 5 * 100, noise(n, 4) % 900),
    |n| format!("10.0.{}.{} - {} [22/Nov/2026:14:04:{:02} +0000] \"GET {}?page={} HTTP/1.1\" 200 {} \"-\" \"Mozilla/5.0 (X11; Linux x86_64)\"", n % 250, n % 199, pick(NAMES, n, 1), n % 60, pick(PATHS, n, 2), n, noise(n, 3) % 90_000),
    |n| format!("Nov 22 14:04:{:02} web{} sshd[{}]: Failed password for {} from 10.1.2.{} port {} ssh2", n % 60, n % 9, 1000 + n, pick(NAMES, n, 1), n % 250, 40_000 + n),
    |n| format!("Nov 22 14:04:{:02} web{} sshd[{}]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=10.1.2.{}", n % 60, n % 9, 1000 + n, n % 250),
    |n| format!("I1122 14:04:{:02}.{:06} {} controller.go:{}] Syncing secret default/{}-tls-{}", n % 60, noise(n, 1) % 1_000_000, 10 + n % 9, n, pick(NAMES, n, 2), n % 7),
    |n| format!("secret/{}-credentials {}", pick(NAMES, n, 1), pick(&["created", "configured", "unchanged", "deleted"], n, 2)),
    |n| format!("level={} ts={} caller=main.go:{} msg=\"{} is {}\" user={} status={}", pick(&["info", "warn", "error"], n, 1), 1_763_820_000 + n, n, pick(WORDS, n, 2), pick(STATES, n, 3), pick(NAMES, n, 4), 200 + n % 300),
    |n| format!("{{\"level\":\"info\",\"msg\":\"request done\",\"input_tokens\":{},\"output_tokens\":{},\"max_tokens\":4096,\"user\":\"{}\"}}", noise(n, 1) % 9_000, noise(n, 2) % 900, pick(NAMES, n, 3)),
    |n| format!("usage: tokens={} prompt_tokens={} completion_tokens={} cost=0.00{}", n * 13, n * 9, n * 4, n),
    |n| format!("model finished: {} tokens in {} ms ({} tokens/s)", n * 7, n * 31, 20 + n % 60),
    |n| format!("The {} of {} is {}; see page {} for how a {} is rotated.", pick(WORDS, n, 1), pick(NAMES, n, 2), pick(STATES, n, 3), n, pick(WORDS, n, 4)),
    |n| format!("error: {} {}: try again in {} seconds", pick(STATES, n, 1), pick(WORDS, n, 2), n),
    |n| format!("{}: {} (attempt {} of 5)", pick(WORDS, n, 1), pick(STATES, n, 2), n % 5 + 1),
    |n| format!("Unexpected token '{}' in JSON at position {}", pick(&["<", "}", "else", "u", "]"], n, 1), n * 11),
    |n| format!("parse error: unexpected token: {} at {}:{}", pick(&["`}`", "`else`", "EOF", "identifier", "\";\""], n, 1), n, n % 80),
    |n| format!("    let {} = {}.{}(&input)?; // line {n}", pick(WORDS, n, 1), pick(&["self", "config", "parser"], n, 2), pick(&["next", "get", "take"], n, 3)),
    |n| format!("    pub {}: {},", pick(WORDS, n, 1), pick(&["String", "Option<String>", "Vec<u8>", "u64", "&'static str", "SecretString"], n, 2)),
    |n| format!("fn {}_{}({}: &str, limit: usize) -> Result<{}, Error> {{", pick(WORDS, n, 1), n, pick(WORDS, n, 2), pick(&["Token", "Session", "()"], n, 3)),
    |n| format!("def {}(self, {}: str, password=None, token: Optional[str] = None): # {n}", pick(WORDS, n, 1), pick(NAMES, n, 2)),
    |n| format!("    return {}(user=user, password=password, timeout={})", pick(&["connect", "login", "open_session"], n, 1), n),
    |n| format!("const {{ {}, password }} = req.body; // {n}", pick(WORDS, n, 1)),
    |n| format!("  {}: process.env.{}_SECRET, // {n}", pick(WORDS, n, 1), pick(NAMES, n, 2).to_uppercase()),
    |n| format!("  password: {{ type: String, required: true, minlength: {} }},", n % 20),
    |n| format!("if ({} === null || token !== expected) throw new Error('{} {}'); // {n}", pick(WORDS, n, 1), pick(WORDS, n, 2), pick(STATES, n, 3)),
    |n| format!("SELECT id, password_hash, token_count FROM {} WHERE created_at > '2026-11-{:02}' LIMIT {}", pick(NAMES, n, 1), n % 28 + 1, n),
    |n| format!("ALTER TABLE sessions ADD COLUMN {}_expires_at timestamptz; -- {n}", pick(WORDS, n, 1)),
    |n| format!("  --{} <{}>   The {} to use [default: none] ({n})", pick(&["token", "password", "api-key"], n, 1), pick(&["TOKEN", "PASSWORD", "KEY"], n, 2), pick(WORDS, n, 3)),
    |n| format!("      --{} string   {} for registry {n}", pick(&["password", "token", "secret"], n, 1), pick(WORDS, n, 2)),
    |n| format!("$ docker run --rm --user {}:{} -p {}:80 -e TZ=UTC image:{n}", 1000 + n, 1000 + n, 8000 + n),
    |n| format!("$ cargo test -p {}-runtime --test values_{n} -- --nocapture", pick(NAMES, n, 1)),
    |n| format!("$ git push -u origin feature/{}-{n}", pick(WORDS, n, 1)),
    |n| format!("export PATH=$PATH:/opt/{}/bin{n}", pick(NAMES, n, 1)),
    |n| format!("password: ${{{}_PASSWORD}} # {n}", pick(NAMES, n, 1).to_uppercase()),
    |n| format!("  secretKeyRef: {{ name: {}, key: {} }} # {n}", pick(NAMES, n, 1), pick(WORDS, n, 2)),
    |n| format!("https://example.com/{}/{}?page={}&sort=created_at&max_tokens={}#{}", pick(NAMES, n, 1), pick(WORDS, n, 2), n, n * 100, pick(WORDS, n, 3)),
    |n| format!("Location: https://example.com/callback?state={}&next_page={n}", pick(STATES, n, 1)),
    |n| format!("commit {:016x}{:016x}{:08x} by {}", noise(n, 1), noise(n, 2), noise(n, 3) as u32, pick(NAMES, n, 4)),
    |n| format!("request_id={:08x}-{:04x}-4{:03x}-a{:03x}-{:012x} session_id=ses_{} status=ok", noise(n, 1) as u32, noise(n, 2) as u16, n % 4096, n % 4096, noise(n, 3) & 0xffff_ffff_ffff, n),
];

const EACH: u64 = 50;

/// Written by hand.
#[rustfmt::skip]
pub(crate) const BY_HAND: &[&str] = &[
    "token expired", "tokens: 512", "tokens=512 cost=2", "{\"tokens\": 512}", "{\"usage\":{\"tokens\":{\"input\":3,\"output\":4}}}",
    "Password must be at least 8 characters", "password: must not be empty", "password reset for user 12", "Password: ",
    "password=", "password=None", "api_key=None,", "token=${TOKEN}", "password: {{ .Values.password }}", "<password>",
    "<token>expected</b>", "password: required", "password: str,", "token: &str", "self.password = password",
    "const password = req.body.password;", "get(token=token, key=3)", "--password <PASSWORD>", "--token TOKEN  the token",
    "use --password to set it", "the --token flag", "chown --user www-data:www-data", "mkdir -p /srv/x1",
    "ssh -p 2222 host", "pin=17 state=HIGH", "pass=12 fail=3", "auth=oauth2", "auth: ok", "the cookie policy changed",
    "secret \"db-creds-7d9f\" created", "token 12345 expired", "credentials: 'include'", "author=ada status=200",
    "user@host:22", "time: 12:30:45", "if (token == null) return", "token != other", "assert password == 'x'",
    "return token::parse(x)", "cookie: none", "Set-Cookie header missing", "C:\\Users\\token\\new_key\\x.txt",
    "100%25 sure & more", "a &amp; b", "Authorization: required", "Authorization header is missing", "PWD=/srv/app1",
    "pwd=/home/ada", "secrets: 4 found", "cookies=7", "signature verified", "signature: valid", "dsn not set",
    "iban check passed", "Accepted publickey for ada", "fn login(password: &str) -> Token", "secret: Option<String>,",
    "let token = parse(input)?;", "invalid token: expected `}`", "unexpected token: 'else'", "sha256: 4fd0a5",
    "The pin code is asked for at the door.", "otp: required", "bearer of good news", "basic authentication is off",
    "api key: missing", "API key rotation is due in 12 days", "client secret: not set", "key: value", "keys: [a, b, c]",
    "cache key = user:12", "primary key (id)", "password policy: minimum 12, history 5", "tokenizer=cl100k", "n_tokens=77",
    "next_token=abc page_token=def", "progressToken: 17", "idempotency_key=4711", "public_key=ssh-ed25519",
    "session cookie: HttpOnly, Secure, SameSite=Lax", "csrf: enabled", "jwt: verified, 3 claims", "credential_type=oauth",
    "Sig: 3 of 5", "2 passwords, 4 tokens and 7 cookies were checked", "password → hashed", "пароль: обязателен",
    "パスワード: 必須", "mot de passe oublié ?", "secret santa is on Friday", "token ring network", "pass: ok, fail: none",
    "credentials for ada were accepted", "x-api-key header is required", "authorization_status=granted",
];

/// All of them.
pub(crate) fn harmless() -> Vec<String> {
    let made = SHAPES.iter().flat_map(|make| (0..EACH).map(make));
    made.chain(BY_HAND.iter().map(|line| (*line).to_owned())).collect()
}
