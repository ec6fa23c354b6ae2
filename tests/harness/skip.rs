//! Tests that cannot run everywhere.

use std::io::Write;

/// Says that the calling test does not run here, and why: on the error output itself, which the test runner does not
/// keep to itself as it does with what a passing test prints.
pub fn skipped(why: &str) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("a test");
    let _said = writeln!(std::io::stderr(), "SKIPPED {name}: {why}");
}
