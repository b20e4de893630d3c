//! Compares the public API of the published crates with the lists beside this package, so that a change of it is a
//! change in review. `cargo run` compares; `cargo run -- --update` writes the lists anew.
//!
//! rustdoc's JSON is a format of one compiler: this reads that of Rust 1.95 (format 57).

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const CRATES: [&str; 3] = ["mcpcat", "mcpcat-runtime", "mcpcat-timeline"];

type Failure = Box<dyn std::error::Error>;

/// Set for the rustdoc that cargo starts, which is this program again.
const AS_RUSTDOC: &str = "MCPCAT_API_AS_RUSTDOC";

fn main() -> Result<ExitCode, Failure> {
    if std::env::var_os(AS_RUSTDOC).is_some() {
        return as_rustdoc();
    }
    let update = std::env::args().any(|argument| argument == "--update");
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.join("../..").canonicalize()?;
    let mut same = true;
    for name in CRATES {
        let now = listed(&root, name)?;
        let file = here.join(format!("{name}.txt"));
        if update {
            std::fs::write(&file, &now)?;
            continue;
        }
        let before = std::fs::read_to_string(&file).unwrap_or_default();
        let changes = changes(&before, &now);
        if changes.is_empty() {
            println!("{name}: {} public items, as listed", now.lines().count());
        } else {
            same = false;
            println!("{name}: the public API differs from {}:\n{changes}", file.display());
        }
    }
    if !same {
        println!(
            "If this is meant: `cargo run --manifest-path tests/api/Cargo.toml -- --update`, and a line in the changelog."
        );
    }
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One line for each public item.
fn listed(root: &Path, name: &str) -> Result<String, Failure> {
    let json = rustdoc(root, name)?;
    let api = public_api::Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()?;
    let mut text = String::new();
    for item in api.items() {
        writeln!(text, "{item}")?;
    }
    Ok(text)
}

fn rustdoc(root: &Path, name: &str) -> Result<PathBuf, Failure> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let status = Command::new("cargo")
        .current_dir(root)
        .args(["rustdoc", "--quiet", "--lib", "-p", name, "--", "-Z", "unstable-options"])
        .args(["--output-format", "json", "--cap-lints", "allow"])
        .env("RUSTDOC", std::env::current_exe()?)
        .env(AS_RUSTDOC, "1")
        .env("CARGO_TARGET_DIR", &target)
        .status()?;
    if !status.success() {
        return Err(format!("rustdoc of {name} failed").into());
    }
    Ok(target.join("doc").join(format!("{}.json", name.replace('-', "_"))))
}

/// A stable rustdoc writes JSON only with this variable. Set for cargo as a whole it would reach build scripts, and
/// build everything anew.
fn as_rustdoc() -> Result<ExitCode, Failure> {
    let status =
        Command::new("rustdoc").args(std::env::args_os().skip(1)).env("RUSTC_BOOTSTRAP", "1").status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Lines that went and lines that came.
fn changes(before: &str, now: &str) -> String {
    let only = |mark: char, these: &str, those: &str| {
        let those: std::collections::HashSet<&str> = those.lines().collect();
        these
            .lines()
            .filter(|line| !those.contains(line))
            .fold(String::new(), |all, line| all + &format!("  {mark} {line}\n"))
    };
    only('-', before, now) + &only('+', now, before)
}
