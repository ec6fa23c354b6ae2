//! Names of doors: who may open them, how long they may be, how they end.

use std::collections::BTreeSet;
use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::mpsc::{TryRecvError, channel};
use std::time::{Duration, Instant};

use doors::{Door, DoorCondition, NameError};
use harness::files::raise_limit;
use harness::life::{attach, kind_of_error, subject, try_open};
use harness::{Books, Directory, Peer, Watchdog, life, skipped};
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, chown, geteuid};

const PEER: &str = env!("CARGO_BIN_EXE_peer");
const NOBODY: &str = "65534";

#[test]
fn the_write_bit_admits() {
    let _watchdog = Watchdog::new("the_write_bit_admits");
    let directory = Directory::new("names");
    let (mut server, mut client) = (subject(PEER, "none"), life::stranger(PEER));
    let cases = if geteuid().is_root() {
        set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        client.ask(&format!("become {NOBODY}"), "became");
        [
            ("600", false),
            ("444", false),
            ("222", true),
            ("666", true),
            ("020", false),
        ]
    } else {
        [
            ("600", true),
            ("444", false),
            ("222", true),
            ("666", true),
            ("022", false),
        ]
    };
    for (mode, admitted) in cases {
        let path = directory.join(mode);
        server.ask(
            &format!("attach {mode} {} {mode}", path.display()),
            "attached",
        );
        let now = std::fs::symlink_metadata(&path)
            .unwrap()
            .permissions()
            .mode()
            & 0o777;
        assert_eq!(now, u32::from_str_radix(mode, 8).unwrap());
        let said = try_open(&mut client, mode, &path);
        if admitted {
            assert_eq!(said, "open", "{mode}");
            client.ask(&format!("call {mode} ehello"), "reply hello");
        } else {
            assert_eq!(kind_of_error(&said), "Permission", "{mode}");
        }
    }
}

#[test]
fn a_name_is_never_wider_than_asked_for_not_even_for_an_instant() {
    let _watchdog = Watchdog::new("a_name_is_never_wider_than_asked_for");
    let directory = Directory::new("names");
    let path = directory.join("door");
    let mut command = Command::new("sh");
    // What is made without a mode of its own is everybody's.
    command.args(["-c", "umask 0; exec \"$0\" life-server", PEER]);
    let mut server = Peer::start_command(command);
    server.ask("create none", "created");
    // Given to somebody else: until it is theirs, their bits are nobody's.
    let theirs = if geteuid().is_root() {
        " 51060 51061"
    } else {
        ""
    };
    for (mode, owner, bits) in [
        ("600", "", 0o600),
        ("20", "", 0o020),
        ("660", theirs, 0o660),
    ] {
        let (stop, stopped) = channel();
        let looked_at = path.clone();
        let seen = std::thread::spawn(move || {
            let look = || {
                let found = std::fs::symlink_metadata(&looked_at).ok()?;
                Some((found.uid(), found.gid(), found.mode() & 0o777))
            };
            let (mut seen, mut last) = (BTreeSet::new(), None);
            while stopped.try_recv() == Err(TryRecvError::Empty) {
                // The kernel reads the owner and the mode one after another (`generic_fillattr`), and may be kept in between: what is there
                // is what two looks see.
                let found = look();
                if found == last {
                    seen.extend(found);
                }
                last = found;
            }
            seen
        });
        let words = format!("attach-and-detach {} {mode} 2000{owner}", path.display());
        server.ask(&words, "detached");
        stop.send(()).unwrap();
        let seen = seen.join().unwrap();
        assert!(!seen.is_empty(), "nobody was there to see it");
        let ids: Vec<u32> = owner.split_whitespace().flat_map(str::parse).collect();
        for (uid, gid, mode) in seen {
            let given = ids.is_empty() || ids == [uid, gid];
            let admitted = if given { bits } else { bits & 0o700 };
            assert_eq!(mode & !admitted, 0, "{mode:o} of {uid}:{gid}");
        }
    }
}

#[test]
fn the_server_knows_the_user_who_opened() {
    let _watchdog = Watchdog::new("the_server_knows_the_user_who_opened");
    if !geteuid().is_root() {
        skipped("needs the superuser to become somebody else");
        return;
    }
    let directory = Directory::new("names");
    set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let (mut server, mut client) = (subject(PEER, "none"), life::stranger(PEER));
    let path = directory.join("door");
    assert_eq!(attach(&mut server, &path, "222"), "attached");
    client.ask(&format!("become {NOBODY}"), "became");
    assert_eq!(try_open(&mut client, "p", &path), "open");
    for _ in 0..3 {
        client.ask("call p c", &format!("reply {} {NOBODY}", client.pid()));
    }
}

#[test]
fn what_is_not_a_door_cannot_be_opened() {
    let _watchdog = Watchdog::new("what_is_not_a_door_cannot_be_opened");
    let directory = Directory::new("names");
    let (mut server, mut client) = (subject(PEER, "none"), life::stranger(PEER));
    let path = directory.join("door");
    assert_eq!(
        kind_of_error(&try_open(&mut client, "p", &path)),
        "NotFound"
    );
    std::fs::write(&path, "a file").unwrap();
    assert_eq!(
        kind_of_error(&try_open(&mut client, "p", &path)),
        "NotADoor"
    );
    let below = path.join("door");
    assert_eq!(
        kind_of_error(&try_open(&mut client, "p", &below)),
        "NotADirectory"
    );
    std::fs::remove_file(&path).unwrap();
    let stream = UnixListener::bind(&path).unwrap();
    assert_eq!(
        kind_of_error(&try_open(&mut client, "p", &path)),
        "NotADoor"
    );
    drop(stream);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(attach(&mut server, &path, "600"), "attached");
    server.kill();
    assert_eq!(
        kind_of_error(&try_open(&mut client, "p", &path)),
        "NoServer"
    );
}

#[test]
fn a_path_may_be_longer_than_an_address() {
    let _watchdog = Watchdog::new("a_path_may_be_longer_than_an_address");
    let directory = Directory::new("names");
    let (mut server, mut client) = (subject(PEER, "multi"), life::stranger(PEER));
    for length in [106, 107, 108, 109, 150, 300, 1000] {
        let name = "door";
        let mut path = directory.path().to_path_buf();
        while path.as_os_str().len() + 1 + name.len() < length {
            let room = length - path.as_os_str().len() - 2 - name.len();
            path = path.join("d".repeat(room.clamp(1, 200)));
        }
        std::fs::create_dir_all(&path).unwrap();
        let path = path.join(name);
        for _ in 0..2 {
            assert_eq!(attach(&mut server, &path, "600"), "attached", "{length}");
            assert_eq!(try_open(&mut client, "p", &path), "open", "{length}");
            client.ask("call p ehello", "reply hello");
            server.ask("detach n", "detached true");
            assert!(!path.exists());
        }
    }
    let long = directory.path().join("d".repeat(100));
    std::fs::create_dir_all(&long).unwrap();
    assert_eq!(
        kind_of_error(&attach(&mut server, &long.join("n".repeat(200)), "600")),
        "TooLong"
    );
}

#[test]
fn whoever_has_opened_a_name_can_call_after_its_end() {
    let _watchdog = Watchdog::new("whoever_has_opened_a_name_can_call_after_its_end");
    let directory = Directory::new("names");
    let path = directory.join("door");
    let (mut server, mut client) = (subject(PEER, "multi"), life::stranger(PEER));
    let mut books = None;
    for round in 0..100 {
        assert_eq!(attach(&mut server, &path, "600"), "attached");
        // The server may not have taken the connection when the name goes.
        assert_eq!(try_open(&mut client, "p", &path), "open");
        if round % 2 == 0 {
            server.ask("detach n", "detached true");
        } else {
            server.ask("drop-attachment n", "dropped");
        }
        server.ask("barrier", "barrier");
        server.ask("count notices", &format!("notices {round}"));
        client.ask("call p eone", "reply one");
        client.ask("call p etwo", "reply two");
        client.ask("close p", "closed");
        server.ask(
            &format!("wait notices {}", round + 1),
            &format!("notices {}", round + 1),
        );
        // The first round made the session, the threads and the watch on the directory.
        books.get_or_insert_with(|| Books::of(&server)).balance();
    }
}

#[test]
fn a_name_that_is_left_in_place_outlives_its_server_and_is_replaced_by_the_next() {
    let _watchdog = Watchdog::new("a_name_that_is_left_in_place_outlives_its_server");
    let directory = Directory::new("names");
    let path = directory.join("door");
    let (mut first, mut client) = (subject(PEER, "multi"), life::stranger(PEER));
    assert_eq!(attach(&mut first, &path, "600"), "attached");
    first.ask("leave n", "left");
    // It counts as a reference on.
    first.ask("info", "references 1 active 0");
    assert_eq!(try_open(&mut client, "p", &path), "open");
    assert_eq!(life::server_of(&mut client, "p"), first.pid());
    client.ask("close p", "closed");
    assert!(first.finish().success());
    assert!(path.exists());
    let said = try_open(&mut client, "q", &path);
    assert_eq!(kind_of_error(&said), "NoServer");
    let mut second = subject(PEER, "multi");
    assert_eq!(attach(&mut second, &path, "600"), "attached");
    assert_eq!(try_open(&mut client, "r", &path), "open");
    assert_eq!(life::server_of(&mut client, "r"), second.pid());
}

#[test]
fn the_removal_of_a_name_that_its_owner_cannot_read_is_noticed() {
    let _watchdog = Watchdog::new("the_removal_of_a_name_that_its_owner_cannot_read_is_noticed");
    let directory = Directory::new("names");
    let mut server = subject(PEER, "multi");
    if geteuid().is_root() {
        let id = NOBODY.parse().unwrap();
        let (user, group) = (Uid::from_raw(id), Gid::from_raw(id));
        chown(directory.path(), Some(user), Some(group)).unwrap();
        server.ask(&format!("become {NOBODY}"), "became");
    }
    for round in 1..=2 {
        let (path, other) = (directory.join("door"), directory.join("other"));
        assert_eq!(attach(&mut server, &path, "222"), "attached");
        server.ask(&format!("attach m {} 222", other.display()), "attached");
        std::fs::remove_file(&path).unwrap();
        server.ask("detach m", "detached true");
        server.ask(
            &format!("wait notices {round}"),
            &format!("notices {round}"),
        );
        server.ask("detach n", "detached false");
    }
}

#[test]
fn a_door_whose_server_takes_no_more_connections_is_not_opened_after_the_deadline() {
    let _watchdog = Watchdog::new("a_door_whose_server_takes_no_more_connections");
    let directory = Directory::new("names");
    raise_limit();
    let server = life::server(PEER, &directory, "none");
    server.stop();
    let path = directory.join(life::CONTROL);
    // Each is tried once: there is room in the backlog, or the time is over.
    let mut doors = Vec::new();
    let error = loop {
        match Door::open_until(&path, Instant::now()) {
            Ok(door) => doors.push(door),
            Err(error) => break error,
        }
    };
    assert!(!doors.is_empty());
    assert!(
        matches!(
            error.condition(),
            DoorCondition::Name(NameError::TimedOut { .. })
        ),
        "{error}"
    );
    server.signal(Signal::SIGCONT);
    let later = Instant::now().checked_add(Duration::from_mins(1)).unwrap();
    let door = Door::open_until(&path, later).unwrap();
    door.call(b"eagain", vec![]).unwrap();
}
