//! What the closers promise.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{channel, sync_channel};

use super::state::MOST_FOR_ONE_USER;
use super::*;
use crate::sys::account::User;

#[test]
fn what_is_given_to_the_closers_is_closed() {
    let (one, mut other) = UnixStream::pair().unwrap();
    close(vec![one.into()], &Account::default());
    assert_eq!(other.read(&mut [0]).unwrap(), 0);
}

/// Gives the closers something that does not end before the sender is dropped.
fn stick(account: &Account) -> std::sync::mpsc::Sender<()> {
    let (stuck, ends) = channel::<()>();
    run(account, move || assert!(ends.recv().is_err()));
    stuck
}

#[test]
fn those_that_are_stuck_hold_up_nobody_elses() {
    let stuck = User::default();
    // More than work at a time, and than work for one user.
    let held: Vec<_> = (0..MOST_FOR_ONE_USER + 20)
        .map(|_| stick(&Account::of(&stuck)))
        .collect();
    let account = Account::default();
    let (done, is_done) = sync_channel(1);
    run(&account, move || done.send(()).unwrap());
    is_done.recv().unwrap();
    assert_eq!(stuck.closing(), MOST_FOR_ONE_USER + 20);
    drop(held);
    while stuck.closing() + account.closing() > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn one_waits_for_an_account_until_it_is_sound_and_not_for_ever() {
    let account = Account::default();
    assert!(wait_for(&account, None));
    let held: Vec<_> = (0..70).map(|_| stick(&account)).collect();
    assert!(!wait_for(&account, Some(Instant::now())));
    let waits = {
        let account = account.clone();
        std::thread::spawn(move || wait_for(&account, None))
    };
    drop(held);
    assert!(waits.join().unwrap());
}
