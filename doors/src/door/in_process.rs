//! A call of a door without a transport.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::client::arguments::Arguments;
use crate::client::condition::condition;
use crate::cred::{Caller, Credentials};
use crate::error::CallCondition;
use crate::local::{LocalCall, Mailbox};
use crate::server::core::Core;
use crate::server::line::Line;
use crate::sys::dense::Dense;
use crate::wire::code::Failure;
use crate::wire::limits::DESCRIPTORS;

/// Runs the procedure on the calling thread.
pub(super) fn call(
    core: &Dense<Core>,
    arguments: &Arguments<'_>,
    out: &mut Vec<u8>,
) -> Result<Vec<OwnedFd>, CallCondition> {
    let count = u32::try_from(arguments.count).unwrap_or(u32::MAX);
    let bytes = u64::try_from(arguments.data.len()).unwrap_or(u64::MAX);
    if let Some(code) = core.refuses(bytes, count) {
        return Err(condition(code, core.limit(code, bytes), arguments));
    }
    if arguments.count > DESCRIPTORS {
        let most = u64::try_from(DESCRIPTORS).unwrap_or(u64::MAX);
        return Err(condition(Failure::TooManyDescriptors, most, arguments));
    }
    let me = Credentials::of_this_process().map_err(|source| CallCondition::System {
        op: "read our own credentials",
        source,
        taken: false,
    })?;
    let fds = crate::local::copies(arguments.take()).map_err(|_| CallCondition::NoRoom)?;
    let mailbox = Arc::new(Mailbox::default());
    let line = Line::Local(Box::new(LocalCall::new(
        Arc::new(Caller::Known(me)),
        &mailbox,
    )));
    crate::server::desk::run_here(core, line, arguments.data, fds);
    // Only a call that was held can still be open here, and only it can be given up.
    let is_cancelled = || arguments.is_cancelled();
    let cancelled: Option<&dyn Fn() -> bool> = arguments.cancel.is_some().then_some(&is_cancelled);
    match mailbox.take(arguments.until, cancelled) {
        None => Err(CallCondition::TimedOut { taken: true }),
        Some(Ok((data, descriptors))) => {
            out.extend_from_slice(&data);
            Ok(descriptors)
        }
        Some(Err(failure)) => Err(condition(failure, 0, arguments)),
    }
}
