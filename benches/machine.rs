//! Where and when something was measured.

use std::process::Command;

/// One line: date, machine, kernel, load, commit.
#[must_use]
pub fn line() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or("unknown processor")
        .trim_start_matches([' ', '\t', ':']);
    let count = std::thread::available_parallelism().map_or(0, usize::from);
    let date = Command::new("date").args(["-u", "+%F %H:%M UTC"]).output();
    let date = date.map(|output| output.stdout).unwrap_or_default();
    let load = read("/proc/loadavg");
    let load: Vec<&str> = load.split_whitespace().take(3).collect();
    let profile = if cfg!(debug_assertions) {
        " · not optimised: these are no figures"
    } else {
        ""
    };
    format!(
        "{} · {count} CPUs, {model} · Linux {} · load {} at the beginning · {}{profile}",
        String::from_utf8_lossy(&date).trim(),
        read("/proc/sys/kernel/osrelease").trim(),
        load.join(" "),
        commit()
    )
}

/// Where this program was built, and what a measurement writes there, which does not make it another program.
const SOURCE: &str = env!("CARGO_MANIFEST_DIR");
const WRITTEN: [&str; 2] = [":(top,exclude)benches/*.txt", ":(top,exclude)benches/*.md"];

/// Which commit that is, and whether anything differs from it.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.args(["-C", SOURCE]).args(arguments).output().ok()
    };
    let described = git(&["describe", "--always"]).filter(|said| said.status.success());
    let Some(described) = described else {
        return "of an unknown commit (no git)".into();
    };
    let mut difference = vec!["diff", "--quiet", "HEAD", "--", ":/"];
    difference.extend(WRITTEN);
    let is_same = git(&difference).is_some_and(|said| said.status.success());
    let dirty = if is_same { "" } else { "-dirty" };
    let name = String::from_utf8_lossy(&described.stdout);
    format!("commit {}{dirty}", name.trim())
}
