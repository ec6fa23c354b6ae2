//! The way in which a holder calls its door, once it is known.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;

use super::establish::Link;

/// The link in use.
///
/// The first one stays where it is for as long as the holder lives: a caller gets at it without counting a reference, which
/// would be two locked instructions a call, and finds it in the cache line of the holder itself. Most holders never have
/// another, since a link ends with its session, and a session mostly with the server and its doors. What it costs when a
/// door outlives its session (its server was restarted): the windows of one session that is over stay mapped until the
/// holder goes, and each call counts.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Ways {
    first: OnceLock<Link>,
    /// Made when it is needed: to drop one that is empty costs a holder that calls once as much as an allocation.
    later: OnceLock<Box<ArcSwapOption<Link>>>,
}

/// With what lies before it in its holder.
const _: () = assert!(
    size_of::<OnceLock<Link>>() <= 56,
    "too much for the holder's first line"
);

/// A link of a holder.
pub(crate) enum Way<'a> {
    First(&'a Link),
    Later(Arc<Link>),
}

impl Deref for Way<'_> {
    type Target = Link;

    fn deref(&self) -> &Link {
        match self {
            Self::First(link) => link,
            Self::Later(link) => link,
        }
    }
}

impl Ways {
    /// None is known yet.
    pub(crate) const fn new() -> Self {
        Self {
            first: OnceLock::new(),
            later: OnceLock::new(),
        }
    }

    /// The first link, if calls can still go that way.
    #[inline]
    pub(crate) fn first(&self) -> Option<&Link> {
        self.first.get().filter(|link| link.is_live())
    }

    /// The link in use, if calls can still go that way.
    pub(crate) fn live(&self) -> Option<Way<'_>> {
        self.latest().filter(|link| link.is_live())
    }

    /// The link that was found last, of whatever use it still is.
    pub(crate) fn latest(&self) -> Option<Way<'_>> {
        let later = self
            .later
            .get()
            .and_then(|later| later.load_full())
            .map(Way::Later);
        later.or_else(|| self.first.get().map(Way::First))
    }

    /// Another link, in place of the one that was found before.
    pub(crate) fn store(&self, link: Link) {
        if let Err(link) = self.first.set(link) {
            let later = self.later.get_or_init(Box::default);
            later.store(Some(Arc::new(link)));
        }
    }
}
