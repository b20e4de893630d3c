//! Hands out, lists and revokes tokens that send events: in the data file, beside a collector that has it open, or over HTTP.

use std::path::Path;

use reqwest::Method;
use serde_json::Value;

use super::args::{Remote, Source, Token, TokenCreate};
use super::remote::{Client, parse};
use super::text::{plain, segment};
use super::{Failure, upgrade};
use crate::store::IssuedToken;
use crate::store::sqlite::{beside, tokens};
use crate::token::Limits;

pub(super) async fn run(args: Token) -> Result<(), Failure> {
    match args {
        Token::Create(args) => create(args).await,
        Token::List { source, json } => list(&source, json).await,
        Token::Revoke { source, id } => revoke(&source, id).await,
    }
}

/// The timeline to ask, if one is named.
fn remote(source: &Source) -> Result<Option<Client>, Failure> {
    let Some(url) = &source.url else { return Ok(None) };
    Client::new(&Remote { url: url.clone(), token: source.token.clone() }).map(Some)
}

async fn ask(client: &Client, method: Method, path: &str) -> Result<Value, Failure> {
    parse(&client.send(client.request(method, path)).await?.text().await?)
}

/// Does something with the data file, which may be open in a collector.
async fn in_file<T: Send + 'static>(
    source: &Source,
    work: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
) -> Result<T, Failure> {
    let path = super::source::named_file(source.data.as_ref())?;
    if !path.exists() {
        make(&path).await?;
    }
    upgrade::bring_up_unless_open(&path).await?;
    tokio::task::spawn_blocking(move || {
        Ok(work(&beside(&path).map_err(|error| format!("{}: {error}", path.display()))?)?)
    })
    .await?
}

/// Makes a data file for the collector to come.
async fn make(path: &Path) -> Result<(), Failure> {
    let path = path.to_owned();
    let made = tokio::task::spawn_blocking(move || crate::Timeline::builder().data(path).build()).await?;
    drop(made?);
    Ok(())
}

async fn create(args: TokenCreate) -> Result<(), Failure> {
    if args.project.is_empty() {
        return Err("--project is empty: whose events may the token send?".into());
    }
    let limits =
        Limits { events_per_minute: args.events_per_minute, bytes_per_minute: args.bytes_per_minute };
    let (id, secret) = match remote(&args.source)? {
        Some(client) => {
            let mut path = format!("/api/v1/tokens?project={}", crate::http::percent_encode(&args.project));
            for (name, value) in [
                ("label", args.label),
                ("events_per_minute", limits.events_per_minute.map(|limit| limit.to_string())),
                ("bytes_per_minute", limits.bytes_per_minute.map(|limit| limit.to_string())),
            ] {
                if let Some(value) = value {
                    path.push_str(&format!("&{name}={}", crate::http::percent_encode(&value)));
                }
            }
            let made = ask(&client, Method::POST, &path).await?;
            let text = |name: &str| {
                made[name].as_str().map(str::to_owned).ok_or("the timeline's answer has no token")
            };
            (text("id")?, text("token")?)
        }
        None => {
            let (token, secret) = crate::token::issue(args.project, args.label.unwrap_or_default(), limits)
                .map_err(|error| format!("no randomness for a secret: {error}"))?;
            let id = token.id.clone();
            in_file(&args.source, move |db| tokens::add(db, &token)).await?;
            (id, secret)
        }
    };
    // The secret alone on standard output, for a pipe into a secret store.
    println!("{secret}");
    eprintln!("{id}: it is shown this once. Senders use MCPCAT_TOKEN, or /t/TOKEN after the address");
    Ok(())
}

async fn list(source: &Source, as_json: bool) -> Result<(), Failure> {
    let tokens: Vec<Value> = match remote(source)? {
        Some(client) => {
            let answer = ask(&client, Method::GET, "/api/v1/tokens").await?;
            answer["tokens"].as_array().cloned().unwrap_or_default()
        }
        None => in_file(source, tokens::all)
            .await?
            .iter()
            .map(serde_json::to_value::<&IssuedToken>)
            .collect::<Result<_, _>>()?,
    };
    if as_json {
        println!("{}", serde_json::json!({ "tokens": tokens }));
        return Ok(());
    }
    for token in &tokens {
        let limit = |name: &str, what: &str| {
            token[name].as_i64().map(|limit| format!("  {limit} {what}/min")).unwrap_or_default()
        };
        println!(
            "{}  {}  {}{}{}  {}",
            token["id"].as_str().unwrap_or_default(),
            crate::event::iso(token["created_us"].as_i64().unwrap_or_default()),
            plain(token["project"].as_str().unwrap_or_default()),
            limit("events_per_minute", "events"),
            limit("bytes_per_minute", "bytes"),
            plain(token["label"].as_str().unwrap_or_default()),
        );
    }
    Ok(())
}

async fn revoke(source: &Source, id: String) -> Result<(), Failure> {
    let gone = match remote(source)? {
        Some(client) => {
            ask(&client, Method::DELETE, &format!("/api/v1/tokens/{}", segment(&id)?)).await?;
            true
        }
        None => {
            let id = id.clone();
            in_file(source, move |db| tokens::revoke(db, &id, None)).await?
        }
    };
    if !gone {
        return Err(format!("there is no token {:?}; `token list` names them", plain(&id)).into());
    }
    println!("{} is revoked; a running collector refuses it within two seconds", plain(&id));
    Ok(())
}
