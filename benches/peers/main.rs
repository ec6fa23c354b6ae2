//! The measurements of doors, with other systems for procedure calls beside them.
//!
//! `peers [WORK...] [--quick] [--json FILE] [--html FILE]`; then the limits that are about these peers, too.

mod bound;
mod capnp_peer;
mod iceoryx;
mod ipc_channel;
#[expect(
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    unused_qualifications,
    unreachable_pub,
    reason = "generated"
)]
mod peers_capnp;
mod served;
mod tarpc_peer;
mod tonic_peer;
mod zbus_peer;

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use doors_bench::{
    Peer, Plan, ROLE, Result, WORKS, Work, html, json, limits, machine, play, run, table,
};

/// Those that are here. Others join with a file each: what they need of the suite is the trait `Peer`.
const PEERS: &[&dyn Peer] = &[
    &iceoryx::ICEORYX,
    &ipc_channel::IPC_CHANNEL,
    &tarpc_peer::TARPC,
    &zbus_peer::ZBUS,
    &tonic_peer::TONIC,
    &capnp_peer::CAPNP,
];

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let done = match arguments.split_first() {
        Some((first, rest)) if first == ROLE => play(rest, PEERS),
        _ => measure(arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What was said on the command line.
#[derive(Debug, Default)]
struct Wanted {
    works: Vec<&'static Work>,
    quick: bool,
    json: Option<PathBuf>,
    html: Option<PathBuf>,
}

fn wanted(arguments: Vec<OsString>) -> Result<Wanted> {
    let mut wanted = Wanted::default();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--quick") => wanted.quick = true,
            Some("--json") => wanted.json = Some(arguments.next().ok_or("--json FILE")?.into()),
            Some("--html") => wanted.html = Some(arguments.next().ok_or("--html FILE")?.into()),
            name => {
                let work = name.and_then(doors_bench::find);
                wanted.works.push(work.ok_or_else(|| {
                    let names: Vec<&str> = WORKS.iter().map(|work| work.name).collect();
                    format!(
                        "usage: peers [{}]... [--quick] [--json FILE] [--html FILE]",
                        names.join("|")
                    )
                })?);
            }
        }
    }
    if wanted.works.is_empty() {
        wanted.works.extend(WORKS);
    }
    Ok(wanted)
}

fn measure(arguments: Vec<OsString>) -> Result<()> {
    let wanted = wanted(arguments)?;
    let plan = if wanted.quick {
        Plan::QUICK
    } else {
        Plan::FULL
    };
    let header = machine::line();
    println!(
        "{header}\n{} rounds, interleaved; medians (min - max)",
        plan.rounds
    );
    let records = run(plan, &wanted.works, PEERS, |records| {
        print!("{}", table(records));
        Ok(())
    })?;
    println!();
    for limit in limits::limits(&records) {
        if limit.is_measured() {
            println!("{limit}");
        }
    }
    if let Some(path) = wanted.json {
        fs::write(path, format!("{:#}\n", json(&records)))?;
    }
    if let Some(path) = wanted.html {
        fs::write(path, html::html(&header, &records))?;
    }
    Ok(())
}
