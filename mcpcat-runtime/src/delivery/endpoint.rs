//! The address that events go to: whether it can be used, what is made of it, and how it may be shown. A path of it can
//! be a token (`/t/TOKEN`), and an unusable one can hold a password: neither is ever written anywhere.

use std::fmt;

use http::Uri;

use super::batch::Offer;

/// The product's ingest path; the slash at its end is part of it.
const INGEST_PATH: &str = "/v1/public/events/";
/// What stands in the place of a secret.
const HIDDEN: &str = "…";

/// A base URL that is known to be usable.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct BaseUrl {
    https: bool,
    authority: String,
    host: String,
    /// Without a slash at its end.
    path: String,
}

/// What is wrong with a base URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BaseUrlProblem(String);

impl fmt::Display for BaseUrlProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BaseUrl({})", self.shown())
    }
}

impl BaseUrl {
    pub(crate) fn parse(text: &str) -> Result<Self, BaseUrlProblem> {
        let problem = |what: String| Err(BaseUrlProblem(what));
        if text.contains('#') {
            return problem("it has a fragment".to_owned());
        }
        let uri: Uri = text.parse().map_err(|error| BaseUrlProblem(format!("it is not a URL ({error})")))?;
        let https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(scheme) => return problem(format!("its scheme is `{scheme}`, not http or https")),
            None => return problem("it does not begin with http:// or https://".to_owned()),
        };
        let Some(authority) = uri.authority().filter(|authority| !authority.host().is_empty()) else {
            return problem("it names no host".to_owned());
        };
        if authority.as_str().contains('@') {
            return problem(
                "it carries a user name; pass credentials by `token` or `header`, or in MCPCAT_TOKEN"
                    .to_owned(),
            );
        }
        // Neither the parser nor the type of a port notices one that is out of range.
        let port = authority.as_str().strip_prefix(authority.host()).and_then(|rest| rest.strip_prefix(':'));
        if port.is_some_and(|port| !port.parse::<u16>().is_ok_and(|port| port > 0)) {
            return problem("its port is not a number from 1 to 65535".to_owned());
        }
        if uri.query().is_some() {
            return problem("it has a query".to_owned());
        }
        Ok(Self {
            https,
            authority: authority.to_string(),
            host: authority.host().to_owned(),
            path: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn is_https(&self) -> bool {
        self.https
    }

    /// The whole address without a trailing slash. It may hold a token: show [`shown`](Self::shown).
    pub(crate) fn text(&self) -> String {
        format!("{}{}", self.origin(), self.path)
    }

    /// The address for logs, errors and messages, without a token in its path.
    pub(crate) fn shown(&self) -> String {
        without_credentials(&self.text())
    }

    fn origin(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        format!("{scheme}://{}", self.authority)
    }

    /// The token in the path, if there is one.
    pub(crate) fn token(&self) -> Option<&str> {
        token_in(&self.path)
    }

    /// Whether the host is this machine, by its name alone.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost")
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
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
        format!("{}{prefix}{}", self.origin(), offer.path)
    }
}

/// The segment after `/t/`.
fn token_in(path: &str) -> Option<&str> {
    let mut segments = path.split('/').skip_while(|segment| *segment != "t");
    segments.next();
    segments.next().filter(|token| !token.is_empty())
}

/// An address, usable or not, without user and password, without its query, and without a token in its path.
pub(crate) fn without_credentials(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or((None, url), |(scheme, rest)| (Some(scheme), rest));
    let (rest, query) = match rest.find(['?', '#']) {
        Some(at) => (&rest[..at], true),
        None => (rest, false),
    };
    // A password may hold a slash that should have been escaped: the last @ ends it.
    let (user, rest) = rest.rsplit_once('@').map_or((false, rest), |(_, rest)| (true, rest));
    let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let path = match token_in(path) {
        Some(token) => path.replacen(&format!("/t/{token}"), &format!("/t/{HIDDEN}"), 1),
        None => path.to_owned(),
    };
    let scheme = scheme.map_or_else(String::new, |scheme| format!("{scheme}://"));
    let user = if user { format!("{HIDDEN}@") } else { String::new() };
    let query = if query { format!("?{HIDDEN}") } else { String::new() };
    format!("{scheme}{user}{host}{path}{query}")
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
            ("ftp://h", "ftp"),
            ("localhost:1", "http://"),
            ("http://h/?a=1", "query"),
            ("http://h/#top", "fragment"),
            ("http://user:word@h", "user name"),
            ("http://h:65536", "port"),
            ("http://h:0", "port"),
            ("http://h:", "port"),
            ("http://[::1]:99999/x", "port"),
        ] {
            let problem = BaseUrl::parse(text).unwrap_err().to_string();
            assert!(problem.contains(names), "{text}: {problem}");
        }
        for good in ["http://h:65535", "http://[::1]:1", "http://[::1]"] {
            assert!(BaseUrl::parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn an_address_is_shown_without_its_secrets() {
        for (url, shown) in [
            ("http://h/t/word", "http://h/t/…"),
            ("http://h/collect/t/word/v1", "http://h/collect/t/…/v1"),
            ("https://user:pa/ss@h:1/x", "https://…@h:1/x"),
            ("http://h/?token=word", "http://h/?…"),
            ("user:word@h", "…@h"),
            ("http://h/collect", "http://h/collect"),
            ("http://h/t", "http://h/t"),
            ("http://h/t/t", "http://h/t/…"),
        ] {
            assert_eq!(without_credentials(url), shown);
        }
        let base = BaseUrl::parse("http://h/t/word/").unwrap();
        assert_eq!((base.token(), base.shown().as_str()), (Some("word"), "http://h/t/…"));
        assert_eq!(format!("{base:?}"), "BaseUrl(http://h/t/…)");
    }
}
