//! One line for each thing that a user can name: what belongs to it stands on its line.
//!
//! `public-api` writes a line for each field, variant and implementation, four hundred of them for ours. Here a type's
//! fields or variants and its traits stand on its own line, and an inherent `impl` by itself says nothing.

use std::collections::{BTreeMap, BTreeSet};

/// The lines, folded.
pub(crate) fn fold(lines: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    let mut folded = BTreeSet::new();
    let mut traits: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut members: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in lines {
        if line.starts_with("impl") {
            let (generics, rest) = generics(&line["impl".len()..]);
            let Some((name, of)) = split(rest, " for ") else { continue };
            let (subject, entry) = match of.starts_with("mcpcat::") {
                true => (base(of).to_owned(), format!("{generics}{}", short(name))),
                // One of our traits, for a type that is not ours.
                false => (name.trim().to_owned(), format!("for {generics}{of}")),
            };
            // No user calls these.
            if !["StructuralPartialEq", "Drop"].iter().any(|name| entry.ends_with(name)) {
                traits.entry(subject).or_default().insert(entry);
            }
        } else if let Some((owner, member)) = member(&line) {
            members.entry(owner.to_owned()).or_default().insert(member.to_owned());
        } else {
            folded.insert(line);
        }
    }
    // The fields of a variant belong to it, and it to its enum: from the longest path to the shortest.
    while let Some((owner, of)) = members.iter().max_by_key(|(owner, _)| owner.matches("::").count()) {
        let (owner, list) = (owner.clone(), of.iter().cloned().collect::<Vec<_>>().join(", "));
        members.remove(&owner);
        let is_variant =
            owner.rsplit("::").nth(1).is_some_and(|parent| parent.starts_with(char::is_uppercase));
        if is_variant {
            let (parent, name) = owner.rsplit_once("::").unwrap_or_default();
            let variants = members.entry(parent.to_owned()).or_default();
            variants.remove(name);
            variants.insert(format!("{name} {{ {list} }}"));
            continue;
        }
        append(&mut folded, &owner, &format!("{{ {list} }}"));
    }
    for (subject, list) in traits {
        let list = list.into_iter().collect::<Vec<_>>().join(", ");
        append(&mut folded, base(&subject), &format!("impl {list}"));
    }
    folded
}

/// Adds to the line of a type or a trait.
fn append(folded: &mut BTreeSet<String>, owner: &str, what: &str) {
    let of_owner = |line: &&String| {
        let mut words =
            line.split(' ').skip_while(|word| !matches!(*word, "struct" | "enum" | "trait" | "type"));
        words.nth(1).is_some_and(|path| base(path) == owner)
    };
    match folded.iter().find(of_owner).cloned() {
        Some(line) => {
            folded.remove(&line);
            folded.insert(format!("{line} {what}"));
        }
        None => drop(folded.insert(format!("{owner} {what}"))),
    }
}

/// A line of a field or a variant, taken apart: `pub mcpcat::Stats::dropped: u64`.
fn member(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_prefix("#[non_exhaustive] ").unwrap_or(line).strip_prefix("pub mcpcat::")?;
    let path = &line[line.len() - rest.len() - "mcpcat::".len()..];
    // The type of a field, and what a variant holds, have paths of their own.
    let end = path.find(['(', ' ']).unwrap_or(path.len());
    path[..end].trim_end_matches(':').rfind("::").map(|at| (&path[..at], &path[at + 2..]))
}

/// The parameters that text begins with, and what follows.
fn generics(text: &str) -> (&str, &str) {
    if !text.starts_with('<') {
        return ("", text.trim_start());
    }
    let mut depth = 0;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '<' => depth += 1,
            // Not the arrow of a function's type.
            '>' if before != '-' => depth -= 1,
            _ => {}
        }
        before = c;
        if depth == 0 {
            return (&text[..=at], text[at + 1..].trim_start());
        }
    }
    ("", text)
}

/// Splits at a word that stands in no brackets.
fn split<'a>(text: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let mut depth = 0_i32;
    for (at, c) in text.char_indices() {
        match c {
            '<' | '(' => depth += 1,
            '>' | ')' => depth -= 1,
            _ if depth == 0 && text[at..].starts_with(word) => {
                return Some((&text[..at], &text[at + word.len()..]));
            }
            _ => {}
        }
    }
    None
}

/// A path without parameters and tuple fields.
fn base(path: &str) -> &str {
    path[..path.find(['<', '(', ':', ' ']).map_or(path.len(), |at| match path[at..].starts_with("::") {
        true => path.find(['<', '(', ' ']).unwrap_or(path.len()),
        false => at,
    })]
        .trim_end_matches(':')
}

/// A trait of the standard library by its name alone.
fn short(name: &str) -> &str {
    let standard = ["core::", "alloc::", "std::"].iter().any(|root| name.starts_with(root));
    let path = &name[..name.find('<').unwrap_or(name.len())];
    match path.rfind("::") {
        Some(at) if standard => &name[at + 2..],
        _ => name,
    }
}
