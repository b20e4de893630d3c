//! The key formats of vendors that mark theirs with a prefix. One row each: the prefix, the characters that may
//! follow, how many at least and at most, the name to show. Sources: the vendors' own documentation and the rules
//! of the public secret scanners; a prefix too short to be safe alone asks for random-looking text.

use super::Found;

/// Which bytes may follow the prefix.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chars {
    Hex,
    Upper,
    Alnum,
    /// With `_` and `-`.
    Token,
    /// With `.`, `=`, `+` and `/` too.
    Any,
}

struct Vendor {
    prefix: &'static str,
    chars: Chars,
    least: usize,
    most: usize,
    /// The text has to look random: sixteen letters and digits in a row with a digit, or twenty-four letters.
    random: bool,
    label: &'static str,
}

const fn vendor(
    prefix: &'static str,
    chars: Chars,
    least: usize,
    most: usize,
    label: &'static str,
) -> Vendor {
    Vendor { prefix, chars, least, most, random: false, label }
}

const fn random(prefix: &'static str, chars: Chars, least: usize, label: &'static str) -> Vendor {
    Vendor { prefix, chars, least, most: MANY, random: true, label }
}

const MANY: usize = usize::MAX;
/// So much of a text is looked at to see whether it looks random.
const LOOK: usize = 64;

use Chars::{Alnum, Any, Hex, Token, Upper};

/// Sorted by first byte; within one, the more specific first.
#[rustfmt::skip]
const VENDORS: &[Vendor] = &[
    vendor("ABIA", Upper, 16, 16, "aws key"),
    vendor("ACCA", Upper, 16, 16, "aws key"),
    vendor("AGE-SECRET-KEY-1", Alnum, 50, MANY, "age key"),
    vendor("AIza", Token, 35, MANY, "google key"),
    vendor("AKIA", Upper, 16, 16, "aws key"),
    vendor("AKID", Alnum, 32, 32, "tencent key"),
    vendor("AQE", Any, 60, MANY, "adyen key"),
    vendor("ASIA", Upper, 16, 16, "aws key"),
    vendor("ATATT3", Any, 40, MANY, "atlassian token"),
    vendor("ATCTT3", Any, 40, MANY, "atlassian token"),
    vendor("CFPAT-", Token, 40, MANY, "contentful token"),
    vendor("EAAA", Token, 56, MANY, "square token"),
    vendor("FLWSECK-", Token, 12, MANY, "flutterwave key"),
    vendor("FLWSECK_TEST-", Token, 12, MANY, "flutterwave key"),
    vendor("FlyV1 ", Any, 24, MANY, "fly token"),
    vendor("GOCSPX-", Token, 20, MANY, "google secret"),
    vendor("HRKU-", Token, 30, MANY, "heroku key"),
    vendor("LTAI", Alnum, 16, 26, "alibaba key"),
    vendor("NRAK-", Upper, 27, 27, "new relic key"),
    vendor("PMAK-", Token, 40, MANY, "postman key"),
    vendor("SG.", Any, 40, MANY, "sendgrid key"),
    vendor("SK", Hex, 32, 32, "twilio key"),
    vendor("access-development-", Token, 36, 36, "plaid token"),
    vendor("access-production-", Token, 36, 36, "plaid token"),
    vendor("access-sandbox-", Token, 36, 36, "plaid token"),
    vendor("access_token$production$", Any, 20, MANY, "paypal token"),
    vendor("access_token$sandbox$", Any, 20, MANY, "paypal token"),
    vendor("api_org_", Alnum, 30, MANY, "hugging face token"),
    vendor("cio", Alnum, 32, 32, "crates.io token"),
    vendor("ckey_", Alnum, 24, MANY, "vendor key"),
    vendor("dapi", Hex, 32, 32, "databricks token"),
    vendor("dckr_oat_", Token, 20, MANY, "docker token"),
    vendor("dckr_pat_", Token, 20, MANY, "docker token"),
    vendor("doo_v1_", Hex, 64, 64, "digitalocean token"),
    vendor("dop_v1_", Hex, 64, 64, "digitalocean token"),
    vendor("dor_v1_", Hex, 64, 64, "digitalocean token"),
    vendor("dp.pt.", Any, 40, MANY, "doppler token"),
    vendor("dp.st.", Any, 40, MANY, "doppler token"),
    random("figd_", Token, 30, "figma token"),
    vendor("fm2_", Any, 40, MANY, "fly token"),
    random("fw_", Alnum, 22, "fireworks key"),
    vendor("gho_", Alnum, 30, MANY, "github token"),
    vendor("ghp_", Alnum, 30, MANY, "github token"),
    vendor("ghr_", Alnum, 30, MANY, "github token"),
    vendor("ghs_", Any, 30, MANY, "github token"),
    vendor("ghu_", Alnum, 30, MANY, "github token"),
    vendor("github_pat_", Token, 22, MANY, "github token"),
    vendor("glagent-", Token, 20, MANY, "gitlab token"),
    vendor("glc_", Any, 32, MANY, "grafana token"),
    vendor("glcbt-", Token, 16, MANY, "gitlab token"),
    vendor("gldt-", Token, 18, MANY, "gitlab token"),
    vendor("glffct-", Token, 18, MANY, "gitlab token"),
    vendor("glft-", Token, 18, MANY, "gitlab token"),
    vendor("glimt-", Token, 18, MANY, "gitlab token"),
    vendor("gloas-", Token, 40, MANY, "gitlab token"),
    vendor("glpat-", Any, 18, MANY, "gitlab token"),
    vendor("glptt-", Token, 30, MANY, "gitlab token"),
    vendor("glrt-", Any, 18, MANY, "gitlab token"),
    vendor("glsa_", Token, 32, MANY, "grafana token"),
    vendor("glsoat-", Token, 18, MANY, "gitlab token"),
    vendor("gsk_", Alnum, 40, MANY, "groq key"),
    vendor("hf_", Alnum, 30, MANY, "hugging face token"),
    vendor("hvb.", Token, 60, MANY, "vault token"),
    vendor("hvr.", Token, 24, MANY, "vault token"),
    vendor("hvs.", Token, 24, MANY, "vault token"),
    vendor("key-", Hex, 32, 32, "mailgun key"),
    vendor("lin_api_", Alnum, 32, MANY, "linear key"),
    vendor("lsv2_pt_", Token, 32, MANY, "langsmith key"),
    vendor("lsv2_sk_", Token, 32, MANY, "langsmith key"),
    vendor("nfp_", Alnum, 36, MANY, "netlify token"),
    vendor("npm_", Alnum, 36, MANY, "npm token"),
    vendor("ntn_", Alnum, 40, MANY, "notion token"),
    vendor("oy2", Alnum, 43, 43, "nuget key"),
    random("pat-eu1-", Token, 36, "hubspot token"),
    random("pat-na1-", Token, 36, "hubspot token"),
    vendor("pcsk_", Token, 40, MANY, "pinecone key"),
    vendor("pplx-", Alnum, 32, MANY, "perplexity key"),
    vendor("pscale_oauth_", Any, 30, MANY, "planetscale token"),
    vendor("pscale_pw_", Any, 30, MANY, "planetscale token"),
    vendor("pscale_tkn_", Any, 30, MANY, "planetscale token"),
    vendor("pul-", Hex, 40, 40, "pulumi token"),
    vendor("pypi-", Token, 50, MANY, "pypi token"),
    vendor("r8_", Alnum, 36, MANY, "replicate token"),
    vendor("rk_live_", Alnum, 16, MANY, "stripe key"),
    vendor("rk_test_", Alnum, 16, MANY, "stripe key"),
    vendor("rubygems_", Hex, 48, 48, "rubygems key"),
    random("rzp_live_", Alnum, 14, "razorpay key"),
    vendor("sb_secret_", Token, 20, MANY, "supabase key"),
    vendor("sbp_", Hex, 40, 40, "supabase token"),
    vendor("secret_", Alnum, 43, 43, "notion token"),
    vendor("sgp_", Token, 40, MANY, "sourcegraph token"),
    vendor("shpat_", Hex, 32, MANY, "shopify token"),
    vendor("shpca_", Hex, 32, MANY, "shopify token"),
    vendor("shppa_", Hex, 32, MANY, "shopify token"),
    vendor("shpss_", Hex, 32, MANY, "shopify secret"),
    vendor("sk-ant-", Token, 16, MANY, "anthropic key"),
    vendor("sk-or-v1-", Alnum, 32, MANY, "openrouter key"),
    vendor("sk-admin-", Token, 20, MANY, "openai key"),
    vendor("sk-proj-", Token, 20, MANY, "openai key"),
    vendor("sk-svcacct-", Token, 20, MANY, "openai key"),
    random("sk-", Token, 20, "openai key"),
    vendor("sk.eyJ", Any, 40, MANY, "mapbox token"),
    vendor("sk_live_", Alnum, 16, MANY, "stripe key"),
    vendor("sk_test_", Alnum, 16, MANY, "stripe key"),
    vendor("sntryu_", Hex, 64, 64, "sentry token"),
    vendor("sntrys_", Any, 40, MANY, "sentry token"),
    vendor("sq0atp-", Token, 22, MANY, "square token"),
    vendor("sq0csp-", Token, 40, MANY, "square secret"),
    vendor("tgp_v1_", Token, 30, MANY, "together key"),
    vendor("tskey-", Token, 20, MANY, "tailscale key"),
    vendor("whsec_", Any, 20, MANY, "stripe secret"),
    vendor("xai-", Alnum, 60, MANY, "xai key"),
    vendor("xapp-", Token, 20, MANY, "slack token"),
    vendor("xoxa-", Token, 10, MANY, "slack token"),
    vendor("xoxb-", Token, 10, MANY, "slack token"),
    vendor("xoxc-", Token, 10, MANY, "slack token"),
    vendor("xoxd-", Any, 10, MANY, "slack token"),
    vendor("xoxe-", Token, 10, MANY, "slack token"),
    vendor("xoxe.", Any, 10, MANY, "slack token"),
    vendor("xoxo-", Token, 10, MANY, "slack token"),
    vendor("xoxp-", Token, 10, MANY, "slack token"),
    vendor("xoxr-", Token, 10, MANY, "slack token"),
    vendor("xoxs-", Token, 10, MANY, "slack token"),
    vendor("ya29.", Any, 20, MANY, "google token"),
];

/// For each first byte, its rows.
const ROWS: [(u8, u8); 128] = {
    let mut rows = [(0, 0); 128];
    let mut i = 0;
    while i < VENDORS.len() {
        let first = VENDORS[i].prefix.as_bytes()[0] as usize;
        if rows[first].1 == 0 {
            rows[first] = (i as u8, i as u8);
        }
        assert!(i == 0 || VENDORS[i - 1].prefix.as_bytes()[0] as usize <= first, "sorted by first byte");
        rows[first].1 = i as u8 + 1;
        i += 1;
    }
    rows
};

/// One bit for each pair of first bytes that a row begins with: most words go no further.
const BEGINNINGS: [u128; 128] = {
    let mut bits = [0; 128];
    let mut i = 0;
    while i < VENDORS.len() {
        let prefix = VENDORS[i].prefix.as_bytes();
        bits[prefix[0] as usize] |= 1 << prefix[1];
        i += 1;
    }
    bits
};

/// The key that begins at this start of a word.
pub(super) fn find(bytes: &[u8], start: usize) -> Option<Found> {
    let (first, second) = (usize::from(bytes[start]), *bytes.get(start + 1)?);
    if second >= 128 || *BEGINNINGS.get(first)? >> second & 1 == 0 {
        return None;
    }
    let (from, to) = ROWS[first];
    VENDORS[usize::from(from)..usize::from(to)].iter().find_map(|vendor| {
        let rest = bytes[start..].strip_prefix(vendor.prefix.as_bytes())?;
        if vendor.random && !looks_random(vendor.chars, &rest[..rest.len().min(LOOK)]) {
            return None;
        }
        // One that is too long is not read to its end.
        let most = vendor.most.saturating_add(1);
        let len = rest.iter().take(most).take_while(|byte| is(vendor.chars, **byte)).count();
        // A full stop at the end of a sentence is not part of the key.
        let len = rest[..len].iter().rposition(|&byte| byte != b'.').map_or(0, |last| last + 1);
        let ended = !rest.get(len).is_some_and(u8::is_ascii_alphanumeric);
        let fits = ended && len >= vendor.least && len <= vendor.most;
        fits.then(|| Found::new(start, start + vendor.prefix.len() + len, vendor.label))
    })
}

fn is(chars: Chars, byte: u8) -> bool {
    match chars {
        Hex => byte.is_ascii_hexdigit(),
        Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
        Alnum => byte.is_ascii_alphanumeric(),
        Token => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
        Any => {
            byte.is_ascii_alphanumeric()
                || matches!(byte, b'_' | b'-' | b'.' | b'=' | b'+' | b'/' | b'%' | b':')
        }
    }
}

fn looks_random(chars: Chars, text: &[u8]) -> bool {
    let (mut run, mut digit) = (0, false);
    for &byte in text.iter().take_while(|byte| is(chars, **byte)) {
        (run, digit) =
            if byte.is_ascii_alphanumeric() { (run + 1, digit || byte.is_ascii_digit()) } else { (0, false) };
        if run >= 24 || run >= 16 && digit {
            return true;
        }
    }
    false
}
