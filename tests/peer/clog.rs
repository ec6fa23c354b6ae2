//! A hostile client that sends descriptors whose last close does not return.

use std::io::BufRead;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use harness::raw::{self, Packet, Slow, kind};

/// Does one operation of this area; false if it has no such operation.
pub(crate) fn run(operation: &str, arguments: &[&str]) -> bool {
    if operation == "clog" {
        clog(Path::new(arguments[0]));
    }
    operation == "clog"
}

/// `clog PATH`. Lines: `petitions COUNT` sends so many on a connection of their own, each with one such descriptor
/// and nothing else that makes sense; `over` waits until the server has closed that connection. What holds the closes
/// up goes with this process.
fn clog(path: &Path) {
    let mut others: Vec<OwnedFd> = Vec::new();
    let mut connection = raw::connect(path);
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        match words[0] {
            "petitions" => {
                connection = raw::connect(path);
                for _ in 0..words[1].parse().unwrap() {
                    let Slow { socket, other } = Slow::new();
                    others.push(other);
                    // No petition takes a TCP socket for a private end: the server closes it.
                    let hello = Packet::new(kind::HELLO).u32(1).bytes();
                    if raw::queue(&connection, &hello, &[socket.as_fd()]).is_none() {
                        break;
                    }
                }
                println!("sent");
            }
            "over" => {
                raw::is_over(&connection);
                println!("over");
            }
            other => panic!("unknown word {other}"),
        }
    }
}
