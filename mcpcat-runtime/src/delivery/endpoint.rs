//! The address that events are sent to: which ones can be used, and how one is shown.
//!
//! An address can hold credentials: user information, a query, the token in a path such as `/t/TOKEN`. Everything that
//! prints one (logs, errors, `status()`, `last_failure`, `Debug`) therefore prints it masked, by [`Display`] for one
//! that was parsed and by [`mask`] for a text that was not. [`BaseUrl::text`] is the address itself, for comparing.
//!
//! [`Display`]: fmt::Display

use std::fmt;

use http::Uri;

use super::batch::Offer;
use crate::policy::is_sensitive;

/// The product's ingest path; the slash at its end is part of it.
const INGEST_PATH: &str = "/v1/public/events/";
/// Stands for what is not shown.
const HIDDEN: &str = "***";
/// The longest text of an address that is shown, in characters.
const SHOWN_CHARS: usize = 200;

/// A base URL that is known to be usable.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct BaseUrl {
    https: bool,
    authority: String,
    host: String,
    /// Without a slash at its end.
    path: String,
}

/// What is wrong with a base URL. It names no part of it that could be secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BaseUrlProblem(String);

impl fmt::Display for BaseUrlProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl BaseUrl {
    pub(crate) fn parse(text: &str) -> Result<Self, BaseUrlProblem> {
        let problem = |what: &str| Err(BaseUrlProblem(what.to_owned()));
        if text.contains('#') {
            return problem("it has a fragment");
        }
        let uri: Uri = text.parse().map_err(|error| BaseUrlProblem(format!("it is not a URL ({error})")))?;
        let https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(_) => return problem("its scheme is neither http nor https"),
            None => return problem("it does not begin with http:// or https://"),
        };
        let Some(authority) = uri.authority().filter(|authority| !authority.host().is_empty()) else {
            return problem("it names no host");
        };
        if authority.as_str().contains('@') {
            return problem(
                "it carries a user name; pass credentials by `token` or `header`, or in MCPCAT_TOKEN",
            );
        }
        let host = authority.host();
        check_host(host)?;
        check_port(authority.as_str().strip_prefix(host).unwrap_or_default())?;
        if uri.query().is_some() {
            return problem("it has a query");
        }
        let path = uri.path().trim_end_matches('/');
        if format!("{path}/").ends_with(INGEST_PATH) {
            return problem("it ends with `/v1/public/events`, which is added by itself: leave it out");
        }
        Ok(Self { https, authority: authority.to_string(), host: host.to_owned(), path: path.to_owned() })
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn is_https(&self) -> bool {
        self.https
    }

    /// Whether the host is this machine, by its name alone.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost")
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// The token in the path, the segment after `/t/`, if there is one.
    pub(crate) fn token(&self) -> Option<&str> {
        let mut segments = self.path.split('/').skip_while(|segment| *segment != "t");
        segments.next();
        segments.next().filter(|token| !token.is_empty())
    }

    fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }

    /// The address itself, without a slash at its end. It can hold a token: for comparing, never for printing.
    pub(crate) fn text(&self) -> String {
        format!("{}://{}{}", self.scheme(), self.authority, self.path)
    }

    /// Where single events go.
    pub(crate) fn ingest(&self) -> String {
        format!("{}{INGEST_PATH}", self.text())
    }

    /// Where batches go: on this origin, whatever the offer says. A collector that knows the prefix it is
    /// reached under names it too; one behind a proxy or a token does not.
    pub(crate) fn batch(&self, offer: &Offer) -> String {
        let known = !self.path.is_empty()
            && offer.path.strip_prefix(self.path.as_str()).is_some_and(|rest| rest.starts_with('/'));
        let prefix = if known { "" } else { &self.path };
        format!("{}://{}{prefix}{}", self.scheme(), self.authority, offer.path)
    }
}

/// The address as it may be shown.
impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask(&self.text()))
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BaseUrl({self})")
    }
}

/// An address as it was given, before it is parsed.
#[derive(Clone)]
pub(crate) struct Unparsed(pub(crate) String);

impl fmt::Debug for Unparsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", mask(&self.0))
    }
}

/// `Uri` takes any characters for a host; the resolver would fail on each request.
fn check_host(host: &str) -> Result<(), BaseUrlProblem> {
    let problem = |what: &str| Err(BaseUrlProblem(what.to_owned()));
    if let Some(address) = host.strip_prefix('[') {
        return match address.strip_suffix(']').map(str::parse::<std::net::Ipv6Addr>) {
            Some(Ok(_)) => Ok(()),
            _ => problem("what stands in brackets is not an IPv6 address"),
        };
    }
    let labels = || host.strip_suffix('.').unwrap_or(host).split('.');
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if host.len() > 253 || !labels().all(is_label) {
        return problem("its host is not a host name");
    }
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    if labels().next_back().is_some_and(is_number) && host.parse::<std::net::Ipv4Addr>().is_err() {
        return problem("its host is not an IPv4 address, which has four numbers from 0 to 255");
    }
    Ok(())
}

/// `Uri` passes over a port that is none, and connects to the scheme's own.
fn check_port(after_host: &str) -> Result<(), BaseUrlProblem> {
    let Some(port) = after_host.strip_prefix(':') else { return Ok(()) };
    match port.parse::<u16>() {
        Ok(1..) if port.bytes().all(|byte| byte.is_ascii_digit()) => Ok(()),
        _ => Err(BaseUrlProblem("its port is not a number from 1 to 65535".to_owned())),
    }
}

/// A text that was given as an address, as it may be shown: without user information, query and fragment, and without
/// the parts of its path that are or look like tokens. On one line and of a bounded length, whatever it is.
pub(crate) fn mask(text: &str) -> String {
    let text = text.trim();
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, text),
    };
    let mut shown = String::new();
    if let Some(scheme) = scheme {
        let is_scheme = scheme.len() <= 16
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        shown.push_str(if is_scheme { scheme } else { HIDDEN });
        shown.push_str("://");
    }
    // A password may hold any of `/?#`: what stands before the last `@` is not shown, wherever that is.
    let rest = match rest.rsplit_once('@') {
        Some((_, rest)) => {
            shown.push_str(HIDDEN);
            shown.push('@');
            rest
        }
        None => rest,
    };
    let path_end = rest.find(['?', '#']).unwrap_or(rest.len());
    let mut before: Option<&str> = None;
    for (i, segment) in rest[..path_end].split('/').enumerate() {
        if i > 0 {
            shown.push('/');
        }
        let is_host = i == 0 && scheme.is_some();
        let is_token = !is_host
            && !segment.is_empty()
            && (before.is_some_and(|name| name.eq_ignore_ascii_case("t") || is_sensitive(name))
                || segment.contains(['=', ';'])
                || looks_random(segment));
        shown.push_str(if is_token { HIDDEN } else { segment });
        before = (i > 0 && !is_token).then_some(segment);
    }
    if path_end < rest.len() {
        shown.push_str(&rest[path_end..=path_end]);
        shown.push_str(HIDDEN);
    }
    let mut bounded: String = shown
        .chars()
        .take(SHOWN_CHARS)
        .map(|character| if character.is_control() { '\u{fffd}' } else { character })
        .collect();
    if shown.chars().nth(SHOWN_CHARS).is_some() {
        bounded.push('…');
    }
    bounded
}

/// Whether a part of a path is more likely a token than a name.
fn looks_random(segment: &str) -> bool {
    let digit = segment.bytes().any(|byte| byte.is_ascii_digit());
    let letter = segment.bytes().any(|byte| byte.is_ascii_alphabetic());
    let named = segment.contains('.') || segment.contains(':');
    segment.len() >= 16 && digit && letter && !named || segment.len() >= 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ingest_address_is_right_with_and_without_a_slash() {
        for base in ["http://127.0.0.1:9", "http://127.0.0.1:9/"] {
            assert_eq!(BaseUrl::parse(base).unwrap().ingest(), "http://127.0.0.1:9/v1/public/events/");
        }
        let nested = BaseUrl::parse("http://h/collect/").unwrap();
        assert_eq!(nested.ingest(), "http://h/collect/v1/public/events/");
        assert_eq!(nested.text(), "http://h/collect");
    }

    #[test]
    fn batches_stay_on_the_origin_under_the_prefix_that_reached_it() {
        let offer = |path: &str| Offer::parse(&format!("v1; path={path}")).unwrap();
        for (base, path, there) in [
            ("http://h", "/v1/public/events/batch", "http://h/v1/public/events/batch"),
            ("http://h/timeline", "/timeline/v1/batch", "http://h/timeline/v1/batch"),
            ("http://h/t/word/", "/v1/batch", "http://h/t/word/v1/batch"),
            ("http://h/time", "/timeline/v1/batch", "http://h/time/timeline/v1/batch"),
        ] {
            assert_eq!(BaseUrl::parse(base).unwrap().batch(&offer(path)), there);
        }
    }

    #[test]
    fn loopback_is_known_by_name_and_address() {
        let here = |base: &str| BaseUrl::parse(base).unwrap().is_loopback();
        assert!(here("http://127.0.0.1:1") && here("http://[::1]:1") && here("http://localhost"));
        assert!(here("http://127.8.9.1") && here("https://LocalHost"));
        assert!(!here("http://10.0.0.1") && !here("http://localhost.example"));
    }

    #[test]
    fn an_unusable_address_is_named() {
        for (text, names) in [
            ("", "not a URL"),
            ("not a url", "not a URL"),
            ("http://", "not a URL"),
            ("ftp://h", "neither http nor https"),
            ("localhost:1", "http://"),
            ("http://h/?a=1", "query"),
            ("http://h/#top", "fragment"),
            ("http://user:word@h", "user name"),
            ("http://h:0", "port"),
            ("http://h:65536", "port"),
            ("http://h:99999/x", "port"),
            ("http://h:8o", "port"),
            ("http://h:", "port"),
            ("http://h:-1", "port"),
            ("http://h:+1", "port"),
            ("http://[::1]:65536", "port"),
            ("http://[zz]", ""),
            ("http://256.1.1.1", "IPv4"),
            ("http://127.1", "IPv4"),
            ("http://a..b", "host"),
            ("http://a,b", "host"),
            ("http://h/v1/public/events/", "leave it out"),
            ("http://h/v1/public/events", "leave it out"),
        ] {
            let problem = BaseUrl::parse(text).map_err(|problem| problem.to_string());
            assert!(problem.as_ref().is_err_and(|problem| problem.contains(names)), "{text}: {problem:?}");
        }
        for usable in [
            "http://127.0.0.1:65535",
            "http://[::1]:1",
            "http://my_service:8080/x",
            "http://h.",
            "https://api.agentcat.com",
            "http://1und1.de",
        ] {
            assert_eq!(BaseUrl::parse(usable).map(|base| base.text()).as_deref(), Ok(usable));
        }
    }

    #[test]
    fn an_address_is_shown_without_what_could_be_secret() {
        for (text, shown) in [
            ("http://127.0.0.1:6228", "http://127.0.0.1:6228"),
            ("https://collect.example.com/team/billing", "https://collect.example.com/team/billing"),
            ("https://h/t/hunter2", "https://h/t/***"),
            ("https://h/x/t/hunter2/y", "https://h/x/t/***/y"),
            ("https://h/token/hunter2", "https://h/token/***"),
            ("https://h/in/4fd0a5b2c81e77aa", "https://h/in/***"),
            ("https://h/a;jsessionid=x/b", "https://h/***/b"),
            ("https://h/?token=hunter2", "https://h/?***"),
            ("https://h/#hunter2", "https://h/#***"),
            ("https://ada:hunter2@h/x", "https://***@h/x"),
            ("https://hunter2@h:1", "https://***@h:1"),
            ("https://ada:hun/te@r2@h:99999/x", "https://***@h:99999/x"),
            ("ada:hunter2@h", "***@h"),
            ("ada:hunter2@x://h", "***://h"),
            ("localhost:1", "localhost:1"),
            ("sk_live_4fd0a5b2c81e77aa", "***"),
            ("http://h/\u{1b}[2J\n", "http://h/\u{fffd}[2J"),
            ("", ""),
        ] {
            assert_eq!(mask(text), shown, "{text}");
        }
        assert!(mask(&"é".repeat(1_000)).chars().count() <= SHOWN_CHARS + 1);
        let base = BaseUrl::parse("http://h/t/hunter2").unwrap();
        assert_eq!(
            (base.to_string(), format!("{base:?}")),
            ("http://h/t/***".into(), "BaseUrl(http://h/t/***)".into())
        );
        assert_eq!((base.text().as_str(), base.token()), ("http://h/t/hunter2", Some("hunter2")));
    }
}
