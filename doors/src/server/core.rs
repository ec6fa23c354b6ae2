//! A door as its server holds it.

mod limits;

use std::fmt;
use std::sync::{Arc, Mutex};

use self::limits::Limits;
use super::ages::Oldest;
use super::meter::Meter;
pub(crate) use super::references::Kind;
use super::references::References;
use super::runtime::Runtime;
use crate::access::Access;
use crate::attributes::DoorAttributes;
use crate::foreign::{self, Crew};
use crate::invocation::{Invocation, Returned};
pub(super) use crate::lock::lock;
use crate::pool::Pool;
use crate::primitive::{AtomicBool, AtomicU32, AtomicUsize, Ordering, fence};
use crate::sys::dense::{Dense, Shelf, Shelved};
use crate::sys::{barrier, fork};
use crate::wire::code::Failure;

/// The server procedure of a door.
pub(crate) type Procedure = Box<dyn Fn(Invocation<'_>) -> Returned + Send + Sync>;
/// What runs when the door has become unreferenced.
pub(crate) type Notice = Box<dyn FnMut() + Send>;

/// Callers of one door about whom predicates may be asked at the same time; others wait for their verdict.
const JURORS: usize = 8;

/// A door.
///
/// What a call reads and writes comes first, in two cache lines, and doors lie side by side: of ten thousand that are called in turn
/// each comes from far away.
#[repr(C)]
pub(crate) struct Core {
    /// The procedure.
    pub(crate) procedure: Procedure,
    /// The threads that serve it.
    pub(crate) pool: Arc<Pool>,
    runtime: Arc<Runtime>,
    /// The number that no other door of this host has, or ever had while it was up.
    pub(crate) id: u64,
    /// The life of the process that made it (`sys::fork::life`).
    pub(crate) life: u64,
    revoked: AtomicBool,
    /// The references have moved to another process, which serves the door there.
    handed_over: AtomicBool,
    /// The last reference is gone; whoever ends the last active call must say so.
    bare: AtomicBool,
    /// Its procedure is short and starts no thread or process.
    leaf: bool,
    /// Its procedure takes the memory that holds the data, and may keep it.
    takes_message: bool,
    attributes: AtomicU32,
    /// What `door_setparam` sets.
    pub(crate) limits: Limits,
    /// Calls that have been taken and are not over.
    active: AtomicUsize,
    /// What can be seen from outside; the number of calls comes first in it.
    pub(crate) meter: Meter,
    /// Who may call.
    pub(crate) access: Access,
    /// The notice, while it may still have to be delivered.
    pub(crate) notice: Mutex<Option<Notice>>,
    /// Where predicates are asked, those of its names too.
    pub(crate) jury: Arc<Crew>,
    references: Mutex<References>,
}

#[cfg(not(loom))]
const _: () = assert!(
    std::mem::offset_of!(Core, meter) < 128,
    "too much for two lines"
);

impl Shelved for Core {
    fn shelf() -> &'static Shelf<Self> {
        static SHELF: Shelf<Core> = Shelf::new();
        &SHELF
    }
}

/// What a new door is made of.
pub(crate) struct Parts {
    pub(crate) procedure: Procedure,
    pub(crate) attributes: DoorAttributes,
    pub(crate) access: Access,
    pub(crate) pool: Arc<Pool>,
    pub(crate) notice: Option<Notice>,
    pub(crate) leaf: bool,
    pub(crate) takes_message: bool,
}

impl Core {
    /// Makes a door with one owner and enters it in the runtime's table.
    pub(crate) fn create(runtime: &Arc<Runtime>, id: u64, parts: Parts) -> Dense<Self> {
        let core = Dense::new(Self {
            id,
            life: fork::life(),
            procedure: parts.procedure,
            access: parts.access,
            pool: parts.pool,
            leaf: parts.leaf,
            takes_message: parts.takes_message,
            limits: Limits::new(parts.attributes),
            meter: Meter::new(),
            notice: Mutex::new(parts.notice),
            jury: Crew::new("door-predicate", JURORS),
            runtime: Arc::clone(runtime),
            attributes: AtomicU32::new(parts.attributes.bits()),
            revoked: AtomicBool::new(false),
            handed_over: AtomicBool::new(false),
            active: AtomicUsize::new(0),
            bare: AtomicBool::new(false),
            references: Mutex::new(References {
                owners: 1,
                ..References::default()
            }),
        });
        runtime.doors().insert(id, Dense::clone(&core));
        core
    }

    /// The attributes at this moment, except those that depend on who asks.
    pub(crate) fn attributes(&self) -> DoorAttributes {
        let mut attributes =
            DoorAttributes::from_bits_truncate(self.attributes.load(Ordering::Relaxed));
        attributes.set(DoorAttributes::REVOKED, self.is_revoked());
        attributes.set(DoorAttributes::IS_UNREF, self.references().outside() == 0);
        attributes
    }

    /// Whether the door is that of the process which forked this one.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "one run of code: `server/desk.rs`")]
    pub(crate) fn is_inherited(&self) -> bool {
        self.life != fork::life()
    }

    /// Whether its procedure may run on the caller's processor only.
    #[inline]
    pub(crate) fn is_leaf(&self) -> bool {
        self.leaf
    }

    /// Whether its procedure takes the memory that holds the data.
    #[inline]
    pub(crate) fn takes_message(&self) -> bool {
        self.takes_message
    }

    /// Whether the door was revoked.
    #[inline]
    pub(crate) fn is_revoked(&self) -> bool {
        self.revoked.load(Ordering::Relaxed)
    }

    /// Ends the door for new calls; a call that was taken finishes.
    pub(crate) fn revoke(&self) {
        self.revoked.store(true, Ordering::Relaxed);
        // Pairs with the fence that a server thread passes between `begin` and its look at the flag.
        fence(Ordering::SeqCst);
        // No notice after a revocation, as on illumos.
        self.forget_notice();
    }

    /// Says that a successor serves the door from now on. To be followed by [`Self::revoke`], when nothing is served
    /// here any more.
    pub(crate) fn mark_handed_over(&self) {
        self.handed_over.store(true, Ordering::Relaxed);
        // Pairs with the fence in `over`: who sees the door revoked sees why.
        fence(Ordering::Release);
    }

    /// Whether a successor serves the door.
    pub(crate) fn is_handed_over(&self) -> bool {
        self.handed_over.load(Ordering::Relaxed)
    }

    /// What the callers of a door hear that is over here: to come again, if there is a successor.
    #[cold]
    pub(crate) fn over(&self) -> Failure {
        fence(Ordering::Acquire);
        if self.is_handed_over() {
            Failure::Draining
        } else {
            Failure::NoDoor
        }
    }

    /// Drops the notice, outside its lock: the closure may own the last `Door`, whose drop weighs the door.
    pub(crate) fn forget_notice(&self) {
        let notice = lock(&self.notice).take();
        if let Some(notice) = notice {
            foreign::release(notice);
        }
    }

    /// Counts a call as active. The caller passes a `SeqCst` fence and looks again whether the door still takes
    /// calls before it runs the procedure.
    #[inline]
    pub(crate) fn begin(&self) {
        self.active.fetch_add(1, Ordering::Relaxed);
    }

    /// The call is over in every respect.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "one run of code: `server/desk.rs`")]
    pub(crate) fn end(&self) {
        let before = self.active.fetch_sub(1, Ordering::AcqRel);
        if before == 1 {
            barrier::full();
            if self.bare.load(Ordering::Relaxed) {
                self.weigh();
            }
            if self.runtime.is_draining() {
                self.runtime.call_ended();
            }
        }
    }

    /// How many calls are active.
    pub(crate) fn active(&self) -> usize {
        self.active.load(Ordering::Acquire)
    }

    /// Why no call may begin at all. A server thread looks again when it has counted its call and passed a fence:
    /// whoever closes the door stores, passes a fence and looks at the count.
    #[inline]
    pub(crate) fn closed(&self) -> Option<Failure> {
        if self.is_revoked() {
            Some(self.over())
        } else if self.runtime.is_draining() {
            Some(Failure::Draining)
        } else {
            None
        }
    }

    /// Whether invocations of this door are told that their caller gave up.
    pub(crate) fn tells_cancellation(&self) -> bool {
        self.attributes.load(Ordering::Relaxed) & DoorAttributes::NO_CANCEL.bits() == 0
    }

    /// The references at this moment.
    pub(crate) fn references(&self) -> References {
        *lock(&self.references)
    }

    /// One more reference.
    pub(crate) fn refer(&self, kind: Kind) {
        let mut references = lock(&self.references);
        *references.of(kind) = references.of(kind).saturating_add(1);
        if kind != Kind::Owner {
            references.armed = true;
            self.bare.store(false, Ordering::Relaxed);
        }
    }

    /// One reference less; perhaps the last.
    pub(crate) fn release(&self, kind: Kind) {
        let bare = {
            let mut references = lock(&self.references);
            *references.of(kind) = references.of(kind).saturating_sub(1);
            let bare = references.outside() == 0;
            self.bare.store(bare, Ordering::Relaxed);
            bare
        };
        if bare {
            fence(Ordering::SeqCst);
            self.weigh();
        }
    }

    /// Looks whether the door is unreferenced now: delivers the notice, then lets go of a door that nobody can
    /// reach any more.
    ///
    /// Runs at the drop of a reference and at the end of the last active call. Each stores its own change
    /// before a `SeqCst` fence and looks at the other's after it, so one of them sees both.
    #[cold]
    fn weigh(&self) {
        if self.active() != 0 {
            return;
        }
        let mut references = lock(&self.references);
        if references.outside() != 0 || references.delivering {
            return;
        }
        let wanted = references.armed && lock(&self.notice).is_some();
        if wanted {
            if !references.queued {
                references.queued = true;
                drop(references);
                self.runtime.deliver_unreferenced(self.id);
            }
        } else if references.owners == 0 {
            drop(references);
            self.runtime.forget_door(self.id);
        }
    }

    /// Whether a queued notice is still due: a new reference may have been handed out since. Disarms it.
    pub(crate) fn claim_notice(&self) -> bool {
        let mut references = lock(&self.references);
        references.queued = false;
        let unreferenced = references.outside() == 0 && self.active() == 0;
        let due = references.armed && unreferenced && !self.is_revoked();
        if due {
            references.armed = false;
            references.delivering = true;
        }
        due
    }

    /// After a notice was weighed: one that was delivered once and for all clears the attribute; then the door may
    /// be unreachable, or unreferenced once more.
    pub(crate) fn notice_over(&self, delivered: bool) {
        let once = self.attributes.load(Ordering::Relaxed) & DoorAttributes::UNREF.bits() != 0;
        if once && delivered {
            self.attributes
                .fetch_and(!DoorAttributes::UNREF.bits(), Ordering::Relaxed);
            self.forget_notice();
        }
        lock(&self.references).delivering = false;
        self.weigh();
    }
}

impl Core {
    /// How long calls have been running, on a thread or held, in nanoseconds: the oldest first, as many as are told.
    pub(crate) fn ages_ns(&self) -> Vec<u64> {
        let mut oldest = Oldest::default();
        self.pool.tell_running(self.id, &mut oldest);
        self.meter.tell_held(&mut oldest);
        oldest.ages_ns()
    }

    /// Ends the threads of a private door.
    pub(crate) fn retire_pool(&self) {
        if self.pool.id == self.id {
            self.pool.close();
        }
    }
}

impl Drop for Core {
    /// What the user gave us may do anything at its end: block, or call a door of this process. The last reference to
    /// a door often goes on the leader.
    fn drop(&mut self) {
        let procedure = std::mem::replace(&mut self.procedure, Box::new(nothing));
        let access = std::mem::replace(&mut self.access, Access::no_one());
        // The pool owns the callback that makes its threads.
        let pool = std::mem::replace(&mut self.pool, Arc::clone(&self.runtime.pool));
        let notice = lock(&self.notice).take();
        foreign::release((procedure, access, pool, notice));
    }
}

/// The procedure of a door whose own is being dropped.
fn nothing(call: Invocation<'_>) -> Returned {
    call.door_return(&[], vec![])
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("id", &self.id)
            .field("attributes", &self.attributes())
            .field("active", &self.active())
            .field("references", &self.references())
            .finish_non_exhaustive()
    }
}
