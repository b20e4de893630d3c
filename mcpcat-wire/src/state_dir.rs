//! Where the SDK and the timeline keep their files.
//!
//! The user's state directory is an option, else `MCPCAT_STATE_DIR`, else the platform's: `$XDG_STATE_HOME` or
//! `~/.local/state`; on macOS `~/Library/Application Support`; on Windows `%LOCALAPPDATA%`. Everything of ours is in
//! its folder `mcpcat`, which is appended here and nowhere else.

use std::path::{Path, PathBuf};

/// Names the state directory, above the options of the platform.
pub const VARIABLE: &str = "MCPCAT_STATE_DIR";

/// The state directory that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDir {
    base: PathBuf,
}

impl StateDir {
    /// The directory that the option names, else [`VARIABLE`], else the platform's. `None` when the environment names
    /// no home.
    #[must_use]
    pub fn find(option: Option<PathBuf>) -> Option<Self> {
        Self::find_in(option, |name| std::env::var_os(name).map(PathBuf::from))
    }

    fn find_in(option: Option<PathBuf>, env: impl Fn(&str) -> Option<PathBuf>) -> Option<Self> {
        let set = |name: &str| env(name).filter(|value| !value.as_os_str().is_empty());
        let option = option.filter(|path| !path.as_os_str().is_empty());
        let base = option.or_else(|| set(VARIABLE)).or_else(|| platform(&env))?;
        Some(Self { base })
    }

    /// The platform's, whatever the option and the variable say: what a user has chosen for all programs is there. `None`
    /// when the environment names no home.
    #[must_use]
    pub fn of_platform() -> Option<Self> {
        platform(|name| std::env::var_os(name).map(PathBuf::from)).map(|base| Self { base })
    }

    /// The directory of the user's state. It may be missing, and others may have files in it.
    #[must_use]
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// The folder in it that is ours. It may be missing.
    #[must_use]
    pub fn ours(&self) -> PathBuf {
        self.base.join("mcpcat")
    }
}

fn platform(env: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    // By the XDG specification a relative path is invalid and ignored; a relative home means as little.
    let absolute = |name: &str| env(name).filter(|path| path.is_absolute());
    if cfg!(windows) {
        absolute("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        absolute("HOME").map(|home| home.join("Library/Application Support"))
    } else {
        absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(option: Option<&str>, pairs: &[(&str, &str)]) -> Option<PathBuf> {
        let env = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
        StateDir::find_in(option.map(PathBuf::from), env).map(|dir| dir.ours())
    }

    #[test]
    fn the_option_goes_before_the_variable_and_the_variable_before_the_platform() {
        let all = [(VARIABLE, "/v"), ("HOME", "/h"), ("XDG_STATE_HOME", "/s"), ("LOCALAPPDATA", "C:\\l")];
        assert_eq!(ours(Some("/o"), &all), Some("/o/mcpcat".into()));
        assert_eq!(ours(None, &all), Some("/v/mcpcat".into()));
        assert_eq!(ours(Some(""), &all), Some("/v/mcpcat".into()), "an empty option is none");
        assert_eq!(ours(None, &[]), None);
        assert_eq!(ours(None, &[(VARIABLE, "")]), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_relative_path_of_the_platform_is_ignored() {
        let home = ("HOME", "/h");
        assert_eq!(ours(None, &[home]), Some("/h/.local/state/mcpcat".into()));
        assert_eq!(ours(None, &[home, ("XDG_STATE_HOME", "/s")]), Some("/s/mcpcat".into()));
        assert_eq!(ours(None, &[home, ("XDG_STATE_HOME", "s")]), Some("/h/.local/state/mcpcat".into()));
        assert_eq!(ours(None, &[("HOME", "h")]), None);
    }
}
