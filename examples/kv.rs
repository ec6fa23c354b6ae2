//! A store of values under keys: arguments are borrowed from the call, and bytes are copied at once.
//!
//! `cargo run --bin kv`
#![expect(clippy::print_stdout, reason = "the output is the example")]

use std::collections::HashMap;
use std::error::Error;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use doors::{ProcedureError, door};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
#[error("there is nothing under this key")]
struct Nothing;

#[door]
trait Kv {
    /// Keeps a value; says whether there was another.
    fn put(&self, key: &str, value: Vec<u8>) -> bool;

    fn get(&self, key: &str) -> Result<Vec<u8>, Nothing>;

    /// How many of the keys are there.
    fn count(&self, keys: &[&str]) -> usize;
}

#[derive(Default)]
struct Store(Mutex<HashMap<String, Vec<u8>>>);

impl Kv for Store {
    fn put(&self, key: &str, value: Vec<u8>) -> bool {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The key lies in the data of the call: it is copied only if it is kept.
        if let Some(kept) = values.get_mut(key) {
            *kept = value;
            return true;
        }
        values.insert(key.to_owned(), value);
        false
    }

    fn get(&self, key: &str) -> Result<Vec<u8>, Nothing> {
        let values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        values.get(key).cloned().ok_or(Nothing)
    }

    fn count(&self, keys: &[&str]) -> usize {
        let values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.iter().filter(|key| values.contains_key(**key)).count()
    }
}

fn client(kv: &KvClient) -> Result<(), Box<dyn Error>> {
    let picture = vec![7; 1 << 20];
    println!("replaced: {}", kv.put("picture", picture.clone())?);
    println!("replaced: {}", kv.put("picture", picture.clone())?);
    println!("the same came back: {}", kv.get("picture")? == picture);
    println!("known: {}", kv.count(&["picture", "song"])?);
    match kv.get("song") {
        Err(ProcedureError::Returned(Nothing)) => println!("song: {Nothing}"),
        Err(other) => return Err(other.into()),
        Ok(_) => return Err("nobody has put a song there".into()),
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(path) = std::env::args_os().nth(1) {
        return client(&KvClient::open(path)?);
    }
    let path = std::env::temp_dir().join(format!("kv-{}", std::process::id()));
    let _name = KvDoor::serve(Store::default())?.attach(&path, 0o600)?;
    let client = Command::new(std::env::current_exe()?).arg(path).status()?;
    client
        .success()
        .then_some(())
        .ok_or("the client failed".into())
}
