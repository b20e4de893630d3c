//! Removal on request, and the catalogue of declared events.

use super::Failure;
use super::args::{Catalogue, Forget};
use super::remote::Client;
use super::text::plain;
use crate::http::percent_encode;

pub(super) async fn run(args: Forget) -> Result<(), Failure> {
    let client = Client::new(&args.remote)?;
    let whose = &args.whose;
    let path = match (&whose.session, &whose.actor, &whose.project) {
        (Some(id), _, _) => format!("/api/v1/sessions/{}", percent_encode(id)),
        (_, Some(id), _) => format!("/api/v1/actors/{}", percent_encode(id)),
        (_, _, Some(id)) => format!("/api/v1/projects/{}", percent_encode(id)),
        _ => return Err("name a --session, an --actor or a --project".into()),
    };
    let answer = client.send(client.request(reqwest::Method::DELETE, &path)).await?.text().await?;
    let answer: serde_json::Value = serde_json::from_str(&answer)?;
    println!("{} events and {} sessions removed", answer["events"], answer["sessions"]);
    Ok(())
}

pub(super) async fn catalogue(args: Catalogue) -> Result<(), Failure> {
    let client = Client::new(&args.remote)?;
    let path = format!("/api/v1/catalogue?project={}", percent_encode(&args.project));
    if let Some(file) = &args.file {
        let text = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let request =
            client.request(reqwest::Method::PUT, &path).header("content-type", "application/json").body(text);
        let answer: serde_json::Value = serde_json::from_str(&client.send(request).await?.text().await?)?;
        println!("{} declared events uploaded", answer["declared"]);
        return Ok(());
    }
    let answer = client.send(client.request(reqwest::Method::GET, &path)).await?.text().await?;
    let answer: serde_json::Value = serde_json::from_str(&answer)?;
    for (title, key) in [("never seen", "never_seen"), ("not declared", "undeclared"), ("seen", "seen")] {
        for entry in answer[key].as_array().into_iter().flatten() {
            println!("{title:<13} {}", plain(entry["name"].as_str().unwrap_or_default()));
        }
    }
    Ok(())
}
