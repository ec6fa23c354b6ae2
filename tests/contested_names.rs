//! Names that are taken already: by the dead, by the living, by others.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener};

use harness::life::{attach, kind_of_error, server_of, subject, try_open};
use harness::{Census, Directory, Peer, Watchdog, life, skipped};
use nix::unistd::geteuid;

const PEER: &str = env!("CARGO_BIN_EXE_peer");
const NOBODY: &str = "65534";

#[test]
fn the_name_of_a_server_that_was_killed_is_reclaimed() {
    let _watchdog = Watchdog::new("the_name_of_a_server_that_was_killed_is_reclaimed");
    let directory = Directory::new("names");
    let path = directory.join("door");
    let mut client = life::stranger(PEER);
    for _ in 0..5 {
        let mut server = subject(PEER, "none");
        assert_eq!(attach(&mut server, &path, "600"), "attached");
        assert_eq!(try_open(&mut client, "p", &path), "open");
        assert_eq!(server_of(&mut client, "p"), server.pid());
        server.kill();
        assert!(path.exists());
        // Whether the call or the watcher comes first is chance.
        let said = client.query("call p ehello");
        assert!(said.ends_with(" NotExecuted"), "{said}");
    }
}

#[test]
fn a_live_name_is_busy() {
    let _watchdog = Watchdog::new("a_live_name_is_busy");
    let directory = Directory::new("names");
    let path = directory.join("door");
    let (mut first, mut second, mut client) = (
        subject(PEER, "none"),
        subject(PEER, "none"),
        life::stranger(PEER),
    );
    assert_eq!(attach(&mut first, &path, "600"), "attached");
    let before = Census::of(second.pid());
    for _ in 0..5 {
        assert_eq!(kind_of_error(&attach(&mut second, &path, "600")), "Busy");
    }
    assert_eq!(Census::of(second.pid()), before);
    let again = first.query(&format!("attach other {} 600", path.display()));
    assert_eq!(kind_of_error(&again), "Busy");
    // A stopped server is alive.
    first.signal(nix::sys::signal::Signal::SIGSTOP);
    assert_eq!(kind_of_error(&attach(&mut second, &path, "600")), "Busy");
    first.signal(nix::sys::signal::Signal::SIGCONT);
    assert_eq!(try_open(&mut client, "p", &path), "open");
    assert_eq!(server_of(&mut client, "p"), first.pid());
    first.ask("detach n", "detached true");
    assert_eq!(attach(&mut second, &path, "600"), "attached");
}

#[test]
fn what_is_foreign_is_not_touched() {
    let _watchdog = Watchdog::new("what_is_foreign_is_not_touched");
    let directory = Directory::new("names");
    let mut server = subject(PEER, "none");
    let path = |name: &str| directory.join(name);
    std::fs::write(path("file"), "contents").unwrap();
    std::fs::create_dir(path("directory")).unwrap();
    nix::unistd::mkfifo(&path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    std::os::unix::fs::symlink("file", path("link")).unwrap();
    std::os::unix::fs::symlink("nowhere", path("dangling")).unwrap();
    let _stream = UnixListener::bind(path("stream")).unwrap();
    let _datagram = UnixDatagram::bind(path("datagram")).unwrap();
    for name in [
        "file",
        "directory",
        "fifo",
        "link",
        "dangling",
        "stream",
        "datagram",
    ] {
        let before = std::fs::symlink_metadata(path(name)).unwrap();
        assert_eq!(
            kind_of_error(&attach(&mut server, &path(name), "600")),
            "Foreign",
            "{name}"
        );
        let after = std::fs::symlink_metadata(path(name)).unwrap();
        let same = |of: fn(&std::fs::Metadata) -> u64| of(&before) == of(&after);
        assert!(same(std::os::unix::fs::MetadataExt::ino), "{name}");
        assert_eq!(before.permissions(), after.permissions(), "{name}");
    }
    assert_eq!(std::fs::read_to_string(path("file")).unwrap(), "contents");
    assert_eq!(
        kind_of_error(&attach(&mut server, &path("none").join("door"), "600")),
        "NotFound"
    );
    for (name, kind) in [
        ("directory/", "Foreign"),
        ("none/", "NotFound"),
        ("file/", "NotADirectory"),
    ] {
        let said = attach(&mut server, &path(name), "600");
        assert_eq!(kind_of_error(&said), kind, "{name}");
    }
    set_permissions(path("directory"), Permissions::from_mode(0o777)).unwrap();
    let open_to_all = path("directory").join("door");
    assert_eq!(
        kind_of_error(&attach(&mut server, &open_to_all, "600")),
        "OpenDirectory"
    );
    assert!(!open_to_all.exists());
}

#[test]
fn a_stale_name_of_another_user_is_not_touched() {
    let _watchdog = Watchdog::new("a_stale_name_of_another_user_is_not_touched");
    if !geteuid().is_root() {
        skipped("needs the superuser to become somebody else");
        return;
    }
    let directory = Directory::new("names");
    set_permissions(directory.path(), Permissions::from_mode(0o1777)).unwrap();
    let path = directory.join("door");
    let (mut dead, mut server) = (subject(PEER, "none"), subject(PEER, "none"));
    assert_eq!(attach(&mut dead, &path, "666"), "attached");
    dead.kill();
    server.ask(&format!("become {NOBODY}"), "became");
    assert_eq!(kind_of_error(&attach(&mut server, &path, "600")), "Foreign");
    assert!(path.exists());
}

#[test]
fn two_servers_at_one_path_are_never_mixed_up() {
    let _watchdog = Watchdog::new("two_servers_at_one_path_are_never_mixed_up");
    let directory = Directory::new("names");
    let path = directory.join("door");
    let (mut one, mut two, mut client) = (
        subject(PEER, "none"),
        subject(PEER, "none"),
        life::stranger(PEER),
    );
    for round in 0..10 {
        for (name, server) in [("p", &mut one), ("q", &mut two)] {
            if round % 3 == 2 && path.exists() {
                // Replaced behind its server's back.
                std::fs::remove_file(&path).unwrap();
            }
            assert_eq!(attach(server, &path, "600"), "attached");
            assert_eq!(try_open(&mut client, name, &path), "open");
            let gone = server.query("detach n");
            assert!(gone.starts_with("detached "), "{gone}");
        }
        for _ in 0..3 {
            assert_eq!(server_of(&mut client, "p"), one.pid());
            assert_eq!(server_of(&mut client, "q"), two.pid());
        }
    }
    one.kill();
    let said = client.query("call p ehello");
    assert!(said.ends_with(" NotExecuted"), "{said}");
    assert_eq!(server_of(&mut client, "q"), two.pid());
}

#[test]
fn of_many_that_want_a_name_one_gets_it() {
    let _watchdog = Watchdog::new("of_many_that_want_a_name_one_gets_it");
    let directory = Directory::new("names");
    let path = directory.join("door");
    let mut bystander = subject(PEER, "none");
    let other = directory.join("bystander");
    assert_eq!(attach(&mut bystander, &other, "600"), "attached");
    // In the later rounds there is a stale name, too.
    for _ in 0..4 {
        let mut servers: Vec<_> = (0..12).map(|_| subject(PEER, "none")).collect();
        for server in &mut servers {
            server.say(&format!("attach n {} 600", path.display()));
        }
        let said: Vec<_> = servers.iter_mut().map(Peer::hear).collect();
        let attached = said.iter().filter(|said| *said == "attached").count();
        let busy = said
            .iter()
            .filter(|said| kind_of_error(said) == "Busy")
            .count();
        assert_eq!((attached, busy), (1, 11), "{said:?}");
        let mut client = life::stranger(PEER);
        assert_eq!(try_open(&mut client, "p", &path), "open");
        let winner = server_of(&mut client, "p");
        let place = said.iter().position(|said| said == "attached").unwrap();
        assert_eq!(servers.get(place).map(Peer::pid), Some(winner));
        for server in &mut servers {
            server.kill();
        }
    }
    let mut client = life::stranger(PEER);
    assert_eq!(try_open(&mut client, "p", &other), "open");
    assert_eq!(server_of(&mut client, "p"), bystander.pid());
}
