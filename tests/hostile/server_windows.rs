//! A hostile server at the handshake: windows that are not what they should be.

use std::os::fd::{AsFd, OwnedFd};

use harness::raw::{self, Guest, Host, Packet, kind};
use nix::fcntl::SealFlag;

use crate::served::{Customer, Relay};

const LEN: usize = 4096 + 4 * 16 * 1024;
const PROTOCOL: &str = "error not-executed the server broke the protocol";

fn base() -> SealFlag {
    SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW
}

fn closed() -> SealFlag {
    base() | SealFlag::from_bits_retain(0x10) | SealFlag::F_SEAL_SEAL
}

/// The customer opens and its first call is refused there, so that the second says HELLO.
fn second_call(customer: &mut Customer, host: &Host) -> OwnedFd {
    customer.open();
    let connection = host.accept();
    customer.peer.say("call 1");
    let _call = raw::receive(&connection).unwrap();
    let reply = Packet::new(kind::REPLY).u64(1).u32(7).u32(0).u64(0);
    raw::send(&connection, &reply.bytes(), &[]).unwrap();
    customer.hears("error not-executed");
    customer.peer.say("call 1");
    connection
}

#[test]
fn case_23_27_to_31_windows_that_are_not_sealed_sized_and_typed_are_refused() {
    let mut customer = Customer::new("case_27_client");
    let host = Host::new(&customer.path);
    let connection = second_call(&mut customer, &host);
    drop(Guest::greet(&connection));
    customer.hears("error not-executed");
    let memory = raw::memfd;
    let file = |len: u64| -> OwnedFd {
        let file = std::fs::File::create(customer.path.with_extension("file")).unwrap();
        file.set_len(len).unwrap();
        file.into()
    };
    let secret = || memory(LEN, closed());
    let in_shared_memory = || -> OwnedFd {
        // Where that file system is not mounted there, it is a file like the one above.
        let place = std::path::Path::new("/dev/shm");
        let place = place.is_dir().then(|| place.to_path_buf());
        let place = place.unwrap_or_else(std::env::temp_dir);
        let path = place.join(format!("doors-{}", std::process::id()));
        let mut options = std::fs::File::options();
        let file = options.read(true).write(true).create_new(true).open(&path);
        std::fs::remove_file(&path).unwrap();
        let file = file.unwrap();
        file.set_len(u64::try_from(LEN).unwrap()).unwrap();
        file.into()
    };
    let pairs: Vec<Vec<OwnedFd>> = vec![
        vec![],
        vec![memory(LEN, base())],
        vec![memory(LEN, base()), secret(), secret()],
        // Unsealed, half sealed.
        vec![memory(LEN, SealFlag::empty()), secret()],
        vec![memory(LEN, SealFlag::F_SEAL_GROW), secret()],
        vec![memory(LEN, SealFlag::F_SEAL_SHRINK), secret()],
        vec![memory(LEN, base()), memory(LEN, base())],
        vec![memory(LEN, base()), memory(LEN, SealFlag::empty())],
        // Closed to the client as well: it cannot map it for writing.
        vec![secret(), secret()],
        vec![memory(LEN, base() | SealFlag::F_SEAL_WRITE), secret()],
        // Too short, too long, empty, enormous.
        vec![memory(LEN - 1, base()), secret()],
        vec![memory(LEN, base()), memory(LEN - 4096, closed())],
        vec![memory(4096, base()), memory(4096, closed())],
        vec![memory(LEN * 2, base()), memory(LEN * 2, closed())],
        vec![memory(0, base()), memory(0, closed())],
        vec![memory(1 << 40, base()), memory(1 << 40, closed())],
        // Of other kinds.
        vec![
            file(u64::try_from(LEN).unwrap()),
            file(u64::try_from(LEN).unwrap()),
        ],
        vec![
            memory(LEN, base()),
            std::fs::File::open("/dev/zero").unwrap().into(),
        ],
        vec![std::fs::File::open("/").unwrap().into(), secret()],
        // A file of the same file system as a memfd, which says that it cannot be sealed.
        vec![in_shared_memory(), in_shared_memory()],
        vec![memory(LEN, base()), in_shared_memory()],
        vec![raw::pair().0, raw::pair().1],
        vec![harness::files::event(), harness::files::event()],
    ];
    for fds in pairs {
        customer.peer.say("call 1");
        let guest = Guest::greet(&connection);
        guest.offer(&raw::Offer {
            wanted: 0,
            pair: 0,
            first: 0,
            channels: 4,
            area: 16 * 1024,
            fds,
        });
        guest.registered();
        customer.hears(PROTOCOL);
    }
    customer.is_sound();
}

#[test]
fn case_29_windows_of_huge_pages_and_of_secret_memory_are_refused() {
    // One channel of this area makes a pair of exactly one huge page.
    const HUGE: usize = 2 << 20;
    const AREA: u64 = (2 << 20) - 4096;
    let mut customer = Customer::new("case_29_client");
    let host = Host::new(&customer.path);
    let connection = second_call(&mut customer, &host);
    drop(Guest::greet(&connection));
    customer.hears("error not-executed");
    let mut pairs = vec![vec![raw::memfd(HUGE, base()), raw::memfd(HUGE, closed())]];
    match [base(), closed()].map(|seals| raw::huge_memfd(HUGE, seals)) {
        [Some(call), Some(reply)] => {
            pairs.push(vec![call, raw::memfd(HUGE, closed())]);
            pairs.push(vec![raw::memfd(HUGE, base()), reply]);
        }
        _ => harness::skipped("no memfd of huge pages here"),
    }
    match [HUGE, HUGE].map(raw::secret_memory) {
        [Some(call), Some(reply)] => {
            pairs.push(vec![call, raw::memfd(HUGE, closed())]);
            pairs.push(vec![raw::memfd(HUGE, base()), reply]);
        }
        _ => harness::skipped("no secret memory here"),
    }
    for (number, fds) in pairs.into_iter().enumerate() {
        customer.peer.say("call 1");
        let guest = Guest::greet(&connection);
        guest.offer(&raw::Offer {
            wanted: 0,
            pair: 0,
            first: 0,
            channels: 1,
            area: AREA,
            fds,
        });
        guest.registered();
        if number == 0 {
            // The same shape in ordinary memory is what a window may be.
            let mapped = guest.hear().expect("MAPPED");
            let _mapped = raw::Fields::of(&mapped.bytes, kind::MAPPED);
            drop(guest);
            customer.hears("error not-executed");
        } else {
            customer.hears(PROTOCOL);
        }
    }
    customer.is_sound();
}

#[test]
fn case_30_shapes_that_nobody_may_have_are_refused() {
    let mut customer = Customer::new("case_30_client");
    let host = Host::new(&customer.path);
    let connection = second_call(&mut customer, &host);
    let shapes: &[(u32, u32, u64)] = &[
        (0, 0, 16 * 1024),
        (0, 257, 16 * 1024),
        (0, u32::MAX, 16 * 1024),
        (0, 4, 0),
        (0, 4, 4097),
        (0, 4, 8 << 20),
        (0, 4, u64::MAX),
        (1, 4, 16 * 1024),
        (u32::MAX, 4, 16 * 1024),
        (0, 4, 32 * 1024),
    ];
    for (number, (first, channels, area)) in shapes.iter().enumerate() {
        if number > 0 {
            customer.peer.say("call 1");
        }
        let mut guest = Guest::greet(&connection);
        let mut offer = guest.honest(0, 4, 16 * 1024);
        (offer.first, offer.channels, offer.area) = (*first, *channels, *area);
        guest.offer(&offer);
        guest.registered();
        guest.say(&Packet::new(kind::READY).u64(0).u32(0));
        customer.hears(PROTOCOL);
    }
    customer.is_sound();
}

#[test]
fn case_38_first_windows_for_which_there_is_no_memory_here_are_lack_of_room() {
    let mut customer = Customer::new("case_38_first_windows");
    let host = Host::new(&customer.path);
    let connection = second_call(&mut customer, &host);
    drop(Guest::greet(&connection));
    customer.hears("error not-executed");
    customer.peer.say(&format!("room {}", 4 << 20));
    customer.peer.expect("limited");
    customer.peer.say("call 1");
    let mut guest = Guest::greet(&connection);
    let offer = guest.honest(0, 4, 1 << 20);
    guest.offer(&offer);
    guest.registered();
    customer.hears("error not-executed the server or this process is short");
    customer.peer.say("plenty");
    customer.peer.expect("unlimited");
    drop((guest, connection));
    customer.is_sound();
}

#[test]
fn case_10_answers_to_hello_out_of_order_or_of_no_sense_are_refused() {
    let mut customer = Customer::new("case_10_client");
    let host = Host::new(&customer.path);
    let connection = second_call(&mut customer, &host);
    drop(Guest::greet(&connection));
    customer.hears("error not-executed");
    let registered = |session: u128| {
        Packet::new(kind::REGISTERED)
            .u128(session)
            .u64(1)
            .u64(9)
            .u64(0)
            .u32(0)
            .u32(9)
            .u64(0)
            .u64(9)
    };
    // Instead of the windows.
    let firsts: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"garbage".to_vec(),
        vec![255; 600],
        registered(7).bytes(),
        Packet::new(kind::READY).u64(0).u32(0).bytes(),
        Packet::new(kind::HELLO).u32(1).bytes(),
        Packet::new(kind::REFUSED).u64(0).u32(77).bytes(),
    ];
    for bytes in firsts {
        customer.peer.say("call 1");
        let guest = Guest::greet(&connection);
        let null = std::fs::File::open("/dev/null").unwrap();
        raw::send(&guest.socket, &bytes, &[null.as_fd(); 20]).unwrap();
        drop(guest);
        customer.hears("error not-executed");
    }
    // Another session is registered; another pair is ready; a ready that is none.
    for wrong in 0..3 {
        customer.peer.say("call 1");
        let mut guest = Guest::greet(&connection);
        let offer = guest.honest(0, 4, 16 * 1024);
        guest.offer(&offer);
        guest.say(&registered(if wrong == 0 { 8 } else { 7 }));
        let ready = Packet::new(kind::READY).u64(0);
        match wrong {
            0 => guest.say(&ready.u32(0)),
            1 => guest.say(&ready.u32(5)),
            _ => guest.say(&registered(7)),
        }
        customer.hears(PROTOCOL);
    }
    customer.is_sound();
}

#[test]
fn case_117_a_server_that_never_says_ready_is_not_waited_for_for_ever() {
    let mut customer = Customer::new("case_117_client");
    let host = Host::new(&customer.path);
    let connection = second_call(&mut customer, &host);
    let mut guest = Guest::greet(&connection);
    let offer = guest.honest(0, 4, 16 * 1024);
    guest.offer(&offer);
    guest.registered();
    customer.hears("error not-executed the server did not answer");
    drop((guest, offer));
    customer.is_sound();
}

#[test]
fn case_61_a_server_that_never_answers_hello_is_not_waited_for_for_ever() {
    let mut customer = Customer::new("case_61_client");
    let host = Host::new(&customer.path);
    let connection = second_call(&mut customer, &host);
    let guest = Guest::greet(&connection);
    customer.hears("error not-executed the server did not answer");
    drop(guest);
    customer.is_sound();
}

#[test]
fn case_79_an_answer_of_another_process_is_refused() {
    let mut customer = Customer::new("case_79_client");
    let directory = harness::Directory::new("case_79_relay");
    let relay = Relay::new(&directory);
    let host = Host::new(&customer.path);
    let connection = second_call(&mut customer, &host);
    let mut guest = Guest::greet(&connection);
    let offer = guest.honest(0, 4, 16 * 1024);
    guest.offer(&offer);
    let registered = Packet::new(kind::REGISTERED)
        .u128(7)
        .u64(1)
        .u64(9)
        .u64(0)
        .u32(0)
        .u32(9)
        .u64(0)
        .u64(9);
    relay.send(guest.socket.as_fd(), &registered.bytes(), &[]);
    customer.hears(PROTOCOL);
    // In a session that is open: it ends.
    customer.peer.say("call 1");
    let guest = Guest::welcome(&connection);
    let _turn = guest.next_turn(0, 0).unwrap();
    let refused = Packet::new(kind::REFUSED).u64(0).u32(8).bytes();
    relay.send(guest.socket.as_fd(), &refused, &[]);
    customer.hears("error not-executed the server died");
    drop((guest, connection));
    customer.is_sound();
}
