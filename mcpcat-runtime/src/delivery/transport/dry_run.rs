//! Shows events instead of sending them: one line of JSON each, on stderr.

use std::io::Write as _;

use mcpcat_wire::batch::EVENT_TYPES_HEADER;

use super::{Transport, TransportError, TransportRequest, TransportResponse};

/// Accepts every event of any type, and writes it to stderr. Runs on a thread of its own like a user's transport: a
/// stderr that nobody reads blocks it.
#[derive(Debug)]
pub(crate) struct DryRun;

impl Transport for DryRun {
    async fn send(&self, request: TransportRequest) -> Result<TransportResponse, TransportError> {
        if !request.body.is_empty() {
            let mut line = Vec::with_capacity(request.body.len() + 1);
            line.extend_from_slice(&request.body);
            line.push(b'\n');
            // A closed stderr is no reason to keep events.
            let _ = std::io::stderr().lock().write_all(&line);
        }
        Ok(TransportResponse::new(202).header(EVENT_TYPES_HEADER, "any"))
    }
}
