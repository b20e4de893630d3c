//! One custom event from a shell script.

use serde_json::{Map, Value};

use super::Failure;
use super::args::Publish;
use super::remote::Client;
use super::source::pairs;
use crate::ids;
use mcpcat_wire::event_type::Product;
use mcpcat_wire::{session, tag};

pub(super) async fn run(args: Publish) -> Result<(), Failure> {
    let event = event(&args)?;
    let client = Client::new(&args.remote)?;
    let request = client
        .request(reqwest::Method::POST, "/v1/public/events/")
        .header("content-type", "application/json")
        .body(event.to_string());
    client.send(request).await?;
    println!("{}", event["id"].as_str().unwrap_or_default());
    Ok(())
}

fn event(args: &Publish) -> Result<Value, Failure> {
    if args.project.is_empty() {
        return Err("the project is empty; give --project proj_…".into());
    }
    let mut event = Map::new();
    event.insert("id".into(), ids::event_id().into());
    event.insert("project_id".into(), args.project.clone().into());
    event.insert("event_type".into(), Product::AgentCat.custom_type().into());
    event.insert("timestamp".into(), crate::event::iso(jiff::Timestamp::now().as_microsecond()).into());
    let session_id = args.session.as_deref().filter(|text| !text.is_empty()).map(|text| {
        if session::is_id(text) {
            text.to_owned()
        } else {
            session::text(&session::derive(text, &args.project))
        }
    });
    event.insert("session_id".into(), session_id.map_or(Value::Null, Value::from));
    if let Some(name) = &args.name {
        event.insert("resource_name".into(), name.clone().into());
    }
    if let Some(message) = &args.message {
        event.insert("user_intent".into(), message.clone().into());
    }
    let params: Map<String, Value> = pairs(&args.params)?
        .into_iter()
        .map(|(key, value)| (key, serde_json::from_str(&value).unwrap_or(Value::String(value))))
        .collect();
    if !params.is_empty() {
        event.insert("parameters".into(), params.into());
    }
    let tags = pairs(&args.tags)?;
    if tags.len() > tag::MAX_TAGS {
        return Err(
            format!("an event carries at most {} tags; these are {}", tag::MAX_TAGS, tags.len()).into()
        );
    }
    for (key, value) in &tags {
        tag::check_tag(key, value).map_err(|problem| format!("tag {key:?}: {problem}"))?;
    }
    let tags: Map<String, Value> = tags.into_iter().map(|(key, value)| (key, value.into())).collect();
    if !tags.is_empty() {
        event.insert("tags".into(), tags.into());
    }
    if let Some(duration) = args.duration {
        event.insert("duration".into(), duration.into());
    }
    if let Some(error) = &args.error {
        event.insert("is_error".into(), true.into());
        event.insert("error".into(), serde_json::json!({ "message": error }));
    }
    Ok(event.into())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{Cli, Command};

    #[test]
    fn words_of_the_shell_become_a_whole_event() {
        let line = "x publish deploy --project p --session s1 -m done -p count=3 -p who=ada -t env=prod --error late";
        let Some(Command::Publish(args)) = Cli::parse_from(line.split(' ')).command else {
            panic!("not publish")
        };
        let event = event(&args).unwrap();
        assert_eq!(event["session_id"], session::text(&session::derive("s1", "p")).as_str());
        assert_eq!(event["parameters"], serde_json::json!({"count": 3, "who": "ada"}));
        assert_eq!(event["tags"]["env"], "prod");
        assert_eq!(event["error"]["message"], "late");
        assert!(crate::event::Event::stored(&event.to_string()).unwrap().is_error);
    }

    #[test]
    fn a_tag_that_the_ingest_api_drops_is_an_error() {
        for (tag, why) in [("bad/key=1", "'/'"), ("=1", "key")] {
            let line = format!("x publish deploy --project p -t {tag}");
            let Some(Command::Publish(args)) = Cli::parse_from(line.split(' ')).command else {
                panic!("not publish")
            };
            let error = event(&args).unwrap_err().to_string();
            assert!(error.contains(why), "{tag}: {error}");
        }
    }
}
