//! One secret of every kind that the value patterns know, for the tests of the patterns and for those that plant
//! them in events. Not a test of its own.

/// Digits and letters that look random and are the same in each run.
pub(crate) fn noise(seed: u64, len: usize, alphabet: &[u8]) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(alphabet[(state >> 33) as usize % alphabet.len()])
        })
        .collect()
}

pub(crate) const ALNUM: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
pub(crate) const HEX: &[u8] = b"0123456789abcdef";
pub(crate) const BASE64: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/";
pub(crate) const BASE64URL: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

/// A name, the label that is shown, and the secret. Built from pieces, so that no scanner of sources trips.
pub(crate) fn secrets() -> Vec<(&'static str, String)> {
    let alnum = |n| noise(7, n, ALNUM);
    let hex = |n| noise(9, n, HEX);
    let join = |parts: &[&str]| parts.concat();
    vec![
        ("jwt", join(&["eyJhbGciOiJIUzI1NiJ9.", "eyJzdWIiOiIxIn0.", &noise(1, 43, BASE64URL)])),
        (
            "jwt",
            join(&[
                "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4In0.",
                ".",
                "48V1_ALb6US04U3b.",
                "5eym8TW_c8SuK0lt.",
                "XFBoMYUZodetZdvT",
            ]),
        ),
        (
            "pem",
            join(&[
                "-----BEGIN RSA PRIVATE KEY-----\n",
                &noise(2, 64, BASE64),
                "\n-----END RSA PRIVATE KEY-----",
            ]),
        ),
        (
            "pem",
            join(&[
                "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n",
                &noise(2, 64, BASE64),
                "\n-----END PGP PRIVATE KEY BLOCK-----",
            ]),
        ),
        ("aws key", join(&["AKIA", "IOSFODNN7EXAMPLE"])),
        ("aws key", join(&["ASIA", "ABCDEFGHIJ234567"])),
        ("google key", join(&["AIza", &noise(3, 35, BASE64URL)])),
        ("google secret", join(&["GOCSPX-", &noise(3, 28, BASE64URL)])),
        ("google token", join(&["ya29.", &noise(3, 60, BASE64URL)])),
        ("azure secret", join(&["abc8Q~", &noise(4, 34, ALNUM)])),
        ("github token", join(&["ghp_", &alnum(36)])),
        ("github token", join(&["gho_", &alnum(36)])),
        ("github token", join(&["github_pat_", &alnum(22), "_", &alnum(59)])),
        ("gitlab token", join(&["glpat-", &alnum(20)])),
        ("gitlab token", join(&["glrt-", &alnum(20)])),
        ("stripe key", join(&["sk_live_", &alnum(24)])),
        ("stripe key", join(&["rk_test_", &alnum(24)])),
        ("stripe secret", join(&["whsec_", &alnum(32)])),
        ("slack token", join(&["xoxb-", "123456789012-1234567890123-", &alnum(24)])),
        ("slack token", join(&["xapp-", "1-A012-3456-", &hex(64)])),
        ("discord token", join(&["MTIzNDU2Nzg5MDEyMzQ1Njc4.", "GabcdE.", &noise(5, 38, BASE64URL)])),
        ("telegram token", join(&["123456789:", "AA", &noise(6, 33, ALNUM)])),
        ("openai key", join(&["sk-", &alnum(48)])),
        ("openai key", join(&["sk-proj-", &noise(5, 120, BASE64URL), "x"])),
        ("anthropic key", join(&["sk-ant-api03-", &noise(5, 90, BASE64URL), "AA"])),
        ("openrouter key", join(&["sk-or-v1-", &hex(64)])),
        ("hugging face token", join(&["hf_", &noise(5, 34, &ALNUM[..52])])),
        ("groq key", join(&["gsk_", &alnum(52)])),
        ("replicate token", join(&["r8_", &alnum(37)])),
        ("perplexity key", join(&["pplx-", &alnum(48)])),
        ("xai key", join(&["xai-", &alnum(80)])),
        ("npm token", join(&["npm_", &alnum(36)])),
        ("pypi token", join(&["pypi-AgEIcHlwaS5vcmc", &noise(5, 120, BASE64URL), "x"])),
        ("crates.io token", join(&["cio", &alnum(32)])),
        ("docker token", join(&["dckr_pat_", &noise(5, 26, ALNUM), "x"])),
        ("twilio key", join(&["SK", &hex(32)])),
        ("sendgrid key", join(&["SG.", &alnum(22), ".", &alnum(43)])),
        ("mailgun key", join(&["key-", &hex(32)])),
        ("mailchimp key", join(&[&hex(32), "-us12"])),
        ("shopify token", join(&["shpat_", &hex(32)])),
        ("square token", join(&["sq0atp-", &alnum(22)])),
        ("digitalocean token", join(&["dop_v1_", &hex(64)])),
        ("databricks token", join(&["dapi", &hex(32)])),
        ("grafana token", join(&["glsa_", &alnum(32), "_", &hex(8)])),
        ("new relic key", join(&["NRAK-", &noise(5, 27, &ALNUM[26..])])),
        ("vault token", join(&["hvs.", &alnum(90)])),
        ("atlassian token", join(&["ATATT3", &noise(5, 180, BASE64URL), "x=AB12CD34"])),
        ("linear key", join(&["lin_api_", &alnum(40)])),
        ("notion token", join(&["ntn_", &alnum(46)])),
        ("supabase token", join(&["sbp_", &hex(40)])),
        ("card", "4111111111111111".into()),
        ("card", "5555-5555-5555-4444".into()),
        ("card", "3782 822463 10005".into()),
    ]
}
