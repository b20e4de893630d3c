//! Writes pairs of annotated functions: one by hand, one by a macro that is given a random choice of its parts as
//! random kinds of fragments, through one macro or two. `tests/random.rs` calls each pair and compares their events.

use std::fmt::Write as _;

/// The parts of an annotated function, as a person would write them, and the fragments that each can be.
struct Part {
    key: &'static str,
    kinds: &'static [&'static str],
}

const PARTS: [Part; 10] = [
    Part { key: "name", kinds: &["literal", "expr", "tt"] },
    Part { key: "field", kinds: &["ident", "tt"] },
    Part { key: "value", kinds: &["expr", "tt"] },
    Part { key: "tag", kinds: &["literal", "expr", "tt"] },
    Part { key: "text", kinds: &["literal", "expr", "tt"] },
    Part { key: "vis", kinds: &["vis"] },
    Part { key: "function", kinds: &["ident", "tt"] },
    Part { key: "input", kinds: &["ty", "path", "ident", "tt"] },
    Part { key: "output", kinds: &["ty"] },
    Part { key: "body", kinds: &["block", "tt"] },
];

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

fn main() {
    println!("cargo::rerun-if-env-changed=FRAGMENTS_SEED");
    println!("cargo::rerun-if-env-changed=FRAGMENTS_COUNT");
    println!("cargo::rerun-if-changed=build.rs");
    let number = |name, or| std::env::var(name).map_or(or, |text| text.parse().expect("a number"));
    let seed: u64 = number("FRAGMENTS_SEED", 20_261_127);
    let mut random = Random(seed | 1);
    let mut code = String::new();
    let count = number("FRAGMENTS_COUNT", 150);
    for n in 0..count {
        pair(&mut random, n, &mut code);
    }
    writeln!(code, "pub const SEED: u64 = {seed};").unwrap();
    writeln!(code, "pub fn calls() -> Vec<Call> {{ vec![").unwrap();
    for n in 0..count {
        writeln!(code, "({n}, pair_{n} as fn(u8) -> Later, by_macro_{n}::call as fn(u8) -> Later),").unwrap();
    }
    writeln!(code, "] }}").unwrap();
    let out = std::env::var("OUT_DIR").expect("set for build scripts");
    std::fs::write(format!("{out}/random.rs"), code).unwrap();
}

fn pair(random: &mut Random, n: u64, code: &mut String) {
    // Before `fn`, the result, the body, and how the result is waited for.
    let (before, output, body, wait) = random.one(&[
        ("", "Declined", "{ if seats > 1 { return declined(seats); } Ok(seats) }", ""),
        ("async", "Declined", "{ tokio::task::yield_now().await; declined(seats) }", ".await"),
        ("", "Boxed", "{ Box::pin(async move { declined(seats) }) }", ".await"),
        ("", "Pin<Box<dyn Future<Output = Declined>>>", "{ let x = later(seats); Box::pin(x) }", ".await"),
        ("", "impl Future<Output = Declined>", "{ later(seats) }", ".await"),
        ("async", "Option<u8>", "{ (seats > 1).then_some(seats) }", ".await"),
        ("", "u8", "{ seats }", ""),
        ("async", "()", "{ let _ = seats; }", ".await"),
    ]);
    let value =
        random.one(&["(seats + 1)", "[seats, 2]", "(\"text\")", "(debug(seats))", "(display(seats))"]);
    // As an expression of its own the functional forms mean a call.
    let value_is_form = value.contains("debug") || value.contains("display");
    let by_hand = |key: &str| match key {
        "name" => format!("\"hand.{n}\""),
        "field" => "amount".to_owned(),
        "value" => value.trim_start_matches('(').trim_end_matches(')').to_owned() + closing(value),
        "tag" => "\"eu\"".to_owned(),
        "text" => "\"charged {seats}\"".to_owned(),
        "vis" => random_vis(n).to_owned(),
        "function" => format!("by_hand_{n}"),
        "input" => "u8".to_owned(),
        "output" => output.to_owned(),
        "body" => body.to_owned(),
        _ => unreachable!("a part"),
    };
    let annotated = |part: &dyn Fn(&str) -> String, argument: &str| {
        format!(
            "#[mcpcat::event(name = {}, params({} = {}), tags(region = {}), message = {})]\n\
             {} {before} fn {}({argument}: {}) -> {} {}\n",
            part("name"),
            part("field"),
            part("value"),
            part("tag"),
            part("text"),
            part("vis"),
            part("function"),
            part("input"),
            part("output"),
            part("body"),
        )
    };
    code.push_str(&annotated(&by_hand, "seats"));

    let mut given: Vec<(&str, &str, String)> =
        vec![("argument", random.one(&["ident", "tt"]), "seats".to_owned())];
    for Part { key, kinds } in &PARTS {
        let kind = random.one(kinds);
        // What names the argument is written where the argument is: at the call.
        let at_call = matches!(*key, "value" | "text" | "body" | "name" | "function");
        let expr_of_form = *key == "value" && value_is_form;
        if !at_call && random.below(2) == 0 || expr_of_form {
            continue;
        }
        let text = match *key {
            "name" => format!("\"macro.{n}\""),
            "function" => format!("by_macro_{n}"),
            "value" if kind == "tt" => value.to_owned(),
            key => by_hand(key),
        };
        // One token tree; a path or an identifier.
        let kind = if kind == "tt" && !is_one_tree(&text) { kinds[0] } else { kind };
        given.push((key, kind, text));
    }
    let in_macro = |key: &str| match given.iter().find(|(name, ..)| *name == key) {
        Some(_) => format!("${key}"),
        None if key == "value" => {
            value.replace("seats", "$argument").trim_matches(['(', ')']).to_owned() + closing(value)
        }
        None => by_hand(key),
    };
    let takes = |prefix: &str| -> String {
        given.iter().map(|(key, kind, _)| format!("{prefix}${key}:{kind}, ")).collect()
    };
    writeln!(code, "mod by_macro_{n} {{ use super::*;").unwrap();
    let body = annotated(&in_macro, "$argument");
    writeln!(code, "macro_rules! inner {{ ({}) => {{ {body} }} }}", takes("")).unwrap();
    let through_two = random.below(2) == 0;
    if through_two {
        let passes: String = given.iter().map(|(key, ..)| format!("${key}, ")).collect();
        writeln!(code, "macro_rules! outer {{ ({}) => {{ inner! {{ {passes} }} }} }}", takes("")).unwrap();
    }
    let arguments: String = given.iter().map(|(.., text)| format!("{text}, ")).collect();
    writeln!(code, "{}! {{ {arguments} }}", if through_two { "outer" } else { "inner" }).unwrap();
    writeln!(
        code,
        "pub fn call(seats: u8) -> Later {{ Box::pin(async move {{ let _ = by_macro_{n}(seats){wait}; }}) }}"
    )
    .unwrap();
    writeln!(code, "}}").unwrap();
    writeln!(
        code,
        "fn pair_{n}(seats: u8) -> Later {{ Box::pin(async move {{ let _ = by_hand_{n}(seats){wait}; }}) }}"
    )
    .unwrap();
}

/// The parentheses that a value's own call keeps when the outer ones are taken off.
fn closing(value: &str) -> &'static str {
    if value.contains("debug") || value.contains("display") { ")" } else { "" }
}

fn random_vis(n: u64) -> &'static str {
    ["", "pub(crate)", "pub"][(n % 3) as usize]
}

fn is_one_tree(text: &str) -> bool {
    let bracketed = [('(', ')'), ('[', ']'), ('{', '}'), ('"', '"')]
        .iter()
        .any(|(open, close)| text.starts_with(*open) && text.ends_with(*close));
    bracketed
        || text.chars().all(|character| character.is_alphanumeric() || character == '_') && !text.is_empty()
}
