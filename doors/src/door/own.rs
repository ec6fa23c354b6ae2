//! A door as the process has it that created it.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::Remote;
use crate::client::arguments::Arguments;
use crate::client::petition::system;
use crate::error::{CallCondition, DoorCondition};
use crate::server::core::{Core, Kind};
use crate::server::runtime::Runtime;
use crate::sys::dense::Dense;
use crate::sys::fork;

/// A door of this process.
pub(crate) struct Own {
    pub(crate) core: Dense<Core>,
    /// A token to ourselves, made at the first call from this process.
    to_self: ArcSwapOption<Remote>,
}

impl Own {
    pub(super) fn new(core: Dense<Core>) -> Self {
        Self {
            core,
            to_self: ArcSwapOption::const_empty(),
        }
    }

    /// The runtime that serves the door; an error in a forked child.
    pub(crate) fn runtime(&self) -> Result<Arc<Runtime>, DoorCondition> {
        Runtime::existing()
            .filter(|runtime| runtime.life == self.core.life)
            .ok_or(DoorCondition::NotCreator)
    }

    pub(super) fn mint(&self) -> Result<OwnedFd, DoorCondition> {
        let runtime = self.runtime()?;
        let _pass = runtime.may_refer_to(&self.core)?;
        runtime
            .mint(&self.core, false, None)
            .map_err(|e| system("make a reference", e))
    }

    pub(super) fn call(
        &self,
        arguments: &Arguments<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Vec<OwnedFd>, CallCondition> {
        if let Some(remote) = &*self.to_self.load() {
            return if remote.life == fork::life() {
                remote.call(arguments, out)
            } else {
                Err(CallCondition::Forked)
            };
        }
        let runtime = self.runtime().map_err(|_| CallCondition::Forked)?;
        let token =
            runtime
                .mint(&self.core, true, None)
                .map_err(|source| CallCondition::System {
                    op: "make a reference",
                    source,
                    taken: false,
                })?;
        let remote = Arc::new(Remote::new(token, None, false));
        remote.learn_id(self.core.id);
        // Two threads may race: one's token is closed again, unused.
        self.to_self
            .compare_and_swap(&None::<Arc<Remote>>, Some(Arc::clone(&remote)));
        let remote = self.to_self.load_full().unwrap_or(remote);
        remote.call(arguments, out)
    }
}

impl Drop for Own {
    /// Tokens and names keep the door alive; without any it ends here.
    fn drop(&mut self) {
        if self.core.life == fork::life() {
            self.core.release(Kind::Owner);
        }
    }
}
