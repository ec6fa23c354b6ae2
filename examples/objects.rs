//! A door for each object: a cursor lives for as long as some process has a client for it, and no longer.
//!
//! `cargo run --bin objects`
#![expect(clippy::print_stdout, reason = "the output is the example")]

use std::error::Error;
use std::io::{BufRead, BufReader, stdin};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};

use doors::door;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
#[error("there are too many cursors")]
struct TooMany;

#[door]
trait Table {
    /// A cursor before the first row.
    fn rows(&self) -> Result<CursorClient, TooMany>;
}

#[door]
trait Cursor {
    fn next(&self) -> u32;
}

struct Numbers {
    ended: Sender<u32>,
}

impl Table for Numbers {
    fn rows(&self) -> Result<CursorClient, TooMany> {
        let (at, ended) = (Mutex::new(0), self.ended.clone());
        CursorDoor::serve_object(Row { at, ended }).map_err(|_| TooMany)
    }
}

struct Row {
    at: Mutex<u32>,
    ended: Sender<u32>,
}

impl Cursor for Row {
    fn next(&self) -> u32 {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        let row = *at;
        *at = row.wrapping_add(1);
        row
    }
}

/// Nobody has a client for it any more.
impl Drop for Row {
    fn drop(&mut self) {
        let rows = *self.at.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _nobody_listens = self.ended.send(rows);
    }
}

fn client(table: &TableClient) -> Result<(), Box<dyn Error>> {
    let short = table.rows()?;
    println!("row {}", short.next()?);
    drop(short);
    let long = table.rows()?;
    println!("row {}, row {}", long.next()?, long.next()?);
    // In the middle of it, until this process is killed.
    stdin().read_line(&mut String::new())?;
    drop(long);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(path) = std::env::args_os().nth(1) {
        return client(&TableClient::open(path)?);
    }
    let (ended, ends) = channel();
    let path = std::env::temp_dir().join(format!("objects-{}", std::process::id()));
    let _name = TableDoor::serve(Numbers { ended })?.attach(&path, 0o600)?;
    let mut client = Command::new(std::env::current_exe()?)
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(client.stdout.take().ok_or("no output")?).lines();
    println!("the client read {}", lines.next().ok_or("nothing")??);
    println!("a cursor ended after {} row", ends.recv()?);
    println!("the client read {}", lines.next().ok_or("nothing")??);
    client.kill()?;
    println!("the client ended: {}", client.wait()?);
    println!("a cursor ended after {} rows", ends.recv()?);
    Ok(())
}
