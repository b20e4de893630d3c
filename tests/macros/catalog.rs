//! The catalogue knows every event of the linked program, those that never happen too.

use mcpcat::{EventData, catalog, emit, event};
use serde_json::Value;

/// Charges a card.
///
/// More about it.
#[event(name = "catalog.charge", params(id, password = 1), tags(plan = "x"), properties(p = 2))]
#[allow(dead_code, reason = "the catalogue does not need the call")]
fn never_called(id: u8) {}

#[event(name = "catalog.generic")]
#[allow(dead_code, reason = "the catalogue does not need the call")]
fn never_instantiated<T>(_: T) {
    emit!("catalog.in.generic", a = 1);
}

/// A plan was upgraded.
#[derive(EventData)]
#[event(name = "catalog.upgraded")]
#[allow(dead_code, reason = "the catalogue does not need a value")]
struct Upgraded {
    plan: u8,
    #[event(redact)]
    email: u8,
}

#[derive(EventData)]
#[event(prefix = "catalog.")]
#[allow(dead_code, reason = "the catalogue does not need a value")]
enum Variants {
    First,
    Second { key: u8 },
}

#[test]
fn every_macro_is_in_it() {
    let catalog = catalog().of_crate("macros");
    let entry = |name: &str| {
        let found: Vec<_> = catalog.entries().iter().filter(|entry| entry.name == name).collect();
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        found[0].clone()
    };
    let charge = entry("catalog.charge");
    assert_eq!((charge.kind, charge.description), ("function", "Charges a card."));
    assert_eq!(charge.parameters, ["id", "password"]);
    assert_eq!(charge.tags, ["plan"]);
    assert_eq!(charge.properties, ["p"]);
    assert_eq!(charge.redacted, ["password"]);
    assert!(charge.file.ends_with("tests/macros/catalog.rs"), "{}", charge.file);
    assert_eq!(charge.line, 9);
    assert_eq!(charge.module, "macros::catalog");
    let upgraded = entry("catalog.upgraded");
    assert_eq!(upgraded.kind, "data");
    assert_eq!(upgraded.redacted, ["email"]);
    assert_eq!(entry("catalog.second").parameters, ["key"]);
    entry("catalog.first");
    entry("catalog.generic");
    assert_eq!(entry("catalog.in.generic").kind, "emit");
    entry("macros::catalog::unnamed");
}

#[event]
#[allow(dead_code, reason = "the catalogue does not need the call")]
fn unnamed() {}

#[test]
fn the_plan_is_json_with_a_version() {
    let plan: Value = serde_json::from_str(&catalog().of_crate("macros").to_json()).unwrap();
    assert_eq!(plan["schema_version"], 1);
    let names: Vec<&str> =
        plan["events"].as_array().unwrap().iter().filter_map(|it| it["name"].as_str()).collect();
    assert!(names.is_sorted() && names.contains(&"catalog.charge"), "{names:?}");
}

#[test]
fn what_a_plan_promises_and_the_program_lost_is_named() {
    let catalog = catalog().of_crate("macros");
    assert_eq!(catalog.removed_since(&catalog.to_json()), Ok(Vec::new()));
    let older =
        catalog.to_json().replace("\"catalog.first\"", "\"catalog.zeroth\"").replace("\"plan\"", "\"tier\"");
    let removed: Vec<String> =
        catalog.removed_since(&older).unwrap().iter().map(ToString::to_string).collect();
    assert!(removed.iter().any(|line| line.contains("event `catalog.zeroth` was removed")), "{removed:?}");
    assert!(
        removed.contains(&"event `catalog.upgraded` lost its parameter `tier`".to_owned()),
        "{removed:?}"
    );
    assert!(removed.contains(&"event `catalog.charge` lost its tag `tier`".to_owned()), "{removed:?}");
}
