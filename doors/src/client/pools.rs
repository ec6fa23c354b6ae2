//! The private pools of which this process has a door.
//!
//! A channel belongs to the pool whose doors it has called, because a thread of that pool may still be there. When the
//! last door of a private pool is closed here, its channels belong to none again: the next door takes them, before the
//! session grows.

use std::collections::HashMap;
use std::sync::Mutex;

use super::session::Session;
use crate::lock::lock;

/// The pool of the server's process, which always stays.
const PROCESS_POOL: u64 = 0;

/// How many registrations each private pool has.
#[derive(Debug, Default)]
pub(crate) struct Pools(Mutex<HashMap<u64, usize>>);

impl Session {
    /// A door of this pool can be called.
    pub(super) fn enter_pool(&self, pool: u64) {
        if pool != PROCESS_POOL {
            let mut pools = lock(&self.pools.0);
            let doors = pools.entry(pool).or_default();
            *doors = doors.saturating_add(1);
        }
    }

    /// A door of this pool is closed here.
    pub(super) fn leave_pool(&self, pool: u64) {
        let mut pools = lock(&self.pools.0);
        let Some(doors) = pools.get_mut(&pool) else {
            return;
        };
        *doors = doors.saturating_sub(1);
        if *doors > 0 {
            return;
        }
        pools.remove(&pool);
        // Under the lock: whoever enters the pool anew does so after this.
        for channel in self.channels.iter() {
            channel.leave(pool);
        }
    }
}
