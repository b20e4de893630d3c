//! What the macros cost a user's build: `cargo run` writes one crate per row, checks it, and prints the CPU time of
//! that crate alone, as a ratio to the same functions without macros. Every crate is the same code but for its macro.
//! `cargo run -- instructions` counts the compiler's instructions instead, which do not depend on what else runs (it needs
//! valgrind, and some minutes); `cargo run -- code` prints the bytes of machine code of one `emit!` (it needs binutils'
//! `size`).
//!
//! The dependencies come from the registry; the crates and their target folder stand in this package's own `target`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Functions with the attribute, and calls of the event macro, per crate.
const FUNCTIONS: usize = 400;
const CALLS: usize = 500;
/// Times each crate is checked; the least counts, since whatever else runs only adds.
const RUNS: usize = 3;

struct Row {
    name: &'static str,
    dependency: &'static str,
    code: fn(usize) -> String,
    items: usize,
}

fn functions(attribute: &'static str, prelude: &'static str, n: usize) -> String {
    let mut code = format!("{prelude}\n");
    for i in 0..n {
        // Half of them async, all of them fallible: what a server is made of.
        let word = if i % 2 == 0 { "async " } else { "" };
        let _ = write!(
            code,
            "{attribute}\npub {word}fn charge_{i}(customer: &str, cents: u64) -> Result<u64, std::num::ParseIntError> {{\n    \
             let base = customer.parse::<u64>()?;\n    let mut sum = base;\n    for step in 0..cents {{\n        \
             sum = sum.wrapping_add(step * {i});\n    }}\n    Ok(sum)\n}}\n"
        );
    }
    code
}

fn calls(call: fn(usize) -> String, n: usize) -> String {
    let mut code = String::new();
    for i in 0..n {
        let call = call(i);
        let _ = write!(
            code,
            "#[inline(never)]\npub fn f_{i}(plan: &str, seats: u32, total: f64, trial: bool) {{\n    {call}\n}}\n"
        );
    }
    code
}

fn rows() -> Vec<Row> {
    vec![
        Row { name: "functions: none", dependency: "", code: |n| functions("", "", n), items: FUNCTIONS },
        Row {
            name: "functions: mcpcat",
            dependency: "mcpcat",
            code: |n| functions("#[mcpcat::event]", "", n),
            items: FUNCTIONS,
        },
        Row {
            name: "functions: fastrace",
            dependency: "fastrace = { version = \"0.7\", features = [\"enable\"] }",
            code: |n| functions("#[fastrace::trace]", "", n),
            items: FUNCTIONS,
        },
        Row {
            name: "functions: tracing skip_all",
            dependency: "tracing = \"0.1\"",
            code: |n| functions("#[tracing::instrument(skip_all)]", "", n),
            items: FUNCTIONS,
        },
        Row {
            name: "functions: tracing skip_all, err",
            dependency: "tracing = \"0.1\"",
            code: |n| functions("#[tracing::instrument(skip_all, err)]", "", n),
            items: FUNCTIONS,
        },
        Row {
            name: "calls: none",
            dependency: "",
            code: |n| calls(|_| "let _ = (plan, seats, total, trial);".to_owned(), n),
            items: CALLS,
        },
        Row {
            name: "calls: mcpcat emit!",
            dependency: "mcpcat",
            code: |n| {
                calls(|i| format!("mcpcat::emit!(\"plan.upgraded.{i}\", plan, seats, total, trial);"), n)
            },
            items: CALLS,
        },
        Row {
            name: "calls: log (text)",
            dependency: "log = \"0.4\"",
            code: |n| {
                calls(
                    |i| format!("log::info!(\"plan upgraded {i}: {{plan}} {{seats}} {{total}} {{trial}}\");"),
                    n,
                )
            },
            items: CALLS,
        },
        Row {
            name: "calls: log (fields)",
            dependency: "log = { version = \"0.4\", features = [\"kv\"] }",
            code: |n| calls(|i| format!("log::info!(plan, seats, total, trial; \"plan upgraded {i}\");"), n),
            items: CALLS,
        },
        Row {
            name: "calls: tracing",
            dependency: "tracing = \"0.1\"",
            code: |n| {
                calls(|i| format!("tracing::info!(plan, seats, total, trial, \"plan upgraded {i}\");"), n)
            },
            items: CALLS,
        },
    ]
}

/// Where our own crate is: two folders up, or where `MCPCAT_PATH` says.
fn mcpcat() -> String {
    let path = std::env::var("MCPCAT_PATH").map(PathBuf::from);
    let path = path.unwrap_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    let path = path.canonicalize().expect("mcpcat is two folders up, or where MCPCAT_PATH says");
    format!("mcpcat = {{ path = {path:?}, default-features = false, features = [\"enable\"] }}")
}

/// CPU ticks of all finished children (fields 16 and 17 of `/proc/self/stat`).
fn children_ticks() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("needs Linux's /proc");
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    after_name.split(' ').skip(13).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}

fn cargo(folder: &Path, target: &Path, arguments: &[&str]) {
    let status = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_INCREMENTAL", "0")
        .status()
        .expect("cargo runs");
    assert!(status.success(), "{arguments:?} failed in {}", folder.display());
}

/// Writes the row's crate.
fn write(row: &Row, base: &Path, items: usize) -> PathBuf {
    let folder = base.join(row.name.replace([':', ' ', '!', '(', ')', ','], "-"));
    fs::create_dir_all(folder.join("src")).expect("the target folder can be written");
    let dependency = if row.dependency == "mcpcat" { mcpcat() } else { row.dependency.to_owned() };
    let manifest = format!(
        "[workspace]\n[package]\nname = \"row\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[dependencies]\n{dependency}\n"
    );
    fs::write(folder.join("Cargo.toml"), manifest).expect("the manifest can be written");
    fs::write(folder.join("src/lib.rs"), (row.code)(items)).expect("the source can be written");
    folder
}

/// Seconds of CPU that checking the crate takes, its dependencies already built.
fn check(row: &Row, base: &Path) -> f64 {
    let folder = write(row, base, row.items);
    let source = folder.join("src/lib.rs");
    let code = (row.code)(row.items);
    let target = base.join("target");
    cargo(&folder, &target, &["check", "--quiet"]);
    let mut least = f64::MAX;
    for run in 0..RUNS {
        fs::write(&source, format!("{code}// {run}\n")).expect("the source can be written");
        let before = children_ticks();
        cargo(&folder, &target, &["check", "--quiet"]);
        // A tick is a hundredth of a second on every Linux that Rust runs on.
        least = least.min((children_ticks() - before) as f64 / 100.0);
    }
    least
}

/// The variable that makes this program the compiler that cargo calls: the file to write the count into.
const COUNT_INTO: &str = "COMPILE_COST_COUNT_INTO";

/// Instructions that checking the crate takes, its dependencies already built; in millions.
fn instructions(row: &Row, base: &Path, items: usize) -> f64 {
    let folder = write(row, base, items);
    let target = base.join("target");
    cargo(&folder, &target, &["check", "--quiet"]);
    let into = folder.join("instructions");
    let status = Command::new(env!("CARGO"))
        .args(["check", "--quiet"])
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_INCREMENTAL", "0")
        .env("RUSTC_WORKSPACE_WRAPPER", std::env::current_exe().expect("this program has a path"))
        .env(COUNT_INTO, &into)
        .status()
        .expect("cargo runs");
    assert!(status.success(), "counting failed in {}", folder.display());
    let text = fs::read_to_string(&into).expect("the count was written");
    // cachegrind's summary: the sum of all instructions.
    let summary = text.lines().find_map(|line| line.strip_prefix("summary: ")).expect("a summary");
    let count = summary.split(' ').next().and_then(|count| count.parse::<f64>().ok()).expect("a number");
    fs::remove_file(&into).expect("the count can be removed");
    count / 1e6
}

/// What cargo calls instead of the compiler: the same, its instructions counted if it compiles a row.
fn count(into: &Path, compiler: &str, arguments: &[String]) -> std::process::ExitStatus {
    let row = arguments.windows(2).any(|pair| pair == ["--crate-name", "row"]);
    let mut command = if row {
        let mut command = Command::new("valgrind");
        let out = format!("--cachegrind-out-file={}", into.display());
        command.args(["--log-file=/dev/null", "--tool=cachegrind", "--cache-sim=no", &out]);
        // Past rustup's proxy, which would be counted in its stead.
        let sysroot = Command::new(compiler).args(["--print", "sysroot"]).output().expect("rustc runs");
        let sysroot = String::from_utf8_lossy(&sysroot.stdout).trim().to_owned();
        command.arg(Path::new(&sysroot).join("bin/rustc"));
        command
    } else {
        Command::new(compiler)
    };
    command.args(arguments).status().expect("the compiler runs; counting needs valgrind")
}

/// Bytes of machine code in the object of a crate with that many calls.
fn code(row: &Row, base: &Path, items: usize) -> u64 {
    let folder = write(row, base, items);
    let object = folder.join("code.o");
    let emit = format!("--emit=obj={}", object.display());
    let arguments = ["rustc", "--quiet", "--release", "--lib", "--", "-C", "codegen-units=1", &emit];
    cargo(&folder, &base.join("target"), &arguments);
    let size = Command::new("size").arg("-A").arg(&object).output().expect("needs binutils");
    let text = String::from_utf8_lossy(&size.stdout);
    let sections = text.lines().filter(|line| line.starts_with(".text"));
    sections.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let (Some(into), [compiler, rest @ ..]) = (std::env::var_os(COUNT_INTO), &arguments[..]) {
        let status = count(Path::new(&into), compiler, rest);
        std::process::exit(status.code().unwrap_or(1));
    }
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/rows");
    let what = arguments.first().map(String::as_str);
    if what == Some("code") {
        let rows = rows();
        let emit = rows.iter().find(|row| row.name == "calls: mcpcat emit!").expect("the row above");
        let bytes = code(emit, &base, CALLS) - code(emit, &base, CALLS / 5);
        println!(
            "{:.0} bytes of code for each emit! of four fields",
            bytes as f64 / (CALLS - CALLS / 5) as f64
        );
        return;
    }
    // Counting is slow, and what each item adds is the same for all: a quarter of them does.
    let (counts, share, unit) = if what == Some("instructions") { (true, 4, "M") } else { (false, 1, "s") };
    match counts {
        true => println!(
            "millions of instructions of `rustc` for {} functions or {} calls",
            FUNCTIONS / share,
            CALLS / share
        ),
        false => println!(
            "CPU seconds of `cargo check` of {FUNCTIONS} functions or {CALLS} calls, least of {RUNS} runs"
        ),
    }
    let mut none = 0.0;
    let mut added = Vec::new();
    for row in rows() {
        let items = row.items / share;
        let cost = if counts { instructions(&row, &base, items) } else { check(&row, &base) };
        if row.name.ends_with(": none") {
            none = cost;
        }
        println!(
            "{:34} {cost:9.2} {unit}   x{:.2}   added {:8.3} thousandths of the unit each",
            row.name,
            cost / none,
            (cost - none) * 1e3 / items as f64
        );
        added.push((row.name, cost - none));
    }
    let cost = |name: &str| added.iter().find(|row| row.0 == name).map_or(f64::NAN, |row| row.1);
    for (ours, theirs) in [
        ("functions: mcpcat", "functions: fastrace"),
        ("calls: mcpcat emit!", "calls: log (text)"),
        ("calls: mcpcat emit!", "calls: log (fields)"),
        ("calls: mcpcat emit!", "calls: tracing"),
    ] {
        println!("{ours} adds {:.2} times what {theirs} adds", cost(ours) / cost(theirs));
    }
}
