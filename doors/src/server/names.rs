//! The names under which the doors of this process can be opened.

use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, WatchDescriptor};

use super::core::{Kind, lock};
use super::packet::turn_away;
use super::petitioner::NOBODY;
use super::runtime::{Attached, Runtime, Source};
use super::token::{Origin, Token};
use crate::foreign::{self, Crew};
use crate::name::{BACKLOG, Name};
use crate::primitive::{AtomicBool, Ordering};
use crate::sys::peer::peer_cred;
use crate::sys::shared::Shared;
use crate::sys::{self, socket};
use crate::wire::code::Failure;

/// What comes of looking for a connection.
pub(crate) enum Taken {
    /// One of this user.
    One(Arc<Token>, u32),
    /// There was no room for it.
    Refused,
    /// There is none.
    None,
}

/// Who looks which name is gone.
pub(super) struct Looker {
    crew: Arc<Crew>,
    /// A look has been asked for and has not begun.
    asked: AtomicBool,
}

impl Default for Looker {
    fn default() -> Self {
        Self {
            crew: Crew::new("door-names", 1),
            asked: AtomicBool::new(false),
        }
    }
}

impl Looker {
    /// Whether a look waits for a thread that could not be started.
    pub(super) fn is_short(&self) -> bool {
        self.crew.is_short()
    }

    /// Tries again to start it.
    pub(super) fn try_again(&self) {
        self.crew.staff();
    }
}

impl Runtime {
    /// Something has happened to some name: those that are gone end. The look asks file systems, which may be far away
    /// and not answer, so it is not the leader's.
    pub(super) fn look_at_names(self: &Arc<Self>) {
        if self.looker.asked.swap(true, Ordering::AcqRel) {
            return;
        }
        let runtime = Arc::clone(self);
        self.looker.crew.push(Box::new(move || {
            // What ends with a name is no more for this thread than for the leader.
            foreign::keep_free();
            runtime.looker.asked.swap(false, Ordering::AcqRel);
            for attached in runtime.listeners() {
                if attached.name.as_ref().is_some_and(Name::is_gone) {
                    // One that is handed over meanwhile is a successor's to end.
                    let _pass = runtime.standstill.pass_afterwards();
                    runtime.unlisten(&attached);
                }
            }
        }));
    }

    /// Has the leader told when a name is removed or replaced.
    ///
    /// The inode is watched, and not what may be at the path by now: `IN_ATTRIB` is what an unlink shows on it while the
    /// socket holds it. That asks for permission to read the inode (inotify(7)), which a mode such as 0222 denies to
    /// its owner: then the directory is watched, which other names share, so that this watch is never removed.
    pub(crate) fn watch_name(&self, name: &Name) -> Option<WatchDescriptor> {
        let names = self.names.as_ref()?;
        let flags = AddWatchFlags::IN_ATTRIB | AddWatchFlags::IN_MOVE_SELF;
        let watch = names.add_watch(&name.way(), flags);
        if watch.is_err()
            && let Some(directory) = name.path().parent()
        {
            let flags = AddWatchFlags::IN_DELETE | AddWatchFlags::IN_MOVED_TO;
            // Without it the removal is noticed when something else happens to some name.
            let _watch = names.add_watch(directory, flags);
        }
        watch.ok()
    }

    /// A listener begins to serve a door.
    pub(crate) fn listen(self: &Arc<Self>, attached: &Arc<Attached>) -> sys::Result<()> {
        attached.core.refer(Kind::Attachment);
        let source = Source::Listener(Arc::clone(attached));
        let watched = self.watch_at(attached.key, &attached.listener, source);
        if watched.is_err() {
            attached.core.release(Kind::Attachment);
        } else if attached.name.as_ref().is_some_and(Name::is_gone) {
            // Somebody was faster than the watch.
            self.unlisten(attached);
        }
        watched
    }

    /// Takes a connection that waits, without watching it yet.
    ///
    /// It is taken and counted under one lock with the end of the name: whoever has opened the door holds a reference
    /// before the name stops being one.
    pub(crate) fn take_connection(&self, attached: &Attached) -> sys::Result<Taken> {
        let _one = lock(&attached.accepting);
        let connection = match socket::accept(&attached.listener) {
            Ok(connection) => connection,
            Err(Errno::EMFILE) => return Err(Errno::EMFILE),
            Err(Errno::ENFILE) => return Err(Errno::ENFILE),
            Err(_) => return Ok(Taken::None),
        };
        // A listener that was passed to us may not have named senders when this connection was made.
        let named = attached.born_here || socket::number_senders(&connection).is_ok();
        // Something may have come already, also on one that is refused.
        let peer = peer_cred(&connection).ok().filter(|_| named);
        if peer.is_some_and(|peer| peer.pid == 0) {
            // A process of another pid namespace is told from others by pidfds only. Without them it is refused.
            let _unnamed = socket::name_senders(&connection);
        }
        let uid = peer.map_or(NOBODY, |peer| peer.uid);
        let (account, charge) = self.quotas.connection(uid);
        let connection = Shared::of(connection, account);
        let (Some(peer), Some(charge)) = (peer, charge) else {
            turn_away(&connection, Failure::NoRoom);
            return Ok(Taken::Refused);
        };
        let key = self.next_key();
        let origin = Origin::Path {
            _charge: charge,
            peer,
            listener: Some(attached.key),
        };
        let access = attached.access.clone();
        let token = Token::new(key, &attached.core, connection, origin, access);
        self.enter(key, Source::Token(Arc::clone(&token)));
        Ok(Taken::One(token, peer.uid))
    }

    /// Has the leader watch a connection that was taken, unless it has ended; false if that cannot be.
    pub(super) fn watch_taken(&self, token: &Token) -> bool {
        if self.source(token.key).is_some()
            && self.watch_entered(token.key, &token.socket).is_err()
            && self.unwatch(token.key, &token.socket).is_some()
        {
            token.turn_away();
            token.end();
            return false;
        }
        true
    }

    /// Takes a connection that there is no room for, and closes it; false if not even that can be done.
    pub(super) fn refuse_connection(&self, attached: &Attached) -> bool {
        let account = self.quotas.account(NOBODY);
        let refused = socket::accept(&attached.listener);
        refused
            .map(|connection| turn_away(&Shared::new(connection, &account), Failure::NoRoom))
            .is_ok()
    }

    /// A listener ends; true if it was still there. The name itself is not touched.
    pub(crate) fn unlisten(self: &Arc<Self>, attached: &Attached) -> bool {
        let there = self.unwatch(attached.key, &attached.listener).is_some();
        if there {
            // Who connected while the name was there has opened the door. A listener that others hold too goes on
            // with them. (No more than can wait at a time: the inode may be reached by other ways.)
            let others = attached.borrowed || attached.handed_over.load(Ordering::Acquire);
            for _ in 0..=BACKLOG {
                if others {
                    break;
                }
                match self.take_connection(attached) {
                    Ok(Taken::One(token, uid)) => {
                        if self.watch_taken(&token) {
                            self.has_come(token, uid);
                        }
                    }
                    Ok(Taken::Refused) => {}
                    Ok(Taken::None) | Err(_) => break,
                }
                self.wake();
            }
            if let (Some(names), Some(watch)) = (&self.names, attached.watch) {
                let _gone = names.rm_watch(watch);
            }
            attached.core.release(Kind::Attachment);
        }
        there
    }

    /// All listeners at this moment.
    pub(crate) fn listeners(&self) -> Vec<Arc<Attached>> {
        let sources = lock(&self.sources);
        sources
            .values()
            .filter_map(|source| match source {
                Source::Listener(attached) => Some(Arc::clone(attached)),
                _ => None,
            })
            .collect()
    }
}
