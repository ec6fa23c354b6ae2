//! What must be reached, measured and compared: exits with 1 if a limit is missed.
//!
//! `figures --quick` looks whether the measurement itself works.
#![expect(clippy::print_stdout, reason = "the output is the result")]

use std::ffi::OsString;
use std::process::ExitCode;

use doors_bench::{Plan, ROLE, Result, Work, limits, machine, play, run, table};

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let done = match arguments.split_first() {
        Some((first, rest)) if first == ROLE => play(rest, &[]).map(|()| true),
        Some((first, [])) if first == "--quick" => figures(Plan::QUICK),
        None => figures(Plan::FULL),
        _ => Err("usage: figures [--quick]".into()),
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

/// Whether no limit was missed.
fn figures(plan: Plan) -> Result<bool> {
    println!("{}", machine::line());
    println!("{} rounds, interleaved; medians (min - max)", plan.rounds);
    let works: Vec<&'static Work> = limits::WORKS
        .iter()
        .filter_map(|name| doors_bench::find(name))
        .collect();
    let records = run(plan, &works, &[], |records| {
        print!("{}", table(records));
        Ok(())
    })?;
    println!();
    let limits = limits::limits(&records);
    for limit in &limits {
        println!("{limit}");
    }
    Ok(!limits.iter().any(limits::Limit::is_missed))
}
