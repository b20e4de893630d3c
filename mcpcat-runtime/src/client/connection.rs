//! How a client reaches its endpoint: credentials, proxy, HTTP client. Checked when a client is built; the connection
//! itself is made by the delivery, again in each forked child.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::ConfigError;
use super::config::ClientBuilder;
use crate::delivery::Transport;
use crate::delivery::credentials::{Credentials, Secret};
use crate::delivery::endpoint::BaseUrl;
#[cfg(feature = "reqwest")]
use crate::delivery::endpoint::mask;
use crate::delivery::ingest::{Carrier, Ingest};
use crate::delivery::transport::{DryRun, DynTransport, Isolated};
#[cfg(feature = "reqwest")]
use crate::delivery::transport::{HttpClient, Reqwest, Settings, Source, has_tls, proxy_to, refused_proxy};

/// What carries events in a build without an HTTP client.
#[cfg(not(feature = "reqwest"))]
const NO_WAY: &str = "by nothing: this build has no HTTP client";

/// The text of a variable, `None` where it is unset or empty.
type Variable<'a> = &'a dyn Fn(&'static str) -> Result<Option<String>, ConfigError>;

/// What the builder was told.
#[derive(Debug, Clone, Default)]
pub(super) struct ConnectionSettings {
    token: Option<Secret>,
    token_file: Option<PathBuf>,
    headers: Vec<(String, Secret)>,
    #[cfg(feature = "reqwest")]
    proxy: Option<Secret>,
    #[cfg(feature = "reqwest")]
    http_client: Option<Hidden<Source>>,
    transport: Option<Arc<dyn DynTransport>>,
}

/// A value whose `Debug` says only that it is there.
#[cfg(feature = "reqwest")]
#[derive(Clone)]
struct Hidden<T>(T);

#[cfg(feature = "reqwest")]
impl<T> std::fmt::Debug for Hidden<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Settings that are known to be good.
#[derive(Debug)]
pub(crate) struct Connection {
    token: Option<Secret>,
    token_file: Option<PathBuf>,
    headers: Vec<(String, Secret)>,
    way: Way,
}

/// What carries the requests.
#[derive(Debug)]
enum Way {
    DryRun,
    Own(Arc<dyn DynTransport>),
    #[cfg(feature = "reqwest")]
    Reqwest {
        proxy: Option<Secret>,
        client: Option<Hidden<Source>>,
    },
    #[cfg(not(feature = "reqwest"))]
    Nothing,
}

impl ClientBuilder {
    /// A token that proves to the endpoint who sends: each request has it as `Authorization: Bearer TOKEN`. It goes to
    /// the origin of the base URL and nowhere else, and is in no log, error or `Debug`.
    ///
    /// Default: what [`token_file`](Self::token_file) holds, else `MCPCAT_TOKEN`, else the contents of the file that
    /// `MCPCAT_TOKEN_FILE` names.
    pub fn token(mut self, token: impl AsRef<str>) -> Self {
        self.connection.token = Some(Secret(token.as_ref().into()));
        self
    }

    /// A file that holds the [`token`](Self::token), as orchestrators mount them. It is read again when it changes and
    /// when the endpoint answers 401; events wait while it is not there.
    pub fn token_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.connection.token_file = Some(path.into());
        self
    }

    /// A header of your own, sent with each request to the origin of the base URL, and treated as a secret like the
    /// [`token`](Self::token). One that is named twice is sent with its last value.
    pub fn header(mut self, name: impl Into<String>, value: impl AsRef<str>) -> Self {
        self.connection.headers.push((name.into(), Secret(value.as_ref().into())));
        self
    }

    /// The proxy on the way to the endpoint: `http://user:password@proxy:3128`, https with a TLS feature, `socks5://`
    /// with the feature `socks`. Default: `MCPCAT_PROXY`, else what [`http_client`](Self::http_client) says, else
    /// `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`. An endpoint on this machine is always reached directly.
    #[cfg(feature = "reqwest")]
    pub fn proxy(mut self, url: impl AsRef<str>) -> Self {
        self.connection.proxy = Some(Secret(url.as_ref().into()));
        self
    }

    /// The settings of the HTTP client: certificates, proxies, addresses. Pass a `reqwest::ClientBuilder` of reqwest
    /// 0.13, or a function that makes one: a builder can be used once, so a function is tried again after a failure and
    /// works in forked children.
    ///
    /// The client is built on the delivery thread, so that its connections belong to no runtime of yours; a client that
    /// is built already cannot be passed for that reason. It follows no redirects, whatever the settings say.
    ///
    /// ```
    /// # use mcpcat_runtime as mcpcat;
    /// use mcpcat::Client;
    ///
    /// let builder = Client::builder("proj_abc123xyz")
    ///     .http_client(|| reqwest::Client::builder().connect_timeout(std::time::Duration::from_secs(2)));
    /// ```
    #[cfg(feature = "reqwest")]
    pub fn http_client(mut self, settings: impl HttpClient) -> Self {
        self.connection.http_client = Some(Hidden(settings.source()));
        self
    }

    /// Sends through a [`Transport`] of yours. TLS, proxies and connections are its business; retries, limits and time
    /// limits stay with the delivery.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.connection.transport = Some(Arc::new(transport));
        self
    }
}

impl ConnectionSettings {
    pub(super) fn resolve(self, dry_run: bool, variable: Variable<'_>) -> Result<Connection, ConfigError> {
        let (token, token_file) = match (self.token, self.token_file) {
            (Some(token), _) => (Some(("token", token)), None),
            (None, Some(path)) => (None, Some(path)),
            (None, None) => match variable("MCPCAT_TOKEN")? {
                Some(token) => (Some(("MCPCAT_TOKEN", Secret(token.into()))), None),
                None => (None, variable("MCPCAT_TOKEN_FILE")?.map(PathBuf::from)),
            },
        };
        let mut checked = Credentials::default();
        if let Some((source, token)) = &token {
            checked
                .set_token(&token.0)
                .map_err(|problem| ConfigError::Token { source, problem: problem.to_owned() })?;
        }
        for (name, value) in &self.headers {
            checked
                .set_header(name, &value.0)
                .map_err(|problem| ConfigError::Header { name: name.clone(), problem: problem.to_owned() })?;
        }
        let way = match self.transport {
            _ if dry_run => Way::DryRun,
            Some(transport) => Way::Own(transport),
            #[cfg(feature = "reqwest")]
            None => Way::Reqwest { proxy: proxy(self.proxy, variable)?, client: self.http_client },
            #[cfg(not(feature = "reqwest"))]
            None => Way::Nothing,
        };
        Ok(Connection { token: token.map(|(_, token)| token), token_file, headers: self.headers, way })
    }
}

#[cfg(feature = "reqwest")]
fn proxy(given: Option<Secret>, variable: Variable<'_>) -> Result<Option<Secret>, ConfigError> {
    let (source, proxy) = match given {
        Some(proxy) => ("proxy", proxy),
        None => match variable("MCPCAT_PROXY")? {
            Some(proxy) => ("MCPCAT_PROXY", Secret(proxy.trim().into())),
            None => return Ok(None),
        },
    };
    match refused_proxy(&proxy.0) {
        None => Ok(Some(proxy)),
        Some(problem) => Err(ConfigError::Proxy { source, given: mask(&proxy.0), problem }),
    }
}

impl Connection {
    /// Whether nothing is sent.
    pub(super) fn is_dry_run(&self) -> bool {
        matches!(self.way, Way::DryRun)
    }

    /// The way to `base` in words, as far as it can be known: with the proxy in use, without its password.
    pub(super) fn way_to(&self, base: &BaseUrl) -> String {
        match &self.way {
            Way::DryRun => "as a dry run, which prints to stderr and sends nothing".to_owned(),
            Way::Own(_) => "by a transport of the program's own".to_owned(),
            #[cfg(feature = "reqwest")]
            Way::Reqwest { .. } if base.is_loopback() => "directly, on this machine".to_owned(),
            #[cfg(feature = "reqwest")]
            Way::Reqwest { proxy, client } => {
                let proxy = proxy.as_ref().map(|proxy| proxy.0.to_string());
                match (proxy_to(base, proxy), client) {
                    (Some(proxy), _) => format!("through the proxy {}", mask(&proxy)),
                    (None, Some(_)) => "directly, unless `http_client` names a proxy".to_owned(),
                    (None, None) => "directly (proxy settings of the system are not read)".to_owned(),
                }
            }
            #[cfg(not(feature = "reqwest"))]
            Way::Nothing => {
                let _ = base;
                NO_WAY.to_owned()
            }
        }
    }

    /// Whether anything could be sent to `base`.
    pub(super) fn check(&self, base: &BaseUrl) -> Result<(), ConfigError> {
        match &self.way {
            Way::DryRun | Way::Own(_) => Ok(()),
            #[cfg(feature = "reqwest")]
            Way::Reqwest { .. } if base.is_https() && !has_tls() => Err(ConfigError::BaseUrl {
                source: "base_url",
                given: base.to_string(),
                problem: "it is https, and this build has no TLS: enable the feature `rustls` or `native-tls`, or pass \
                          a client of your own to `transport`"
                    .to_owned(),
            }),
            #[cfg(feature = "reqwest")]
            Way::Reqwest { .. } => Ok(()),
            #[cfg(not(feature = "reqwest"))]
            Way::Nothing => {
                let _ = base;
                Err(ConfigError::NoTransport)
            }
        }
    }

    /// What sends to `base`.
    pub(crate) fn ingest(&self, base: &BaseUrl, timeout: Duration) -> Ingest {
        let mut credentials = Credentials::default();
        if let Some(path) = &self.token_file {
            credentials.set_token_file(path.clone());
        }
        // Both have been checked.
        if let Some(token) = &self.token {
            let _ = credentials.set_token(&token.0);
        }
        for (name, value) in &self.headers {
            let _ = credentials.set_header(name, &value.0);
        }
        let carrier = match &self.way {
            Way::DryRun => Carrier::Isolated(Isolated::new(Arc::new(DryRun))),
            Way::Own(transport) => Carrier::Isolated(Isolated::new(Arc::clone(transport))),
            #[cfg(feature = "reqwest")]
            Way::Reqwest { proxy, client } => Carrier::Reqwest(Reqwest::new(Settings {
                base: base.clone(),
                proxy: proxy.as_ref().map(|proxy| proxy.0.to_string()),
                source: client.as_ref().map(|client| client.0.clone()),
            })),
            #[cfg(not(feature = "reqwest"))]
            Way::Nothing => Carrier::Nothing,
        };
        Ingest::new(base.clone(), timeout, credentials, carrier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(builder: ClientBuilder, environment: &[(&str, &str)]) -> Result<Connection, ConfigError> {
        builder
            .check(&|name| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
            .map(|config| config.connection)
    }

    fn builder() -> ClientBuilder {
        ClientBuilder::new("p".into()).base_url("http://127.0.0.1:9/t/path-word")
    }

    #[test]
    fn the_token_comes_from_the_option_then_the_environment() {
        let environment = [("MCPCAT_TOKEN", "from-environment"), ("MCPCAT_TOKEN_FILE", "/somewhere")];
        let token = |connection: Connection| connection.token.map(|token| token.0.to_string());
        assert_eq!(token(built(builder().token("given"), &environment).unwrap()).as_deref(), Some("given"));
        assert_eq!(token(built(builder(), &environment).unwrap()).as_deref(), Some("from-environment"));
        let from_file = built(builder(), &environment[1..]).unwrap();
        assert_eq!(from_file.token_file.as_deref(), Some(std::path::Path::new("/somewhere")));
        let given = built(builder().token_file("/given"), &environment).unwrap();
        assert_eq!((given.token_file, given.token.is_none()), (Some(PathBuf::from("/given")), true));
    }

    #[test]
    fn no_secret_is_in_a_debug_output_or_an_error() {
        let settings = builder().token("token-word").header("x-key", "header-word");
        #[cfg(feature = "reqwest")]
        let settings = settings.proxy("http://user:proxy-word@proxy:3128");
        let shown = format!("{settings:?}");
        let config = settings.check(&|_| None).unwrap();
        for text in [shown, format!("{config:?}")] {
            assert!(!text.contains("-word"), "{text}");
        }
        for wrong in [
            builder().token("token-word two"),
            builder().header("x-key", "header-word\n2"),
            builder().base_url("http://user:base-word@h"),
            builder().base_url("http://h:0/t/base-word"),
        ] {
            let error = built(wrong, &[]).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("-word"), "{error:?}");
        }
    }

    #[cfg(feature = "reqwest")]
    #[test]
    fn a_proxy_that_cannot_be_used_is_refused_when_the_client_is_built() {
        let error = built(builder(), &[("MCPCAT_PROXY", "ftp://user:proxy-word@h")]).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains("MCPCAT_PROXY") && text.contains("ftp") && !text.contains("-word"), "{text}");
        assert!(built(builder(), &[("MCPCAT_PROXY", "http://h:3128")]).is_ok());
    }

    #[test]
    fn an_https_address_needs_tls_of_us_only_where_we_make_the_connection() {
        struct Nowhere;
        impl Transport for Nowhere {
            async fn send(
                &self,
                _: crate::delivery::TransportRequest,
            ) -> Result<crate::delivery::TransportResponse, crate::delivery::TransportError> {
                Err(crate::delivery::TransportError::new("nowhere"))
            }
        }
        let https = || ClientBuilder::new("p".into()).base_url("https://h");
        let config = |builder: ClientBuilder| builder.check(&|_| None).unwrap();
        for exempt in [config(https().transport(Nowhere)), config(https().dry_run(true))] {
            exempt.connection.check(&exempt.base).unwrap();
        }
        let ours = config(https());
        let checked = ours.connection.check(&ours.base);
        #[cfg(feature = "reqwest")]
        match checked {
            Ok(()) => assert!(has_tls()),
            Err(error) => assert!(!has_tls() && error.to_string().contains("`rustls`"), "{error}"),
        }
        #[cfg(not(feature = "reqwest"))]
        assert!(matches!(checked, Err(ConfigError::NoTransport)));
    }
}
