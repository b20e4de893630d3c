//! Speaks to a timeline over HTTP, and turns its refusals into sentences.

use reqwest::{Method, RequestBuilder, Response};

use super::Failure;
use super::args::Remote;

pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Client {
    pub(super) fn new(remote: &Remote) -> Result<Self, Failure> {
        Self::to(&remote.url, remote.token.clone())
    }

    pub(super) fn to(url: &str, token: Option<String>) -> Result<Self, Failure> {
        // A timeline is asked directly, whatever proxy the environment names.
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { http, base: url.trim_end_matches('/').to_owned(), token })
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
        let response = request.send().await.map_err(|error| {
            if error.is_connect() {
                format!(
                    "no timeline answers at {}; start one with `mcpcat-timeline`, or name it with --url",
                    self.base
                )
            } else {
                let mut text = error.to_string();
                let mut source = std::error::Error::source(&error);
                while let Some(cause) = source {
                    text.push_str(&format!(": {cause}"));
                    source = cause.source();
                }
                text
            }
        })?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = response.text().await.unwrap_or_default();
        let said = serde_json::from_str::<serde_json::Value>(&body)
            .ok()
            .and_then(|body| Some(body.get("error")?.as_str()?.to_owned()))
            .unwrap_or(body);
        Err(format!("{} answered {status}: {said}", self.base).into())
    }
}

/// Reads an answer. Events may nest as deep as the collector allows, which with what is around them is more than the
/// parser's own bound.
pub(super) fn parse(text: &str) -> Result<serde_json::Value, Failure> {
    let mut reader = serde_json::Deserializer::from_str(text);
    reader.disable_recursion_limit();
    Ok(serde::Deserialize::deserialize(&mut reader)?)
}
