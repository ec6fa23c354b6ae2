//! Pools that have calls waiting and found no thread to start, or want one more for speed.

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
        self.enter(pool, AGAIN_AFTER);
    }

    /// Has the leader, once it is awake, make one more thread for this pool. False: it will anyhow.
    pub(crate) fn want(&self, pool: &Arc<Pool>) -> bool {
        self.enter(pool, Duration::ZERO)
    }

    fn enter(&self, pool: &Arc<Pool>, after: Duration) -> bool {
        let now = Instant::now();
        let at = now.checked_add(after).unwrap_or(now);
        let mut pools = lock(&self.0);
        let is_new = !pools.iter().any(|(other, _)| Arc::ptr_eq(other, pool));
        if is_new {
            pools.push((Arc::clone(pool), at));
        }
        is_new
    }

    /// When the next try is due; `None` while no pool is starved.
    pub(crate) fn due(&self) -> Option<Instant> {
        lock(&self.0).iter().map(|(_, at)| *at).min()
    }

    /// Tries again for those that are due: a pool that fails comes back.
    pub(crate) fn try_again(&self) {
        let due: Vec<_> = {
            let mut pools = lock(&self.0);
            if pools.is_empty() {
                return;
            }
            let now = Instant::now();
            pools.extract_if(.., |(_, at)| *at <= now).collect()
        };
        for (pool, _) in due {
            pool.create_owed();
            pool.create_for_speed();
        }
    }
}
