//! The end of the process: once `main` has returned or `exit` was called, the C library waits with us for what is
//! still on its way.

use std::panic::catch_unwind;
use std::sync::Once;

use crate::delivery::drain;
use crate::spool;

/// What the C library calls. Whatever fails in it ends here.
extern "C" fn hook() {
    let _ = catch_unwind(drain::wait);
}

/// Registers the hook, once. Not from a shared library unless `wanted` says so: a plugin's host decides how it ends.
pub(super) fn register(wanted: Option<bool>) {
    static REGISTERED: Once = Once::new();
    if wanted.unwrap_or_else(spool::is_in_program) {
        REGISTERED.call_once(|| {
            if !spool::at_exit(hook) {
                crate::notice::warn("the end of the process does not wait for events (no exit handler): what is left goes with the next start");
            }
        });
    }
}
