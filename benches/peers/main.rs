//! The measurements of doors, with other systems for procedure calls beside them.
//!
//! Then the limits that are about these peers: exits with 1 if one is missed. `peers --limits` measures only what these
//! limits compare, beside the one peer that they are about.

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
mod wanted;
mod zbus_peer;

use std::ffi::OsString;
use std::fs;
use std::process::ExitCode;

use doors_bench::{
    Peer, Plan, ROLE, Result, html, json, limits, machine, markdown, play, run, table,
};

use self::wanted::Wanted;

/// Those that are here. Others join with a file each: what they need of the suite is the trait `Peer`.
const PEERS: &[&dyn Peer] = &[
    &iceoryx::ICEORYX,
    &iceoryx::ICEORYX_EVENT,
    &ipc_channel::IPC_CHANNEL,
    &tarpc_peer::TARPC,
    &zbus_peer::ZBUS,
    &tonic_peer::TONIC,
    &capnp_peer::CAPNP,
];

/// Those that limits are about.
const COMPARED: &[&dyn Peer] = &[&iceoryx::ICEORYX];

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let done = match arguments.split_first() {
        Some((first, rest)) if first == ROLE => play(rest, PEERS).map(|()| true),
        _ => measure(arguments),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether no limit was missed that is about these peers and these works.
fn measure(arguments: Vec<OsString>) -> Result<bool> {
    let wanted = Wanted::of(arguments)?;
    if wanted.works.is_empty() {
        // No limit is about what was named.
        return Ok(true);
    }
    let plan = Plan {
        compared: wanted.limits,
        ..match (wanted.quick, wanted.limits) {
            (true, _) => Plan::QUICK,
            (false, true) => Plan::FULL,
            (false, false) => Plan::WIDE,
        }
    };
    // Files that cannot be written are found before minutes have passed.
    let files = [&wanted.json, &wanted.html, &wanted.markdown];
    for path in files.into_iter().flatten() {
        let file = fs::OpenOptions::new().append(true).create(true).open(path);
        file.map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    let header = machine::line();
    println!("{header}\n{}", plan.says());
    let peers = if wanted.limits { COMPARED } else { PEERS };
    let records = run(plan, &wanted.works, peers, |records| {
        print!("{}", table(records));
        Ok(())
    })?;
    println!();
    let mut limits = limits::far(&records);
    limits.retain(|limit| wanted.works.iter().any(|work| work.name == limit.work()));
    for limit in &limits {
        println!("{limit}");
    }
    println!("{}", limits::sum(&limits));
    if let Some(path) = wanted.json {
        fs::write(path, format!("{:#}\n", json(&records)))?;
    }
    if let Some(path) = wanted.html {
        fs::write(path, html::html(&header, &plan.says(), &records))?;
    }
    if let Some(path) = wanted.markdown {
        let how = format!("`just results` has written this: {}.", plan.says());
        fs::write(path, markdown(&how, &header, &limits, &records))?;
    }
    Ok(!limits.iter().any(limits::Limit::is_missed))
}
