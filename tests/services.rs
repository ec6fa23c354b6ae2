//! Services with several methods, between two processes.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on ends"
)]

#[path = "peer/typed/store.rs"]
mod store;

use std::path::PathBuf;
use std::thread;

use doors::typed::{Refused, Version};
use doors::{CallState, Client, ProcedureError};
use harness::{Directory, Peer, Watchdog};
use store::{StoreClient, StoreDoor, StoreError, later, next};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

struct Server {
    peer: Peer,
    directory: Directory,
}

impl Server {
    fn start(name: &str) -> Self {
        let directory = Directory::new(name);
        let path = directory.path().to_str().unwrap();
        let mut peer = Peer::start(PEER, "typed-store", &[path]);
        peer.expect("ready");
        Self { peer, directory }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn allocations(&mut self) -> u64 {
        self.peer.query("allocations").parse().unwrap()
    }
}

#[test]
fn each_method_does_its_own() {
    let _watchdog = Watchdog::new("each_method_does_its_own");
    let server = Server::start("methods");
    // The interface has a method `open` of its own.
    let store: StoreClient = Client::open(server.at("store")).unwrap();
    assert!(!store.put("a", b"one").unwrap());
    assert!(store.put("a", b"other").unwrap());
    let large = vec![7; 200_000];
    assert!(!store.put("b", &large).unwrap());
    assert_eq!(store.get("a").unwrap(), b"other");
    assert_eq!(store.get("b").unwrap(), large);
    let keys = ["a", "b", "c"].map(str::to_owned);
    assert_eq!(store.size(&keys).unwrap(), 200_005);
    assert!(store.open(Some("a")).unwrap());
    assert!(!store.open(None).unwrap());
    store.clear().unwrap();
    let nothing = store.get("a").unwrap_err();
    assert_eq!(nothing.call_state(), CallState::Executed);
    let ProcedureError::Returned(error) = nothing else {
        panic!("{nothing:?}");
    };
    assert_eq!(
        error,
        StoreError::Nothing {
            key: "a".to_owned()
        }
    );
    let Err(ProcedureError::Returned(StoreError::TooLarge(_))) = store.put("a", &vec![0; 5 << 20])
    else {
        panic!("it took that");
    };
}

#[test]
fn calls_of_several_threads_reach_one_value() {
    let _watchdog = Watchdog::new("calls_of_several_threads_reach_one_value");
    let server = Server::start("shared");
    let store: StoreClient = Client::open(server.at("store")).unwrap();
    thread::scope(|scope| {
        for name in 0..8_u8 {
            let store = store.clone();
            scope.spawn(move || {
                for at in 0..100_u8 {
                    let key = format!("{name} {at}");
                    assert!(!store.put(&key, &[name, at]).unwrap());
                    assert_eq!(store.get(&key).unwrap(), [name, at]);
                }
            });
        }
    });
    let later = later::StoreClient::open(server.at("later")).unwrap();
    assert_eq!(later.keys().unwrap().len(), 800);
}

/// Why a call was refused; nothing may have run.
fn refusal<T: std::fmt::Debug, E: std::fmt::Debug>(
    outcome: Result<T, ProcedureError<E>>,
) -> Refused {
    let error = outcome.unwrap_err();
    assert_eq!(error.call_state(), CallState::NotExecuted);
    match error {
        ProcedureError::Refused { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn minor_versions_understand_each_other_as_far_as_both_go() {
    let _watchdog = Watchdog::new("minor_versions_understand_each_other_as_far_as_both_go");
    let server = Server::start("minor");
    let store: StoreClient = Client::open(server.at("store")).unwrap();
    store.put("a", b"one").unwrap();

    // An earlier client of a later server.
    let earlier: StoreClient = Client::open(server.at("later")).unwrap();
    assert_eq!(earlier.get("a").unwrap(), b"one");
    let gone = earlier.put("a", b"two");
    assert!(gone.as_ref().unwrap_err().is_unsupported());
    assert_eq!(
        refusal(gone),
        Refused::Unsupported {
            method: "put",
            theirs: Version::new(1, 2),
            ours: Version::new(1, 1),
        }
    );
    // A later client of an earlier server.
    let later = later::StoreClient::open(server.at("store")).unwrap();
    assert_eq!(later.get("a").unwrap(), b"one");
    let missing = later.keys();
    assert!(missing.as_ref().unwrap_err().is_unsupported());
    let refused = refusal(missing).to_string();
    assert!(
        refused.contains("1.1") && refused.contains("1.2"),
        "{refused}"
    );
    // Who prints nothing but the error has the reason; who prints the chain does not have it twice.
    let missing = later.keys().unwrap_err();
    let printed = missing.to_string();
    assert!(
        printed.starts_with("call on") && printed.ends_with(&refused),
        "{printed}"
    );
    assert!(std::error::Error::source(&missing).is_none());
    // What a `main` prints that returns the error.
    let printed = format!("{:?}", later.keys().unwrap_err());
    assert!(
        printed.starts_with("call on") && printed.contains(&refused),
        "{printed}"
    );
    // A method that changed although it may not.
    assert_eq!(
        refusal(later.clear("a")),
        Refused::OtherSignature {
            theirs: "fn clear()".to_owned(),
            ours: "fn clear(key: &str)",
        }
    );
    // The same words, but not the same type behind them.
    let part = later::Part {
        key: "a".to_owned(),
        length: 3,
    };
    let said = refusal(later.fits(part)).to_string();
    assert!(
        said.starts_with("one of the types in `fn fits(part: Part) -> bool` differs"),
        "{said}"
    );
    assert_eq!(store.get("a").unwrap(), b"one");
}

#[test]
fn another_major_version_or_interface_is_refused_with_both_names() {
    let _watchdog = Watchdog::new("another_major_version_or_interface_is_refused_with_both_names");
    let server = Server::start("major");
    let next = next::StoreClient::open(server.at("store")).unwrap();
    assert_eq!(
        refusal(next.put("a", b"one")),
        Refused::OtherInterface {
            theirs: "Store 1.1".to_owned(),
            ours: "Store 2.0".to_owned(),
        }
    );
    let store: StoreClient = Client::open(server.at("next")).unwrap();
    let refused = refusal(store.put("a", b"one")).to_string();
    assert!(refused.contains("Store 2.0") && refused.contains("Store 1.1"));
    assert_eq!(StoreDoor::INTERFACE.to_string(), "Store 1.1");
}

#[test]
fn a_server_whose_door_takes_no_descriptors_says_which_method_it_has_not() {
    let _watchdog =
        Watchdog::new("a_server_whose_door_takes_no_descriptors_says_which_method_it_has_not");
    let server = Server::start("descriptors");
    let file = || std::fs::File::open("/proc/self/exe").unwrap();
    let later = later::StoreClient::open(server.at("later")).unwrap();
    assert!(later.load(file()).unwrap() > 0);
    // A later client of an earlier server.
    let later = later::StoreClient::open(server.at("store")).unwrap();
    let missing = later.load(file());
    assert!(
        missing.as_ref().unwrap_err().is_unsupported(),
        "{missing:?}"
    );
    assert_eq!(
        refusal(missing),
        Refused::Unsupported {
            method: "load",
            theirs: Version::new(1, 1),
            ours: Version::new(1, 2),
        }
    );
    // A client of another version of which the door is none.
    let later = later::StoreClient::open(server.at("next")).unwrap();
    assert_eq!(
        refusal(later.load(file())),
        Refused::OtherInterface {
            theirs: "Store 2.0".to_owned(),
            ours: "Store 1.2".to_owned(),
        }
    );
}

#[test]
fn a_method_that_borrows_its_arguments_allocates_nothing() {
    let _watchdog = Watchdog::new("a_method_that_borrows_its_arguments_allocates_nothing");
    let mut server = Server::start("allocations");
    let store: StoreClient = Client::open(server.at("store")).unwrap();
    let calls = |calls: u32| {
        for _ in 0..calls {
            assert!(!store.open(Some("nobody")).unwrap());
        }
    };
    calls(100);
    let before = server.allocations();
    calls(2000);
    // The pool may start a thread meanwhile, and the question itself allocates.
    let made = server.allocations() - before;
    assert!(made < 200, "{made} allocations for 2,000 calls");
}
