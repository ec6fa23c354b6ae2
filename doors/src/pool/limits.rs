//! How many threads a pool has.

/// How many threads a pool keeps and how many it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolLimits {
    /// Idle threads that never end by themselves.
    pub floor: usize,
    /// Threads at most; calls beyond it wait for one. Where calls find all threads at other channels, none of them idle, the
    /// library's own creation callback makes more, up to eight for each processor and never more than this.
    #[doc(alias = "DOOR_NO_DEPLETION_CB")]
    pub ceiling: usize,
}

impl Default for PoolLimits {
    /// Two threads stay (one to serve, one so that the pool is not empty meanwhile), 1,024 may be.
    fn default() -> Self {
        Self {
            floor: 2,
            ceiling: 1024,
        }
    }
}

impl PoolLimits {
    /// Limits with this floor and this ceiling (at least 1).
    #[must_use]
    pub fn new(floor: usize, ceiling: usize) -> Self {
        Self {
            floor,
            ceiling: ceiling.max(1),
        }
    }
}
