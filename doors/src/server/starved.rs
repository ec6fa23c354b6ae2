//! Pools that have calls waiting and found no thread to start.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::core::lock;
use crate::pool::Pool;

/// A lack of threads is looked at again after this time.
const AGAIN_AFTER: Duration = Duration::from_millis(20);

/// Each pool once, and when it is tried again.
#[derive(Debug, Default)]
pub(crate) struct Starved(Mutex<Vec<(Arc<Pool>, Instant)>>);

impl Starved {
    /// Has the leader, once it is awake, try again for this pool later.
    pub(crate) fn add(&self, pool: &Arc<Pool>) {
        let now = Instant::now();
        let at = now.checked_add(AGAIN_AFTER).unwrap_or(now);
        let mut pools = lock(&self.0);
        if !pools.iter().any(|(other, _)| Arc::ptr_eq(other, pool)) {
            pools.push((Arc::clone(pool), at));
        }
    }

    /// When the next try is due; `None` while no pool is starved.
    pub(crate) fn due(&self) -> Option<Instant> {
        lock(&self.0).iter().map(|(_, at)| *at).min()
    }

    /// Tries again for those that are due: a pool that fails comes back.
    pub(crate) fn try_again(&self) {
        let now = Instant::now();
        let due: Vec<_> = lock(&self.0).extract_if(.., |(_, at)| *at <= now).collect();
        for (pool, _) in due {
            pool.create_owed();
        }
    }
}
