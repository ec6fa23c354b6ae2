//! Calls that run on the thread of their caller.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::Desk;
use crate::pieces::Pieces;
use crate::server::core::Core;
use crate::server::footing::Footing;
use crate::server::line::Line;
use crate::server::meter::Running;
use crate::sys::clock::coarse_ns;
use crate::sys::dense::Dense;

/// Runs a procedure on the calling thread, for a door without a transport.
pub(crate) fn run_here(core: &Dense<Core>, line: Line, data: Pieces<'_>, fds: Vec<OwnedFd>) {
    core.begin();
    let running = Arc::new(Running::default());
    let mut desk = Desk::new(Arc::clone(&running), Footing::new(false));
    data.append_to(&mut desk.data);
    desk.line = Some(line);
    running.look_at_clock();
    // No pool knows of this thread.
    running.count_as(core.meter.hold(coarse_ns()));
    desk.invoke_apart(None, core, fds);
    if let Some(number) = running.take_count() {
        core.meter.let_go(number);
    }
    if desk.line.is_some() {
        core.end();
    }
}
