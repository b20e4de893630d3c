//! Shows an event as it would leave, without sending it.

use super::{EventStart, Session};
use crate::client::{Client, ClientBuilder, environment};
use crate::event::{EventData, wire};
use crate::privacy::Explained;

impl Client {
    /// What would leave if this event were published here: the body after limits, scrubbing and hooks, and what
    /// was removed by which rule. Nothing is sent or stored. Blocks for as long as the hooks take: for a test or a
    /// console, not for a call.
    ///
    /// ```
    /// # use mcpcat_runtime as mcpcat;
    /// use mcpcat::CustomEvent;
    /// # let recorder = mcpcat::testing::Recorder::new();
    /// # let client = recorder.client();
    ///
    /// let event = CustomEvent::new("signed_in").parameter("password", "hunter2").message("from https://ada:pw@host");
    /// let explained = client.explain(event);
    /// assert!(!explained.body.unwrap().contains("hunter2"));
    /// assert_eq!(explained.removed[0].place, "/parameters/password");
    /// assert_eq!(explained.removed[0].rule, "sensitive key");
    /// assert_eq!(explained.removed[1].rule, "pattern: userinfo");
    /// ```
    pub fn explain(&self, event: impl EventData) -> Explained {
        let core = self.core();
        let session = Session::current()
            .filter(|session| std::sync::Arc::ptr_eq(session.core(), core))
            .unwrap_or_else(|| Session::of_process(core));
        if !core.records() {
            return Explained::nothing("recording is off");
        }
        if !session.records() {
            return Explained::nothing("consent");
        }
        let mut loan = core.fields();
        event.record(loan.fields());
        let start = EventStart::now(&session, session.ambient_parent());
        let fields = loan.fields();
        let header = start.header(&session, fields.duration_micros(), fields.outcome(), true);
        if !session.annotate(&header, fields) {
            return Explained::nothing("the share of sessions to record");
        }
        let body = wire::body(&core.config.dialect, &header, fields.members(), &session.definition());
        let mut explained = through(self, body);
        for problem in fields.problems() {
            explained.add(problem);
        }
        explained
    }
}

/// On a thread of its own, because the caller may be inside a runtime, which hooks need and must not block.
fn through(client: &Client, body: Vec<u8>) -> Explained {
    let privacy = &client.core().config.privacy;
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        Some(runtime.block_on(privacy.explain(body)))
    };
    let explained = std::thread::scope(|scope| {
        let thread =
            std::thread::Builder::new().name("mcpcat-explain".into()).spawn_scoped(scope, run).ok()?;
        thread.join().ok().flatten()
    });
    explained.unwrap_or_else(|| Explained::nothing("no thread could be had for the hooks"))
}

/// [`Client::explain`] of the installed client; without one, of a client that has the default settings.
pub fn explain(event: impl EventData) -> Explained {
    if let Some(client) = Client::installed() {
        return client.explain(event);
    }
    let named = ClientBuilder::new(String::new()).check(&environment);
    match named.or_else(|_| ClientBuilder::new("proj_unnamed".to_owned()).check(&environment)) {
        Ok(config) if config.off.is_some() => Explained::nothing("recording is off"),
        Ok(config) => Client::unattended(config).0.explain(event),
        Err(error) => Explained::nothing(error.to_string()),
    }
}
