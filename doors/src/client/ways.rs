//! The way in which a holder calls its door, once it is known.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;

use super::establish::Link;

/// The link in use.
///
/// The first one stays where it is for as long as the holder lives: a caller gets at it without counting a reference, which
/// would be two locked instructions a call. Most holders never have another, since a link ends with its session, and a
/// session mostly with the server and its doors. What it costs when a door outlives its session (its server was
/// restarted): the windows of one session that is over stay mapped until the holder goes, and each call counts.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Ways {
    first: OnceLock<Arc<Link>>,
    later: ArcSwapOption<Link>,
}

impl Ways {
    /// None is known yet.
    pub(crate) const fn new() -> Self {
        Self {
            first: OnceLock::new(),
            later: ArcSwapOption::const_empty(),
        }
    }

    /// The first link, if calls can still go that way.
    #[inline]
    pub(crate) fn first(&self) -> Option<&Link> {
        let first = self.first.get()?;
        first.is_live().then_some(first)
    }

    /// The link in use, if calls can still go that way.
    pub(crate) fn live(&self) -> Option<Arc<Link>> {
        self.latest().filter(|link| link.is_live())
    }

    /// The link that was found last, of whatever use it still is.
    pub(crate) fn latest(&self) -> Option<Arc<Link>> {
        self.later.load_full().or_else(|| self.first.get().cloned())
    }

    /// Another link, in place of the one that was found before.
    pub(crate) fn store(&self, link: &Arc<Link>) {
        if self.first.set(Arc::clone(link)).is_err() {
            self.later.store(Some(Arc::clone(link)));
        }
    }
}
