//! The wire's side of a request: which address, headers and time limits, and what an answer says. Whether to try again
//! is decided in [`retry`](super::retry), how bytes travel by the [`Transport`](super::transport::Transport).

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, DATE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue};
use mcpcat_wire::batch::{BATCH_HEADER, EVENT_TYPES_HEADER, offers_any_type};
#[cfg(not(feature = "reqwest"))]
use mcpcat_wire::values::NO_TRANSPORT;

use super::batch::{self, Offer};
use super::credentials::Credentials;
use super::endpoint::BaseUrl;
use super::http_date;
use super::retry::Answer;
use super::transport::{Body, Isolated, TransportError, TransportRequest, TransportResponse};
#[cfg(feature = "reqwest")]
use super::transport::{DynTransport, Reqwest};

const AGENT: &str = concat!("mcpcat-rust/", env!("CARGO_PKG_VERSION"));
/// Bytes read of an answer, so that its connection can be kept; what it says does not matter.
const ANSWER_BYTES: usize = 64 * 1024;
/// Bytes read of the answer to a batch: a result for each of its events.
const BATCH_ANSWER_BYTES: usize = 1024 * 1024;
/// How long an answer's body is read, for the same end. The status has been told by then: a body that drips
/// must not turn a success into a repetition.
const ANSWER_TIME: Duration = Duration::from_millis(500);

/// What an answer offers beside one event of a known type a request.
#[derive(Debug, Default)]
pub(crate) struct Offers {
    pub(crate) batches: Option<Offer>,
    /// Events of any type.
    pub(crate) any_type: bool,
}

/// What carries the requests.
#[derive(Debug)]
pub(crate) enum Carrier {
    /// On the delivery thread: it neither blocks nor panics.
    #[cfg(feature = "reqwest")]
    Reqwest(Reqwest),
    /// Somebody else's code.
    Isolated(Isolated),
    /// This build has none.
    #[cfg(not(feature = "reqwest"))]
    Nothing,
}

impl Carrier {
    async fn send(&self, request: TransportRequest) -> Result<TransportResponse, TransportError> {
        match self {
            #[cfg(feature = "reqwest")]
            Self::Reqwest(reqwest) => reqwest.send_caught(request).await,
            Self::Isolated(isolated) => isolated.send(request).await,
            #[cfg(not(feature = "reqwest"))]
            Self::Nothing => Err(TransportError::new(NO_TRANSPORT)),
        }
    }
}

/// Sends bodies to one endpoint.
#[derive(Debug)]
pub(crate) struct Ingest {
    carrier: Carrier,
    credentials: Credentials,
    timeout: Duration,
    base: BaseUrl,
    /// Whether an offer of batches is believed: what anybody on the way could write is not.
    may_batch: bool,
}

impl Ingest {
    pub(crate) fn new(base: BaseUrl, timeout: Duration, credentials: Credentials, carrier: Carrier) -> Self {
        if !credentials.is_empty() && !base.is_https() && !base.is_loopback() {
            crate::notice::warn(format_args!("{base} is not https: credentials travel in clear text"));
        }
        let may_batch = base.is_https() || base.is_loopback();
        Self { carrier, credentials, timeout, base, may_batch }
    }

    /// The endpoint's address, for messages.
    pub(crate) fn shown(&self) -> String {
        self.base.to_string()
    }

    /// Sends one event, and learns what else could be sent.
    pub(crate) async fn post(&self, body: Bytes) -> (Answer, Offers) {
        self.learn("POST", body).await
    }

    /// Asks what could be sent, without sending anything.
    pub(crate) async fn ask(&self) -> (Answer, Offers) {
        self.learn("OPTIONS", Bytes::new()).await
    }

    async fn learn(&self, method: &'static str, body: Bytes) -> (Answer, Offers) {
        let request = self.request(method, self.base.ingest(), body, ANSWER_BYTES);
        let (answer, response) = self.exchange(request).await;
        let Some(response) = response else { return (answer, Offers::default()) };
        let offers = self.offers(&response.headers);
        if let Body::Late(body) = response.body {
            // What breaks off or drips does not change what the status said.
            let _ = tokio::time::timeout(ANSWER_TIME, body).await;
        }
        (answer, offers)
    }

    fn offers(&self, headers: &HeaderMap) -> Offers {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
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
        let mut request =
            self.request("POST", self.base.batch(offer), small.unwrap_or(body), BATCH_ANSWER_BYTES);
        request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
        if packed {
            request.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let (answer, response) = self.exchange(request).await;
        let body = match response.map(|response| response.body) {
            Some(Body::Whole(bytes)) => Some(bytes),
            Some(Body::Late(body)) => {
                tokio::time::timeout(self.timeout, body).await.ok().and_then(Result::ok)
            }
            None => None,
        };
        (answer, body.filter(|bytes| bytes.len() <= BATCH_ANSWER_BYTES))
    }

    fn request(
        &self,
        method: &'static str,
        url: String,
        body: Bytes,
        max_response_bytes: usize,
    ) -> TransportRequest {
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        TransportRequest { method, url, headers, body, timeout: self.timeout, max_response_bytes }
    }

    async fn exchange(&self, mut request: TransportRequest) -> (Answer, Option<TransportResponse>) {
        if let Err(why) = self.credentials.apply(&mut request.headers) {
            return (Answer::Transport(why), None);
        }
        let response = match tokio::time::timeout(self.timeout, self.carrier.send(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return (Answer::Transport(self.scrub(error.to_string())), None),
            Err(_) => return (Answer::Transport(format!("no answer within {:?}", self.timeout)), None),
        };
        if response.status == 401 {
            self.credentials.refused();
        }
        let retry_after = retry_after(&response.headers, SystemTime::now());
        (Answer::Status { code: response.status, retry_after }, Some(response))
    }

    /// A text of somebody else's, without the secrets that it may repeat.
    fn scrub(&self, text: String) -> String {
        let text = self.credentials.scrub(text);
        match self.base.token() {
            Some(token) => text.replace(&format!("/t/{token}"), "/t/***"),
            None => text,
        }
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
    let until = http_date::parse(asked)?;
    let now = text(DATE).and_then(http_date::parse).unwrap_or(now);
    Some(until.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_accepts_seconds_and_http_dates() {
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
}
