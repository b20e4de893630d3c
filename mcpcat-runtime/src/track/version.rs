//! The rmcp that this was tested with, beside the one that the program links: a newer minor version may have
//! methods that are not forwarded yet, and its user should hear of that once.

use std::sync::Once;

use rmcp::model::Implementation;

/// Major and minor version of the newest rmcp that the tests have run with.
const TESTED: (u64, u64) = (3, 11);

/// Says it once in a process.
pub(super) fn warn_if_newer() {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        // Its "build environment" is rmcp's own, so this is the version that is linked.
        let linked = Implementation::from_build_env().version;
        if is_newer(&linked) {
            let (major, minor) = TESTED;
            crate::notice::warn(format_args!(
                "rmcp {linked} is newer than {major}.{minor}, the newest that mcpcat {} was tested with: a \
                 method it added to `ServerHandler` is answered as not found by a tracked server; update mcpcat, \
                 or keep rmcp at {major}.{minor} with `cargo update -p rmcp --precise {major}.{minor}.0`",
                env!("CARGO_PKG_VERSION"),
            ));
        }
    });
}

fn is_newer(version: &str) -> bool {
    let mut numbers = version.split('.').map_while(|number| number.parse::<u64>().ok());
    matches!((numbers.next(), numbers.next()), (Some(major), Some(minor)) if (major, minor) > TESTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_newer_minor_is_newer() {
        for (version, newer) in [
            ("3.11.0", false),
            ("3.11.9", false),
            ("3.9.4", false),
            ("3.12.0", true),
            ("3.100.0-beta.1", true),
            ("4.0.0", true),
            ("", false),
            ("three", false),
        ] {
            assert_eq!(is_newer(version), newer, "{version}");
        }
    }

    #[test]
    fn the_linked_version_is_a_tested_one() {
        let linked = Implementation::from_build_env();
        assert_eq!(linked.name, "rmcp");
        assert!(
            !is_newer(&linked.version),
            "run scripts/check-newest-rmcp, then raise TESTED: {}",
            linked.version
        );
    }
}
