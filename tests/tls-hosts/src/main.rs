//! One host: says what its own TLS does (`host: …`), and what our delivery does in it (`ours: …`). Compared line by line
//! by `scripts/check-tls-hosts`.
#![cfg_attr(
    not(any(feature = "ours", feature = "remedy")),
    allow(dead_code, unused_imports, reason = "a host with no client of its own uses less")
)]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::panic::catch_unwind;
use std::sync::mpsc;
use std::time::Duration;

fn main() {
    #[cfg(feature = "no-provider")]
    install_provider();
    // A panic is what is asked about.
    std::panic::set_hook(Box::new(|_| {}));
    host();
    #[cfg(any(feature = "ours", feature = "remedy"))]
    ours();
}

/// Installs a provider that is told from any other by the one cipher suite that it offers.
#[cfg(feature = "no-provider")]
fn install_provider() {
    let mut provider = rustls::crypto::ring::default_provider();
    provider
        .cipher_suites
        .retain(|suite| suite.suite() == rustls::CipherSuite::TLS13_CHACHA20_POLY1305_SHA256);
    provider.install_default().unwrap();
}

fn host() {
    #[cfg(any(feature = "no-provider", feature = "only-aws-lc-rs", feature = "only-ring"))]
    println!(
        "host: ClientConfig::builder() {}",
        word(catch_unwind(|| drop(rustls::ClientConfig::builder())).is_ok())
    );
    #[cfg(any(feature = "no-tls", feature = "native-tls", feature = "rustls-tls", feature = "no-provider"))]
    {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        println!("host: Client::new() {}", word(catch_unwind(|| drop(reqwest::Client::new())).is_ok()));
        let (url, _) = serve(b"this is no TLS\r\n\r\n");
        let url = url.replace("http:", "https:");
        let said = runtime.block_on(async {
            let client =
                reqwest::Client::builder().no_proxy().build().map_err(|error| format!("{error:?}"))?;
            let sent = tokio::time::timeout(Duration::from_secs(10), client.get(url).send()).await;
            Err::<(), _>(format!("{:?}", sent.unwrap().unwrap_err()))
        });
        println!("host: https by {}", library(&said.unwrap_err()));
    }
}

fn word(ok: bool) -> &'static str {
    if ok { "works" } else { "panics" }
}

/// Which TLS library an error is of.
fn library(error: &str) -> &'static str {
    if error.contains("scheme is not http") {
        "nobody"
    } else if error.contains("InvalidMessage") || error.contains("corrupt message") {
        "rustls"
    } else if error.to_ascii_lowercase().contains("ssl") {
        "OpenSSL"
    } else if error.contains("CA certificates") {
        "nobody: no CA certificates"
    } else {
        eprintln!("{error}");
        "something else"
    }
}

/// An endpoint that answers everything with the same bytes; its address, and the first bytes of each request.
fn serve(answer: &'static [u8]) -> (String, mpsc::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (told, tell) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let told = told.clone();
            std::thread::spawn(move || one(stream, answer, &told));
        }
    });
    (url, tell)
}

fn one(mut stream: TcpStream, answer: &[u8], told: &mpsc::Sender<Vec<u8>>) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        let _ = told.send(buffer[..read].to_vec());
        if stream.write_all(answer).is_err() {
            return;
        }
    }
}

#[cfg(any(feature = "ours", feature = "remedy"))]
fn ours() {
    use mcpcat::{Backend, Client, CustomEvent};
    let client = |url: &str| {
        Client::builder("proj_tls").base_url(url).backend(Backend::Memory).drain(Duration::ZERO).build()
    };

    let (url, _requests) = serve(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n");
    let plain = client(&url).unwrap();
    plain.publish("s", CustomEvent::new("e")).unwrap();
    let stats = plain.flush_blocking(Duration::from_secs(20));
    println!("ours: http delivers {} of {}", stats.delivered, stats.published);

    let (url, hellos) = serve(b"this is no TLS\r\n\r\n");
    let secure = match client(&url.replace("http:", "https:")) {
        Ok(client) => client,
        Err(error) => return println!("ours: https is refused: {error}"),
    };
    secure.publish("s", CustomEvent::new("e")).unwrap();
    for _ in 0..200 {
        if let Some(failure) = secure.flush_blocking(Duration::from_millis(100)).last_failure {
            println!("ours: https by {}", library(&failure));
            break;
        }
    }
    if let Ok(hello) = hellos.recv_timeout(Duration::from_secs(1)) {
        println!("ours: cipher suites {:04x?}", suites(&hello).unwrap_or_default());
    }
}

/// The cipher suites that a ClientHello offers (RFC 8446, 4.1.2), without the signal for renegotiation.
#[cfg(any(feature = "ours", feature = "remedy"))]
fn suites(hello: &[u8]) -> Option<Vec<u16>> {
    // Record header 5, handshake header 4, version 2, random 32.
    let session = 43;
    let at = session + 1 + usize::from(*hello.get(session)?);
    let length = usize::from(u16::from_be_bytes([*hello.get(at)?, *hello.get(at + 1)?]));
    let list = hello.get(at + 2..at + 2 + length)?;
    let suites = list.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    Some(suites.filter(|suite| *suite != 0x00ff).collect())
}
