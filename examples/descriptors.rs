//! Descriptors go with a call and with its reply: lent ones stay open, released ones are closed here.
//!
//! `cargo run --bin descriptors`
#![expect(clippy::print_stdout, reason = "the output is the example")]

use std::error::Error;
use std::fs::File;
use std::io::{Read, Write, pipe};
use std::os::fd::AsFd;

use doors::{Door, DoorAttributes, DoorDesc};

fn main() -> Result<(), Box<dyn Error>> {
    // It answers with the reading end of a pipe, into which it copies what it was given.
    let door = Door::create(
        |mut call| {
            let files = call.take_descriptors();
            let Ok((reader, mut writer)) = pipe() else {
                return call.door_return(b"no pipe", vec![]);
            };
            // On a thread: a pipe holds 64 KiB, and the caller reads after the reply only.
            std::thread::spawn(move || {
                for file in files.into_iter().map(File::from) {
                    let mut head = Vec::new();
                    let copied = file.take(4).read_to_end(&mut head);
                    if copied.and_then(|_| writer.write_all(&head)).is_err() {
                        break;
                    }
                }
            });
            call.door_return(&[], vec![DoorDesc::Released(reader.into())])
        },
        DoorAttributes::empty(),
    )?;
    let program = File::open(std::env::current_exe()?)?;
    let null = File::open("/dev/null")?;
    let given = vec![
        DoorDesc::Lent(program.as_fd()),
        DoorDesc::Released(null.into()),
    ];
    let mut reply = door.call(&[], given)?;
    let mut results = File::from(reply.descriptors.pop().ok_or("no pipe came back")?);
    let mut bytes = Vec::new();
    results.read_to_end(&mut bytes)?;
    println!(
        "the program begins with {:?}",
        String::from_utf8_lossy(&bytes)
    );
    // What was lent is still ours.
    println!("and has {} bytes", program.metadata()?.len());
    if bytes == b"\x7fELF" {
        Ok(())
    } else {
        Err("these are not the first bytes of a program".into())
    }
}
