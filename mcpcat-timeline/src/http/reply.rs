//! How the API says no: a status and a JSON object that names the problem.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::event::Refusal;
use crate::store::StoreError;

/// A failed request, for its sender.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    field: Option<&'static str>,
    message: String,
    /// Seconds after which to try again.
    retry_after: Option<u64>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let retry_after = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(2);
        Self { status, field: None, message: message.into(), retry_after }
    }

    /// The token has sent what it may for now.
    pub(crate) fn too_many(seconds: u64) -> Self {
        let mut problem = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            format!("the token has used up its quota; send again in {seconds} s"),
        );
        problem.retry_after = Some(seconds);
        problem
    }

    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(crate) fn missing(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no such {what}"))
    }

    /// The request is at fault, not the moment.
    pub(crate) fn is_refusal(&self) -> bool {
        self.status.is_client_error() && self.status != StatusCode::TOO_MANY_REQUESTS
    }

    /// The budget of bytes is used up; it will not be for long.
    pub(crate) fn no_memory() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many bytes are being received and sent at this moment; try again, or raise --memory",
        )
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
        Self { field: refusal.field, ..Self::new(status, refusal.message) }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let status = match error {
            StoreError::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
            StoreError::Broken(_) => StatusCode::INTERNAL_SERVER_ERROR,
            StoreError::Asked(_) => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = serde_json::Map::new();
        body.insert("error".into(), self.message.into());
        if let Some(field) = self.field {
            body.insert("field".into(), field.into());
        }
        let mut response = json(self.status, serde_json::Value::Object(body).to_string());
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// A JSON answer from text that is JSON already.
pub(crate) fn json(status: StatusCode, body: impl Into<axum::body::Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A JSON answer from a value.
pub(crate) fn value(value: &impl serde::Serialize) -> Result<Response, Problem> {
    serde_json::to_string(value)
        .map(|body| json(StatusCode::OK, body))
        .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}
