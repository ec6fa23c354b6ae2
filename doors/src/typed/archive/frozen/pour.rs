//! An archive on its way into memory that will be frozen.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use rkyv::Serialize;
use rkyv::api::serialize_using;
use rkyv::rancor::{Failure, Source, Strategy};
use rkyv::ser::allocator::ArenaHandle;
use rkyv::ser::sharing::Share;
use rkyv::ser::{Positional, Serializer, Writer};
use rkyv::util::with_arena;

use crate::frozen::FrozenError;
use crate::sys::draft::Draft;

/// What values are put into frozen memory by.
pub type Freezing<'a> = Strategy<Serializer<&'a mut Pour, ArenaHandle<'a>, Share>, Failure>;

/// Small parts are gathered up to this, which a processor has in its cache; larger ones are written from where they are.
const GATHERED_BYTES: usize = 64 * 1024;

/// Memory that an archive is written to.
#[derive(Debug)]
pub struct Pour {
    draft: Draft,
    gathered: Vec<u8>,
    pos: usize,
    failed: Option<Errno>,
}

impl Pour {
    fn gather(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        if self.gathered.len().saturating_add(bytes.len()) > GATHERED_BYTES {
            self.draft.write(&self.gathered)?;
            self.gathered.clear();
        }
        if bytes.len() >= GATHERED_BYTES {
            self.draft.write(bytes)
        } else {
            self.gathered.extend_from_slice(bytes);
            Ok(())
        }
    }

    fn freeze(mut self) -> Result<OwnedFd, Errno> {
        self.draft.write(&self.gathered)?;
        self.draft.freeze()
    }
}

impl Positional for Pour {
    fn pos(&self) -> usize {
        self.pos
    }
}

impl<E: Source> Writer<E> for Pour {
    fn write(&mut self, bytes: &[u8]) -> Result<(), E> {
        if let Err(errno) = self.gather(bytes) {
            self.failed = Some(errno);
            return Err(E::new(errno));
        }
        self.pos = self.pos.saturating_add(bytes.len());
        Ok(())
    }
}

/// The archive of a value, with its root at the end, in frozen memory.
pub(super) fn pour<T: for<'a> Serialize<Freezing<'a>>>(value: &T) -> Result<OwnedFd, FrozenError> {
    let failed = |source| FrozenError::System {
        op: "freeze memory",
        source,
    };
    let mut pour = Pour {
        draft: Draft::new(c"doors-archive").map_err(failed)?,
        gathered: Vec::new(),
        pos: 0,
        failed: None,
    };
    let put = with_arena(|arena| {
        let mut serializer = Serializer::new(&mut pour, arena.acquire(), Share::new());
        serialize_using::<_, Failure>(value, &mut serializer)
    });
    match (put, pour.failed) {
        (Ok(_root), None) => pour.freeze().map_err(failed),
        (_, Some(errno)) => Err(failed(errno)),
        (Err(Failure), None) => Err(FrozenError::Unwritable),
    }
}
