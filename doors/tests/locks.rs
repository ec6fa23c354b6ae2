//! The workspace of the other systems locks what this one depends on: its benchmarks build as they are.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::collections::BTreeSet;
use std::path::Path;

/// What the package `doors` depends on, by a lock file; without versions, which are there only where two are in use.
fn dependencies(lock: &str) -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = std::fs::read_to_string(root.join(lock)).unwrap();
    let package = text
        .split("[[package]]")
        .find(|package| package.lines().any(|line| line == "name = \"doors\""))
        .unwrap();
    let (_, listed) = package.split_once("dependencies = [").unwrap();
    let (listed, _) = listed.split_once(']').unwrap();
    let names = listed.split('"').skip(1).step_by(2);
    names
        .filter_map(|name| name.split(' ').next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_other_workspace_locks_what_doors_depends_on() {
    let ours = dependencies("Cargo.lock");
    let theirs = dependencies("benches/peers/Cargo.lock");
    assert!(ours.len() > 5, "{ours:?}");
    // Development dependencies are in our list alone.
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).unwrap();
    let (_, normal) = manifest.split_once("[dependencies]").unwrap();
    let (normal, _) = normal.split_once("\n[").unwrap();
    let missing: Vec<_> = ours
        .difference(&theirs)
        .filter(|name| normal.contains(name.as_str()))
        .filter(|name| {
            !normal
                .lines()
                .any(|line| line.starts_with(name.as_str()) && line.contains("optional"))
        })
        .collect();
    assert!(
        missing.is_empty(),
        "not locked by benches/peers: {missing:?}"
    );
}
