//! Removal on request: first what would go, then a question, then the removal.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use reqwest::Method;
use serde_json::Value;

use super::Failure;
use super::args::Forget;
use super::progress;
use super::remote::{Client, parse};
use super::text::{plain, segment};

pub(super) async fn run(args: Forget) -> Result<(), Failure> {
    let client = Client::new(&args.remote)?;
    let whose = &args.whose;
    let (path, what) = match (&whose.session, &whose.actor, &whose.project) {
        (Some(id), _, _) => (format!("/api/v1/sessions/{}", segment(id)?), format!("session {id:?}")),
        (_, Some(id), _) => (format!("/api/v1/actors/{}", segment(id)?), format!("actor {id:?}")),
        (_, _, Some(id)) => (format!("/api/v1/projects/{}", segment(id)?), format!("project {id:?}")),
        _ => return Err("name a --session, an --actor or a --project".into()),
    };
    let what = plain(&what).into_owned();
    let found = delete(&client, &format!("{path}?dry_run=1")).await?;
    println!("{what}: {}", counts(&found));
    if args.dry_run {
        return Ok(());
    }
    if !args.yes && !confirmed()? {
        return Err("nothing was removed".into());
    }
    let wait = progress::spinner("removing");
    let done = delete(&client, &path).await;
    wait.finish_and_clear();
    let done = done?;
    println!("{} removed", counts(&done));
    eprintln!("not reached by this:");
    for copy in done["copies"].as_array().into_iter().flatten() {
        let text = |name: &str| plain(copy[name].as_str().unwrap_or_default()).into_owned();
        eprintln!("  {}: {}", text("place"), text("what"));
    }
    Ok(())
}

async fn delete(client: &Client, path: &str) -> Result<Value, Failure> {
    parse(&client.send(client.request(Method::DELETE, path)).await?.text().await?)
}

fn counts(answer: &Value) -> String {
    let number = |key: &str| answer[key].as_u64().unwrap_or(0);
    let some = |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    format!("{} and {}", some(number("events"), "event"), some(number("sessions"), "session"))
}

/// Asks on the terminal. Where there is none to ask, the answer is no.
fn confirmed() -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(
            "not a terminal to ask on; nothing was removed. Give --yes to remove, --dry-run to look".into()
        );
    }
    let mut err = std::io::stderr().lock();
    write!(err, "Remove this for good? [y/N] ")?;
    err.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
