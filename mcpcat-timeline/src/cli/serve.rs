//! Runs the collector until it is told to stop, and says how to use it.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use sha2::{Digest, Sha256};

use super::Failure;
use super::args::{DEFAULT_PORT, Durability, Serve};
use super::bounds::retention;
use crate::{Data, Error, Right, Running, Timeline, TimelineBuilder, Token};

/// What is kept of all projects together where nobody says how much.
const KEEP_BYTES: u64 = 4 << 30;

pub(super) async fn run(mut args: Serve) -> Result<(), Failure> {
    if let Some(path) = &args.token_file {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("--token-file {}: {error}", path.display()))?;
        args.token = Some(text.trim_end_matches(['\r', '\n']).to_owned());
    }
    let data = match (&args.data, args.in_memory) {
        (_, true) => Data::Memory,
        (Some(path), _) => Data::File(path.clone()),
        (None, _) => Data::File(crate::default_data_file().ok_or(
            "no place for the data file: set MCPCAT_STATE_DIR, give --data FILE, or choose --in-memory",
        )?),
    };
    let builder = settings(&args, data.clone())?;
    if let (Data::File(path), false) = (&data, args.read_only) {
        super::upgrade::bring_up(path, !args.no_backup).await?;
    }
    let running = start(builder, args.listen).await?;
    greet(&running, &args, &data);
    wait_for_end().await?;
    running.shutdown().await;
    Ok(())
}

fn settings(args: &Serve, data: Data) -> Result<TimelineBuilder, Failure> {
    let mut builder = Timeline::builder()
        .data(data)
        .read_only(args.read_only)
        .base_path(&args.base_path)
        .memory(args.memory)
        .connections(args.connections)
        .keep_old_format(!args.no_backup);
    builder = builder.durability(match args.durability {
        Durability::Normal => crate::Durability::Normal,
        Durability::Full => crate::Durability::Full,
    });
    builder = builder
        .retention(retention(&args.keep, &args.keep_size, Some(KEEP_BYTES)))
        .remember_forgotten_for(args.remember_forgotten);
    if let Some(token) = &args.token {
        if token.is_empty() {
            return Err("the token is empty; leave it out or give a secret".into());
        }
        builder = builder.token(token).add_token(Token::new(Right::Ingest, &ingest_token(token)));
    }
    for grant in &args.grants {
        builder = builder.add_token(parse_grant(grant)?);
    }
    for host in &args.allowed_host {
        builder = builder.allowed_host(host);
    }
    for origin in &args.allowed_origin {
        builder = builder.allowed_origin(origin);
    }
    if let Some(template) = &args.trace_url {
        builder = builder.trace_url(template);
    }
    Ok(builder)
}

/// `RIGHT:PROJECT:TOKEN`
fn parse_grant(text: &str) -> Result<Token, Failure> {
    let mut parts = text.splitn(3, ':');
    let (Some(right), Some(project), Some(secret)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("--grant must look like ingest:proj_abc:SECRET or read:*:SECRET".into());
    };
    let right = match right {
        "ingest" => Right::Ingest,
        "read" => Right::Read,
        "manage" => Right::Manage,
        other => return Err(format!("--grant: {other:?} is no right; use ingest, read or manage").into()),
    };
    if secret.is_empty() {
        return Err("--grant: the token is empty".into());
    }
    let token = Token::new(right, secret);
    Ok(if project == "*" { token } else { token.for_project(project) })
}

/// An address that was asked for is taken or refused; the usual one gives way to a free port.
async fn start(builder: TimelineBuilder, listen: Option<SocketAddr>) -> Result<Running, Failure> {
    if let Some(listen) = listen {
        return Ok(builder.listen(listen).start().await?);
    }
    let usual = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), DEFAULT_PORT);
    match builder.clone().listen(usual).start().await {
        Err(Error::Listen { source, .. }) if source.kind() == std::io::ErrorKind::AddrInUse => {
            let running = builder.listen(SocketAddr::new(usual.ip(), 0)).start().await?;
            say(&format!("port {DEFAULT_PORT} is taken by another program; using a free one\n"));
            Ok(running)
        }
        other => Ok(other?),
    }
}

fn greet(running: &Running, args: &Serve, data: &Data) {
    let secret = args.token.as_deref().map(crate::http::percent_encode);
    let login = secret.map(|secret| format!("/?token={secret}")).unwrap_or_default();
    let mut text = format!("timeline   {}{login}\n", running.url());
    match data {
        Data::File(path) => text.push_str(&format!("data       {}\n", path.display())),
        Data::Memory => text.push_str("data       in memory, gone at exit\n"),
    }
    if args.read_only {
        text.push_str("read-only  nothing is taken in\n");
    } else {
        let path =
            args.token.as_deref().map(|token| format!("/t/{}", ingest_token(token))).unwrap_or_default();
        text.push_str(&format!(
            "point an SDK at it:\n  export MCPCAT_API_URL={}{path}\n",
            running.ingest_url()
        ));
    }
    say(&text);
}

/// The token in the address for SDKs: it sends events and does nothing else. Made from the other one, so that it is the
/// same after a restart; it does not lead back to it.
fn ingest_token(token: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(b"mcpcat-timeline: a token that only sends events\n");
    hash.update(token.as_bytes());
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Prints, and goes on collecting when nobody reads it any more.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Ctrl-C, or the signal that service managers send.
async fn wait_for_end() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            done = tokio::signal::ctrl_c() => done,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
