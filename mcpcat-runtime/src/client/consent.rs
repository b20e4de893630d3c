//! Whether this process may record at all, by the builder and by `MCPCAT_ENABLED` and `DO_NOT_TRACK`. What cannot be read
//! or understood is a no, because somebody who sets one of them means something by it; the answer says what decided.

use std::ffi::{OsStr, OsString};

use crate::notice;

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

/// Why nothing is recorded, in words; `None` where it is.
pub(crate) fn switched_off(
    option: Option<bool>,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Option<String> {
    if option == Some(false) {
        return Some("the option `enabled(false)` switched it off".to_owned());
    }
    let set =
        |name: &str| environment(name).filter(|value| !value.to_str().is_some_and(|it| it.trim().is_empty()));
    for (variable, wanted) in [("DO_NOT_TRACK", Answer::No), ("MCPCAT_ENABLED", Answer::Yes)] {
        let Some(value) = set(variable) else { continue };
        let shown = shown(&value);
        match answer(&value) {
            Some(said) if said == wanted => {}
            Some(_) => return Some(format!("the variable `{variable}` is {shown}")),
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
                return Some(why);
            }
        }
    }
    None
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
        switched_off(None, &|name| {
            let (_, value) = variables.iter().find(|(key, _)| *key == name)?;
            #[cfg(unix)]
            return Some(std::os::unix::ffi::OsStringExt::from_vec(value.to_vec()));
            #[cfg(not(unix))]
            return Some(String::from_utf8_lossy(value).into_owned().into());
        })
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
        assert!(switched_off(Some(false), &|_| None).is_some_and(|why| why.contains("enabled(false)")));
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
