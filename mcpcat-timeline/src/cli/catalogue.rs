//! Uploads the events that a program declares, or prints how they compare with what was seen.

use reqwest::Method;
use serde_json::Value;

use super::Failure;
use super::args::Catalogue;
use super::remote::Client;
use super::text::plain;
use crate::http::percent_encode;

pub(super) async fn run(args: Catalogue) -> Result<(), Failure> {
    let client = Client::new(&args.remote)?;
    let path = format!("/api/v1/catalogue?project={}", percent_encode(&args.project));
    if let Some(file) = &args.file {
        let text = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let request =
            client.request(Method::PUT, &path).header("content-type", "application/json").body(text);
        let answer: Value = serde_json::from_str(&client.send(request).await?.text().await?)?;
        println!("{} declared events uploaded", answer["declared"]);
        return Ok(());
    }
    let answer = client.send(client.request(Method::GET, &path)).await?.text().await?;
    let answer: Value = serde_json::from_str(&answer)?;
    for (title, key) in [("never seen", "never_seen"), ("not declared", "undeclared"), ("seen", "seen")] {
        for entry in answer[key].as_array().into_iter().flatten() {
            println!("{title:<13} {}", plain(entry["name"].as_str().unwrap_or_default()));
        }
    }
    Ok(())
}
