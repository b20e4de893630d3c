//! What a library does by hand: events and outcomes of its own types, sessions carried to threads and futures, a client
//! that it is handed. It compiles with recording and without, and only the numbers differ.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mcpcat::policy::{KeyPolicy, Limits, Policy};
use mcpcat::privacy::{Event, Patterns, Privacy};
use mcpcat::{
    Backend, Carrier, Client, CustomEvent, DropReason, ErrorInfo, EventData, EventId, Fields, InSession, Loss, Outcome,
    PublishError, Session, SessionId, Target, Transport, TransportError, TransportRequest, TransportResponse,
};

struct Order<'a> {
    customer: &'a str,
    cents: u64,
}

impl EventData for Order<'_> {
    fn record(&self, fields: &mut Fields) {
        fields.name("order.placed");
        fields.parameter("customer", self.customer);
        fields.parameter("cents", &self.cents);
        fields.tag("currency", "eur");
        fields.property("cart", &[1, 2]);
        fields.message(&format_args!("{} cents", self.cents));
        fields.duration(Duration::from_millis(3));
        fields.is_error(false);
    }
}

/// An event that lends its fields to another one.
struct Paid<'a>(Order<'a>);

impl EventData for Paid<'_> {
    fn record(&self, fields: &mut Fields) {
        fields.data(&self.0);
        fields.name("order.paid");
        fields.response(&"thank you");
        if let Some(error) = self.error() {
            fields.error(error);
        }
    }
}

impl Outcome for Paid<'_> {
    fn error(&self) -> Option<ErrorInfo> {
        (self.0.cents == 0)
            .then(|| ErrorInfo::message("nothing to pay").with_type("order::Empty").with_code(402))
    }
}

/// Takes every request.
struct Sink;

impl Transport for Sink {
    async fn send(&self, request: TransportRequest) -> Result<TransportResponse, TransportError> {
        let sent = request.headers().count() + request.body().len();
        Ok(TransportResponse::new(202).header("x-sent", sent.to_string()))
    }
}

#[mcpcat::event(name = "order.check", params(cents))]
fn check(cents: u64) -> Result<u64, ErrorInfo> {
    if cents == 0 { Err(ErrorInfo::message("nothing to pay")) } else { Ok(cents) }
}

fn publish<'a>(client: &Client, to: impl Into<Target<'a>>) -> Result<EventId, PublishError> {
    client.publish(to, Order { customer: "ada", cents: 4_900 })
}

fn main() {
    let recording = cfg!(feature = "enable");
    let privacy = Privacy::new()
        .patterns(Patterns::new().email())
        .redact_event(|mut event: Event| {
            event.remove("secret");
            Some(event)
        })
        .redact_text(|text| text.replace("Ada", "[name]"));
    let client = Client::builder("proj_1")
        .base_url("http://127.0.0.1:9")
        .backend(Backend::Memory)
        .transport(Sink)
        .policy(Policy::new().limits(Limits::new().depth(4)).keys(KeyPolicy::new().also("iban")))
        .privacy(privacy)
        .consent(|asked| asked.key.as_deref() != Some("nobody"))
        .on_loss(|loss: Loss| eprintln!("{}: {}", loss.reason, loss.dropped))
        .build()
        .expect("the settings are good");
    assert_eq!(client.is_enabled(), recording);

    publish(&client, "customer").unwrap();
    publish(&client, SessionId::derive("customer", "proj_1")).unwrap();
    let session = client.session("customer");
    publish(&client, &session).unwrap();
    client.publish("customer", CustomEvent::new("by.name").parameter("n", 1).tag("t", 2)).unwrap();

    // Inside of a session, on this thread, on another, and in a future.
    session.run(|| {
        assert_eq!(Session::current().is_some(), recording);
        let _ = check(0);
        let here = Carrier::current();
        std::thread::scope(|scope| {
            scope.spawn(|| here.run(|| check(1)));
            scope.spawn(mcpcat::carry(|| check(2)));
        });
        let future = pin!(async { check(3) }.in_current_session());
        assert!(matches!(future.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(3))));
    });
    let future = pin!(async { mcpcat::emit!("in.a.future", n = 1) }.in_session(session.clone()));
    assert!(future.poll(&mut Context::from_waker(Waker::noop())).is_ready());
    client.publish(&session, Paid(Order { customer: "ada", cents: 0 })).unwrap();
    let outcome = Some(Paid(Order { customer: "ada", cents: 0 })).error();
    assert_eq!(outcome.map(|error| error.message), Some("nothing to pay".to_owned()));
    assert!(check(0).is_err());

    let stats = client.shutdown_blocking(Duration::from_secs(10));
    // Four by `publish`, four checks and an `emit!` in the session, one more by hand. The last check is in none.
    let expected = if recording { 10 } else { 0 };
    assert_eq!((stats.published, stats.delivered, stats.pending), (expected, expected, 0), "{stats}");
    assert_eq!(stats.dropped_for(DropReason::Closed), 0);
    println!("recording: {recording}; {stats}");
}
