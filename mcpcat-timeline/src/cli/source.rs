//! One way to ask, whether the answer comes from a running timeline or straight from its data file.
//!
//! A data file is read through a collector of our own over it, so that both give the same answers.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use reqwest::Response;

use super::Failure;
use super::args::{Remote, Source};
use super::remote::Client;
use crate::http::params;
use crate::{Running, Timeline};

/// Something that answers `GET`.
pub(super) struct Reader {
    client: Client,
    /// A collector of our own over the file, on a port that only this process knows.
    _own: Option<Running>,
}

/// The same, whether it is there or not.
pub(super) fn named_file(named: Option<&PathBuf>) -> Result<PathBuf, Failure> {
    Ok(named
        .cloned()
        .or_else(crate::default_data_file)
        .ok_or("no data file: give --data FILE, or set MCPCAT_STATE_DIR")?)
}

/// The data file that is named, or the usual one; it has to be there.
pub(super) fn data_file(named: Option<&PathBuf>) -> Result<PathBuf, Failure> {
    let path = named_file(named)?;
    if !path.exists() {
        return Err(format!("there is no data file at {}; name one with --data", path.display()).into());
    }
    Ok(path)
}

impl Reader {
    pub(super) async fn open(source: &Source) -> Result<Self, Failure> {
        if let Some(url) = &source.url {
            let remote = Remote { url: url.clone(), token: source.token.clone() };
            return Ok(Self { client: Client::new(&remote)?, _own: None });
        }
        let path = data_file(source.data.as_ref())
            .map_err(|error| format!("{error}, or ask a running timeline with --url"))?;
        let secret = crate::ids::event_id();
        let own = Timeline::builder()
            .data(&path)
            .read_only(true)
            .token(&secret)
            .listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .start()
            .await?;
        let name = path.display().to_string();
        Ok(Self { client: Client::to(own.url(), Some(secret), name)?, _own: Some(own) })
    }

    pub(super) async fn get(&self, path: &str, query: &[(String, String)]) -> Result<Response, Failure> {
        let query: Vec<String> = query
            .iter()
            .map(|(name, value)| {
                format!("{}={}", crate::http::percent_encode(name), crate::http::percent_encode(value))
            })
            .collect();
        let path = if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) };
        self.client.send(self.client.request(reqwest::Method::GET, &path)).await
    }

    pub(super) async fn text(&self, response: Response) -> Result<String, Failure> {
        response.text().await.map_err(|error| self.client.explain(error))
    }

    /// The next part of a body.
    pub(super) async fn part(&self, response: &mut Response) -> Result<Option<axum::body::Bytes>, Failure> {
        response.chunk().await.map_err(|error| self.client.explain(error))
    }
}

/// `NAME=VALUE` as given on the command line.
pub(super) fn pairs(given: &[String]) -> Result<Vec<(String, String)>, Failure> {
    given
        .iter()
        .map(|pair| {
            pair.split_once('=')
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .ok_or_else(|| format!("{pair:?} must look like NAME=VALUE").into())
        })
        .collect()
}

/// Filters, whose names have to be among the known ones: an older timeline would ignore others.
pub(super) fn filters(given: &[String], known: &[&str]) -> Result<Vec<(String, String)>, Failure> {
    let pairs = pairs(given)?;
    match pairs.iter().find_map(|(name, _)| params::unknown(name, known)) {
        Some(wrong) => Err(format!("--where: {wrong}").into()),
        None => Ok(pairs),
    }
}
