//! rustdoc's JSON without what is hidden, and with what is exported from a hidden module.
//!
//! A crate's root that exports items of `#[doc(hidden)]` modules shows them in HTML; in JSON rustdoc leaves them out. So
//! it is told to write all, and what users do not see is taken out here.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

type Index = Map<String, Value>;

/// Takes out of a crate what its root does not lead to without passing something hidden.
pub(crate) fn prune(krate: &mut Value) {
    let root = id(&krate["root"]);
    let Some(index) = krate["index"].as_object_mut() else { return };
    index.retain(|at, item| *at == root || !is_hidden(item) || is_module(item));
    let hidden: BTreeSet<String> = index
        .iter()
        .filter(|(_, item)| is_module(item) && is_hidden(item))
        .map(|(at, _)| at.clone())
        .collect();
    for (_, item) in index.iter_mut() {
        if let Some(items) = item.pointer_mut("/inner/module/items").and_then(Value::as_array_mut) {
            items.retain(|item| !hidden.contains(&id(item)));
        }
    }
    let mut seen = BTreeSet::new();
    reach(index, &root, &mut seen);
    // A trait of ours that nobody can name is no part of a type's interface.
    let unseen: Vec<String> = index
        .iter()
        .filter(|(_, item)| {
            let of = id(&item["inner"]["impl"]["trait"]["id"]);
            index.contains_key(&of) && !seen.contains(&of)
        })
        .map(|(at, _)| at.clone())
        .collect();
    unseen.iter().for_each(|at| drop(index.remove(at)));
    without_what_traits_say(index);
}

/// That a type implements a trait says what it has by that.
fn without_what_traits_say(index: &mut Index) {
    for (_, item) in index.iter_mut().filter(|(_, item)| item["inner"]["impl"]["trait"].is_object()) {
        if let Some(items) = item.pointer_mut("/inner/impl/items").and_then(Value::as_array_mut) {
            items.clear();
        }
    }
}

/// The items that a module leads to: its own, those of its modules, and those that it exports.
fn reach(index: &Index, at: &str, seen: &mut BTreeSet<String>) {
    if !seen.insert(at.to_owned()) {
        return;
    }
    let Some(item) = index.get(at) else { return };
    for item in item["inner"]["module"]["items"].as_array().into_iter().flatten() {
        reach(index, &id(item), seen);
    }
    if item["inner"]["use"].is_object() {
        reach(index, &id(&item["inner"]["use"]["id"]), seen);
    }
}

fn id(value: &Value) -> String {
    value.to_string()
}

fn is_module(item: &Value) -> bool {
    item["inner"]["module"].is_object()
}

fn is_hidden(item: &Value) -> bool {
    item["attrs"].to_string().contains("hidden")
}
