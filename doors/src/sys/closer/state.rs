//! What the closers have to do, and which of them does it when.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::sys::account::Account;

/// So many that are not stuck work at the same time.
pub(super) const WORKING: usize = 16;
/// So many of them for one source.
pub(super) const WORKING_FOR_ONE: usize = 4;
/// A closer joins those at work only when each of them has been in one close for so long: most take no time at all.
pub(super) const JOINS_AFTER: Duration = Duration::from_millis(1);
/// One that is in a close for so long is stuck: it does not count among those at work.
pub(super) const STUCK_AFTER: Duration = Duration::from_secs(1);
/// So many there are at most, the stuck ones included; what comes then waits.
pub(super) const MOST_THREADS: usize = 256;
/// So many work for one user at most, the stuck ones included.
pub(super) const MOST_FOR_ONE_USER: usize = 128;

#[derive(Debug, Default)]
pub(super) struct State {
    /// What waits or is being done, by source.
    lanes: HashMap<usize, Lane>,
    /// How many are at work for each user.
    users: HashMap<usize, usize>,
    /// Since when each closer at work is at what it does, by its number, and for which source.
    busy: BTreeMap<u64, (Instant, usize)>,
    turns: u64,
    next_number: u64,
    pub(super) threads: usize,
    /// Those of them that have been started and have not looked for work yet.
    pub(super) coming: usize,
    pub(super) idle: usize,
    /// Threads that wait until something is closed.
    pub(super) waiters: usize,
}

/// The work of one source.
#[derive(Debug)]
struct Lane {
    queue: VecDeque<Job>,
    user: usize,
    busy: usize,
    /// Its last turn.
    turn: u64,
}

/// What is done for an account.
pub(super) struct Job {
    task: Task,
    pub(super) account: Account,
}

pub(super) enum Task {
    Close(OwnedFd),
    Run(Box<dyn FnOnce() + Send>),
}

/// What a closer does next.
#[derive(Debug)]
pub(super) enum Next {
    Job(Job),
    /// There is nothing that it may do before so long.
    Wait(Duration),
}

impl State {
    pub(super) fn put(&mut self, account: &Account, tasks: impl Iterator<Item = Task>) {
        let lane = self.lanes.entry(account.number()).or_insert_with(|| Lane {
            queue: VecDeque::new(),
            user: account.user_number(),
            busy: 0,
            turn: 0,
        });
        lane.queue.extend(tasks.map(|task| Job {
            task,
            account: account.clone(),
        }));
    }

    /// Whether something waits, be it only for its turn.
    pub(super) fn has_work(&self) -> bool {
        self.lanes.values().any(|lane| !lane.queue.is_empty())
    }

    /// Whether something waits, and no thread will come for it.
    pub(super) fn is_short(&self) -> bool {
        self.threads == 0 && self.has_work()
    }

    /// The next thing to do for a closer: of the user for whom the fewest are at work, and of that user's sources, of the
    /// one for which the fewest are. Who has many sources is not served before others for that.
    pub(super) fn take(&mut self, number: u64, now: Instant) -> Next {
        match self.choose(now) {
            Err(wait) => Next::Wait(wait),
            Ok(source) => {
                let job = self.lanes.get_mut(&source).and_then(|lane| {
                    let job = lane.queue.pop_front()?;
                    self.turns = self.turns.wrapping_add(1);
                    lane.turn = self.turns;
                    lane.busy = lane.busy.saturating_add(1);
                    let at_work = self.users.entry(lane.user).or_default();
                    *at_work = at_work.saturating_add(1);
                    Some(job)
                });
                match job {
                    None => Next::Wait(STUCK_AFTER),
                    Some(job) => {
                        self.busy.insert(number, (now, source));
                        job.account.begins_one();
                        Next::Job(job)
                    }
                }
            }
        }
    }

    /// The source whose turn it is, or how long nobody may take anything.
    fn choose(&self, now: Instant) -> Result<usize, Duration> {
        let mut working: HashMap<usize, usize> = HashMap::new();
        let mut count = 0_usize;
        let mut youngest = STUCK_AFTER;
        let mut oldest = Duration::ZERO;
        for (since, source) in self.busy.values() {
            let age = now.saturating_duration_since(*since);
            if age < STUCK_AFTER {
                count = count.saturating_add(1);
                let of_source = working.entry(*source).or_default();
                *of_source = of_source.saturating_add(1);
                youngest = youngest.min(age);
                oldest = oldest.max(age);
            }
        }
        let until_stuck = STUCK_AFTER.saturating_sub(oldest);
        if !self.has_work() {
            return Err(STUCK_AFTER);
        }
        if youngest < JOINS_AFTER {
            return Err(JOINS_AFTER.saturating_sub(youngest));
        }
        if count >= WORKING {
            return Err(until_stuck);
        }
        let few = |source: &usize| working.get(source).is_none_or(|of| *of < WORKING_FOR_ONE);
        let at_work = |lane: &Lane| self.users.get(&lane.user).copied().unwrap_or(0);
        let room = |lane| at_work(lane) < MOST_FOR_ONE_USER;
        self.lanes
            .iter()
            .filter(|(source, lane)| !lane.queue.is_empty() && few(source) && room(lane))
            .min_by_key(|(_, lane)| (at_work(lane), lane.busy, lane.turn))
            .map(|(source, _)| *source)
            .ok_or(until_stuck)
    }

    /// A closer has done what it did.
    pub(super) fn finish(&mut self, number: u64, account: &Account) {
        self.busy.remove(&number);
        let (source, user) = (account.number(), account.user_number());
        if let Some(at_work) = self.users.get_mut(&user) {
            *at_work = at_work.saturating_sub(1);
            if *at_work == 0 {
                self.users.remove(&user);
            }
        }
        if let Some(lane) = self.lanes.get_mut(&source) {
            lane.busy = lane.busy.saturating_sub(1);
            if lane.busy == 0 && lane.queue.is_empty() {
                self.lanes.remove(&source);
            }
        }
        account.closed_one();
    }

    /// Counts one more closer and gives its number, if there is work and nobody is there, or on the way, who would see
    /// to it: any that are at work may be stuck in it.
    pub(super) fn joins(&mut self) -> Option<u64> {
        let nobody = self.idle == 0 && self.coming == 0;
        let wanted = nobody && self.threads < MOST_THREADS && self.has_work();
        wanted.then(|| {
            self.coming = self.coming.saturating_add(1);
            self.threads = self.threads.saturating_add(1);
            self.next_number = self.next_number.wrapping_add(1);
            self.next_number
        })
    }
}

impl Job {
    /// Nothing that is given to the closers is known to panic; a closer must not end by it.
    pub(super) fn run(self) {
        match self.task {
            Task::Close(fd) => drop(fd),
            Task::Run(task) => {
                let _panic = catch_unwind(AssertUnwindSafe(task));
            }
        }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Job").field(&self.account).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::account::User;

    fn put(state: &mut State, account: &Account, count: usize) {
        let task = || Task::Run(Box::new(|| ()));
        state.put(account, std::iter::repeat_with(task).take(count));
    }

    /// What is taken, one a millisecond, while all that was taken goes on; the last wait.
    fn take_all(state: &mut State, now: &mut Instant) -> (Vec<Account>, Duration) {
        let mut taken = Vec::new();
        loop {
            *now = crate::sys::clock::after(*now, JOINS_AFTER);
            state.next_number = state.next_number.wrapping_add(1);
            match state.take(state.next_number, *now) {
                Next::Job(job) => taken.push(job.account),
                Next::Wait(wait) => return (taken, wait),
            }
        }
    }

    #[test]
    fn a_closer_joins_when_the_others_are_slow_and_takes_the_place_of_stuck_ones() {
        let mut state = State::default();
        let mut now = Instant::now();
        let accounts: Vec<Account> = (0..5).map(|_| Account::default()).collect();
        for account in &accounts {
            put(&mut state, account, 4);
        }
        assert!(matches!(state.take(0, now), Next::Job(_)));
        assert!(matches!(state.take(1, now), Next::Wait(JOINS_AFTER)));
        let (taken, wait) = take_all(&mut state, &mut now);
        assert_eq!(taken.len(), WORKING - 1);
        assert!(wait > Duration::ZERO);
        now += wait;
        let (more, _) = take_all(&mut state, &mut now);
        assert!(!more.is_empty());
    }

    #[test]
    fn who_has_many_sources_is_not_served_before_others() {
        let mut state = State::default();
        let mut now = Instant::now();
        let many = User::default();
        for _ in 0..100 {
            put(&mut state, &Account::of(&many), 1);
        }
        let (taken, wait) = take_all(&mut state, &mut now);
        assert_eq!(taken.len(), WORKING);
        let other = Account::default();
        put(&mut state, &other, 1);
        // As soon as the first of them is stuck.
        now += wait;
        match state.take(u64::MAX, now) {
            Next::Job(job) => assert_eq!(job.account.number(), other.number()),
            Next::Wait(wait) => panic!("nobody is served for {wait:?}"),
        }
    }

    #[test]
    fn what_is_quick_starts_no_thread_but_one_that_stands_by() {
        let mut state = State::default();
        let account = Account::default();
        put(&mut state, &account, 1);
        assert!(state.joins().is_some());
        put(&mut state, &account, 2);
        assert_eq!(state.joins(), None);
        state.coming -= 1;
        let now = Instant::now();
        assert!(matches!(state.take(1, now), Next::Job(_)));
        // The first may be stuck, and nobody else would see to the rest.
        assert!(state.joins().is_some());
        state.finish(1, &account);
        assert!(matches!(state.take(1, now), Next::Job(_)));
        assert_eq!(state.joins(), None);
    }

    #[test]
    fn a_source_that_comes_late_does_not_wait_behind_all_of_another() {
        let mut state = State::default();
        let mut now = Instant::now();
        let (many, one) = (Account::default(), Account::default());
        put(&mut state, &many, 100);
        let (taken, _) = take_all(&mut state, &mut now);
        assert_eq!(taken.len(), WORKING_FOR_ONE);
        put(&mut state, &one, 1);
        let (taken, _) = take_all(&mut state, &mut now);
        assert_eq!(taken[0].number(), one.number());
        assert_eq!(one.begun(), 1);
    }

    #[test]
    fn one_user_leaves_room_for_the_others() {
        let mut state = State::default();
        let mut now = Instant::now();
        let user = User::default();
        let accounts: Vec<Account> = (0..10).map(|_| Account::of(&user)).collect();
        for account in &accounts {
            put(&mut state, account, 20);
        }
        let mut taken = Vec::new();
        for _ in 0..20 {
            taken.extend(take_all(&mut state, &mut now).0);
            now += STUCK_AFTER;
        }
        assert_eq!(taken.len(), MOST_FOR_ONE_USER);
        let other = Account::default();
        put(&mut state, &other, 1);
        let (more, _) = take_all(&mut state, &mut now);
        assert_eq!(more[0].number(), other.number());
        // One that is done makes room for one more of the same user.
        now += STUCK_AFTER;
        state.finish(1, &taken[0]);
        assert_eq!(take_all(&mut state, &mut now).0.len(), 1);
    }
}
