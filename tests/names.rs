//! Names of doors: who may open them, what they replace, how they end.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::Command;

use harness::{Census, Directory, Peer, Watchdog};
use nix::unistd::{Gid, Uid, chown, geteuid};

const PEER: &str = env!("CARGO_BIN_EXE_peer");
const NOBODY: &str = "65534";

fn server(kind: &str) -> Peer {
    let mut server = Peer::start(PEER, "life-server", &[]);
    server.ask(&format!("create {kind}"), "created");
    server
}

fn client() -> Peer {
    Peer::start(PEER, "life-client", &[])
}

fn attach(server: &mut Peer, path: &Path, mode: &str) -> String {
    server.query(&format!("attach n {} {mode}", path.display()))
}

fn open(client: &mut Peer, name: &str, path: &Path) -> String {
    client.query(&format!("open {name} {}", path.display()))
}

/// The kind of error of a name.
fn kind(said: &str) -> &str {
    let error = said.strip_prefix("error Name(").unwrap_or(said);
    error.split(' ').next().unwrap()
}

/// The pid that a door's server says it has.
fn server_of(client: &mut Peer, name: &str) -> u32 {
    let said = client.query(&format!("call {name} i"));
    said.strip_prefix("reply ").unwrap().parse().unwrap()
}

trait Ask {
    /// One command; its answer must be this.
    fn ask(&mut self, command: &str, answer: &str);
    /// One command; its answer.
    fn query(&mut self, command: &str) -> String;
}

impl Ask for Peer {
    fn ask(&mut self, command: &str, answer: &str) {
        assert_eq!(self.query(command), answer, "the answer to {command}");
    }

    fn query(&mut self, command: &str) -> String {
        self.say(command);
        self.hear()
    }
}

#[test]
fn the_write_bit_admits() {
    let _watchdog = Watchdog::new("the_write_bit_admits");
    let directory = Directory::new("names");
    let (mut server, mut client) = (server("none"), client());
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
        let said = open(&mut client, mode, &path);
        if admitted {
            assert_eq!(said, "open", "{mode}");
            client.ask(&format!("call {mode} ehello"), "reply hello");
        } else {
            assert_eq!(kind(&said), "Permission", "{mode}");
        }
    }
}

#[test]
fn the_server_knows_the_user_who_opened() {
    let _watchdog = Watchdog::new("the_server_knows_the_user_who_opened");
    if !geteuid().is_root() {
        eprintln!("skipped: needs the superuser to become somebody else");
        return;
    }
    let directory = Directory::new("names");
    set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let (mut server, mut client) = (server("none"), client());
    let path = directory.join("door");
    assert_eq!(attach(&mut server, &path, "222"), "attached");
    client.ask(&format!("become {NOBODY}"), "became");
    assert_eq!(open(&mut client, "p", &path), "open");
    for _ in 0..3 {
        client.ask(
            "call p c",
            &format!("reply {} {NOBODY}", client_pid(&client)),
        );
    }
}

fn client_pid(client: &Peer) -> u32 {
    client.pid()
}

#[test]
fn what_is_not_a_door_cannot_be_opened() {
    let _watchdog = Watchdog::new("what_is_not_a_door_cannot_be_opened");
    let directory = Directory::new("names");
    let (mut server, mut client) = (server("none"), client());
    let path = directory.join("door");
    assert_eq!(kind(&open(&mut client, "p", &path)), "NotFound");
    std::fs::write(&path, "a file").unwrap();
    assert_eq!(kind(&open(&mut client, "p", &path)), "NotADoor");
    let below = path.join("door");
    assert_eq!(kind(&open(&mut client, "p", &below)), "NotADirectory");
    std::fs::remove_file(&path).unwrap();
    let stream = UnixListener::bind(&path).unwrap();
    assert_eq!(kind(&open(&mut client, "p", &path)), "NotADoor");
    drop(stream);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(attach(&mut server, &path, "600"), "attached");
    server.kill();
    assert_eq!(kind(&open(&mut client, "p", &path)), "NoServer");
}

#[test]
fn the_name_of_a_server_that_was_killed_is_reclaimed() {
    let _watchdog = Watchdog::new("the_name_of_a_server_that_was_killed_is_reclaimed");
    let directory = Directory::new("names");
    let path = directory.join("door");
    let mut client = client();
    for _ in 0..5 {
        let mut server = server("none");
        assert_eq!(attach(&mut server, &path, "600"), "attached");
        assert_eq!(open(&mut client, "p", &path), "open");
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
    let (mut first, mut second, mut client) = (server("none"), server("none"), client());
    assert_eq!(attach(&mut first, &path, "600"), "attached");
    let before = Census::of(second.pid());
    for _ in 0..5 {
        assert_eq!(kind(&attach(&mut second, &path, "600")), "Busy");
    }
    assert_eq!(Census::of(second.pid()), before);
    let again = first.query(&format!("attach other {} 600", path.display()));
    assert_eq!(kind(&again), "Busy");
    // A stopped server is alive.
    first.signal(nix::sys::signal::Signal::SIGSTOP);
    assert_eq!(kind(&attach(&mut second, &path, "600")), "Busy");
    first.signal(nix::sys::signal::Signal::SIGCONT);
    assert_eq!(open(&mut client, "p", &path), "open");
    assert_eq!(server_of(&mut client, "p"), first.pid());
    first.ask("detach n", "detached true");
    assert_eq!(attach(&mut second, &path, "600"), "attached");
}

#[test]
fn what_is_foreign_is_not_touched() {
    let _watchdog = Watchdog::new("what_is_foreign_is_not_touched");
    let directory = Directory::new("names");
    let mut server = server("none");
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
            kind(&attach(&mut server, &path(name), "600")),
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
        kind(&attach(&mut server, &path("none").join("door"), "600")),
        "NotFound"
    );
    set_permissions(path("directory"), Permissions::from_mode(0o777)).unwrap();
    let open_to_all = path("directory").join("door");
    assert_eq!(
        kind(&attach(&mut server, &open_to_all, "600")),
        "OpenDirectory"
    );
    assert!(!open_to_all.exists());
}

#[test]
fn a_stale_name_of_another_user_is_not_touched() {
    let _watchdog = Watchdog::new("a_stale_name_of_another_user_is_not_touched");
    if !geteuid().is_root() {
        eprintln!("skipped: needs the superuser to become somebody else");
        return;
    }
    let directory = Directory::new("names");
    set_permissions(directory.path(), Permissions::from_mode(0o1777)).unwrap();
    let path = directory.join("door");
    let (mut dead, mut server) = (server("none"), server("none"));
    assert_eq!(attach(&mut dead, &path, "666"), "attached");
    dead.kill();
    server.ask(&format!("become {NOBODY}"), "became");
    assert_eq!(kind(&attach(&mut server, &path, "600")), "Foreign");
    assert!(path.exists());
}

#[test]
fn a_path_may_be_longer_than_an_address() {
    let _watchdog = Watchdog::new("a_path_may_be_longer_than_an_address");
    let directory = Directory::new("names");
    let (mut server, mut client) = (server("multi"), client());
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
            assert_eq!(open(&mut client, "p", &path), "open", "{length}");
            client.ask("call p ehello", "reply hello");
            server.ask("detach n", "detached true");
            assert!(!path.exists());
        }
    }
    let long = directory.path().join("d".repeat(100));
    std::fs::create_dir_all(&long).unwrap();
    assert_eq!(
        kind(&attach(&mut server, &long.join("n".repeat(200)), "600")),
        "TooLong"
    );
}

#[test]
fn whoever_has_opened_a_name_can_call_after_its_end() {
    let _watchdog = Watchdog::new("whoever_has_opened_a_name_can_call_after_its_end");
    let directory = Directory::new("names");
    let path = directory.join("door");
    let (mut server, mut client) = (server("multi"), client());
    for round in 0..100 {
        assert_eq!(attach(&mut server, &path, "600"), "attached");
        // The server may not have taken the connection when the name goes.
        assert_eq!(open(&mut client, "p", &path), "open");
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
    }
}

#[test]
fn two_servers_at_one_path_are_never_mixed_up() {
    let _watchdog = Watchdog::new("two_servers_at_one_path_are_never_mixed_up");
    let directory = Directory::new("names");
    let path = directory.join("door");
    let (mut one, mut two, mut client) = (server("none"), server("none"), client());
    for round in 0..10 {
        for (name, server) in [("p", &mut one), ("q", &mut two)] {
            if round % 3 == 2 && path.exists() {
                // Replaced behind its server's back.
                std::fs::remove_file(&path).unwrap();
            }
            assert_eq!(attach(server, &path, "600"), "attached");
            assert_eq!(open(&mut client, name, &path), "open");
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
    let mut bystander = server("none");
    let other = directory.join("bystander");
    assert_eq!(attach(&mut bystander, &other, "600"), "attached");
    // In the later rounds there is a stale name, too.
    for _ in 0..4 {
        let mut servers: Vec<_> = (0..12).map(|_| server("none")).collect();
        for server in &mut servers {
            server.say(&format!("attach n {} 600", path.display()));
        }
        let said: Vec<_> = servers.iter_mut().map(Peer::hear).collect();
        let attached = said.iter().filter(|said| *said == "attached").count();
        let busy = said.iter().filter(|said| kind(said) == "Busy").count();
        assert_eq!((attached, busy), (1, 11), "{said:?}");
        let mut client = client();
        assert_eq!(open(&mut client, "p", &path), "open");
        let winner = server_of(&mut client, "p");
        let place = said.iter().position(|said| said == "attached").unwrap();
        assert_eq!(servers.get(place).map(Peer::pid), Some(winner));
        for server in &mut servers {
            server.kill();
        }
    }
    let mut client = client();
    assert_eq!(open(&mut client, "p", &other), "open");
    assert_eq!(server_of(&mut client, "p"), bystander.pid());
}

#[test]
fn the_removal_of_a_name_that_its_owner_cannot_read_is_noticed() {
    let _watchdog = Watchdog::new("the_removal_of_a_name_that_its_owner_cannot_read_is_noticed");
    let directory = Directory::new("names");
    let mut server = server("multi");
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
fn a_listener_that_a_manager_passed_serves() {
    let _watchdog = Watchdog::new("a_listener_that_a_manager_passed_serves");
    let directory = Directory::new("names");
    let path = directory.join("door");
    let mut server = Peer::start(PEER, "life-activate", &[path.to_str().unwrap()]);
    server.ask("create multi", "created");
    let mut client = client();
    // Before the server has looked: the connection waits.
    assert_eq!(open(&mut client, "p", &path), "open");
    client.ask("start p eearly one", "started");
    server.ask("attach-inherited", "inherited 1");
    client.ask("join one", "reply early");
    // The socket was made by another process than the one that serves.
    assert_ne!(server_of(&mut client, "p"), server.pid());
    for _ in 0..30 {
        assert_eq!(open(&mut client, "q", &path), "open");
        client.ask("call q eone", "reply one");
        client.ask("call q etwo", "reply two");
        client.ask("call p ethree", "reply three");
        client.ask("close q", "closed");
    }
    // Sessions that no door uses do not pile up.
    let mappings = Census::of(client.pid()).mappings;
    assert!(mappings <= 20, "{mappings} mappings");
    server.ask("attach-inherited", "inherited 0");
    server.ask("detach inherited0", "detached false");
    assert!(path.exists(), "the name belongs to the manager");
    client.ask("call p estill", "reply still");
    server.ask("count notices", "notices 0");
    client.ask("close p", "closed");
    server.ask("wait notices 1", "notices 1");
}

#[test]
fn doors_on_a_passed_listener_share_a_session() {
    let _watchdog = Watchdog::new("doors_on_a_passed_listener_share_a_session");
    let directory = Directory::new("names");
    let path = directory.join("door");
    let mut server = Peer::start(PEER, "life-activate", &[path.to_str().unwrap()]);
    server.ask("create none", "created");
    server.ask("attach-inherited", "inherited 1");
    // The manager lives, and is who the kernel names at the other end of each connection.
    let doors = [0, 1, 2].map(|_| doors::Door::open(&path).unwrap());
    for door in &doors {
        for _ in 0..2 {
            assert_eq!(door.call(b"ehello", vec![]).unwrap().data, b"hello");
        }
    }
    for door in &doors {
        assert_eq!(door.info().unwrap().figures.unwrap().sessions, 1);
    }
}

#[test]
fn a_dropped_attachment_of_a_passed_listener_leaves_the_name() {
    let _watchdog = Watchdog::new("a_dropped_attachment_of_a_passed_listener_leaves_the_name");
    let directory = Directory::new("names");
    let path = directory.join("door");
    let mut server = Peer::start(PEER, "life-activate", &[path.to_str().unwrap()]);
    server.ask("create multi", "created");
    server.ask("attach-inherited", "inherited 1");
    server.ask("drop-attachment inherited0", "dropped");
    server.ask("wait notices 1", "notices 1");
    assert!(path.exists(), "the name belongs to the manager");
    // The manager goes on listening: whoever connects waits for the next server.
    let mut client = client();
    assert_eq!(open(&mut client, "p", &path), "open");
}

#[test]
fn systemd_can_start_a_server() {
    let _watchdog = Watchdog::new("systemd_can_start_a_server");
    let activate = Command::new("systemd-socket-activate")
        .arg("--version")
        .output();
    if !activate.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: there is no systemd-socket-activate");
        return;
    }
    let directory = Directory::new("names");
    let path = directory.join("door");
    let mut command = Command::new("systemd-socket-activate");
    command.args([
        "--seqpacket",
        "-l",
        path.to_str().unwrap(),
        PEER,
        "life-server",
    ]);
    let mut server = Peer::start_command(command);
    let mut client = client();
    // The first connection starts the server.
    while open(&mut client, "p", &path) != "open" {
        std::thread::yield_now();
    }
    server.ask("create none", "created");
    server.ask("attach-inherited", "inherited 1");
    client.ask("call p ehello", "reply hello");
    client.ask("call p eagain", "reply again");
    assert_eq!(server_of(&mut client, "p"), server.pid());
}
