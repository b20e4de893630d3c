//! Where data goes when nobody says where.

use std::path::PathBuf;

/// The data file in the state directory: `MCPCAT_STATE_DIR`, else the platform's place for such files.
///
/// Linux and the like: `$XDG_STATE_HOME/mcpcat` or `~/.local/state/mcpcat`; macOS:
/// `~/Library/Application Support/mcpcat`; Windows: `%LOCALAPPDATA%\mcpcat`. `None` when the environment names no
/// home.
#[must_use]
pub fn default_data_file() -> Option<PathBuf> {
    state_dir(|name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from))
        .map(|folder| folder.join("timeline.sqlite3"))
}

fn state_dir(env: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    if let Some(folder) = env("MCPCAT_STATE_DIR") {
        return Some(folder);
    }
    if cfg!(windows) {
        return env("LOCALAPPDATA").map(|folder| folder.join("mcpcat"));
    }
    let home = || env("HOME");
    if cfg!(target_os = "macos") {
        return home().map(|home| home.join("Library/Application Support/mcpcat"));
    }
    env("XDG_STATE_HOME")
        .or_else(|| home().map(|home| home.join(".local/state")))
        .map(|folder| folder.join("mcpcat"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Option<PathBuf> {
        state_dir(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| PathBuf::from(value)))
    }

    #[test]
    fn the_variable_wins_and_no_home_is_no_place() {
        assert_eq!(with(&[("MCPCAT_STATE_DIR", "/x"), ("HOME", "/h")]), Some("/x".into()));
        assert_eq!(with(&[]), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_uses_the_state_home() {
        assert_eq!(with(&[("HOME", "/h")]), Some("/h/.local/state/mcpcat".into()));
        assert_eq!(with(&[("HOME", "/h"), ("XDG_STATE_HOME", "/s")]), Some("/s/mcpcat".into()));
    }
}
