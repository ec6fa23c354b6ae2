//! Processes that SIGPIPE would kill, as it does most programs: the Rust runtime ignores it.
#![expect(unsafe_code, reason = "sets the action of a signal")]

use nix::sys::signal::{SigHandler, Signal, signal};

/// `mortal-OPERATION`: does the operation where SIGPIPE has its default action.
pub(crate) fn run(operation: &str, arguments: &[&str]) -> bool {
    let Some(operation) = operation.strip_prefix("mortal-") else {
        return false;
    };
    // SAFETY: the default action is no function of ours that would have to be safe in a signal handler.
    unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) }.unwrap();
    super::run(operation, arguments)
}
