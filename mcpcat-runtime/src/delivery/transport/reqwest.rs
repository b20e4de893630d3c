//! The default transport: reqwest, with connections that are ours alone.
//!
//! The client is made on the delivery thread at the first request, because a client's connections live and die with the
//! runtime that they were opened on. Nothing here switches a feature of reqwest on; whether it has TLS is asked at
//! compile time, since the host may have switched it on.

use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use ::reqwest::redirect::Policy;
use ::reqwest::{Client, ClientBuilder, Method, Proxy, Url};
use bytes::{Bytes, BytesMut};
use hyper_util::client::proxy::matcher::Matcher;

use super::{Transport, TransportError, TransportRequest, TransportResponse, discard_panic};
use crate::delivery::endpoint::{BaseUrl, mask};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Settings for reqwest's client: a `reqwest::ClientBuilder`, or a function that makes one.
///
/// A builder can be used once: after a failure to build the client (no CA certificates, for example), and in a forked
/// child, nothing is sent. A function is called again. Nothing else implements this.
pub trait HttpClient: sealed::Sealed {
    #[doc(hidden)]
    fn source(self) -> Source;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::ClientBuilder {}
    impl<F: Fn() -> super::ClientBuilder + Send + Sync + 'static> Sealed for F {}
}

impl HttpClient for ClientBuilder {
    fn source(self) -> Source {
        Source::Once(Arc::new(Mutex::new(Some(self))))
    }
}

impl<F: Fn() -> ClientBuilder + Send + Sync + 'static> HttpClient for F {
    fn source(self) -> Source {
        Source::Again(Arc::new(self))
    }
}

/// Where the host's settings come from. Not for users: what [`HttpClient::source`] returns.
#[doc(hidden)]
#[derive(Clone)]
pub enum Source {
    /// A builder that has not been used yet.
    Once(Arc<Mutex<Option<ClientBuilder>>>),
    /// A function.
    Again(Arc<dyn Fn() -> ClientBuilder + Send + Sync>),
}

impl Source {
    fn take(&self) -> Result<ClientBuilder, TransportError> {
        match self {
            Self::Once(builder) => {
                builder.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or_else(|| {
                    TransportError::new(
                        "the `reqwest::ClientBuilder` given to `http_client` has been used, by an attempt that failed \
                         or by the parent process: pass a function that makes one",
                    )
                })
            }
            Self::Again(make) => caught("the function given to `http_client`", || Ok(make())),
        }
    }
}

/// What a client is made from.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) base: BaseUrl,
    /// In place of the environment's.
    pub(crate) proxy: Option<String>,
    pub(crate) source: Option<Source>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("base", &self.base)
            .field("proxy", &self.proxy.as_deref().map(mask))
            .field("source", &self.source.is_some())
            .finish()
    }
}

impl Settings {
    /// The proxy on the way, as far as it can be known: settings of the host's own client are not asked.
    fn proxy_in_use(&self) -> Option<String> {
        proxy_to(&self.base, self.proxy.clone())
    }

    fn build(&self) -> Result<Client, TransportError> {
        let mut builder = match &self.source {
            Some(source) => source.take()?,
            None => backend(Client::builder().connect_timeout(CONNECT_TIMEOUT)),
        };
        // The request carries credentials for the configured origin and no other.
        builder = builder.redirect(Policy::none());
        let proxy = self.proxy_in_use();
        if let Some(proxy) = &proxy {
            if let Some(why) = refused_proxy(proxy) {
                return Err(TransportError::new(format!("the proxy {}: {why}", mask(proxy))));
            }
            tracing::info!(
                target: "mcpcat",
                "events for {} go through the proxy {}", self.base, mask(proxy)
            );
        }
        if self.base.is_loopback() {
            builder = builder.no_proxy();
        } else if let Some(proxy) = &self.proxy {
            builder = builder.no_proxy().proxy(Proxy::all(proxy).map_err(::reqwest::Error::without_url)?);
        }
        let tls = self.base.is_https() || proxy.is_some_and(|proxy| proxy.starts_with("https:"));
        if !tls {
            builder = without_certificates(builder);
        }
        // reqwest panics where it has rustls and nobody has installed a provider.
        let built = caught("building the HTTP client", || Ok(builder.build()?));
        built.map_err(|error| named(&error.to_string()))
    }
}

/// Why a client cannot be built, where the cause has a way out that its text does not name.
fn named(text: &str) -> TransportError {
    if text.to_ascii_lowercase().contains("no ca certificates") {
        return TransportError::new(format!(
            "no CA certificates: this system has none, so no https endpoint can be trusted; install the package \
             `ca-certificates` or name a file in SSL_CERT_FILE ({text})"
        ));
    }
    TransportError::new(format!("no HTTP client can be made: {text}"))
}

/// What somebody else's code returns; its panic is an error.
fn caught<T>(what: &str, run: impl FnOnce() -> Result<T, TransportError>) -> Result<T, TransportError> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        discard_panic(panic);
        Err(TransportError::new(format!("{what} panicked: {text}")))
    })
}

/// The TLS library that the features name, where more than one is linked.
fn backend(builder: ClientBuilder) -> ClientBuilder {
    #[cfg(feature = "rustls")]
    return builder.tls_backend_rustls();
    #[cfg(all(feature = "native-tls", not(feature = "rustls")))]
    return builder.tls_backend_native();
    #[cfg(not(any(feature = "rustls", feature = "native-tls")))]
    builder
}

/// A client that reads no certificates of the system and trusts nobody: for plain http.
///
/// An inherent method wins over one of a trait: where reqwest was compiled with TLS its own is called, and where it has
/// none, the one here that does nothing. A `cfg` cannot tell, because the host may have switched TLS on.
fn without_certificates(builder: ClientBuilder) -> ClientBuilder {
    #[allow(dead_code, reason = "called where reqwest has no TLS")]
    trait NoTls: Sized {
        fn tls_certs_only(self, _: std::iter::Empty<()>) -> Self {
            self
        }
    }
    impl NoTls for ClientBuilder {}
    builder.tls_certs_only(std::iter::empty())
}

/// Whether reqwest was compiled with TLS, by us or by anybody else in this program.
pub(crate) fn has_tls() -> bool {
    #[allow(dead_code, reason = "made where reqwest has no TLS")]
    struct Absent;
    #[allow(dead_code, reason = "called where reqwest has no TLS")]
    trait NoTls: Sized {
        fn tls_certs_only(self, _: std::iter::Empty<()>) -> Absent {
            Absent
        }
    }
    impl NoTls for ClientBuilder {}
    trait Found {
        const TLS: bool;
        fn found(&self) -> bool {
            Self::TLS
        }
    }
    impl Found for ClientBuilder {
        const TLS: bool = true;
    }
    impl Found for Absent {
        const TLS: bool = false;
    }
    Client::builder().tls_certs_only(std::iter::empty()).found()
}

/// Why a proxy cannot be used.
pub(crate) fn refused_proxy(proxy: &str) -> Option<String> {
    let scheme = proxy.split_once("://").map_or("http", |(scheme, _)| scheme).to_ascii_lowercase();
    match scheme.as_str() {
        "http" => None,
        "https" if has_tls() => None,
        "https" => Some("it is reached over TLS: enable the feature `rustls` or `native-tls`".to_owned()),
        "socks4" | "socks4a" | "socks5" | "socks5h" if cfg!(feature = "socks") => None,
        "socks4" | "socks4a" | "socks5" | "socks5h" => {
            Some("it speaks SOCKS: enable the feature `socks`".to_owned())
        }
        other => Some(format!("its scheme is `{other}`: http, https and socks5 are known")),
    }
    .or_else(|| Proxy::all(proxy).err().map(|error| error.without_url().to_string()))
}

/// The proxy on the way to an address: the one that was named, else the environment's, and none on this machine.
pub(crate) fn proxy_to(base: &BaseUrl, named: Option<String>) -> Option<String> {
    if base.is_loopback() {
        return None;
    }
    named.or_else(|| {
        let there = base.text().parse().ok()?;
        Matcher::from_system().intercept(&there).map(|proxy| proxy.uri().to_string())
    })
}

/// What clients of one process share a client by.
#[derive(PartialEq, Eq)]
struct Key {
    https: bool,
    loopback: bool,
    proxy: Option<String>,
}

thread_local! {
    /// Clients of this thread, by their settings: two handles for one endpoint share its connections.
    static SHARED: RefCell<Vec<(Key, Client)>> = const { RefCell::new(Vec::new()) };
}

/// The client of one endpoint.
#[derive(Debug)]
pub(crate) struct Reqwest {
    settings: Settings,
    client: OnceLock<Client>,
}

impl Reqwest {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings, client: OnceLock::new() }
    }

    fn client(&self) -> Result<&Client, TransportError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = if self.settings.source.is_some() { self.settings.build()? } else { self.shared()? };
        Ok(self.client.get_or_init(|| client))
    }

    fn shared(&self) -> Result<Client, TransportError> {
        let key = Key {
            https: self.settings.base.is_https(),
            loopback: self.settings.base.is_loopback(),
            proxy: self.settings.proxy.clone(),
        };
        SHARED.with(|shared| {
            let known = shared.borrow().iter().find(|(known, _)| *known == key).map(|(_, it)| it.clone());
            if let Some(client) = known {
                return Ok(client);
            }
            let client = self.settings.build()?;
            shared.borrow_mut().push((key, client.clone()));
            Ok(client)
        })
    }
}

impl Transport for Reqwest {
    async fn send(&self, request: TransportRequest) -> Result<TransportResponse, TransportError> {
        let method = if request.method == "POST" { Method::POST } else { Method::OPTIONS };
        let url = Url::parse(&request.url)?;
        let mut outgoing = ::reqwest::Request::new(method, url);
        *outgoing.headers_mut() = request.headers;
        *outgoing.body_mut() = Some(request.body.into());
        // The address can hold a token.
        let mut answer = self.client()?.execute(outgoing).await.map_err(::reqwest::Error::without_url)?;
        let mut response = TransportResponse::new(answer.status().as_u16());
        response.headers = std::mem::take(answer.headers_mut());
        Ok(response.body_later(read(answer, request.max_response_bytes)))
    }
}

/// A body of at most `limit` bytes.
async fn read(mut answer: ::reqwest::Response, limit: usize) -> Result<Bytes, TransportError> {
    let mut whole = BytesMut::new();
    while let Some(part) = answer.chunk().await.map_err(::reqwest::Error::without_url)? {
        if whole.len() + part.len() > limit {
            return Err(TransportError::new("the answer's body is longer than is read"));
        }
        whole.extend_from_slice(&part);
    }
    Ok(whole.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(base: &str, proxy: Option<&str>) -> Settings {
        let base = BaseUrl::parse(base).unwrap();
        Settings { base, proxy: proxy.map(str::to_owned), source: None }
    }

    #[test]
    fn loopback_is_reached_directly_whatever_proxy_is_named() {
        let through = |base| settings(base, Some("http://user:word@proxy:3128")).proxy_in_use();
        for here in ["http://127.0.0.1:6228", "http://[::1]:1", "https://LocalHost"] {
            assert_eq!(through(here), None, "{here}");
        }
        assert!(through("http://collector.example").is_some());
    }

    #[test]
    fn settings_show_no_credentials() {
        let text = format!("{:?}", settings("http://h/t/secret", Some("http://user:word@proxy:3128")));
        assert!(text.contains("proxy:3128") && text.contains("http://h/t/"), "{text}");
        assert!(!text.contains("word") && !text.contains("secret"), "{text}");
    }

    #[test]
    fn a_proxy_that_cannot_be_used_says_why() {
        for (proxy, says) in [("ftp://h", "ftp"), ("http://", ""), ("socks9://h", "socks9")] {
            assert!(refused_proxy(proxy).unwrap().contains(says), "{proxy}");
        }
        for good in ["http://h:3128", "http://user:word@h"] {
            assert_eq!(refused_proxy(good), None);
        }
        assert_eq!(refused_proxy("socks5h://h:1080").is_none(), cfg!(feature = "socks"));
        assert_eq!(refused_proxy("https://h").is_none(), has_tls());
    }

    #[test]
    fn tls_is_found_where_a_feature_brings_it() {
        if cfg!(any(feature = "rustls", feature = "native-tls")) {
            assert!(has_tls());
        }
    }

    #[test]
    fn a_builder_is_used_once_and_a_function_again() {
        let once = HttpClient::source(Client::builder());
        assert!(once.take().is_ok());
        assert!(once.take().unwrap_err().to_string().contains("has been used"));
        let again = HttpClient::source(Client::builder);
        assert!(again.take().is_ok() && again.take().is_ok());
        let panics = HttpClient::source(|| -> ClientBuilder { panic!("on purpose") });
        assert!(panics.take().unwrap_err().to_string().contains("on purpose"));
    }

    #[test]
    fn missing_certificates_have_a_name_and_a_way_out() {
        let text = named("builder error: No CA certificates were loaded from the system").to_string();
        assert!(text.starts_with("no CA certificates:") && text.contains("SSL_CERT_FILE"), "{text}");
    }
}
