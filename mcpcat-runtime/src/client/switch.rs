//! Whether this process may record at all, and how much, by the builder and by `MCPCAT_ENABLED`, `DO_NOT_TRACK`, `CI` and
//! `MCPCAT_PAYLOADS`. What cannot be read or understood is a no, because somebody who sets one of them means something by
//! it; the answer says what decided.

use std::ffi::{OsStr, OsString};

use super::consent::Decision;
use crate::notice;

/// Why nothing is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Off {
    pub(crate) by: Decision,
    /// In words.
    pub(crate) why: String,
}

/// What a yes-or-no variable says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    No,
}

const YES: [&str; 8] = ["true", "1", "yes", "on", "y", "t", "enabled", "enable"];
const NO: [&str; 10] = ["false", "0", "no", "off", "n", "f", "disabled", "disable", "never", "none"];

/// The answer, where there is a clear one. An empty variable counts as unset and is asked for nowhere.
pub(crate) fn answer(value: &OsStr) -> Option<Answer> {
    let value = value.to_str()?.trim();
    let is = |words: &[&str]| words.iter().any(|word| value.eq_ignore_ascii_case(word));
    match (is(&YES), is(&NO)) {
        (true, _) => Some(Answer::Yes),
        // Empty is unset.
        (_, true) => Some(Answer::No),
        _ if value.is_empty() => Some(Answer::No),
        _ => None,
    }
}

/// Why nothing is recorded; `None` where it is. `in_ci` is what was said of machines that build and test.
pub(crate) fn switched_off(
    option: Option<bool>,
    in_ci: bool,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Option<Off> {
    if option == Some(false) {
        let why = "the option `enabled(false)` switched it off".to_owned();
        return Some(Off { by: Decision::Option("enabled"), why });
    }
    let set =
        |name: &str| environment(name).filter(|value| !value.to_str().is_some_and(|it| it.trim().is_empty()));
    let decided = |variable, why| Some(Off { by: Decision::Variable(variable), why });
    for (variable, wanted) in [("DO_NOT_TRACK", Answer::No), ("MCPCAT_ENABLED", Answer::Yes)] {
        let Some(value) = set(variable) else { continue };
        let shown = shown(&value);
        match answer(&value) {
            Some(said) if said == wanted => {}
            Some(_) => return decided(variable, format!("the variable `{variable}` is {shown}")),
            None => {
                let (on, off) = match wanted {
                    Answer::Yes => ("true", "false"),
                    Answer::No => ("0", "1"),
                };
                let why = format!(
                    "the variable `{variable}` is {shown}, which is neither yes nor no and counts as a no to recording; \
                     write `{variable}={on}` to record, `{variable}={off}` not to"
                );
                notice::warn(format_args!("nothing is recorded: {why}"));
                return decided(variable, why);
            }
        }
    }
    let ci = set("CI").filter(|value| !in_ci && answer(value) != Some(Answer::No))?;
    decided(
        "CI",
        format!("the variable `CI` is {}, and the option `enabled_in_ci(false)` is set", shown(&ci)),
    )
}

/// Whether the environment asks for names alone: `MCPCAT_PAYLOADS=none`. What is not understood asks for it too.
pub(crate) fn asks_for_names_only(environment: &dyn Fn(&str) -> Option<OsString>) -> bool {
    let Some(value) = environment("MCPCAT_PAYLOADS") else { return false };
    let text = value.to_str().map(str::trim);
    let is = |word: &str| text.is_some_and(|text| text.eq_ignore_ascii_case(word));
    if is("") || is("all") {
        return false;
    }
    if !is("none") {
        notice::warn(format_args!(
            "names alone are recorded: the variable `MCPCAT_PAYLOADS` is {}, which is neither `none` nor `all`",
            shown(&value)
        ));
    }
    true
}

fn shown(value: &OsStr) -> String {
    match value.to_str() {
        Some(text) => {
            let short: String = text.trim().chars().take(40).collect();
            format!("`{}`", short.escape_debug())
        }
        None => "not UTF-8".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn off(variables: &[(&str, &[u8])]) -> Option<String> {
        let off = switched_off(None, true, &|name| {
            let (_, value) = variables.iter().find(|(key, _)| *key == name)?;
            #[cfg(unix)]
            return Some(std::os::unix::ffi::OsStringExt::from_vec(value.to_vec()));
            #[cfg(not(unix))]
            return Some(String::from_utf8_lossy(value).into_owned().into());
        })?;
        Some(off.why)
    }

    #[test]
    fn machines_that_build_are_left_out_by_one_option() {
        let off = |in_ci, ci: &str| switched_off(None, in_ci, &|name| (name == "CI").then(|| ci.into()));
        for ci in ["true", "1", "yes", "woodpecker"] {
            assert_eq!(off(true, ci), None, "{ci}");
            let off = off(false, ci).unwrap();
            assert!(off.by == Decision::Variable("CI") && off.why.contains("enabled_in_ci"), "{off:?}");
        }
        for none in ["", "false", "0", " "] {
            assert_eq!(off(false, none), None, "{none:?}");
        }
    }

    #[test]
    fn payloads_are_left_out_by_anything_but_a_clear_yes() {
        let asks = |value: &str| asks_for_names_only(&|_| Some(value.into()));
        assert!(!asks("") && !asks("all") && !asks(" ALL "));
        assert!(asks("none") && asks("None") && asks("nothing") && asks("false"));
        assert!(!asks_for_names_only(&|_| None));
    }

    #[test]
    fn only_a_clear_yes_to_recording_records() {
        for value in ["true", "TRUE", " 1 ", "yes", "on", "y", "enabled", "", " "] {
            assert_eq!(off(&[("MCPCAT_ENABLED", value.as_bytes())]), None, "{value:?}");
        }
        for value in ["0", "false", "no", "off", "n", "", " "] {
            assert_eq!(off(&[("DO_NOT_TRACK", value.as_bytes())]), None, "{value:?}");
        }
        for value in ["false", "n", "disabled", "0", "off", "treu", "2", "ja", "\u{1F600}", "null"] {
            let why = off(&[("MCPCAT_ENABLED", value.as_bytes())]);
            assert!(why.is_some_and(|why| why.contains("MCPCAT_ENABLED")), "{value:?}");
        }
        for value in ["1", "true", "yes", "y", "please", "2", "-", "nope"] {
            let why = off(&[("DO_NOT_TRACK", value.as_bytes()), ("MCPCAT_ENABLED", b"true")]);
            assert!(why.is_some_and(|why| why.contains("DO_NOT_TRACK")), "{value:?}");
        }
    }

    #[test]
    fn what_decided_is_named() {
        assert!(
            switched_off(Some(false), true, &|_| None).is_some_and(|off| off.why.contains("enabled(false)"))
        );
        let why = off(&[("MCPCAT_ENABLED", b"maybe")]).unwrap_or_default();
        for part in ["`maybe`", "MCPCAT_ENABLED=true", "MCPCAT_ENABLED=false"] {
            assert!(why.contains(part), "{why}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_not_text_is_a_no() {
        for variable in ["MCPCAT_ENABLED", "DO_NOT_TRACK"] {
            let why = off(&[(variable, b"\xff")]).unwrap_or_default();
            assert!(why.contains(variable) && why.contains("UTF-8"), "{why}");
        }
    }
}
