//! A service whose methods are not for everybody.

use std::fs::File;
use std::sync::{Arc, Mutex};

use doors::door;

/// Each method says how many ran so far.
#[door]
pub(crate) trait Safe {
    fn free(&self, file: Option<File>) -> u32;

    #[allow_callers(uid = 51101, gid = 51102)]
    fn chosen(&self, text: &str, files: Vec<File>) -> u32;

    #[allow_callers(me, user = "root")]
    fn own(&self) -> u32;
}

/// The same, for nobody but a few.
pub(crate) mod closed {
    use doors::door;

    #[door]
    #[allow_callers(uid = 51101)]
    pub(crate) trait Safe {
        fn inside(&self) -> u32;

        #[allow_callers(anyone)]
        fn knock(&self) -> u32;
    }
}

/// Counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vault(Arc<Mutex<u32>>);

impl Vault {
    fn ran(&self) -> u32 {
        let mut runs = self.0.lock().unwrap();
        *runs = runs.checked_add(1).unwrap();
        *runs
    }
}

impl Safe for Vault {
    fn free(&self, _: Option<File>) -> u32 {
        self.ran()
    }

    fn chosen(&self, _: &str, _: Vec<File>) -> u32 {
        self.ran()
    }

    fn own(&self) -> u32 {
        self.ran()
    }
}

impl closed::Safe for Vault {
    fn inside(&self) -> u32 {
        self.ran()
    }

    fn knock(&self) -> u32 {
        self.ran()
    }
}

/// Whoever serves this has to be told that there is no such group.
#[door]
#[allow_callers(group = "no-such-group")]
pub(crate) fn nobody() {}
