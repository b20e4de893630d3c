//! Compares what users see with the lists beside this package, so that a change of it is a change in review, and the
//! build that records nothing with the one that does, which has to have the same items. `cargo run` compares;
//! `cargo run -- --update` writes the lists anew.
//!
//! The facade exports the runtime's items; they are listed here under the facade's paths, whichever module of ours
//! they stand in. rustdoc's JSON is a format of one compiler: this reads that of Rust 1.95 (format 57).

mod fold;
mod visible;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

type Failure = Box<dyn std::error::Error>;

/// Set for the rustdoc that cargo starts, which is this program again.
const AS_RUSTDOC: &str = "MCPCAT_API_AS_RUSTDOC";

/// The modules of the facade.
const MODULES: [&str; 4] = ["consent", "policy", "privacy", "testing"];

/// The packages that the facade's items stand in.
const OURS: [&str; 3] = ["mcpcat", "mcpcat-runtime", "mcpcat-wire"];

/// What is exported of `mcpcat-wire`: the types that both builds have.
const FROM_WIRE: &str = "mcpcat_wire::values::";

/// Which of it stands in the facade's module `policy`.
const POLICY: &str = "Limits";

fn main() -> Result<ExitCode, Failure> {
    if std::env::var_os(AS_RUSTDOC).is_some() {
        return as_rustdoc();
    }
    let update = std::env::args().any(|argument| argument == "--update");
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.join("../..").canonicalize()?;
    let mut same = true;
    let all = ["mcpcat/enable", "mcpcat/rmcp", "mcpcat/reqwest", "mcpcat/signals", "mcpcat/streamable-http", "mcpcat/testing"];
    let facade = recording(&document(&root, &OURS, &all)?)?;
    let timeline = fold::fold(lines(&document(&root, &["mcpcat-timeline"], &[])?, "mcpcat-timeline")?);
    for (name, now) in [("mcpcat", facade), ("mcpcat-timeline", timeline)] {
        let file = here.join(format!("{name}.txt"));
        if update {
            std::fs::write(&file, now.iter().map(|line| format!("{line}\n")).collect::<String>())?;
            continue;
        }
        let before = std::fs::read_to_string(&file).unwrap_or_default();
        let before = before.lines().map(str::to_owned).collect();
        same &= report(&format!("{name} as listed in {}", file.display()), &before, &now);
    }
    if !same {
        println!(
            "If this is meant: `cargo run --manifest-path tests/api/Cargo.toml -- --update`, and a line in the changelog."
        );
    }
    let with = recording(&document(&root, &OURS, &["mcpcat/enable"])?)?;
    let without = disabled(&document(&root, &["mcpcat", "mcpcat-wire"], &[])?)?;
    same &= report("mcpcat without `enable` as with it", &with, &without);
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Says whether two lists are the same, and what differs.
fn report(what: &str, before: &BTreeSet<String>, now: &BTreeSet<String>) -> bool {
    if before == now {
        println!("{what}: {} lines", now.len());
        return true;
    }
    println!("not {what}:");
    before.difference(now).for_each(|line| println!("  - {line}"));
    now.difference(before).for_each(|line| println!("  + {line}"));
    false
}

/// What users see of `mcpcat` where it records: what it defines, and what it exports of the runtime.
fn recording(docs: &Path) -> Result<BTreeSet<String>, Failure> {
    let own = lines(docs, "mcpcat")?;
    let runtime = lines(docs, "mcpcat-runtime")?;
    let of_wire = lines(docs, "mcpcat-wire")?;
    let exported: BTreeSet<&str> =
        own.iter().filter_map(|line| line.strip_prefix("pub use mcpcat::")).collect();
    let shown: BTreeSet<&str> = runtime.iter().filter_map(|line| defined(line)).collect();
    // Each item that the runtime shows is exported, and the other way round: nothing is seen that the other lacks.
    if let Some(name) = shown.iter().find(|name| !exported.contains(**name)) {
        return Err(format!("mcpcat does not export what mcpcat-runtime shows: {name}").into());
    }
    let both: BTreeSet<&str> =
        shown.into_iter().chain(of_wire.iter().filter_map(|line| defined(line))).collect();
    if let Some(name) = exported.iter().find(|name| !both.contains(**name) && **name != "event") {
        return Err(format!("mcpcat exports what mcpcat-runtime does not show: {name}").into());
    }
    exports(&of_wire, own.iter().chain(&runtime))?;
    Ok(shown_of(own.into_iter().chain(runtime).chain(of_wire)))
}

/// The same where it records nothing, and the facade itself has the items.
fn disabled(docs: &Path) -> Result<BTreeSet<String>, Failure> {
    let own = lines(docs, "mcpcat")?;
    let of_wire = lines(docs, "mcpcat-wire")?;
    exports(&of_wire, own.iter())?;
    Ok(shown_of(own.into_iter().chain(of_wire)))
}

/// Whether each type of `mcpcat-wire` that is for users is exported.
fn exports<'a>(of_wire: &BTreeSet<String>, all: impl Iterator<Item = &'a String>) -> Result<(), Failure> {
    let exported: BTreeSet<&str> = all.filter_map(|line| line.strip_prefix("pub use ")).collect();
    for path in of_wire.iter().filter_map(|line| defined_path(line)) {
        if !exported.contains(path) {
            return Err(format!("mcpcat does not export what mcpcat-wire has for users: {path}").into());
        }
    }
    Ok(())
}

/// The lines of items, without those that only say where an item comes from. The trait `EventData` is listed, so its
/// derive is too.
fn shown_of(lines: impl Iterator<Item = String>) -> BTreeSet<String> {
    fold::fold(lines.filter(|line| !line.starts_with("pub use ") || line == "pub use mcpcat::event"))
}

/// The name of an item at the top of the crate.
fn defined(line: &str) -> Option<&str> {
    let name = defined_path(line)?.strip_prefix("mcpcat::")?;
    (!name.contains("::")).then_some(name)
}

/// The path of an item that is no part of another one.
fn defined_path(line: &str) -> Option<&str> {
    let kinds = ["struct ", "enum ", "trait ", "const fn ", "fn ", "mod ", "type ", "const "];
    let line = line.strip_prefix("#[non_exhaustive] ").unwrap_or(line).strip_prefix("pub ")?;
    let rest = kinds.iter().find_map(|kind| line.strip_prefix(kind))?;
    let path =
        &rest[..rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').unwrap_or(rest.len())];
    let path = path.trim_end_matches(':');
    let mut before = path.split("::").collect::<Vec<_>>();
    before.pop();
    (before.iter().all(|segment| !segment.starts_with(char::is_uppercase)) && path != "mcpcat")
        .then_some(path)
}

/// One line for each public item of a package, under the paths that users write.
fn lines(docs: &Path, name: &str) -> Result<BTreeSet<String>, Failure> {
    let json = docs.join(format!("{}.json", name.replace('-', "_")));
    let mut krate = serde_json::from_slice(&std::fs::read(&json)?)?;
    visible::prune(&mut krate);
    let visible = json.with_extension("visible.json");
    std::fs::write(&visible, krate.to_string())?;
    let api = public_api::Builder::from_rustdoc_json(visible)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .build()?;
    let of_users =
        |line: &String| name != "mcpcat-wire" || (!line.contains("pub mod ") && line.contains(FROM_WIRE));
    Ok(api
        .items()
        .map(|item| item.to_string())
        .filter(of_users)
        .map(|line| shown(&line))
        .filter(|line| !line.contains("pin_project_lite"))
        .collect())
}

/// A line with the paths of our crates as the facade has them.
fn shown(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(start) = rest.find("mcpcat") {
        let (before, path) = rest.split_at(start);
        out.push_str(before);
        let end = path.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').unwrap_or(path.len());
        // A colon by itself ends a path: `field: Type`.
        let end = path[..end].find(": ").unwrap_or(end);
        let (path, after) = path.split_at(end);
        out.push_str(&facade_path(path));
        rest = after;
    }
    out + rest
}

fn facade_path(path: &str) -> String {
    let segments: Vec<&str> = path.trim_end_matches(':').split("::").collect();
    let tail = &path[path.trim_end_matches(':').len()..];
    if !matches!(segments[0], "mcpcat" | "mcpcat_runtime" | "mcpcat_wire") {
        return path.to_owned();
    }
    // Modules come before the item: a type, or a function, which is last.
    let is_type = |segment: &&str| segment.starts_with(|c: char| c.is_uppercase());
    let item = segments.iter().position(|it| is_type(&it)).unwrap_or(segments.len() - 1);
    let policy = segments[0] == "mcpcat_wire" && segments.get(item) == Some(&POLICY);
    let module = segments[1..item.max(1)].iter().copied().find(|it| MODULES.contains(it));
    let module = module.or(policy.then_some("policy"));
    let mut shown = vec!["mcpcat"];
    if item > 0 {
        shown.extend(module);
        shown.extend(&segments[item..]);
    }
    shown.join("::") + tail
}

/// Writes rustdoc's JSON of these packages and says where. One build for all: features unite as they do in a user's.
fn document(root: &Path, packages: &[&str], features: &[&str]) -> Result<PathBuf, Failure> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let status = Command::new("cargo")
        .current_dir(root)
        .args([
            "doc",
            "--quiet",
            "--lib",
            "--no-deps",
            "--no-default-features",
            "--features",
            &features.join(","),
        ])
        .args(packages.iter().flat_map(|name| ["-p", name]))
        .env("RUSTDOC", std::env::current_exe()?)
        .env(
            "RUSTDOCFLAGS",
            "-Z unstable-options --output-format json --document-hidden-items --cap-lints allow",
        )
        .env(AS_RUSTDOC, "1")
        .env("CARGO_TARGET_DIR", &target)
        .status()?;
    if !status.success() {
        return Err(format!("rustdoc of {} failed", packages.join(", ")).into());
    }
    Ok(target.join("doc"))
}

/// A stable rustdoc writes JSON only with this variable. Set for cargo as a whole it would reach build scripts, and
/// build everything anew.
fn as_rustdoc() -> Result<ExitCode, Failure> {
    let status =
        Command::new("rustdoc").args(std::env::args_os().skip(1)).env("RUSTC_BOOTSTRAP", "1").status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
