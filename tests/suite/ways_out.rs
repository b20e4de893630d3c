//! The ways to an endpoint: proxies of each kind, TLS, packed batches. Real servers on
//! loopback; the client is a process of its own, because its environment says the way.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri, Version, header};
use axum::response::{IntoResponse as _, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ServerConfig, crypto, pki_types};

use crate::durability::PUBLISHER;
use crate::support::{Collector, PATIENCE, state_dir};

const VARIABLES: [&str; 4] = ["ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];

/// A program that publishes, waits for the delivery and ends; the ids that it was promised.
async fn publish(url: &str, count: usize, environment: &[(&str, String)]) -> BTreeSet<String> {
    let built = tokio::task::spawn_blocking(|| PUBLISHER.clone()).await.unwrap();
    let mut command = Command::new(built);
    command.args([url, &state_dir().display().to_string(), "flush", &count.to_string()]);
    for name in VARIABLES {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    for (name, value) in environment {
        command.env(name, value);
    }
    command.stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("it ends").unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// One request as the endpoint saw it.
#[derive(Debug, Clone)]
pub struct Seen {
    version: Version,
    uri: Uri,
    headers: HeaderMap,
    pub body: Bytes,
}

impl Seen {
    /// The ids of its events, unpacked if it came packed.
    pub fn ids(&self) -> Vec<String> {
        let mut text = String::new();
        match self.headers.get(header::CONTENT_ENCODING) {
            Some(packed) => {
                assert_eq!(packed, "gzip");
                flate2::read::GzDecoder::new(&self.body[..]).read_to_string(&mut text).unwrap();
            }
            None => text = String::from_utf8(self.body.to_vec()).unwrap(),
        }
        let id = |line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().to_owned()
        };
        text.lines().map(id).collect()
    }

    fn is_packed(&self) -> bool {
        self.headers.contains_key(header::CONTENT_ENCODING)
    }
}

/// An https endpoint called `collector.test` or `localhost`, with a certificate that only who is told trusts.
pub struct Secure {
    pub address: SocketAddr,
    authority: PathBuf,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Secure {
    async fn start(protocols: &[&[u8]], answer: impl Fn(&Seen) -> Response + Send + Sync + 'static) -> Self {
        Self::start_slow(protocols, Duration::ZERO, answer).await
    }

    /// One that takes its time for each answer.
    pub async fn start_slow(
        protocols: &[&[u8]],
        takes: Duration,
        answer: impl Fn(&Seen) -> Response + Send + Sync + 'static,
    ) -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate().unwrap();
        let trusted = authority.self_signed(&authority_key).unwrap().pem();
        let file = state_dir().join("authority.pem");
        std::fs::write(&file, trusted).unwrap();
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::new(authority, authority_key);
        let named = CertificateParams::new(["collector.test", "localhost"].map(str::to_owned)).unwrap();
        let certificate = named.signed_by(&key, &issuer).unwrap();

        let provider = Arc::new(crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();

        let seen = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer) = (Arc::clone(&seen), Arc::new(answer));
        let router = axum::Router::new().fallback(
            move |version: Version, uri: Uri, headers: HeaderMap, body: Bytes| async move {
                let seen = Seen { version, uri, headers, body };
                kept.lock().unwrap().push(seen.clone());
                tokio::time::sleep(takes).await;
                answer(&seen)
            },
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, router) = (acceptor.clone(), router.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let _ = auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
                        .await;
                });
            }
        });
        Self { address, authority: file, seen }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub fn trust(&self) -> (&'static str, String) {
        ("SSL_CERT_FILE", self.authority.display().to_string())
    }
}

/// An HTTP proxy that leads everything to one place, and keeps the heads of the requests made to it.
struct Proxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let it = Self { address: listener.local_addr().unwrap(), heads: Arc::default() };
        let heads = Arc::clone(&it.heads);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(lead(stream, to, Arc::clone(&heads)));
            }
        });
        it
    }

    fn url(&self) -> String {
        format!("http://user:word@{}", self.address)
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

async fn lead(mut from: TcpStream, to: SocketAddr, heads: Arc<Mutex<Vec<String>>>) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(from.read_u8().await.ok()?);
    }
    let text = String::from_utf8(head.clone()).unwrap();
    heads.lock().unwrap().push(text.clone());
    let mut there = TcpStream::connect(to).await.ok()?;
    if text.starts_with("CONNECT ") {
        from.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.ok()?;
    } else {
        there.write_all(&head).await.ok()?;
    }
    copy_bidirectional(&mut from, &mut there).await.ok().map(drop)
}

fn accepted(_: &Seen) -> Response {
    StatusCode::ACCEPTED.into_response()
}

#[tokio::test(flavor = "multi_thread")]
async fn https_goes_through_a_tunnel_and_keeps_its_connections() {
    let secure = Secure::start(&[b"http/1.1"], accepted).await;
    let proxy = Proxy::start(secure.address).await;
    let environment = [("HTTPS_PROXY", proxy.url()), secure.trust()];
    let promised = publish("https://collector.test", 200, &environment).await;
    let seen = secure.seen();
    assert_eq!(seen.len(), 200);
    assert!(seen.iter().all(|seen| seen.version == Version::HTTP_11));
    assert!(seen.iter().all(|seen| seen.uri.path() == "/v1/public/events/"));
    assert!(!seen.iter().any(|seen| seen.headers.contains_key(header::PROXY_AUTHORIZATION)));
    assert!(seen.iter().flat_map(Seen::ids).collect::<BTreeSet<_>>() == promised);
    let heads = proxy.heads();
    assert!((1..=199).contains(&heads.len()), "{}", heads.len());
    for head in heads {
        assert!(head.starts_with("CONNECT collector.test:443 HTTP/1.1\r\n"), "{head}");
        assert!(head.to_ascii_lowercase().contains("proxy-authorization: basic dxnlcjp3b3jk"), "{head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_vouches_for_gets_nothing() {
    let secure = Secure::start(&[b"http/1.1"], accepted).await;
    let proxy = Proxy::start(secure.address).await;
    let built = tokio::task::spawn_blocking(|| PUBLISHER.clone()).await.unwrap();
    let mut child = Command::new(built)
        .args(["https://collector.test", &state_dir().display().to_string(), "stay", "3"])
        .env("HTTPS_PROXY", proxy.url())
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    // It has tried more than once, and each time stopped at the handshake.
    let tried = async {
        while proxy.heads().len() < 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, tried).await.unwrap();
    child.kill().await.unwrap();
    assert!(secure.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn http_is_forwarded_by_the_proxy_and_a_collector_on_this_machine_is_reached_directly() {
    let collector = Collector::start().await;
    let address: SocketAddr = collector.url.trim_start_matches("http://").parse().unwrap();
    let proxy = Proxy::start(address).await;
    let promised = publish("http://collector.test", 50, &[("http_proxy", proxy.url())]).await;
    let received = collector.received();
    let ids = received.iter().map(|it| it.json()["id"].as_str().unwrap().to_owned());
    assert!(received.len() == 50 && ids.collect::<BTreeSet<_>>() == promised);
    for request in received {
        assert_eq!(request.uri, "http://collector.test/v1/public/events/");
        assert_eq!(request.headers[header::PROXY_AUTHORIZATION], "Basic dXNlcjp3b3Jk");
    }
    let before = proxy.heads().len();
    assert!((1..50).contains(&before), "connections are kept: {before}");
    publish(&collector.url, 50, &[("http_proxy", proxy.url()), ("ALL_PROXY", proxy.url())]).await;
    assert_eq!((collector.received().len(), proxy.heads().len()), (100, before));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_of_our_own_variable_wins_and_is_not_used_on_this_machine() {
    let collector = Collector::start().await;
    let address: SocketAddr = collector.url.trim_start_matches("http://").parse().unwrap();
    let (proxy, other) = (Proxy::start(address).await, Proxy::start(address).await);
    let environment = [
        ("MCPCAT_PROXY", proxy.url()),
        ("ALL_PROXY", other.url()),
        ("NO_PROXY", "collector.test".to_owned()),
    ];
    let promised = publish("http://collector.test", 10, &environment).await;
    assert_eq!((promised.len(), collector.received().len()), (10, 10));
    let before = proxy.heads().len();
    assert!(before > 0 && other.heads().is_empty());
    publish(&collector.url, 10, &environment).await;
    assert_eq!((collector.received().len(), proxy.heads().len()), (20, before));
    assert!(other.heads().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_the_environment_reaches_the_endpoint_and_no_proxy() {
    let secure = Secure::start(&[b"http/1.1"], accepted).await;
    let proxy = Proxy::start(secure.address).await;
    let environment =
        [("HTTPS_PROXY", proxy.url()), secure.trust(), ("MCPCAT_TOKEN", "token-word".to_owned())];
    publish("https://collector.test", 5, &environment).await;
    let seen = secure.seen();
    assert!(
        seen.len() == 5 && seen.iter().all(|it| it.headers[header::AUTHORIZATION] == "Bearer token-word")
    );
    assert!(!proxy.heads().iter().any(|head| head.contains("token-word")));
}

#[tokio::test(flavor = "multi_thread")]
async fn socks5_carries_the_name_of_the_collector() {
    let collector = Collector::start().await;
    let to: SocketAddr = collector.url.trim_start_matches("http://").parse().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("socks5h://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(BTreeSet::new()));
    let names = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            let names = Arc::clone(&names);
            tokio::spawn(async move {
                // RFC 1928: methods, no authentication; then a request to connect to a name.
                let mut greeting = [0; 2];
                from.read_exact(&mut greeting).await.unwrap();
                from.read_exact(&mut vec![0; usize::from(greeting[1])]).await.unwrap();
                from.write_all(&[5, 0]).await.unwrap();
                let mut request = [0; 5];
                from.read_exact(&mut request).await.unwrap();
                assert_eq!(request[..4], [5, 1, 0, 3]);
                let mut name = vec![0; usize::from(request[4])];
                from.read_exact(&mut name).await.unwrap();
                let port = from.read_u16().await.unwrap();
                names.lock().unwrap().insert((String::from_utf8(name).unwrap(), port));
                from.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
                let mut there = TcpStream::connect(to).await.unwrap();
                let _ = copy_bidirectional(&mut from, &mut there).await;
            });
        }
    });
    publish("http://collector.test", 50, &[("ALL_PROXY", url)]).await;
    assert_eq!(collector.received().len(), 50);
    assert_eq!(*asked.lock().unwrap(), BTreeSet::from([("collector.test".to_owned(), 80)]));
}

/// An endpoint that offers batches, packed or not; `unpacks` says whether it keeps what it offers.
async fn batching(unpacks: bool) -> Secure {
    Secure::start(&[b"http/1.1"], move |seen| {
        if seen.uri.path() != "/b" {
            let offer = "v1; path=/b; max-events=500; max-bytes=4194304; encodings=zstd,gzip";
            return (StatusCode::ACCEPTED, [("mcpcat-batch", offer)]).into_response();
        }
        if seen.is_packed() && !unpacks {
            return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
        }
        let results: Vec<_> =
            seen.ids().iter().map(|id| serde_json::json!({ "id": id, "status": "accepted" })).collect();
        axum::Json(serde_json::json!({ "results": results })).into_response()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_leave_packed_where_the_collector_unpacks() {
    let secure = batching(true).await;
    let proxy = Proxy::start(secure.address).await;
    let environment = [("HTTPS_PROXY", proxy.url()), secure.trust()];
    let promised = publish("https://collector.test", 2_000, &environment).await;
    let seen = secure.seen();
    let batches: Vec<_> = seen.iter().filter(|seen| seen.uri.path() == "/b").collect();
    assert!(!batches.is_empty() && batches.iter().all(|seen| seen.is_packed()));
    let largest = batches.iter().max_by_key(|seen| seen.ids().len()).unwrap();
    let each = largest.body.len() / largest.ids().len();
    assert!(each < 150, "{each} bytes an event, of some 400");
    let arrived: Vec<_> = seen.iter().flat_map(Seen::ids).collect();
    assert_eq!(arrived.len(), 2_000, "each once");
    assert!(arrived.into_iter().collect::<BTreeSet<_>>() == promised);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_does_not_unpack_what_it_offered_gets_plain_batches() {
    let secure = batching(false).await;
    let proxy = Proxy::start(secure.address).await;
    let environment = [("HTTPS_PROXY", proxy.url()), secure.trust()];
    let promised = publish("https://collector.test", 2_000, &environment).await;
    let seen = secure.seen();
    let taken: Vec<_> = seen.iter().filter(|seen| !seen.is_packed()).collect();
    assert!(taken.iter().any(|seen| seen.uri.path() == "/b"), "still in batches");
    let arrived: Vec<_> = taken.iter().flat_map(|seen| seen.ids()).collect();
    assert_eq!(arrived.len(), 2_000, "each once");
    assert!(arrived.into_iter().collect::<BTreeSet<_>>() == promised);
    let refused = seen.iter().filter(|seen| seen.is_packed()).count();
    assert!((1..=4).contains(&refused), "as many as were on their way: {refused}");
}
