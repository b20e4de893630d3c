//! The way out where a proxy stands in it: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in either case, as
//! curl reads them. A collector on this machine is always reached directly.
//!
//! http through a proxy is forwarded by it, https goes through a tunnel (`CONNECT`); SOCKS5 carries both.

use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::uri::PathAndQuery;
use http::{HeaderValue, Uri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

type BoxError = Box<dyn Error + Send + Sync>;

/// Which destinations are reached through which proxy.
#[derive(Debug, Clone)]
pub(super) struct Rules(Arc<Matcher>);

impl Rules {
    pub(super) fn from_environment() -> Self {
        Self(Arc::new(Matcher::from_env()))
    }

    fn of(&self, to: &Uri) -> Option<Intercept> {
        if to.host().is_none_or(is_loopback) {
            return None;
        }
        self.0.intercept(to)
    }

    /// What the proxy wants to be told with each request that it forwards. A tunnel is told when it is built.
    pub(super) fn authorization(&self, to: &Uri) -> Option<HeaderValue> {
        let proxy = self.of(to).filter(|proxy| forwards(proxy, to))?;
        proxy.basic_auth().cloned()
    }
}

/// Whether a host is this machine, by its name alone.
pub(super) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn forwards(proxy: &Intercept, to: &Uri) -> bool {
    proxy.uri().scheme_str() == Some("http") && to.scheme_str() == Some("http")
}

/// An address that says its port.
fn with_port(uri: &Uri, default: u16) -> Result<Uri, BoxError> {
    let host = uri.host().ok_or("an address without a host")?;
    let port = uri.port_u16().unwrap_or(default);
    let scheme = uri.scheme_str().unwrap_or("http");
    let builder = Uri::builder().scheme(scheme).authority(format!("{host}:{port}"));
    Ok(builder.path_and_query(PathAndQuery::from_static("/")).build()?)
}

/// Connects directly or through the proxy that the rules name.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    http: HttpConnector,
    rules: Rules,
}

impl Connector {
    pub(super) fn new(http: HttpConnector, rules: Rules) -> Self {
        Self { http, rules }
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.http.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let mut http = self.http.clone();
        let Some(proxy) = self.rules.of(&to) else {
            let direct = self.http.call(to);
            return Box::pin(async move { Ok(Stream { io: direct.await?, forwarded: false }) });
        };
        Box::pin(async move {
            let forwarded = forwards(&proxy, &to);
            let at = |port| with_port(proxy.uri(), port);
            let to = with_port(&to, if to.scheme_str() == Some("https") { 443 } else { 80 })?;
            let io = match proxy.uri().scheme_str() {
                Some("http") if forwarded => http.call(at(80)?).await?,
                Some("http") => {
                    let mut tunnel = Tunnel::new(at(80)?, http);
                    if let Some(word) = proxy.basic_auth() {
                        tunnel = tunnel.with_auth(word.clone());
                    }
                    tunnel.call(to).await?
                }
                Some("socks5" | "socks5h") => {
                    let mut socks = SocksV5::new(at(1080)?, http);
                    if let Some((user, word)) = proxy.raw_auth() {
                        socks = socks.with_auth(user.to_owned(), word.to_owned());
                    }
                    socks.call(to).await?
                }
                other => {
                    let kind = other.unwrap_or("no scheme");
                    return Err(format!(
                        "a proxy of the kind `{kind}` is not spoken to: http and socks5 are"
                    )
                    .into());
                }
            };
            Ok(Stream { io, forwarded })
        })
    }
}

/// A connection, and whether it ends at a proxy that forwards requests.
#[derive(Debug)]
pub(super) struct Stream {
    io: TokioIo<TcpStream>,
    forwarded: bool,
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        self.io.connected().proxy(self.forwarded)
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, buffers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(proxy: &str, no: &str) -> Rules {
        Rules(Arc::new(Matcher::builder().all(proxy).no(no).build()))
    }

    fn uri(text: &str) -> Uri {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_here_or_excepted_is_reached_directly() {
        let rules = rules("http://user:word@proxy:3128", "internal.example,10.0.0.0/8");
        for there in ["https://api.example", "http://collector.example:9"] {
            assert!(rules.of(&uri(there)).is_some(), "{there}");
        }
        for here in [
            "http://127.0.0.1:6228",
            "http://[::1]:1",
            "https://LocalHost",
            "https://x.internal.example",
            "http://10.1.2.3",
        ] {
            assert!(rules.of(&uri(here)).is_none(), "{here}");
        }
        assert!(!is_loopback("localhost.example") && !is_loopback("10.0.0.1"));
    }

    #[test]
    fn a_forwarding_proxy_is_told_who_asks_with_each_request_and_a_tunnel_is_not() {
        let rules = rules("http://user:word@proxy:3128", "");
        let word = rules.authorization(&uri("http://collector.example")).unwrap();
        assert_eq!(word, "Basic dXNlcjp3b3Jk");
        assert!(word.is_sensitive());
        assert_eq!(rules.authorization(&uri("https://collector.example")), None);
    }

    #[test]
    fn addresses_say_their_port() {
        assert_eq!(with_port(&uri("https://h/x"), 443).unwrap(), "https://h:443/");
        assert_eq!(with_port(&uri("http://[::1]"), 80).unwrap(), "http://[::1]:80/");
        assert_eq!(with_port(&uri("socks5://h:9"), 1080).unwrap(), "socks5://h:9/");
    }
}
