//! Asks a timeline whether it can take events in, for supervisors that have no other HTTP client in their container.

use std::time::Duration;

use reqwest::Method;

use super::Failure;
use super::args::{Health, Remote};
use super::remote::Client;

/// A supervisor's own bound is often thirty seconds, and it counts a missing answer as one failure of several.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn run(args: Health) -> Result<(), Failure> {
    let client = Client::new(&Remote { url: args.url, token: None })?;
    let answer = client.send(client.request(Method::GET, "/readyz").timeout(PATIENCE)).await?;
    println!("{}", answer.text().await.map_err(|error| client.explain(error))?);
    Ok(())
}
