//! Ten minutes of outage on a clock that runs ahead, through the worker itself: nothing is lost, and the endpoint is
//! not worn out. Above all floors, because it publishes as a user does and delivers as the worker does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::client::Client;
use crate::delivery::dead_letters::DeadLetters;
use crate::delivery::mailbox::{Command, Mailbox};
use crate::delivery::unanswered::Unanswered;
use crate::delivery::worker::{self, Setup};
use crate::event::CustomEvent;
use crate::policy::Sample;
use crate::privacy::Privacy;
use crate::spool::Adopter;

const OUTAGE: Duration = Duration::from_secs(600);
const EVENTS: u64 = 1_200;

/// Answers every request with 202, and counts them.
async fn serve(listener: TcpListener, taken: Arc<AtomicU64>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    while let Ok((mut stream, _)) = listener.accept().await {
        let taken = Arc::clone(&taken);
        tokio::spawn(async move {
            let mut bytes = Vec::new();
            while stream.read_buf(&mut bytes).await.is_ok_and(|read| read > 0) {
                while let Some(end) = whole_request(&bytes) {
                    bytes.drain(..end);
                    taken.fetch_add(1, Ordering::SeqCst);
                    let _ = stream.write_all(b"HTTP/1.1 202 X\r\ncontent-length: 0\r\n\r\n").await;
                }
            }
        });
    }
}

/// Where the first request ends, if it is all there.
fn whole_request(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"))?.trim().parse::<usize>();
    Some(head + length.ok()?).filter(|end| *end <= bytes.len())
}

#[tokio::test(start_paused = true)]
async fn ten_minutes_of_outage_lose_nothing() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let config = Client::builder("proj_outage").base_url(format!("http://{address}"));
    let (client, reader) = Client::unattended(config.check(&|_| None).unwrap());
    let (core, mailbox) = (Arc::clone(client.core()), Arc::new(Mailbox::new()));
    let delivery = tokio::spawn(worker::deliver(Setup {
        spool: core.spool().unwrap(),
        reader,
        adopter: Adopter::none(),
        privacy: Privacy::new(),
        project: "proj_outage".to_owned(),
        ingest: Arc::new(core.config.connection.ingest(&core.config.base, core.config.request_timeout)),
        dialect: core.config.dialect.clone(),
        sample: Sample::ALL,
        ledger: Arc::clone(&core.ledger),
        mailbox: Arc::clone(&mailbox),
        dead_letters: DeadLetters::nowhere(),
        on_loss: None,
        drain: Duration::ZERO,
        unanswered: Unanswered::nowhere(),
        scrubbed: None,
        names_only: Arc::default(),
    }));

    let (began, real) = (Instant::now(), std::time::Instant::now());
    for n in 0..EVENTS {
        client.publish("s", CustomEvent::new("during the outage").parameter("n", n)).unwrap();
        mailbox.appended();
        tokio::time::sleep(OUTAGE / EVENTS as u32).await;
    }
    assert!(began.elapsed() >= OUTAGE);
    assert!(real.elapsed() < OUTAGE / 4, "the clock ran ahead: {:?}", real.elapsed());
    let during = client.stats();
    assert_eq!((during.published, during.delivered, during.dropped), (EVENTS, 0, 0), "{during}");
    // One volley, and then probes that come ever less often, up to one in 30 s.
    assert!((20..60).contains(&during.requests), "{} requests into the outage", during.requests);
    assert!(during.last_failure.as_deref().is_some_and(|why| why.contains("refused")), "{during:?}");

    // The endpoint is back. From here on the answers are real, and so is the time.
    tokio::time::resume();
    let taken = Arc::new(AtomicU64::new(0));
    let listener = TcpListener::bind(address).await.unwrap();
    let server = tokio::spawn(serve(listener, Arc::clone(&taken)));
    let (sender, ended) = tokio::sync::oneshot::channel();
    let deadline = std::time::Instant::now() + OUTAGE + Duration::from_secs(120);
    let reply = Box::new(move |stats| drop(sender.send(stats)));
    mailbox.command(Command::Shutdown { deadline, reply }).unwrap();
    let stats = ended.await.unwrap();
    delivery.await.unwrap();
    assert_eq!((stats.delivered, stats.dropped, stats.pending), (EVENTS, 0, 0), "{stats}");
    assert_eq!(taken.load(Ordering::SeqCst), EVENTS, "each of them once");
    assert_eq!(stats.requests, EVENTS + during.requests);
    server.abort();
}
