//! One POST: the wire's endpoint, headers and time limits. Whether to try again is not decided here.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Url, redirect};

use super::retry::Answer;

/// The product's ingest path; the slash at its end is part of it.
const INGEST_PATH: &str = "/v1/public/events/";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const USER_AGENT: &str = concat!("mcpcat-rust/", env!("CARGO_PKG_VERSION"));

/// A base URL that is known to be usable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BaseUrl(Url);

/// What is wrong with a base URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BaseUrlProblem(String);

impl fmt::Display for BaseUrlProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl BaseUrl {
    pub(crate) fn parse(text: &str) -> Result<Self, BaseUrlProblem> {
        let url = Url::parse(text).map_err(|error| BaseUrlProblem(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(BaseUrlProblem(format!("its scheme is `{}`, not http or https", url.scheme())));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(BaseUrlProblem("it names no host".to_owned()));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BaseUrlProblem("it has a query or a fragment".to_owned()));
        }
        if cfg!(not(any(feature = "rustls", feature = "native-tls"))) && url.scheme() == "https" {
            return Err(BaseUrlProblem(
                "it is https, and this build has no TLS: enable the feature `rustls` or `native-tls`"
                    .to_owned(),
            ));
        }
        Ok(Self(url))
    }

    pub(crate) fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// The address without a trailing slash: what names the endpoint in manifests and messages. Userinfo
    /// stays out.
    pub(crate) fn text(&self) -> String {
        let mut url = self.0.clone();
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.as_str().trim_end_matches('/').to_owned()
    }

    fn ingest(&self) -> Url {
        let mut url = self.0.clone();
        let path = format!("{}{INGEST_PATH}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        url
    }

    fn is_loopback(&self) -> bool {
        let host = self.host().trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

/// Sends bodies to one endpoint over kept connections.
#[derive(Debug)]
pub(crate) struct Sender {
    /// Or why there is none: a build without usable TLS still keeps events and says so.
    http: Result<Client, String>,
    url: Url,
}

impl Sender {
    pub(crate) fn new(base: &BaseUrl, timeout: Duration) -> Self {
        Self { http: Self::client(base, timeout), url: base.ingest() }
    }

    /// Why nothing can be sent, if so.
    pub(crate) fn problem(&self) -> Option<&str> {
        self.http.as_ref().err().map(String::as_str)
    }

    fn client(base: &BaseUrl, timeout: Duration) -> Result<Client, String> {
        let mut builder = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(timeout)
            .tcp_nodelay(true);
        if base.is_loopback() {
            builder = builder.no_proxy();
        }
        if base.0.scheme() == "https" {
            builder = with_tls(builder)?;
        }
        builder.build().map_err(|error| chain(&error))
    }

    pub(crate) async fn post(&self, body: Bytes) -> Answer {
        let http = match &self.http {
            Ok(http) => http,
            Err(why) => return Answer::Transport(format!("no connection can be made: {why}")),
        };
        let request = http.post(self.url.clone()).header(CONTENT_TYPE, "application/json").body(body);
        match request.send().await {
            Err(error) => Answer::Transport(chain(&error.without_url())),
            Ok(mut response) => {
                let code = response.status().as_u16();
                let retry_after = response
                    .headers()
                    .get(RETRY_AFTER)
                    .and_then(|value| value.to_str().ok())
                    .and_then(|text| text.trim().parse().ok())
                    .map(Duration::from_secs);
                // Read what little there is, so that the connection is kept; what it says does not matter.
                let mut left = 64 * 1024_usize;
                while let Ok(Some(chunk)) = response.chunk().await {
                    match left.checked_sub(chunk.len()) {
                        Some(rest) => left = rest,
                        None => break,
                    }
                }
                Answer::Status { code, retry_after }
            }
        }
    }
}

#[cfg(feature = "rustls")]
fn with_tls(builder: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder, String> {
    use std::sync::Arc;
    // The provider is passed by hand: installing one for the process is the host's business.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        rustls_platform_verifier::Verifier::new(Arc::clone(&provider)).map_err(|e| e.to_string())?;
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(builder.tls_backend_preconfigured(config))
}

#[cfg(not(feature = "rustls"))]
fn with_tls(builder: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder, String> {
    Ok(builder)
}

/// An error and its causes in one line: reqwest's own text names only the stage.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ingest_address_is_right_with_and_without_a_slash() {
        for base in ["http://127.0.0.1:9", "http://127.0.0.1:9/"] {
            assert_eq!(
                BaseUrl::parse(base).unwrap().ingest().as_str(),
                "http://127.0.0.1:9/v1/public/events/"
            );
        }
        let nested = BaseUrl::parse("http://h/collect/").unwrap();
        assert_eq!(nested.ingest().as_str(), "http://h/collect/v1/public/events/");
        assert_eq!(nested.text(), "http://h/collect");
    }

    #[test]
    fn an_unusable_address_is_named() {
        for (text, names) in [
            ("", "relative URL"),
            ("ftp://h", "ftp"),
            ("not a url", "relative URL"),
            ("http://h/?a=1", "query"),
            ("http://", "host"),
        ] {
            let problem = BaseUrl::parse(text).unwrap_err().to_string();
            assert!(problem.contains(names), "{text}: {problem}");
        }
    }

    #[test]
    fn loopback_is_recognised() {
        for (text, loopback) in [
            ("http://localhost:1", true),
            ("http://127.0.0.1", true),
            ("http://[::1]:8", true),
            ("https://api.agentcat.com", false),
        ] {
            assert_eq!(BaseUrl::parse(text).unwrap().is_loopback(), loopback, "{text}");
        }
    }
}
