//! Requests of servers that no wrapper can be put around: a guard for each of them, with the events that a
//! tracked server would have.

use std::error::Error;
use std::fmt;
use std::future::Future;

use serde::Serialize;

use crate::call::Call;
use mcpcat_wire::event_type::is_product_method;

use crate::client::Client;
use crate::event::ErrorInfo;
use crate::event::guard::user_code;
use crate::event::names_only::{OTHER_METHOD, names_subject};
use crate::session::{Session, Target};

/// A request that is being answered. Made by [`Client::call`]; dropped before it has ended, it is recorded
/// as cancelled.
#[must_use = "a request that is dropped at once is recorded as cancelled"]
pub struct RequestGuard {
    client: Client,
    method: String,
    name: String,
    call: Call,
}

impl Client {
    /// Begins the event of a request that a server of your own answers: `mcp:` and its method, and what it
    /// is about (a tool's name, a resource's URI; empty for none). It belongs to the session that runs here,
    /// else to the process's own; [`call_in`](Self::call_in) names another one.
    ///
    /// ```no_run
    /// # use mcpcat_runtime as mcpcat;
    /// # use mcpcat::Client;
    /// # async fn search(_: &str) -> Result<String, std::io::Error> { Ok(String::new()) }
    /// # async fn answer(client: Client, session: &str, query: &str) -> Result<String, std::io::Error> {
    /// client
    ///     .call_in(session, "tools/call", "search")
    ///     .arguments(&[("query", query)])
    ///     .run(search(query))
    ///     .await
    /// # }
    /// ```
    pub fn call(&self, method: &str, name: &str) -> RequestGuard {
        let here = Session::current().filter(|session| std::sync::Arc::ptr_eq(session.core(), self.core()));
        self.begin_call(here.unwrap_or_else(|| Session::of_process(self.core())), method, name)
    }

    /// [`call`](Self::call) in a session of yours. A target that cannot be resolved is warned of, and the request
    /// belongs where that of `call` does.
    pub fn call_in<'a>(&self, target: impl Into<Target<'a>>, method: &str, name: &str) -> RequestGuard {
        match self.resolve(target.into()) {
            Ok(session) => self.begin_call(session, method, name),
            Err(error) => {
                crate::notice::warn(format_args!("the session of a request cannot be used: {error}"));
                self.call(method, name)
            }
        }
    }

    fn begin_call(&self, session: Session, method: &str, name: &str) -> RequestGuard {
        RequestGuard {
            client: self.clone(),
            call: begin(session, method, name),
            method: method.to_owned(),
            name: name.to_owned(),
        }
    }
}

fn begin(session: Session, method: &str, name: &str) -> Call {
    let mut call = Call::request(session, method);
    if let Some(fields) = call.fields() {
        let names_only = fields.is_names_only();
        let known = if names_only && !is_product_method(method) { OTHER_METHOD } else { method };
        fields.body_member("event_type", &format!("mcp:{known}"));
        if !name.is_empty() && (!names_only || names_subject(method)) {
            fields.name(name);
        }
    }
    call
}

#[derive(Serialize)]
struct Parameters<'a, T: Serialize + ?Sized> {
    request: Request<'a, T>,
}

#[derive(Serialize)]
struct Request<'a, T: Serialize + ?Sized> {
    method: &'a str,
    params: Params<'a, T>,
}

#[derive(Serialize)]
struct Params<'a, T: Serialize + ?Sized> {
    name: &'a str,
    arguments: &'a T,
}

impl RequestGuard {
    /// The request's arguments: anything `Serialize`.
    pub fn arguments<T: Serialize + ?Sized>(mut self, arguments: &T) -> Self {
        let params = Params { name: &self.name, arguments };
        if let Some(fields) = self.call.fields() {
            fields.parameters(&Parameters { request: Request { method: &self.method, params } });
        }
        self
    }

    /// Why the agent makes the request (the wire's `user_intent`).
    pub fn intent(mut self, intent: &str) -> Self {
        if let Some(fields) = self.call.fields() {
            fields.message(intent);
        }
        self
    }

    /// Runs the request; events inside are nested under it. An `Err` is recorded with its message, its type
    /// and its causes.
    ///
    /// # Errors
    /// The request's own, unchanged.
    pub async fn run<T, E: Error, F: Future<Output = Result<T, E>>>(self, future: F) -> Result<T, E> {
        self.run_with(future, |answer| answer.as_ref().err().map(ErrorInfo::from_error)).await
    }

    /// [`run`](Self::run) for any answer: `judge` says what it failed with, if it did. For an answer that
    /// implements [`Outcome`](crate::event::Outcome), that is `Outcome::error`.
    pub async fn run_with<T, F: Future<Output = T>>(
        self,
        future: F,
        judge: impl FnOnce(&T) -> Option<ErrorInfo>,
    ) -> T {
        let Self { client, call, .. } = self;
        let answer = call.scope(future).await;
        let error = user_code(|| judge(&answer)).flatten();
        call.finish(error);
        client.flush_before_response().await;
        answer
    }

    /// [`run_with`](Self::run_with) for a request that is answered without awaiting.
    pub fn run_sync<T>(mut self, body: impl FnOnce() -> T, judge: impl FnOnce(&T) -> Option<ErrorInfo>) -> T {
        let answer = self.call.scope_sync(body);
        let error = user_code(|| judge(&answer)).flatten();
        self.call.finish(error);
        answer
    }

    /// Ends the event of a request that was answered elsewhere.
    pub fn finish(self, error: Option<ErrorInfo>) {
        self.call.finish(error);
    }
}

impl fmt::Debug for RequestGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestGuard")
            .field("method", &self.method)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
