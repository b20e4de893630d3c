//! One way to ask, whether the answer comes from a running timeline or straight from its data file.
//!
//! A data file is read through a collector of our own over it, so that both give the same answers.

use std::net::{Ipv4Addr, SocketAddr};

use super::Failure;
use super::args::{Remote, Source};
use super::remote::Client;
use crate::{Running, Timeline};

/// Something that answers `GET`.
pub(super) struct Reader {
    client: Client,
    /// A collector of our own over the file, on a port that only this process knows.
    _own: Option<Running>,
}

impl Reader {
    pub(super) async fn open(source: &Source) -> Result<Self, Failure> {
        if let Some(url) = &source.url {
            let remote = Remote { url: url.clone(), token: source.token.clone() };
            return Ok(Self { client: Client::new(&remote)?, _own: None });
        }
        let path = source
            .data
            .clone()
            .or_else(crate::default_data_file)
            .ok_or("no data file: give --data FILE or --url URL")?;
        if !path.exists() {
            return Err(format!(
                "there is no data file at {}; name one with --data, or ask a running timeline with --url",
                path.display()
            )
            .into());
        }
        let secret = crate::ids::event_id();
        let own = Timeline::builder()
            .data(path)
            .read_only(true)
            .token(&secret)
            .listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .start()
            .await?;
        Ok(Self { client: Client::to(own.url(), Some(secret))?, _own: Some(own) })
    }

    pub(super) async fn get(
        &self,
        path: &str,
        query: &[(String, String)],
    ) -> Result<reqwest::Response, Failure> {
        let query: Vec<String> = query
            .iter()
            .map(|(name, value)| {
                format!("{}={}", crate::http::percent_encode(name), crate::http::percent_encode(value))
            })
            .collect();
        let path = if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) };
        self.client.send(self.client.request(reqwest::Method::GET, &path)).await
    }
}

/// `NAME=VALUE` as given on the command line.
pub(super) fn pairs(filters: &[String]) -> Result<Vec<(String, String)>, Failure> {
    filters
        .iter()
        .map(|filter| {
            filter
                .split_once('=')
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .ok_or_else(|| format!("{filter:?} must look like NAME=VALUE").into())
        })
        .collect()
}
