//! Notices that the door under test has become unreferenced.

use std::sync::Mutex;

use doors::{Door, Options, Unreferenced};

use super::board;
use super::procedure::procedure;
use super::server::{SHARED, SUBJECT};

/// What the notice is to do besides counting.
static MANNER: Mutex<String> = Mutex::new(String::new());

/// Says what the next notices are to do besides counting.
pub(super) fn set_manner(manner: &str) {
    manner.clone_into(&mut MANNER.lock().unwrap());
}

/// The notice that the subject has become unreferenced.
pub(super) fn notice() {
    board::raise("begun");
    let manner = MANNER.lock().unwrap().clone();
    match manner.as_str() {
        "slow" => {
            let turn = board::count("begun");
            board::wait("go-on", turn);
        }
        "locking" => drop(SHARED.lock()),
        // A reference that comes and goes, and the owner's end, all while the notice runs.
        "last-will" => {
            let door = SUBJECT.lock().unwrap().take();
            if let Some(door) = door {
                let mark = door.info().unwrap().figures.unwrap().references;
                drop(door.descriptor().unwrap());
                while door.info().unwrap().figures.unwrap().references > mark {
                    std::thread::yield_now();
                }
            }
        }
        _ => {}
    }
    board::raise("notices");
}

/// Comes back when every notice that was due before has been over.
///
/// Notices of a process are delivered one at a time in the order in which they fell due, and hang-ups are seen in the
/// order in which they happened: when the notice of a door of its own has come, so have all before it.
pub(crate) fn barrier() -> String {
    let number = board::count("barrier") + 1;
    let options = Options {
        unreferenced: Some(Unreferenced::once(|| board::raise("barrier"))),
        ..Options::default()
    };
    let door = Door::create_with(procedure, options).unwrap();
    drop(door.descriptor().unwrap());
    board::wait("barrier", number);
    "barrier".into()
}

/// Keeps the thread of the notices busy until "vacated" is raised.
pub(super) fn occupy() -> String {
    let notice = Unreferenced::once(|| {
        board::raise("occupied");
        board::wait("vacated", 1);
    });
    let options = Options {
        unreferenced: Some(notice),
        ..Options::default()
    };
    let door = Door::create_with(procedure, options).unwrap();
    drop(door.descriptor().unwrap());
    board::wait("occupied", 1);
    "occupied".into()
}
