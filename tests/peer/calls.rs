//! What the tests of `calls` ask of a peer.

/// Does one operation of this area; false if it has no such operation.
pub(crate) fn run(_operation: &str, _arguments: &[&str]) -> bool {
    false
}
