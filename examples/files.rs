//! Open files are arguments and results: a vault keeps copies of what it is shown, and gives them back to read.
//!
//! `cargo run --bin files`
#![expect(clippy::print_stdout, reason = "the output is the example")]

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::Command;

use doors::door;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
#[error("the vault cannot do that: {0}")]
struct VaultError(String);

impl From<io::Error> for VaultError {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

#[door]
trait Vault {
    /// Copies a file that stays open at the caller; gives its length.
    fn keep(&self, from: &File) -> Result<u64, VaultError>;

    /// The copy, open for reading. The caller need not see the place where it lies.
    fn show(&self) -> Result<File, VaultError>;
}

struct Place(PathBuf);

impl Vault for Place {
    fn keep(&self, mut from: &File) -> Result<u64, VaultError> {
        Ok(io::copy(&mut from, &mut File::create(&self.0)?)?)
    }

    fn show(&self) -> Result<File, VaultError> {
        Ok(File::open(&self.0)?)
    }
}

fn client(vault: &VaultClient) -> Result<(), Box<dyn Error>> {
    let program = File::open(std::env::current_exe()?)?;
    let length = vault.keep(&program)?;
    println!("all is kept: {}", program.metadata()?.len() == length);
    let copy = vault.show()?;
    println!("all is shown: {}", copy.metadata()?.len() == length);
    println!("it can be written: {}", (&copy).write(b"x").is_ok());
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(path) = std::env::args_os().nth(1) {
        return client(&VaultClient::open(path)?);
    }
    let name = format!("files-{}", std::process::id());
    let path = std::env::temp_dir().join(&name);
    let kept = std::env::temp_dir().join(name + ".kept");
    let vault = VaultDoor::serve(Place(kept.clone()))?;
    let _name = vault.attach(&path, 0o600)?;
    let client = Command::new(std::env::current_exe()?).arg(path).status()?;
    fs::remove_file(kept)?;
    client
        .success()
        .then_some(())
        .ok_or("the client failed".into())
}
