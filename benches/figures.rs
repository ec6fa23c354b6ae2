//! What must be reached, measured and compared: exits with 1 if a limit is missed.
//!
//! The last line says how many were held, bound by their floors, and missed. `figures null death` measures these works, and compares their limits only. `figures --quick` looks whether the
//! measurement itself works. The limits beside a peer of `benches/peers` are measured there.
#![expect(clippy::print_stdout, reason = "the output is the result")]

use std::ffi::OsString;
use std::process::ExitCode;

use doors_bench::{Plan, ROLE, Result, Work, limits, machine, play, run, table};

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let done = match arguments.split_first() {
        Some((first, rest)) if first == ROLE => play(rest, &[]).map(|()| true),
        Some((first, works)) if first == "--quick" => figures(Plan::QUICK, works),
        _ => figures(Plan::FULL, &arguments),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("figures: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether no limit of these works was missed, or of any if none is named.
fn figures(plan: Plan, names: &[OsString]) -> Result<bool> {
    let is_wanted = |work: &str| names.is_empty() || names.iter().any(|name| name == work);
    let all = || limits::WORKS.iter().chain(limits::FAR_WORKS);
    if let Some(wrong) = names.iter().find(|name| !all().any(|work| name == work)) {
        let works = limits::WORKS.join(" ");
        return Err(format!(
            "no limit is about {}: usage: figures [--quick] [WORK]... of {works}",
            wrong.display()
        )
        .into());
    }
    let works: Vec<&'static Work> = limits::WORKS
        .iter()
        .filter(|name| is_wanted(name))
        .filter_map(|name| doors_bench::find(name))
        .collect();
    if works.is_empty() {
        // It is about the other workspace only.
        return Ok(true);
    }
    println!("{}", machine::line());
    println!("{}", plan.says());
    let records = run(plan, &works, &[], |records| {
        print!("{}", table(records));
        Ok(())
    })?;
    println!();
    let mut limits = limits::limits(&records);
    limits.retain(|limit| is_wanted(limit.work()));
    for limit in &limits {
        println!("{limit}");
    }
    println!("{}", limits::sum(&limits));
    Ok(!limits.iter().any(limits::Limit::is_missed))
}
