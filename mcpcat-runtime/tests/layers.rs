//! What `docs/architecture.md` says of the source, held against it: a layer of the runtime imports only what stands below
//! it, and a long file is listed with the reason.

use std::path::{Path, PathBuf};

/// From the ground up.
const LAYERS: [&str; 14] = [
    "policy", "event", "spool", "privacy", "notice", "delivery", "sessions", "client", "session", "emit",
    "call", "request", "track", "testing",
];

/// What is no layer: the list of what macros call, and a test.
const APART: [&str; 3] = ["lib", "__private", "outage"];

#[test]
fn every_layer_imports_only_layers_below_it() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&source, &mut files);
    let mut imports = 0;
    let mut upward = Vec::new();
    for file in files {
        let within = file.strip_prefix(&source).unwrap().with_extension("");
        let layer = within.iter().next().unwrap().to_str().unwrap();
        if APART.contains(&layer) {
            continue;
        }
        let height = height(layer).unwrap_or_else(|| panic!("{} belongs to no layer", file.display()));
        let text = std::fs::read_to_string(&file).unwrap();
        // Tests may use whatever shows what they test.
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for line in code.lines().map(str::trim_start).filter(|line| !line.starts_with("//")) {
            for name in line.split("crate::").skip(1) {
                let name: String = name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                imports += 1;
                if self::height(&name).is_some_and(|other| other > height) {
                    upward.push(format!("{}: {line}", within.display()));
                }
            }
        }
    }
    assert!(imports > 200, "the source has been read: {imports} imports");
    assert!(upward.is_empty(), "imports from above:\n{}", upward.join("\n"));
}

#[test]
fn every_long_file_is_listed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(root.join("docs/architecture.md")).unwrap();
    let listed: Vec<&str> = page
        .split("## Long files")
        .nth(1)
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    let mut files = Vec::new();
    for package in ["", "mcpcat-macros", "mcpcat-runtime", "mcpcat-timeline", "mcpcat-wire"] {
        rust_files(&root.join(package).join("src"), &mut files);
    }
    let long = files.iter().filter(|file| std::fs::read_to_string(file).unwrap().lines().count() > 500);
    let mut long: Vec<String> =
        long.map(|file| file.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/")).collect();
    let mut listed: Vec<String> = listed.into_iter().map(str::to_owned).collect();
    long.sort();
    listed.sort();
    assert_eq!(long, listed, "files of more than 500 lines, and those listed in docs/architecture.md");
}

fn height(layer: &str) -> Option<usize> {
    LAYERS.iter().position(|name| *name == layer)
}

fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("its entries too").path();
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}
