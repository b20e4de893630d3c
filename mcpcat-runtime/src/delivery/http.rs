//! One POST: the wire's endpoint, headers and time limits. Whether to try again is not decided here.
//!
//! hyper and not reqwest: Cargo unites the features of a dependency, and no feature of reqwest that gives TLS
//! leaves a host's own reqwest as it was (`rustls-no-provider` makes its clients panic).

use std::error::Error;
use std::fmt;
use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::batch::{OFFER_HEADER, Offer};
use super::retry::Answer;
use super::types;

/// The product's ingest path; the slash at its end is part of it.
const INGEST_PATH: &str = "/v1/public/events/";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const AGENT: &str = concat!("mcpcat-rust/", env!("CARGO_PKG_VERSION"));
/// Bytes read of an answer, so that its connection can be kept; what it says does not matter.
const ANSWER_BYTES: usize = 64 * 1024;
/// Bytes read of the answer to a batch: a result for each of its events.
const BATCH_ANSWER_BYTES: usize = 1024 * 1024;
/// How long an answer's body is read, for the same end. The status has been told by then: a body that drips
/// must not turn a success into a repetition.
const ANSWER_TIME: Duration = Duration::from_millis(500);

/// A base URL that is known to be usable.
#[derive(Debug, Clone, PartialEq, Eq)]
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
            return problem("it carries a user name; events are sent without credentials".to_owned());
        }
        if uri.query().is_some() {
            return problem("it has a query".to_owned());
        }
        if https && cfg!(not(any(feature = "rustls", feature = "native-tls"))) {
            return problem(
                "it is https, and this build has no TLS: enable the feature `rustls` or `native-tls`".into(),
            );
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

    /// The address without a trailing slash: what names the endpoint in manifests and messages.
    pub(crate) fn text(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority, self.path)
    }

    fn is_loopback(&self) -> bool {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost")
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Where batches go: on this origin, whatever the offer says. A collector that knows the prefix it is
    /// reached under names it too; one behind a proxy or a token does not.
    fn batch(&self, offer: &Offer) -> Result<Uri, http::uri::InvalidUri> {
        let known = !self.path.is_empty()
            && offer.path.strip_prefix(self.path.as_str()).is_some_and(|rest| rest.starts_with('/'));
        let prefix = if known { "" } else { &self.path };
        let scheme = if self.https { "https" } else { "http" };
        format!("{scheme}://{}{prefix}{}", self.authority, offer.path).parse()
    }

    fn ingest(&self) -> Result<Uri, http::uri::InvalidUri> {
        format!("{}{INGEST_PATH}", self.text()).parse()
    }
}

#[cfg(feature = "rustls")]
type Connector = hyper_rustls::HttpsConnector<HttpConnector>;
#[cfg(all(feature = "native-tls", not(feature = "rustls")))]
type Connector = hyper_tls::HttpsConnector<HttpConnector>;
#[cfg(not(any(feature = "rustls", feature = "native-tls")))]
type Connector = HttpConnector;

/// What an answer offers beside one event of a known type a request.
#[derive(Debug, Default)]
pub(crate) struct Offers {
    pub(crate) batches: Option<Offer>,
    /// Events of any type.
    pub(crate) any_type: bool,
}

/// Sends bodies to one endpoint over kept connections.
#[derive(Debug)]
pub(crate) struct Sender {
    /// Or why there is none: a build without usable TLS still keeps events and says so.
    http: Result<(Client<Connector, Full<Bytes>>, Uri), String>,
    timeout: Duration,
    base: BaseUrl,
    /// Whether an offer of batches is believed: what anybody on the way could write is not.
    may_batch: bool,
    /// Shows instead of sending.
    dry: bool,
}

impl Sender {
    pub(crate) fn new(base: &BaseUrl, timeout: Duration) -> Self {
        let http = base.ingest().map_err(|error| error.to_string()).and_then(|uri| {
            let client =
                Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector()?);
            Ok((client, uri))
        });
        Self { http, timeout, base: base.clone(), may_batch: base.https || base.is_loopback(), dry: false }
    }

    /// One that writes each event to stderr as a line, and sends nothing.
    pub(crate) fn dry(mut self, dry: bool) -> Self {
        self.dry = dry;
        self
    }

    /// Why nothing can be sent, if so.
    pub(crate) fn problem(&self) -> Option<&str> {
        self.http.as_ref().err().map(String::as_str)
    }

    /// Sends one event, and learns what else could be sent.
    pub(crate) async fn post(&self, body: Bytes) -> (Answer, Offers) {
        if self.dry {
            let mut line = body.to_vec();
            line.push(b'\n');
            // A closed stderr is no reason to keep events.
            let _ = std::io::stderr().lock().write_all(&line);
            return (Answer::Status { code: 202, retry_after: None }, Offers::default());
        }
        let (answer, response) = self.exchange(Method::POST, None, body).await;
        let Some(response) = response else { return (answer, Offers::default()) };
        let offers = self.offers(&response);
        discard(response).await;
        (answer, offers)
    }

    /// Asks what could be sent, without sending anything.
    pub(crate) async fn ask(&self) -> (Answer, Offers) {
        let (answer, response) = self.exchange(Method::OPTIONS, None, Bytes::new()).await;
        let Some(response) = response else { return (answer, Offers::default()) };
        let offers = self.offers(&response);
        discard(response).await;
        (answer, offers)
    }

    fn offers(&self, response: &http::Response<hyper::body::Incoming>) -> Offers {
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        Offers {
            batches: header(OFFER_HEADER).filter(|_| self.may_batch).and_then(Offer::parse),
            any_type: header(types::OFFER_HEADER).is_some_and(types::offers_any),
        }
    }

    /// Sends a batch of lines to the place that was offered. The answer's body comes with it, because it says
    /// what became of each line; `None` if it could not be read.
    pub(crate) async fn post_batch(&self, offer: &Offer, body: Bytes) -> (Answer, Option<Bytes>) {
        let (answer, response) = self.exchange(Method::POST, Some(offer), body).await;
        let Some(response) = response else { return (answer, None) };
        let body = Limited::new(response.into_body(), BATCH_ANSWER_BYTES).collect();
        match tokio::time::timeout(self.timeout, body).await {
            Ok(Ok(body)) => (answer, Some(body.to_bytes())),
            Ok(Err(_)) | Err(_) => (answer, None),
        }
    }

    async fn exchange(
        &self,
        method: Method,
        batch: Option<&Offer>,
        body: Bytes,
    ) -> (Answer, Option<http::Response<hyper::body::Incoming>>) {
        let (http, uri) = match &self.http {
            Ok(http) => http,
            Err(why) => return (Answer::Transport(format!("no connection can be made: {why}")), None),
        };
        let (uri, media) = match batch {
            None => (uri.clone(), "application/json"),
            Some(offer) => match self.base.batch(offer) {
                Ok(uri) => (uri, "application/x-ndjson"),
                // Answered as an address that is not there: the sender goes back to single events.
                Err(_) => return (Answer::Status { code: 404, retry_after: None }, None),
            },
        };
        let mut request =
            Request::builder().method(method).uri(uri).body(Full::new(body)).unwrap_or_default();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        let response = match tokio::time::timeout(self.timeout, http.request(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return (Answer::Transport(chain(&error)), None),
            Err(_) => return (Answer::Transport(format!("no answer within {:?}", self.timeout)), None),
        };
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.trim().parse().ok())
            .map(Duration::from_secs);
        (Answer::Status { code: response.status().as_u16(), retry_after }, Some(response))
    }
}

/// Reads what is left of an answer, so that its connection can be kept. A body that breaks off or drips does not
/// change what the status said.
async fn discard(response: http::Response<hyper::body::Incoming>) {
    let body = Limited::new(response.into_body(), ANSWER_BYTES).collect();
    let _ = tokio::time::timeout(ANSWER_TIME, body).await;
}

fn plain() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    connector.set_nodelay(true);
    connector.enforce_http(false);
    connector
}

#[cfg(feature = "rustls")]
fn connector() -> Result<Connector, String> {
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
    let builder = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(config);
    Ok(builder.https_or_http().enable_http1().wrap_connector(plain()))
}

#[cfg(all(feature = "native-tls", not(feature = "rustls")))]
fn connector() -> Result<Connector, String> {
    let tls = native_tls::TlsConnector::new().map_err(|error| error.to_string())?;
    Ok(hyper_tls::HttpsConnector::from((plain(), tls.into())))
}

#[cfg(not(any(feature = "rustls", feature = "native-tls")))]
fn connector() -> Result<Connector, String> {
    Ok(plain())
}

/// An error and its causes in one line: the outermost names only the stage.
fn chain(error: &dyn Error) -> String {
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
                BaseUrl::parse(base).unwrap().ingest().unwrap().to_string(),
                "http://127.0.0.1:9/v1/public/events/"
            );
        }
        let nested = BaseUrl::parse("http://h/collect/").unwrap();
        assert_eq!(nested.ingest().unwrap().to_string(), "http://h/collect/v1/public/events/");
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
            assert_eq!(BaseUrl::parse(base).unwrap().batch(&offer(path)).unwrap().to_string(), there);
        }
    }

    #[test]
    fn an_offer_is_believed_from_here_and_over_tls() {
        let believed = |base: &str| {
            let base = BaseUrl::parse(base).unwrap();
            base.https || base.is_loopback()
        };
        assert!(believed("http://127.0.0.1:1") && believed("http://[::1]:1") && believed("http://localhost"));
        assert!(!believed("http://10.0.0.1") && !believed("http://localhost.example"));
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
        ] {
            let problem = BaseUrl::parse(text).unwrap_err().to_string();
            assert!(problem.contains(names), "{text}: {problem}");
        }
    }
}
