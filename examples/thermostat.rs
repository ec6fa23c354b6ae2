//! Programs of two versions understand each other as far as both go.
//!
//! `cargo run --bin thermostat`
#![expect(clippy::print_stdout, reason = "the output is the example")]

use std::error::Error;
use std::path::Path;
use std::process::Command;

/// What was written first.
mod first {
    #[doors::door(version = "1.0")]
    pub(super) trait Thermostat {
        fn celsius(&self) -> f32;
    }
}

/// What was written later: a method more.
mod later {
    #[doors::door(version = "1.1")]
    pub(super) trait Thermostat {
        fn celsius(&self) -> f32;

        #[since("1.1")]
        fn set(&self, celsius: f32) -> bool;
    }
}

struct Wall;

impl first::Thermostat for Wall {
    fn celsius(&self) -> f32 {
        20.5
    }
}

impl later::Thermostat for Wall {
    fn celsius(&self) -> f32 {
        20.5
    }

    fn set(&self, celsius: f32) -> bool {
        (5.0..30.0).contains(&celsius)
    }
}

/// Knows of no method but the first.
fn first_client(path: &Path) -> Result<(), Box<dyn Error>> {
    let thermostat = first::ThermostatClient::open(path)?;
    println!("1.0 reads {} degrees", thermostat.celsius()?);
    Ok(())
}

fn later_client(path: &Path) -> Result<(), Box<dyn Error>> {
    let thermostat = later::ThermostatClient::open(path)?;
    println!("1.1 reads {} degrees", thermostat.celsius()?);
    match thermostat.set(21.0) {
        Ok(set) => println!("1.1 sets 21 degrees: {set}"),
        Err(error) if error.is_unsupported() => println!("1.1 cannot set it: the server is older"),
        Err(other) => return Err(other.into()),
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.as_slice() {
        [version, path] if version == "1.0" => return first_client(path.as_ref()),
        [_, path] => return later_client(path.as_ref()),
        _ => {}
    }
    let name = format!("thermostat-{}", std::process::id());
    let path = |version| std::env::temp_dir().join(format!("{name}-{version}"));
    let _first = first::ThermostatDoor::serve(Wall)?.attach(path("1.0"), 0o600)?;
    let _later = later::ThermostatDoor::serve(Wall)?.attach(path("1.1"), 0o600)?;
    for (client, server) in [("1.0", "1.1"), ("1.1", "1.0"), ("1.1", "1.1")] {
        println!("a client of {client} and a server of {server}:");
        let this = std::env::current_exe()?;
        let ran = Command::new(this).arg(client).arg(path(server)).status()?;
        if !ran.success() {
            return Err("the client failed".into());
        }
    }
    Ok(())
}
