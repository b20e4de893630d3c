//! Event names and keys: what may be one, and how serde's `rename_all` words change one.

use syn::LitStr;

/// A `rename_all` word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Case {
    Lower,
    Upper,
    Pascal,
    Camel,
    Snake,
    ScreamingSnake,
    Kebab,
    ScreamingKebab,
}

/// serde's spelling of each case.
const CASES: [(&str, Case); 8] = [
    ("lowercase", Case::Lower),
    ("UPPERCASE", Case::Upper),
    ("PascalCase", Case::Pascal),
    ("camelCase", Case::Camel),
    ("snake_case", Case::Snake),
    ("SCREAMING_SNAKE_CASE", Case::ScreamingSnake),
    ("kebab-case", Case::Kebab),
    ("SCREAMING-KEBAB-CASE", Case::ScreamingKebab),
];

impl Case {
    pub(crate) fn parse(word: &LitStr) -> syn::Result<Self> {
        let value = word.value();
        if let Some((_, case)) = CASES.iter().find(|(name, _)| *name == value) {
            return Ok(*case);
        }
        let names = CASES.map(|(name, _)| name);
        Err(syn::Error::new(
            word.span(),
            format!("unknown case `{value}`; {}", crate::errors::suggest(&value, &names)),
        ))
    }

    /// Renames an identifier, a type's in `PascalCase` or a field's in `snake_case`.
    pub(crate) fn apply(self, ident: &str) -> String {
        let words = words(ident);
        let joined = |separator: &str| words.join(separator);
        match self {
            Case::Lower => joined(""),
            Case::Upper => joined("").to_uppercase(),
            Case::Pascal => words.iter().map(|word| capitalised(word)).collect(),
            Case::Camel => words
                .iter()
                .enumerate()
                .map(|(i, word)| if i == 0 { word.clone() } else { capitalised(word) })
                .collect(),
            Case::Snake => joined("_"),
            Case::ScreamingSnake => joined("_").to_uppercase(),
            Case::Kebab => joined("-"),
            Case::ScreamingKebab => joined("-").to_uppercase(),
        }
    }
}

/// The words of an identifier, in lower case: `HTTPServer2` is `http`, `server2`.
fn words(ident: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for part in ident.split('_').filter(|part| !part.is_empty()) {
        let chars: Vec<char> = part.chars().collect();
        let mut word = String::new();
        for (i, c) in chars.iter().enumerate() {
            let after_lower = i > 0 && !chars[i - 1].is_uppercase();
            let before_lower = i > 0 && chars.get(i + 1).is_some_and(|next| next.is_lowercase());
            if c.is_uppercase() && (after_lower || before_lower) && !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            word.extend(c.to_lowercase());
        }
        words.push(word);
    }
    words
}

fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// Checks an event name that the user wrote.
pub(crate) fn check_name(name: &LitStr) -> syn::Result<()> {
    let value = name.value();
    let problem = if value.trim().is_empty() {
        "an event needs a name: write what happened, like \"invoice.charge\""
    } else if value.contains(['{', '}']) {
        "event names are constant, so that the catalogue can list them and the timeline can group by them: \
         put the changing part into a parameter"
    } else if value.chars().any(char::is_control) || value.trim() != value {
        "an event name has no control characters and no spaces around it"
    } else {
        return Ok(());
    };
    Err(syn::Error::new(name.span(), problem))
}

/// Checks a tag key against what the ingest API keeps, as `mcpcat_wire::tag` does at run time; anything else it would
/// drop without an error.
pub(crate) fn check_tag(key: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "$_.:- ".contains(c);
    if key.is_empty() || key.len() > 32 || !key.chars().all(allowed) {
        return Err(format!(
            "`{key}` cannot be a tag's key: use 1 to 32 of the characters a-z A-Z 0-9 $ _ . : - and space"
        ));
    }
    Ok(())
}

/// The JSON text `"key":`, escaped.
pub(crate) fn fragment(key: &str) -> String {
    let mut text = String::with_capacity(key.len() + 3);
    text.push('"');
    for c in key.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            c if c < ' ' => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => text.push(c),
        }
    }
    text.push_str("\":");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_case_renames_types_and_fields() {
        for (case, field, variant) in [
            ("lowercase", "seatsleft", "planupgraded"),
            ("UPPERCASE", "SEATSLEFT", "PLANUPGRADED"),
            ("PascalCase", "SeatsLeft", "PlanUpgraded"),
            ("camelCase", "seatsLeft", "planUpgraded"),
            ("snake_case", "seats_left", "plan_upgraded"),
            ("SCREAMING_SNAKE_CASE", "SEATS_LEFT", "PLAN_UPGRADED"),
            ("kebab-case", "seats-left", "plan-upgraded"),
            ("SCREAMING-KEBAB-CASE", "SEATS-LEFT", "PLAN-UPGRADED"),
        ] {
            let case = Case::parse(&LitStr::new(case, proc_macro2::Span::call_site())).unwrap();
            assert_eq!(case.apply("seats_left"), field);
            assert_eq!(case.apply("PlanUpgraded"), variant);
        }
        assert_eq!(Case::Snake.apply("HTTPServer2"), "http_server2");
    }

    #[test]
    fn a_fragment_is_escaped_json() {
        assert_eq!(fragment("plan"), "\"plan\":");
        assert_eq!(fragment("a\"b\\\n\u{1}é"), "\"a\\\"b\\\\\\n\\u0001é\":");
    }

    #[test]
    fn tag_keys_are_refused_by_the_rule_of_the_wire() {
        // Every character by itself, and every length about the limit. The rule stands in here a second time, so that
        // this crate, which is compiled for each user's build machine, needs none of ours.
        let characters = (0..0x250).filter_map(char::from_u32).map(String::from);
        let lengths = (0..70).map(|length| "k".repeat(length));
        for key in characters.chain(lengths).chain(["we ird.k:1".to_owned()]) {
            assert_eq!(check_tag(&key).is_ok(), mcpcat_wire::tag::check_tag(&key, "").is_ok(), "{key:?}");
        }
    }
}
