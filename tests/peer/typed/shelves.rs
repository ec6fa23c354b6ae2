//! The library's server.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

use doors::typed::Fd;

use super::library::{Count, CounterClient, CounterDoor, Library, Parcel, file_with, text_of};

#[derive(Debug, Default)]
pub(crate) struct Shelves {
    live: Arc<Mutex<u64>>,
}

fn copy(descriptor: impl AsFd) -> File {
    descriptor.as_fd().try_clone_to_owned().unwrap().into()
}

impl Library for Shelves {
    fn write(&self, text: &str) -> Result<File, String> {
        if text.is_empty() {
            return Err("nothing to write".to_owned());
        }
        Ok(file_with(text))
    }

    fn read(&self, first: File, second: Option<File>, rest: Vec<File>) -> Vec<String> {
        let all = [first].into_iter().chain(second).chain(rest);
        all.map(text_of).collect()
    }

    fn peek(
        &self,
        first: BorrowedFd<'_>,
        second: Option<BorrowedFd<'_>>,
        third: &File,
        rest: &[File],
    ) -> Vec<String> {
        let second = second.map(copy);
        self.read(
            copy(first),
            second,
            [third].into_iter().chain(rest).map(copy).collect(),
        )
    }

    fn turn(&self, parcel: Parcel) -> Parcel {
        let Parcel { name, main, more } = parcel;
        let last = more.values().flatten().flatten().last();
        let main_now = last.map_or(main, |last| Fd(copy(&last.0).into()));
        Parcel {
            name: name.chars().rev().collect(),
            main: main_now,
            more,
        }
    }

    fn connect(&self, word: &str) -> Option<UnixStream> {
        let (mut here, there) = UnixStream::pair().unwrap();
        here.write_all(word.as_bytes()).unwrap();
        (!word.is_empty()).then_some(there)
    }

    fn count(&self, from: u64) -> Result<CounterClient, String> {
        CounterDoor::serve_object(Count::new(from, &self.live)).map_err(|error| error.to_string())
    }

    fn counters(&self, many: u32) -> Vec<CounterClient> {
        let each = |from| self.count(u64::from(from)).unwrap();
        (0..many).map(each).collect()
    }

    fn live(&self) -> u64 {
        *self.live.lock().unwrap()
    }

    fn drive(&self, counter: CounterClient, times: u32) -> Result<CounterClient, String> {
        for _ in 0..times {
            counter.next().map_err(|error| error.to_string())?;
        }
        Ok(counter)
    }
}
