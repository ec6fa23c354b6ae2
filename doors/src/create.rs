//! Making a door out of a server procedure.

#[cfg(test)]
mod locks;
#[cfg(test)]
mod pools;

use std::fmt;
use std::sync::Arc;

use crate::access::Access;
use crate::attributes::DoorAttributes;
use crate::client::petition::system;
use crate::door::Door;
use crate::error::{DoorCondition, DoorError};
use crate::invocation::{Invocation, Returned};
use crate::pool::{Pool, PoolLimits, ServerThread};
use crate::server::core::{Core, Notice, Parts, Procedure};
use crate::server::runtime::Runtime;
use crate::sys::dense::Dense;

/// What runs when a door has become unreferenced: no handed-out descriptor, no connection through a name and no name
/// is left, after there has been one. Asking for the attribute is giving the closure.
///
/// It runs on a thread of its own, never while a call is active; notices of one process come one at a time.
///
/// References are what the kernel counts: copies by `dup` and `fork`, copies in processes that are stopped, copies that
/// lie in a socket which nobody has read yet, whoever sent them. A holder that is killed or executes another program has
/// none any more, and none can pretend that it has gone. The `Door` of the creator and its clones are no references.
///
/// # Examples
/// ```
/// use std::sync::mpsc::channel;
///
/// use doors::{Door, Options, Unreferenced};
///
/// let (tell, told) = channel();
/// let options = Options {
///     unreferenced: Some(Unreferenced::once(move || drop(tell.send(())))),
///     ..Options::default()
/// };
/// let door = Door::create_with(|call| call.door_return(&[], vec![]), options)?;
/// // A client gets a reference and lets it go.
/// drop(door.descriptor()?);
/// told.recv()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "DOOR_UNREF_DATA")]
pub enum Unreferenced {
    /// Told the first time only (`DOOR_UNREF`).
    Once(Box<dyn FnMut() + Send>),
    /// Told each time (`DOOR_UNREF_MULTI`); notices that come while one runs are merged, never lost.
    Multi(Box<dyn FnMut() + Send>),
}

impl Unreferenced {
    /// Told the first time only.
    #[doc(alias = "DOOR_UNREF")]
    pub fn once(notice: impl FnMut() + Send + 'static) -> Self {
        Self::Once(Box::new(notice))
    }

    /// Told each time.
    #[doc(alias = "DOOR_UNREF_MULTI")]
    pub fn multi(notice: impl FnMut() + Send + 'static) -> Self {
        Self::Multi(Box::new(notice))
    }
}

impl fmt::Debug for Unreferenced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Once(_) => "Once",
            Self::Multi(_) => "Multi",
        })
    }
}

/// Makes a server thread for a pool: see [`ServerThread`].
#[doc(alias = "door_server_func_t")]
#[doc(alias = "door_xcreate_server_func_t")]
#[doc(alias = "door_xcreate_thrsetup_func_t")]
pub type ThreadCreator = Arc<dyn Fn(ServerThread) + Send + Sync>;

/// What a new door is like.
pub struct Options {
    /// Among [`DoorAttributes::CREATE`].
    pub attributes: DoorAttributes,
    /// Who is told when nobody refers to the door any more.
    pub unreferenced: Option<Unreferenced>,
    /// Who may call; the default is every process that the kernel can name to us.
    pub access: Access,
    /// Threads of a private door ([`DoorAttributes::PRIVATE`]); ignored otherwise.
    pub threads: PoolLimits,
    /// Makes the threads of a private door (`door_xcreate`); ignored otherwise. The default starts a plain thread.
    #[doc(alias = "DOOR_PRIVCREATE")]
    pub create_thread: Option<ThreadCreator>,
    /// The procedure is *leaf*: short, and it starts no thread or process and asks for no affinity. Its server threads
    /// may then run on their caller's processor only, which saves two system calls for a call after a pause. A
    /// procedure that is declared leaf and is not works, but its threads and children may be confined to one processor.
    pub leaf: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            attributes: DoorAttributes::empty(),
            unreferenced: None,
            access: Access::anyone(),
            threads: PoolLimits::default(),
            create_thread: None,
            leaf: false,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("attributes", &self.attributes)
            .field("unreferenced", &self.unreferenced)
            .field("access", &self.access)
            .field("threads", &self.threads)
            .field("leaf", &self.leaf)
            .finish_non_exhaustive()
    }
}

impl Door {
    /// Makes a door of a server procedure. Nobody can call it yet: hand out a
    /// [`descriptor`](Door::descriptor), or [`attach`](Door::attach) a name.
    ///
    /// The procedure runs on threads of the library, many at once; a first call may run on the one that then goes on to
    /// receive what comes for all doors. So a procedure leaves its thread as it was (priority, processors, signal mask, ids,
    /// root directory, seccomp filters), or has a pool of its own threads (a private door, [`PoolLimits`](crate::PoolLimits)
    /// with a lower ceiling, or a creation callback), which run all of its calls. Dropping the `Door` while descriptors or names are out
    /// keeps it serving; without any it ends the door.
    ///
    /// What the procedure owns is dropped with the last reference to the door: by the thread that drops the `Door`, if
    /// that is a thread of the program's and nothing else refers to the door, else on a thread of the library, where it
    /// may take its time and call doors. A process that ends does not wait for it.
    ///
    /// # Blocking
    /// Never.
    ///
    /// # Errors
    /// [`DoorCondition::BadAttributes`] (EINVAL) for one outside [`DoorAttributes::CREATE`]; [`DoorCondition::System`] when the
    /// first door of the process cannot set up the server's side.
    ///
    /// # Death
    /// The door ends with the process, also when it executes another program. A forked child can create doors of its
    /// own, and call this one by a descriptor or name.
    ///
    /// # Panics
    /// Never. A panic inside the procedure is caught; its caller gets
    /// [`CallCondition::Panicked`](crate::CallCondition::Panicked).
    ///
    /// # Examples
    /// ```
    /// use doors::{Door, DoorAttributes};
    ///
    /// let door = Door::create(
    ///     |call| {
    ///         let answer = call.data().to_ascii_uppercase();
    ///         call.door_return(&answer, vec![])
    ///     },
    ///     DoorAttributes::empty(),
    /// )?;
    /// assert_eq!(door.call(b"hello", vec![])?.data, b"HELLO");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "door_create")]
    pub fn create(
        procedure: impl Fn(Invocation<'_>) -> Returned + Send + Sync + 'static,
        attributes: DoorAttributes,
    ) -> Result<Self, DoorError> {
        Self::create_with(
            procedure,
            Options {
                attributes,
                ..Options::default()
            },
        )
    }

    /// As [`create`](Self::create), with everything that can be chosen.
    ///
    /// # Blocking
    /// Never; the creation callback of a private door runs once, on this thread.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    ///
    /// # Examples
    /// A door with at most four threads of its own, for this user and root:
    /// ```
    /// use doors::{Access, Door, DoorAttributes, Options, PoolLimits};
    ///
    /// let options = Options {
    ///     attributes: DoorAttributes::PRIVATE | DoorAttributes::REFUSE_DESC,
    ///     access: Access::only_me().or_uid(0),
    ///     threads: PoolLimits::new(1, 4),
    ///     ..Options::default()
    /// };
    /// let door = Door::create_with(|call| call.door_return(&[], vec![]), options)?;
    /// assert!(door.info()?.attributes.contains(DoorAttributes::PRIVATE));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "door_xcreate")]
    pub fn create_with(
        procedure: impl Fn(Invocation<'_>) -> Returned + Send + Sync + 'static,
        options: Options,
    ) -> Result<Self, DoorError> {
        Self::create_as(None, procedure, options)
    }

    /// As [`create_with`](Self::create_with), of a procedure that takes the memory which holds the data.
    #[cfg(feature = "derive")]
    pub(crate) fn create_taking(
        procedure: impl Fn(Invocation<'_>) -> Returned + Send + Sync + 'static,
        options: Options,
    ) -> Result<Self, DoorError> {
        core(None, Box::new(procedure), true, options).map(Self::staffed)
    }

    /// A door with an id of before, or a new one.
    pub(crate) fn create_as(
        id: Option<u64>,
        procedure: impl Fn(Invocation<'_>) -> Returned + Send + Sync + 'static,
        options: Options,
    ) -> Result<Self, DoorError> {
        core(id, Box::new(procedure), false, options).map(Self::staffed)
    }

    /// A door that has threads.
    fn staffed(core: Dense<Core>) -> Self {
        if core.pool.id == core.id {
            core.pool.create_thread(false);
        } else if let Some(runtime) = Runtime::existing() {
            runtime.staff();
        }
        Self::own(core)
    }

    /// A door without any transport: calls run the procedure on the calling thread. For unit tests of services;
    /// everything that does not need a second process behaves as with a real one.
    ///
    /// # Blocking
    /// Never; a call of it takes as long as the procedure.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    ///
    /// # Examples
    /// ```
    /// use doors::{CallCondition, Door};
    ///
    /// let door = Door::in_process(|call| match call.data() {
    ///     b"bad" => panic!("a mistake"),
    ///     data => call.door_return(data, vec![]),
    /// })?;
    /// assert_eq!(door.call(b"good", vec![])?.data, b"good");
    /// let error = door.call(b"bad", vec![]).unwrap_err();
    /// assert_eq!(error.condition, CallCondition::Panicked);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn in_process(
        procedure: impl Fn(Invocation<'_>) -> Returned + Send + Sync + 'static,
    ) -> Result<Self, DoorError> {
        core(None, Box::new(procedure), false, Options::default()).map(Self::in_process_of)
    }
}

fn core(
    id: Option<u64>,
    procedure: Procedure,
    takes_message: bool,
    options: Options,
) -> Result<Dense<Core>, DoorError> {
    let Options {
        attributes,
        unreferenced,
        access,
        threads,
        create_thread,
        leaf,
    } = options;
    if !DoorAttributes::CREATE.contains(attributes) {
        let bad = attributes.difference(DoorAttributes::CREATE);
        return Err(DoorCondition::BadAttributes(bad).into());
    }
    let runtime = Runtime::current().map_err(|e| system("set up the server's side", e))?;
    let id = id.unwrap_or_else(|| runtime.next_door_id());
    let private = attributes.contains(DoorAttributes::PRIVATE);
    let pool = if private {
        Pool::new(id, threads, create_thread)
    } else {
        Arc::clone(&runtime.pool)
    };
    let (asked, notice): (_, Option<Notice>) = match unreferenced {
        None => (DoorAttributes::empty(), None),
        Some(Unreferenced::Once(notice)) => (DoorAttributes::UNREF, Some(notice)),
        Some(Unreferenced::Multi(notice)) => (DoorAttributes::UNREF_MULTI, Some(notice)),
    };
    let attributes = attributes | asked;
    Ok(Core::create(
        &runtime,
        id,
        Parts {
            procedure,
            attributes,
            access,
            pool,
            notice,
            leaf,
            takes_message,
        },
    ))
}

/// Replaces the callback that makes the threads of the process pool; returns the one before, the library's own at
/// first.
///
/// It is called once when the first door that is not private is created, on the creating thread, and then by the server
/// thread whose call leaves nobody parked, before the server procedure runs. It may also be called by a thread that
/// leaves the pool, and by a thread made for that when a call waits and nobody else could ask (all threads of the pool
/// have ended, or the ceiling was raised). One that makes no thread is not called again before the pool runs out of
/// threads once more.
///
/// # Blocking
/// Never. A callback that makes no thread is legal: callers then wait for the threads that there are.
///
/// # Errors
/// [`DoorCondition::System`] when the server's side of the process cannot be set up.
///
/// # Examples
/// Threads with a larger stack:
/// ```
/// use std::sync::Arc;
///
/// let _default = doors::replace_thread_creator(Arc::new(|thread| {
///     let started = std::thread::Builder::new()
///         .stack_size(8 << 20)
///         .spawn(move || thread.serve());
///     if let Err(error) = started {
///         eprintln!("no thread: {error}");
///     }
/// }))?;
/// # Ok::<(), doors::DoorError>(())
/// ```
#[doc(alias = "door_server_create")]
pub fn replace_thread_creator(creator: ThreadCreator) -> Result<ThreadCreator, DoorError> {
    let runtime = Runtime::current().map_err(|e| system("set up the server's side", e))?;
    Ok(runtime.pool.replace_creator(creator))
}

/// Sets floor and ceiling of the process pool, for the threads and calls that are there too: threads above a lower
/// floor end when they have been idle for long, and a call that waits below a higher ceiling gets a thread.
///
/// # Blocking
/// Never.
///
/// # Errors
/// As [`replace_thread_creator`].
///
/// # Examples
/// ```
/// doors::set_pool_limits(doors::PoolLimits::new(2, 64))?;
/// # Ok::<(), doors::DoorError>(())
/// ```
pub fn set_pool_limits(limits: PoolLimits) -> Result<(), DoorError> {
    let runtime = Runtime::current().map_err(|e| system("set up the server's side", e))?;
    runtime.pool.set_limits(limits);
    Ok(())
}

/// A place in the process pool for the calling thread: [`ServerThread::serve`] turns it into a server thread.
///
/// # Blocking
/// Not here. [`ServerThread::serve`] does not return before a server procedure on that thread calls
/// [`unbind`](crate::unbind): not when there is no door any more, nor when all of them were handed over
/// ([`Drained::hand_over`](crate::Drained::hand_over)).
///
/// # Errors
/// As [`replace_thread_creator`].
///
/// # Examples
/// A program that does nothing but serve:
/// ```no_run
/// use doors::{Door, DoorAttributes};
///
/// let door = Door::create(|call| call.door_return(&[], vec![]), DoorAttributes::empty())?;
/// let _name = door.attach("/run/service", 0o666)?;
/// doors::join_pool()?.serve();
/// # Ok::<(), doors::DoorError>(())
/// ```
pub fn join_pool() -> Result<ServerThread, DoorError> {
    let runtime = Runtime::current().map_err(|e| system("set up the server's side", e))?;
    Ok(ServerThread::of(&runtime.pool))
}
