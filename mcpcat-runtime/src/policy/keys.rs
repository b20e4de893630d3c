//! The built-in list of keys that hide their value, as a const fn.
//!
//! A key is read as words (`_`, `-`, `.`, space, any other separator, a change of case and digits part them) and
//! judged by whole words, so that `monkey`, `tokenizer` and `input_tokens` stay while `X-Api-Key`, `refreshToken`
//! and `dbpassword` do not. A key about a secret is not one: `password_length`, `has_token` and `token_type` stay.

/// A lowercased word in one integer: its last sixteen bytes, the last byte lowest.
type Packed = u128;

const fn pack(word: &str) -> Packed {
    let bytes = word.as_bytes();
    assert!(bytes.len() <= 16, "a word of the lists has at most 16 bytes");
    let mut packed = 0;
    let mut i = 0;
    while i < bytes.len() {
        packed = packed << 8 | bytes[i] as Packed;
        i += 1;
    }
    packed
}

const fn pack_all<const N: usize>(words: [&str; N]) -> [Packed; N] {
    let mut packed = [0; N];
    let mut i = 0;
    while i < N {
        packed[i] = pack(words[i]);
        i += 1;
    }
    packed
}

const fn contains(list: &[Packed], word: Packed) -> bool {
    let mut i = 0;
    while i < list.len() {
        if list[i] == word {
            return true;
        }
        i += 1;
    }
    false
}

/// Sensitive wherever they stand as a word.
#[rustfmt::skip]
const WORDS: &[Packed] = &pack_all([
    "passwd", "pwd", "passphrase", "passphrases", "passcode", "passcodes", "passkey", "passkeys",
    "secret", "secrets", "authorization", "authorisation", "cookie", "cookies", "credential",
    "credentials", "cred", "creds", "jwt", "jwts", "bearer", "cvv", "cvc", "cvn", "ssn", "otp",
    "totp", "csrf", "xsrf", "mnemonic", "jsessionid", "aspxauth", "sessionid", "secretkeys",
    "secrettoken", "secretvalue", "secretid", "creditcard", "creditcards", "ccnumber", "ccnum",
    "pincode", "authkey", "signingkeys", "connectionstring", "connstring", "connstr", "connectionuri",
    "connectionurl", "databaseurl", "databaseuri", "kmskey", "pw", "dsn", "iban", "ibans",
]);

/// Sensitive when they are the whole key, digits aside.
#[rustfmt::skip]
const ALONE: &[Packed] = &pack_all([
    "pass", "pin", "sid", "auth", "csc", "signature", "sig",
]);

/// Sensitive at the end of a longer word, for keys that run their words together.
#[rustfmt::skip]
const ENDINGS: &[(Packed, Packed)] = &[
    ending("passwd"), ending("passwort"), ending("passphrase"), ending("pwd"), ending("secret"),
    ending("secrets"), ending("cookie"), ending("credential"), ending("credentials"), ending("apikey"),
    ending("apikeys"), ending("privatekey"), ending("secretkey"), ending("accesskey"),
    ending("accesskeyid"), ending("signingkey"), ending("encryptionkey"), ending("masterkey"),
    ending("cardnumber"), ending("sessid"), ending("accesstoken"), ending("refreshtoken"),
    ending("accesstokens"), ending("refreshtokens"), ending("authtokens"),
];

/// With the bytes that have to agree.
const fn ending(word: &str) -> (Packed, Packed) {
    (pack(word), Packed::MAX >> (128 - word.len() * 8))
}

/// `<one of these> key`.
#[rustfmt::skip]
const KEY_OWNERS: &[Packed] = &pack_all([
    "api", "private", "secret", "access", "encryption", "encrypt", "decryption", "signing",
    "master", "ssh", "gpg", "pgp", "rsa", "aes", "hmac", "session", "subscription", "account",
    "service", "role", "license", "licence", "deploy", "auth", "shared", "symmetric", "webhook",
    "admin", "root", "app", "application", "consumer", "functions", "server", "bot", "openai",
    "anthropic", "claude", "gemini", "google", "aws", "azure", "gcp", "github", "gitlab", "stripe",
    "sendgrid", "twilio", "slack", "discord", "huggingface", "hf", "mistral", "cohere", "groq",
    "datadog", "mailgun", "rapidapi", "tls", "ssl", "kms",
]);

/// `<one of these> token` is a position or a count, not a credential.
#[rustfmt::skip]
const HARMLESS_TOKEN: &[Packed] = &pack_all([
    "next", "page", "prev", "previous", "progress", "continuation", "continue", "cursor", "skip",
    "sync", "idempotency", "cancel", "cancellation", "eos", "bos", "pad", "unk", "sep", "cls",
    "mask", "stop", "start", "end", "special", "per", "first", "max", "min", "input", "output",
    "prompt", "completion", "cached", "reasoning", "thinking", "total", "text", "image", "audio",
]);

/// `<one of these> tokens` holds credentials; `tokens` alone is a count.
#[rustfmt::skip]
const TOKENS_OWNERS: &[Packed] = &pack_all([
    "access", "refresh", "auth", "oauth", "api", "id", "identity", "bearer", "session", "csrf",
    "xsrf", "jwt", "security", "secret", "bot", "device", "push", "personal", "deploy", "login",
    "reset", "verification", "invite", "registration", "service", "client",
]);

/// `<one of these> pass`.
#[rustfmt::skip]
const PASS_OWNERS: &[Packed] = &pack_all([
    "db", "database", "user", "admin", "root", "my", "mysql", "pg", "postgres", "redis", "mongo",
    "smtp", "imap", "email", "mail", "ftp", "ssh", "login", "auth", "proxy", "http", "basic",
    "account", "wifi", "sudo", "key", "store", "keystore",
]);

/// `<one of these> pin`.
#[rustfmt::skip]
const PIN_OWNERS: &[Packed] = &pack_all([
    "card", "user", "atm", "debit", "credit", "login", "unlock", "sim", "device", "security",
    "access", "account", "my", "customer", "new", "old", "current", "confirm", "phone", "wallet",
    "bank", "parental",
]);

/// `<one of these> code`.
#[rustfmt::skip]
const CODE_OWNERS: &[Packed] = &pack_all([
    "pin", "security", "verification", "mfa", "otp", "auth", "recovery", "backup", "card",
    "authentication", "unlock",
]);

/// Other pairs of words that are sensitive together.
#[rustfmt::skip]
const PAIRS: &[(Packed, Packed)] = &[
    (pack("conn"), pack("string")), (pack("conn"), pack("str")), (pack("conn"), pack("uri")), (pack("conn"), pack("url")),
    (pack("connection"), pack("uri")), (pack("connection"), pack("url")), (pack("database"), pack("url")),
    (pack("database"), pack("uri")), (pack("db"), pack("url")), (pack("db"), pack("uri")), (pack("db"), pack("connection")),
    (pack("redis"), pack("url")), (pack("mongo"), pack("url")), (pack("mongo"), pack("uri")), (pack("mongodb"), pack("uri")),
    (pack("mongodb"), pack("url")), (pack("postgres"), pack("url")), (pack("postgres"), pack("uri")),
    (pack("postgresql"), pack("url")), (pack("mysql"), pack("url")), (pack("amqp"), pack("url")), (pack("broker"), pack("url")),
    (pack("jdbc"), pack("url")), (pack("security"), pack("answer")), (pack("security"), pack("answers")),
    (pack("secret"), pack("answer")), (pack("recovery"), pack("answer")), (pack("hub"), pack("signature")),
    (pack("amz"), pack("signature")), (pack("goog"), pack("signature")), (pack("request"), pack("signature")),
    (pack("webhook"), pack("signature")), (pack("hmac"), pack("signature")), (pack("stripe"), pack("signature")),
    (pack("slack"), pack("signature")), (pack("jwt"), pack("signature")), (pack("url"), pack("signature")),
    (pack("pass"), pack("word")), (pack("pass"), pack("words")), (pack("pass"), pack("phrase")),
    (pack("pass"), pack("code")), (pack("card"), pack("number")), (pack("card"), pack("numbers")),
    (pack("card"), pack("num")), (pack("card"), pack("no")), (pack("card"), pack("pan")),
    (pack("cc"), pack("number")), (pack("cc"), pack("num")), (pack("cc"), pack("no")),
    (pack("credit"), pack("card")), (pack("credit"), pack("cards")), (pack("debit"), pack("card")),
    (pack("social"), pack("security")), (pack("pin"), pack("number")), (pack("seed"), pack("phrase")),
    (pack("recovery"), pack("phrase")), (pack("connection"), pack("string")),
    (pack("auth"), pack("header")), (pack("basic"), pack("auth")), (pack("x"), pack("auth")),
    (pack("connect"), pack("sid")), (pack("express"), pack("sid")), (pack("sails"), pack("sid")),
    (pack("koa"), pack("sess")), (pack("laravel"), pack("session")), (pack("rack"), pack("session")),
    (pack("ci"), pack("session")), (pack("aiohttp"), pack("session")), (pack("ap"), pack("ikey")), (pack("code"), pack("verifier")), (pack("client"), pack("assertion")),
];

/// A key that begins with one of these asks a question about a secret, and its value answers it.
const QUESTIONS: &[Packed] =
    &pack_all(["is", "has", "had", "should", "require", "requires", "needs", "supports", "missing", "num"]);

/// A key that ends with one of these says something about a secret: how many, how long, until when, which kind.
#[rustfmt::skip]
const ABOUT: &[Packed] = &pack_all([
    "count", "counts", "length", "len", "size", "limit", "limits", "used", "usage", "budget",
    "quota", "remaining", "total", "max", "min", "avg", "mean", "sum", "percent", "rate", "ratio",
    "cost", "price", "index", "position", "offset", "ids", "logprob", "logprobs", "probability",
    "window", "throughput", "latency", "bucket", "symbol", "decimals", "type", "types", "kind",
    "name", "names", "version", "status", "scheme", "method", "methods", "provider", "providers",
    "issuer", "brand", "last", "policy", "strength", "manager", "rotation", "reset", "change",
    "changes", "changed", "attempts", "error", "errors", "enabled", "disabled", "required",
    "present", "valid", "invalid", "accepted", "consent", "banner", "preference", "preferences",
    "expires", "expire", "expired", "expiry", "expiration", "ttl", "age", "at", "in", "date",
    "time", "timestamp", "ms", "seconds", "secs", "days", "created", "updated", "rotated",
    "endpoint", "endpoints", "server", "servers", "domain", "path", "file", "env", "arn", "ref",
    "field", "placeholder",
]);

const KEY: Packed = pack("key");
const KEYS: Packed = pack("keys");
const TOKEN: Packed = pack("token");
const TOKENS: Packed = pack("tokens");
const PASS: Packed = pack("pass");
const PIN: Packed = pack("pin");
const CODE: Packed = pack("code");
const CODES: Packed = pack("codes");
const PASSWORD: Packed = pack("password");
const SESSIONID: Packed = pack("sessionid");
const PASSWORDLESS: Packed = pack("passwordless");

/// One bit for each ending, hashed, of a word that any rule looks for: most words of most keys go no further.
const GATE: [u64; GATE_WORDS] = {
    let mut gate = [0; GATE_WORDS];
    let lists = [WORDS, ALONE, &[KEY, KEYS, TOKEN, TOKENS, PASS, PIN, CODE, CODES]];
    let mut list = 0;
    while list < lists.len() {
        let mut i = 0;
        while i < lists[list].len() {
            gate = with_ending(gate, lists[list][i]);
            i += 1;
        }
        list += 1;
    }
    let mut i = 0;
    while i < ENDINGS.len() {
        gate = with_ending(gate, ENDINGS[i].0);
        i += 1;
    }
    let mut i = 0;
    while i < PAIRS.len() {
        gate = with_ending(gate, PAIRS[i].1);
        i += 1;
    }
    gate
};
const GATE_WORDS: usize = 32;

const fn with_ending(mut gate: [u64; GATE_WORDS], word: Packed) -> [u64; GATE_WORDS] {
    let (index, bit) = gate_place(word);
    gate[index] |= 1 << bit;
    gate
}

/// By the last three letters, since the longer words of the lists are also looked for at a word's end.
const fn gate_place(word: Packed) -> (usize, u32) {
    let hash = ((word as u32) & 0xff_ffff).wrapping_mul(0x9e37_79b1) >> 21;
    ((hash >> 6) as usize, hash & 63)
}

const fn passes_gate(word: Packed) -> bool {
    let (index, bit) = gate_place(word);
    GATE[index] >> bit & 1 == 1
}

/// What parts one word from the next.
#[derive(Clone, Copy)]
enum Split {
    /// Separators, digits and a change of case.
    Case,
    /// Separators and digits only, for keys in a casing of their own (`pAsSwOrD`).
    Separators,
}

/// Says whether a key's value must not be recorded.
///
/// Built in are passwords, secrets, tokens, API, access, private and signing keys, authorization, cookies and
/// session cookies, credentials, card numbers and their check codes, social security numbers, PINs and one-time
/// codes, in any case and with any separator. Keys that only count or describe them are not.
///
/// ```
/// # use mcpcat_runtime as mcpcat;
/// use mcpcat::policy::is_sensitive;
/// const VERDICT: bool = is_sensitive("X-Api-Key");
/// assert!(VERDICT && is_sensitive("refreshToken") && is_sensitive("DB_PASSWORD"));
/// assert!(!is_sensitive("input_tokens") && !is_sensitive("session_id") && !is_sensitive("monkey"));
/// ```
pub const fn is_sensitive(key: &str) -> bool {
    let bytes = key.as_bytes();
    if judge(bytes, Split::Case) {
        return true;
    }
    // Only a key with a capital after its first letter can read differently without its changes of case.
    let mut i = 1;
    while i < bytes.len() {
        if bytes[i].is_ascii_uppercase() {
            return judge(bytes, Split::Separators);
        }
        i += 1;
    }
    false
}

/// Whether the texts under a key are secrets while its numbers are counts: `tokens`.
pub(crate) const fn hides_texts(key: &str) -> bool {
    let mut word: Packed = 0;
    let bytes = key.as_bytes();
    if bytes.len() != 6 {
        return false;
    }
    let mut i = 0;
    while i < bytes.len() {
        word = word << 8 | bytes[i].to_ascii_lowercase() as Packed;
        i += 1;
    }
    word == TOKENS
}

const fn judge(bytes: &[u8], split: Split) -> bool {
    let by_case = matches!(split, Split::Case);
    let mut i = 0;
    let mut words = 0_usize;
    let mut first: Packed = 0;
    let mut previous: Packed = 0;
    let mut hit = false;
    while i < bytes.len() {
        if !is_letter(bytes[i]) {
            i += 1;
            continue;
        }
        let start = i;
        let mut word: Packed = 0;
        let mut holds_password = false;
        while i < bytes.len() && is_letter(bytes[i]) {
            if by_case && i > start && bytes[i].is_ascii_uppercase() {
                let after_small = !bytes[i - 1].is_ascii_uppercase();
                let before_small = i + 1 < bytes.len() && bytes[i + 1].is_ascii_lowercase();
                if after_small || before_small {
                    break;
                }
            }
            word = word << 8 | bytes[i].to_ascii_lowercase() as Packed;
            holds_password = holds_password || word as u64 == PASSWORD as u64;
            i += 1;
        }
        let len = i - start;
        words += 1;
        if words == 1 {
            first = word;
        }
        if hit && only_separators(bytes, i) && contains(ABOUT, word) {
            return false;
        }
        if holds_password && (by_case || len == 8) && word != PASSWORDLESS {
            hit = true;
        } else if !hit && passes_gate(word) {
            hit = (len <= 16 && contains(WORDS, word) && (by_case || word != SESSIONID))
                || pair_is_sensitive(previous, word)
                || (word == TOKEN && !contains(HARMLESS_TOKEN, previous))
                || (len > 5 && runs_into_secret(word, by_case))
                || (words == 1 && only_separators(bytes, i) && contains(ALONE, word));
        }
        previous = word;
    }
    hit && !(words > 1 && contains(QUESTIONS, first))
}

const fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte >= 0x80
}

/// Whether no word follows.
const fn only_separators(bytes: &[u8], mut i: usize) -> bool {
    while i < bytes.len() {
        if is_letter(bytes[i]) {
            return false;
        }
        i += 1;
    }
    true
}

const fn pair_is_sensitive(previous: Packed, word: Packed) -> bool {
    if previous == 0 {
        return false;
    }
    if word == KEY || word == KEYS {
        return contains(KEY_OWNERS, previous);
    }
    if word == TOKENS {
        return contains(TOKENS_OWNERS, previous);
    }
    if word == PASS {
        return contains(PASS_OWNERS, previous);
    }
    if word == PIN {
        return contains(PIN_OWNERS, previous);
    }
    if (word == CODE || word == CODES) && contains(CODE_OWNERS, previous) {
        return true;
    }
    let mut i = 0;
    while i < PAIRS.len() {
        if PAIRS[i].1 == word && PAIRS[i].0 == previous {
            return true;
        }
        i += 1;
    }
    false
}

/// `clientsecret`, `authtoken`: words that were run together. Where changes of case are not looked at, only the
/// bare term counts, or `hasSecret` would be one.
const fn runs_into_secret(word: Packed, with_prefix: bool) -> bool {
    let mut i = 0;
    while i < ENDINGS.len() {
        let (ending, bytes) = ENDINGS[i];
        if word & bytes == ending && (with_prefix || word == ending) {
            return true;
        }
        i += 1;
    }
    let bits = 40;
    if !with_prefix || word & ((1 << bits) - 1) != TOKEN {
        return false;
    }
    // `nextpagetoken`: what stands before `token` may itself be several words.
    let before = word >> bits;
    let mut i = 0;
    while i < HARMLESS_TOKEN.len() {
        let harmless = HARMLESS_TOKEN[i];
        let mask = Packed::MAX >> (harmless.leading_zeros() / 8 * 8);
        if before & mask == harmless {
            return false;
        }
        i += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rustfmt::skip]
    const SENSITIVE: &[&str] = &[
        "password", "Password", "PASSWORD", "pAsSwOrD", "passWord", "pass_word", "userPassword",
        "user_password", "dbpassword", "password2", "new-password", "passwordConfirmation",
        "password_hash", "passwords", "passwd", "mysql_pwd", "pwd", "PWD", "passphrase", "pass",
        "db_pass", "secret", "client_secret", "clientSecret", "clientsecret", "CLIENT-SECRET",
        "client.secret", "client secret", "stripe_secret_key", "secretKey", "secrets",
        "AWS_SECRET_ACCESS_KEY", "aws_access_key_id", "accessKeyId", "access_key", "token", "Token",
        "access_token", "accessToken", "accesstoken", "refreshToken", "refresh-token", "id_token",
        "authToken", "auth.token", "bot_token", "XSRF-TOKEN", "csrfToken", "csrf", "apiToken", "APIToken",
        "OAuthToken", "oauth2_token", "access_tokens", "api_key", "apiKey", "apikey", "APIKEY", "API-KEY",
        "X-Api-Key", "x.api.key", "api key", "openai_api_key", "OPENAI_KEY", "apiKeys", "x-goog-api-key",
        "aPi_kEy", "APIkey", "authorization", "Authorization", "Proxy-Authorization",
        "proxyAuthorization", "cookie", "Cookie", "cookies", "Set-Cookie", "setCookie", "session_cookie",
        "sessionCookie", "sessionid", "connect.sid", "PHPSESSID", "JSESSIONID", "laravel_session", "sid",
        "credential", "credentials", "userCredentials", "aws_credentials", "creds", "private_key",
        "privateKey", "privatekey", "PRIVATE KEY", "ssh_private_key", "signing_key", "encryptionKey",
        "card_number", "cardNumber", "cardnumber", "card-no", "credit_card", "creditCardNumber",
        "cc_number", "cvv", "CVV2", "cvc", "card_cvc", "ssn", "SSN", "user_ssn", "social_security_number",
        "pin", "PIN", "pin_code", "pinCode", "card_pin", "userPIN", "otp", "otpCode", "jwt", "jwtToken",
        "bearer", "auth", "auth_header", "mfa_code", "connection_string", "seed_phrase", "secret_key",
        "token_value", "password_reset_token", "ocp-apim-subscription-key", "service_role_key",
        "__Secure-next-auth.session-token", "user[password]", "code_verifier", "client_assertion", "$password", "passwörd_secret",
        "pw", "db_pw", "dsn", "SENTRY_DSN", "database_url", "DATABASE_URL", "databaseUrl", "kms_key", "kmsKey",
        "security_answer", "securityAnswer", "signature", "X-Hub-Signature-256", "iban", "customer_iban", "conn_string",
        "connectionUri", "pass_phrase", "DB_URL", "redis_url",
    ];

    #[rustfmt::skip]
    const HARMLESS: &[&str] = &[
        "tokens_used", "input_tokens", "output_tokens", "max_tokens", "maxTokens", "total_tokens",
        "tokens", "token_count", "tokenCount", "token_usage", "token_limit", "token_type", "tokenType",
        "token_expires_at", "expires_in", "prompt_tokens", "completion_tokens", "cached_tokens",
        "tokens_per_second", "cost_per_token", "time_to_first_token", "next_token", "nextPageToken",
        "nextpagetoken", "progressToken", "continuation_token", "eos_token", "eos_token_id_count",
        "tokenizer", "tokenize", "tokenization", "tokenized", "author", "authors", "authority",
        "authored_at", "authenticated", "authentication_method", "auth_method", "authorization_status",
        "authorized", "monkey", "keyboard", "key", "keys", "keyword", "public_key", "primary_key",
        "cache_key", "sort_key", "idempotency_key", "discard", "card", "card_type", "card_brand",
        "business_card", "cards", "passenger", "passengers", "passage", "compass", "bypass", "pass_rate",
        "passed", "pass_count", "first_pass", "secretary", "secretariat", "session_id", "sessionId",
        "SessionID", "mcp-session-id", "Mcp-Session-Id", "session", "session_count", "has_password",
        "hasPassword", "is_secret", "password_length", "passwordless", "password_strength",
        "passwordLength", "cookie_consent", "cookieConsent", "pinned", "pinterest", "spinner", "opinion",
        "mapping", "shipping", "pin_count", "pinCount", "hotpath", "cryptocurrency", "assn", "lessn",
        "project_id", "user_id", "id", "name", "email", "plan", "seats", "region", "duration_ms",
        "error_code", "code", "country_code", "zip_code", "status_code", "number", "order_number",
        "phone_number", "credit", "credits", "credit_score", "security", "social", "string", "header",
        "headers", "content", "data", "description", "side", "inside", "resident", "sidebar", "president",
        "cvs", "cv", "incredible", "accredited", "sacred", "turkey", "whiskey", "donkey", "key_id", "api",
        "function_signature", "signature_valid", "pwned", "url", "base_url", "webhook", "database", "answer", "iban_valid",
        "api_version", "access", "access_level", "private", "is_private", "privacy", "credential_type",
        "secret_name", "secret_count", "", "_", "42", "a.b.c", "größe", "日本語",
    ];

    #[test]
    fn secrets_are_known_in_every_spelling() {
        let missed: Vec<_> = SENSITIVE.iter().filter(|key| !is_sensitive(key)).collect();
        assert!(missed.is_empty(), "not recognised: {missed:?}");
    }

    #[test]
    fn harmless_keys_stay() {
        let taken: Vec<_> = HARMLESS.iter().filter(|key| is_sensitive(key)).collect();
        assert!(taken.is_empty(), "taken for secrets: {taken:?}");
    }

    #[test]
    fn the_verdict_is_a_constant() {
        const SECRET: bool = is_sensitive("access_token");
        const PLAIN: bool = is_sensitive("output_tokens");
        const { assert!(SECRET && !PLAIN) }
    }
}
