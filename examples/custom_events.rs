//! The three custom events of the product's documentation: a feature that was used, an error, a milestone.
//!
//! `cargo run --example custom_events` prints what would leave; set `MCPCAT_API_URL` to send it there.

#![allow(clippy::print_stdout, reason = "this is what the program is for")]

use std::time::Duration;

use mcpcat::{CustomEvent, publish_custom_event};

const PROJECT: &str = "proj_abc123xyz";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Without an endpoint of your own this example starts one, so that nothing leaves the machine.
    let timeline = match std::env::var("MCPCAT_API_URL") {
        Ok(_) => None,
        Err(_) => Some(mcpcat_timeline::Timeline::builder().in_memory().start().await?),
    };
    let mut builder = mcpcat::Client::builder(PROJECT);
    if let Some(timeline) = &timeline {
        builder = builder.base_url(timeline.ingest_url());
    }
    let client = builder.build()?;
    client.install();

    // A feature that was used.
    publish_custom_event(
        "user-123-session-456",
        PROJECT,
        CustomEvent::new("export_feature")
            .parameter("format", "csv")
            .parameter("rows", 1_204)
            .message("exported the monthly table")
            .duration(Duration::from_millis(830)),
    )?;

    // An error, from a Rust error value: message, type and causes are taken from it.
    let error = std::io::Error::new(std::io::ErrorKind::TimedOut, "the payment provider did not answer");
    publish_custom_event(
        "user-123-session-456",
        PROJECT,
        CustomEvent::new("payment_failed").error(&error).tag("provider", "acme"),
    )?;

    // A milestone.
    publish_custom_event(
        "user-123-session-456",
        PROJECT,
        CustomEvent::new("first_paid_plan").parameter("plan", "pro").property("trial_days", 14),
    )?;

    let stats = client.flush(Duration::from_secs(10)).await;
    println!("{stats}");
    if let Some(timeline) = timeline {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let session = client.session("user-123-session-456").id().ok_or("a derived session has an id")?;
        let url = format!("{}/api/v1/sessions/{session}/events", timeline.url().trim_end_matches('/'));
        println!("{}", http.get(url).send().await?.text().await?);
        timeline.shutdown().await;
    }
    Ok(())
}
