//! Speaks to a timeline over HTTP, and turns its refusals into sentences.

use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};

use super::Failure;
use super::args::{DEFAULT_URL, Remote};
use super::text::plain;

pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
    /// What its user knows it as: an address without secrets, or a file.
    name: String,
}

impl Client {
    pub(super) fn new(remote: &Remote) -> Result<Self, Failure> {
        let mut url: Url = remote.url.parse().map_err(|error| {
            format!("--url {:?}: {error}; it looks like {DEFAULT_URL}", plain(&remote.url))
        })?;
        // Both are ways to carry a token in the only setting that an SDK has.
        let in_path = split_token(&mut url);
        let in_user =
            Some(url.password().unwrap_or(url.username()).to_owned()).filter(|user| !user.is_empty());
        let _ = (url.set_username(""), url.set_password(None));
        let name = if remote.url == DEFAULT_URL {
            "the usual address (port 6228 of this machine)".to_owned()
        } else {
            url.as_str().trim_end_matches('/').to_owned()
        };
        Self::to(url.as_str(), remote.token.clone().or(in_path).or(in_user), name)
    }

    pub(super) fn to(url: &str, token: Option<String>, name: String) -> Result<Self, Failure> {
        // A timeline is asked directly, whatever proxy the environment names.
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { http, base: url.trim_end_matches('/').to_owned(), token, name })
    }

    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends, and fails with the timeline's own words on anything but success.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        self.send_unless_busy(request).await?
    }

    /// The same, with a 503 apart: what is worth another try.
    pub(super) async fn send_unless_busy(
        &self,
        request: RequestBuilder,
    ) -> Result<Result<Response, Failure>, Failure> {
        let response = request.send().await.map_err(|error| self.explain(error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(Ok(response));
        }
        let body = response.text().await.unwrap_or_default();
        let said = serde_json::from_str::<serde_json::Value>(&body)
            .ok()
            .and_then(|body| Some(body.get("error")?.as_str()?.to_owned()))
            .unwrap_or_else(|| body.chars().take(300).collect());
        let failure = format!("{} answered {status}: {}", self.name, plain(&said));
        if status == StatusCode::SERVICE_UNAVAILABLE { Ok(Err(failure.into())) } else { Err(failure.into()) }
    }

    /// Why a request failed, without the addresses that it went to: the user knows the timeline by another name.
    pub(super) fn explain(&self, error: reqwest::Error) -> Failure {
        if error.is_connect() {
            return format!(
                "no timeline answers at {}; start one with `mcpcat-timeline`, or name it with --url",
                self.name
            )
            .into();
        }
        let error = error.without_url();
        let mut text = format!("{}: {error}", self.name);
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            text.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        text.into()
    }
}

/// Takes `/t/TOKEN` off the end of a path.
fn split_token(url: &mut Url) -> Option<String> {
    let path = url.path().trim_end_matches('/').to_owned();
    let (before, token) = path.rsplit_once("/t/")?;
    let token = crate::http::percent_decode(token).filter(|_| !token.contains('/'))?;
    url.set_path(before);
    Some(token)
}

/// Reads an answer. Events may nest as deep as the collector allows, which with what is around them is more than the
/// parser's own bound.
pub(super) fn parse(text: &str) -> Result<serde_json::Value, Failure> {
    let mut reader = serde_json::Deserializer::from_str(text);
    reader.disable_recursion_limit();
    Ok(serde::Deserialize::deserialize(&mut reader)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(url: &str) -> Client {
        Client::new(&Remote { url: url.into(), token: None }).unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    #[test]
    fn a_token_in_the_address_is_sent_and_never_shown() {
        for (url, base, token) in [
            ("http://h:1/t/s%20ecret", "http://h:1", "s ecret"),
            ("http://h:1/x/t/secret/", "http://h:1/x", "secret"),
            ("http://user:secret@h:1", "http://h:1", "secret"),
            ("http://secret@h:1/x", "http://h:1/x", "secret"),
        ] {
            let client = client(url);
            assert_eq!((client.base.as_str(), client.token.as_deref()), (base, Some(token)), "{url}");
            assert_eq!(client.name, base);
        }
        assert_eq!(client("http://h:1/x").token, None);
        assert!(!client(DEFAULT_URL).name.contains("http"), "an address that nobody gave is not shown");
    }
}
