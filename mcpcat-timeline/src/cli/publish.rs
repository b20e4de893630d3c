//! One custom event from a shell script.

use serde_json::{Map, Value};

use super::Failure;
use super::args::Publish;
use super::remote::Client;
use super::source::pairs;
use crate::ids;

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
    event.insert("event_type".into(), "agentcat:custom".into());
    event.insert("timestamp".into(), crate::event::iso(jiff::Timestamp::now().as_microsecond()).into());
    let session = args.session.as_deref().filter(|session| !session.is_empty()).map(|session| {
        if ids::is_session_id(session) {
            session.to_owned()
        } else {
            ids::derive_session(session, &args.project)
        }
    });
    event.insert("session_id".into(), session.map_or(Value::Null, Value::from));
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
    let tags: Map<String, Value> =
        pairs(&args.tags)?.into_iter().map(|(key, value)| (key, value.into())).collect();
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
        assert_eq!(event["session_id"], ids::derive_session("s1", "p").as_str());
        assert_eq!(event["parameters"], serde_json::json!({"count": 3, "who": "ada"}));
        assert_eq!(event["tags"]["env"], "prod");
        assert_eq!(event["error"]["message"], "late");
        assert!(crate::event::Event::stored(&event.to_string()).unwrap().is_error);
    }
}
