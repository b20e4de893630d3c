//! One POST: the wire's endpoint, headers and time limits. Whether to try again is not decided here.
//!
//! hyper and not reqwest: Cargo unites the features of a dependency, and no feature of reqwest that gives TLS
//! leaves a host's own reqwest as it was (`rustls-no-provider` makes its clients panic).

use std::cell::OnceCell;
use std::error::Error;
use std::fmt;
use std::io::Write as _;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, DATE, PROXY_AUTHORIZATION, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use mcpcat_wire::batch::{BATCH_HEADER, EVENT_TYPES_HEADER, offers_any_type};

use super::batch::{self, Offer};
use super::proxy::{self, Rules};
use super::retry::Answer;

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
        proxy::is_loopback(&self.host)
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
type Connector = hyper_rustls::HttpsConnector<proxy::Connector>;
#[cfg(all(feature = "native-tls", not(feature = "rustls")))]
type Connector = hyper_tls::HttpsConnector<proxy::Connector>;
#[cfg(not(any(feature = "rustls", feature = "native-tls")))]
type Connector = proxy::Connector;

/// Connections, and the proxies that they may lead through.
#[derive(Debug, Clone)]
struct Http {
    client: Client<Connector, Full<Bytes>>,
    rules: Rules,
}

type Pool = OnceCell<Result<Http, String>>;

thread_local! {
    /// Those without TLS and those with it, which reads the system's certificates: some milliseconds that a
    /// collector on this machine need not cost.
    static POOLS: [Pool; 2] = const { [const { OnceCell::new() }; 2] };
}

/// The connections of this thread: all clients of a process send over them.
fn pooled(https: bool) -> Result<Http, String> {
    let open = || {
        let rules = Rules::from_environment();
        let connector = connector(rules.clone(), https)?;
        let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        Ok(Http { client, rules })
    };
    POOLS.with(|pools| pools[usize::from(https)].get_or_init(open).clone())
}

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
    /// What a proxy on the way wants to be told with each request.
    proxy_authorization: Option<HeaderValue>,
    timeout: Duration,
    base: BaseUrl,
    /// Whether an offer of batches is believed: what anybody on the way could write is not.
    may_batch: bool,
    /// Shows instead of sending.
    dry: bool,
}

impl Sender {
    pub(crate) fn new(base: &BaseUrl, timeout: Duration) -> Self {
        let http =
            base.ingest().map_err(|error| error.to_string()).and_then(|uri| Ok((pooled(base.https)?, uri)));
        let proxy_authorization =
            http.as_ref().ok().and_then(|(http, uri): &(Http, Uri)| http.rules.authorization(uri));
        let http = http.map(|(http, uri)| (http.client, uri));
        Self {
            http,
            proxy_authorization,
            timeout,
            base: base.clone(),
            may_batch: base.https || base.is_loopback(),
            dry: false,
        }
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
        self.learn(Method::POST, body).await
    }

    /// Asks what could be sent, without sending anything.
    pub(crate) async fn ask(&self) -> (Answer, Offers) {
        self.learn(Method::OPTIONS, Bytes::new()).await
    }

    async fn learn(&self, method: Method, body: Bytes) -> (Answer, Offers) {
        let (answer, response) = self.exchange(method, None, body).await;
        let Some(response) = response else { return (answer, Offers::default()) };
        let offers = self.offers(&response);
        discard(response).await;
        (answer, offers)
    }

    fn offers(&self, response: &http::Response<hyper::body::Incoming>) -> Offers {
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        Offers {
            batches: header(BATCH_HEADER).filter(|_| self.may_batch).and_then(Offer::parse),
            any_type: header(EVENT_TYPES_HEADER).is_some_and(offers_any_type),
        }
    }

    /// Sends a batch of lines to the place that was offered. The answer's body comes with it, because it says
    /// what became of each line; `None` if it could not be read.
    pub(crate) async fn post_batch(&self, offer: &Offer, body: Bytes) -> (Answer, Option<Bytes>) {
        // On one machine the bytes cost less than packing them.
        let small = if offer.gzip && !self.base.is_loopback() { batch::packed(&body) } else { None };
        let packed = small.is_some();
        let (answer, response) =
            self.exchange(Method::POST, Some((offer, packed)), small.unwrap_or(body)).await;
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
        batch: Option<(&Offer, bool)>,
        body: Bytes,
    ) -> (Answer, Option<http::Response<hyper::body::Incoming>>) {
        let (http, uri) = match &self.http {
            Ok(http) => http,
            Err(why) => return (Answer::Transport(format!("no connection can be made: {why}")), None),
        };
        let (uri, media) = match batch {
            None => (uri.clone(), "application/json"),
            Some((offer, _)) => match self.base.batch(offer) {
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
        if batch.is_some_and(|(_, packed)| packed) {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if let Some(word) = &self.proxy_authorization {
            headers.insert(PROXY_AUTHORIZATION, word.clone());
        }
        let response = match tokio::time::timeout(self.timeout, http.request(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return (Answer::Transport(chain(&error)), None),
            Err(_) => return (Answer::Transport(format!("no answer within {:?}", self.timeout)), None),
        };
        let retry_after = retry_after(response.headers(), SystemTime::now());
        (Answer::Status { code: response.status().as_u16(), retry_after }, Some(response))
    }
}

/// How long the endpoint asks to be left alone: in seconds, or until a date. A date is counted from the
/// endpoint's own `Date`, since the two clocks need not agree; one that has passed asks for nothing.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::trim);
    let asked = text(RETRY_AFTER)?;
    if let Ok(seconds) = asked.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(asked).ok()?;
    let now = text(DATE).and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or(now);
    Some(until.duration_since(now).unwrap_or_default())
}

/// Reads what is left of an answer, so that its connection can be kept. A body that breaks off or drips does not
/// change what the status said.
async fn discard(response: http::Response<hyper::body::Incoming>) {
    let body = Limited::new(response.into_body(), ANSWER_BYTES).collect();
    let _ = tokio::time::timeout(ANSWER_TIME, body).await;
}

fn plain(rules: Rules) -> proxy::Connector {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    connector.set_nodelay(true);
    connector.enforce_http(false);
    proxy::Connector::new(connector, rules)
}

#[cfg(feature = "rustls")]
fn connector(rules: Rules, https: bool) -> Result<Connector, String> {
    use std::sync::Arc;
    // The provider is passed by hand: installing one for the process is the host's business.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let config = if https {
        let verifier = rustls_platform_verifier::Verifier::new(provider).map_err(|e| e.to_string())?;
        config.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
    } else {
        // Nobody is trusted, and nobody is asked.
        config.with_root_certificates(rustls::RootCertStore::empty())
    };
    let config = config.with_no_client_auth();
    let builder = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(config);
    let builder = builder.https_or_http().enable_http1();
    // Where the endpoint offers it in the handshake; over http it is HTTP/1.1.
    #[cfg(feature = "http2")]
    let builder = builder.enable_http2();
    Ok(builder.wrap_connector(plain(rules)))
}

#[cfg(all(feature = "native-tls", not(feature = "rustls")))]
fn connector(rules: Rules, _https: bool) -> Result<Connector, String> {
    let tls = native_tls::TlsConnector::new().map_err(|error| error.to_string())?;
    Ok(hyper_tls::HttpsConnector::from((plain(rules), tls.into())))
}

#[cfg(not(any(feature = "rustls", feature = "native-tls")))]
fn connector(rules: Rules, _https: bool) -> Result<Connector, String> {
    Ok(plain(rules))
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
    fn a_silence_is_asked_for_in_seconds_or_until_a_date() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let asked = |retry: &str, date: Option<&str>, now: SystemTime| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, retry.parse().unwrap());
            if let Some(date) = date {
                headers.insert(DATE, date.parse().unwrap());
            }
            retry_after(&headers, now)
        };
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(asked(" 120 ", None, at), seconds(120));
        assert_eq!(asked(date, None, at - Duration::from_secs(7)), seconds(7));
        assert_eq!(asked("Sunday, 06-Nov-94 08:49:37 GMT", None, at - Duration::from_secs(7)), seconds(7));
        assert_eq!(asked(date, None, at + Duration::from_secs(7)), seconds(0));
        // Our clock is an hour fast; the endpoint's own date says what it means.
        let fast = at + Duration::from_secs(3_600);
        assert_eq!(asked(date, Some("Sun, 06 Nov 1994 08:49:30 GMT"), fast), seconds(7));
        for nonsense in ["", "soon", "-1", "1.5", "Sun, 06 Nov 1994 08:49:37"] {
            assert_eq!(asked(nonsense, None, at), None, "{nonsense}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), at), None);
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
