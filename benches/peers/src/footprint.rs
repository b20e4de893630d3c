//! What a dependency adds to the smallest stdio server: crates, bytes of the stripped program, seconds of a clean
//! build. Each server is a package written to a temporary directory and built there.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

#[derive(Clone, Debug)]
pub struct Footprint {
    pub name: String,
    pub what: String,
    pub crates: usize,
    pub stripped: f64,
    pub build: Duration,
}

/// Name, dependency, how `Server` is wrapped.
const SERVERS: [(&str, &str, &str); 4] = [
    ("nothing", "", "Server"),
    ("mcpcat", "mcpcat = { path = \"{root}\" }", "mcpcat::track(Server, \"proj_x\")"),
    (
        "official SDK",
        "agentcat-sdk = \"=1.0.0\"",
        "agentcat_sdk::track(Server, \"proj_x\", agentcat_sdk::Options::default())",
    ),
    (
        "PostHog",
        "posthog-rs = { version = \"=0.30.0\", features = [\"mcp\"] }",
        "posthog_rs::mcp::instrument(Server, std::sync::Arc::new(posthog_rs::client(\"phc_x\").await))",
    ),
];

const MAIN: &str = r#"#[allow(unused_imports)]
use rmcp::{ServerHandler, ServiceExt as _};

#[derive(Clone)]
struct Server;

impl ServerHandler for Server {}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = WRAPPED;
    server.serve(rmcp::transport::stdio()).await?.waiting().await?;
    Ok(())
}
"#;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository is there")
}

fn cargo(directory: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("cargo");
    command.current_dir(directory).args(arguments).env("CARGO_TARGET_DIR", directory.join("target"));
    let out = command.output().ok()?;
    if !out.status.success() {
        eprintln!("cargo {}: {}", arguments.join(" "), String::from_utf8_lossy(&out.stderr));
        return None;
    }
    Some(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// Different crates in a tree of ordinary and build dependencies.
fn crates(tree: &str) -> usize {
    let mut names: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| !name.starts_with('['))
        .collect();
    names.sort_unstable();
    names.dedup();
    names.len()
}

pub fn servers() -> Vec<Footprint> {
    SERVERS.iter().filter_map(|server| one(server)).collect()
}

fn one((name, dependency, wrapped): &(&str, &str, &str)) -> Option<Footprint> {
    let directory = tempfile::Builder::new().prefix("peers-footprint-").tempdir().ok()?;
    let path = directory.path();
    let dependency = dependency.replace("{root}", root().to_str()?);
    std::fs::create_dir(path.join("src")).ok()?;
    std::fs::write(path.join("src/main.rs"), MAIN.replace("WRAPPED", wrapped)).ok()?;
    let manifest = format!(
        "[package]\nname = \"server\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
         rmcp = {{ version = \"3.11\", default-features = false, features = [\"server\", \"transport-io\"] }}\n\
         tokio = {{ version = \"1\", features = [\"rt\", \"macros\"] }}\n{dependency}\n\n\
         [profile.release]\nstrip = true\n"
    );
    std::fs::write(path.join("Cargo.toml"), manifest).ok()?;
    cargo(path, &["fetch"])?;
    let tree = cargo(path, &["tree", "-e", "normal,build", "--prefix", "none"])?;
    let start = Instant::now();
    cargo(path, &["build", "--quiet"])?;
    let build = start.elapsed();
    cargo(path, &["build", "--release", "--quiet"])?;
    let size = std::fs::metadata(path.join("target/release/server")).ok()?.len();
    let what = if name == &"nothing" { "rmcp, tokio" } else { "the same and it" };
    Some(Footprint {
        name: (*name).to_owned(),
        what: what.to_owned(),
        // The server itself is not a dependency.
        crates: crates(&tree) - 1,
        stripped: size as f64 / 1e6,
        build,
    })
}

/// How many crates each feature brings to mcpcat's own tree.
pub fn features() -> Vec<(String, usize)> {
    let count = |features: &str| {
        let tree = cargo(
            &root(),
            &[
                "tree",
                "-p",
                "mcpcat",
                "-e",
                "normal,build",
                "--prefix",
                "none",
                "--no-default-features",
                "--features",
                features,
            ],
        );
        tree.map_or(0, |tree| crates(&tree) - 1)
    };
    ["", "enable", "rmcp", "reqwest", "rustls", "native-tls", "enable,rmcp,rustls", "enable,rmcp,reqwest"]
        .into_iter()
        .map(|features| {
            let name = match features {
                "" => "none (annotations compile to nothing)".to_owned(),
                "enable,rmcp,rustls" => "`enable`, `rmcp`, `rustls` (the default)".to_owned(),
                "enable,rmcp,reqwest" => "`enable`, `rmcp`, `reqwest` (adds no TLS)".to_owned(),
                one => format!("`{one}`"),
            };
            (name, count(features))
        })
        .collect()
}
