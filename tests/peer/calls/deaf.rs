//! A client with threads whose packets find no memory in the kernel.
#![expect(unsafe_code, reason = "installs a filter of system calls")]

use std::io::BufRead;
use std::sync::mpsc::channel;

use doors::{CallError, Door, Reply};
use nix::sys::prctl;

/// `calls-deaf-client PATH`: `call DATA` calls on a thread of its own, `mute DATA` on one that cannot send a packet.
/// Says *begun* once the call is on its way, and what came of it.
pub(crate) fn obey(path: &str) {
    let door = Door::open(path).unwrap();
    // The first travels on the connection; with the second the session is there.
    door.call(b"", vec![]).unwrap();
    door.call(b"", vec![]).unwrap();
    println!("ready");
    std::thread::scope(|scope| {
        for line in std::io::stdin().lock().lines() {
            let line = line.unwrap();
            let (how, data) = line.split_once(' ').unwrap();
            let (how, data, door) = (how.to_owned(), data.to_owned(), &door);
            let (tell, told) = channel();
            let thread = scope.spawn(move || {
                if how == "mute" {
                    send_nothing();
                }
                tell.send(nix::unistd::gettid()).unwrap();
                say(&how, door.call(data.as_bytes(), vec![]));
            });
            let task = format!("/proc/self/task/{}/syscall", told.recv().unwrap());
            while line.starts_with("mute") && !thread.is_finished() && !pauses(&task) {
                std::thread::yield_now();
            }
            println!("begun");
        }
    });
}

/// Whether a thread waits for some time to pass.
fn pauses(task: &str) -> bool {
    let text = std::fs::read_to_string(task).unwrap_or_default();
    let number = text.split(' ').next().and_then(|word| word.parse().ok());
    number == Some(libc::SYS_clock_nanosleep)
}

fn say(how: &str, outcome: Result<Reply, CallError>) {
    match outcome {
        Ok(reply) => println!("{how}: {}", String::from_utf8(reply.data).unwrap()),
        Err(error) => println!("{how}: {:?} {:?}", error.condition, error.call_state()),
    }
}

/// From here on the kernel has no memory for what the calling thread sends.
fn send_nothing() {
    prctl::set_no_new_privs().unwrap();
    let statement = |code: u32, k: u32, jt: u8, jf: u8| libc::sock_filter {
        code: u16::try_from(code).unwrap(),
        jt,
        jf,
        k,
    };
    let sends = |call: libc::c_long, jt: u8, jf: u8| {
        let number = u32::try_from(call).unwrap();
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, number, jt, jf)
    };
    let mut filter = [
        // The number of the system call is the first word of what a filter sees (seccomp(2)).
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        // send(2) is the second of them.
        sends(libc::SYS_sendmsg, 1, 0),
        sends(libc::SYS_sendto, 0, 1),
        statement(
            libc::BPF_RET | libc::BPF_K,
            libc::SECCOMP_RET_ERRNO | u32::try_from(libc::ENOBUFS).unwrap(),
            0,
            0,
        ),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0),
    ];
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).unwrap(),
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the program points at a live filter of the stated length, which the kernel copies (seccomp(2)).
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0,
            &raw const program,
        )
    };
    nix::errno::Errno::result(result).unwrap();
}
