//! A service whose methods answer otherwise than by their end.

use std::fs::File;
use std::sync::{Arc, Condvar, Mutex};

use doors::{Answer, Call, Promise, door};
use serde::{Deserialize, Serialize};

/// The service's own error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NoWord;

/// What a caller that is to wait gets.
pub(crate) type Word = Result<Vec<u8>, NoWord>;

/// Answers in each way.
#[door]
pub(crate) trait Promises {
    fn at_once(&self, number: u32) -> Answer<u32>;

    /// Answers, and stays until it is let go.
    fn early(&self, word: &str, call: &Call<'_>) -> Answer<Result<String, NoWord>>;
    fn let_go(&self);

    /// Waits for a word.
    fn later(&self, call: &Call<'_>) -> Answer<Result<Vec<u8>, NoWord>>;
    /// Gives it, on another thread, to who has waited longest.
    fn give(&self, word: Option<Vec<u8>>);
    /// Gives nothing.
    fn give_up(&self);
    /// How many wait, whether the first has gone, and how many were heard to go.
    fn waiting(&self) -> (usize, bool, u32);

    fn file(&self, path: String, call: &Call<'_>) -> Answer<File>;
    fn files(&self, many: usize, how: &str, call: &Call<'_>) -> Answer<Vec<File>>;
    fn nothing(&self, call: &Call<'_>) -> Answer<()>;

    /// Things that no method should do.
    fn odd(&self, what: &str, call: &Call<'_>) -> Answer<u32>;
    /// The same, in one that answers by its end.
    fn plain(&self, call: &Call<'_>) -> u32;

    /// Gives the bytes back.
    fn mirror(&self, how: &str, bytes: Vec<u8>, call: &Call<'_>) -> Answer<Vec<u8>>;
}

/// As the methods would be if they answered by their end.
pub(crate) mod simple {
    use std::fs::File;

    use super::NoWord;

    #[doors::door]
    pub(crate) trait Promises {
        fn at_once(&self, number: u32) -> u32;
        fn early(&self, word: &str) -> Result<String, NoWord>;
        fn let_go(&self);
        fn later(&self) -> Result<Vec<u8>, NoWord>;
        fn give(&self, word: Option<Vec<u8>>);
        fn give_up(&self);
        fn waiting(&self) -> (usize, bool, u32);
        fn file(&self, path: String) -> File;
        fn files(&self, many: usize, how: &str) -> Vec<File>;
        fn nothing(&self);
        fn odd(&self, what: &str) -> u32;
        fn plain(&self) -> u32;
        fn mirror(&self, how: &str, bytes: Vec<u8>) -> Vec<u8>;
    }
}

/// Keeps what was promised.
#[derive(Debug, Default)]
pub(crate) struct Book {
    words: Mutex<Vec<Promise<Word>>>,
    gone: Arc<Mutex<u32>>,
    free: Mutex<bool>,
    freed: Condvar,
    stolen: Mutex<Option<Answer<u32>>>,
}

impl Book {
    fn first(&self) -> Promise<Word> {
        self.words.lock().unwrap().remove(0)
    }
}

impl Promises for Book {
    fn mirror(&self, how: &str, bytes: Vec<u8>, call: &Call<'_>) -> Answer<Vec<u8>> {
        match how {
            "reply" => call.door_reply(bytes),
            "reply now" => call.door_reply_now(bytes),
            "keep" => {
                let (promise, answer) = call.hold();
                promise.door_return(bytes);
                answer
            }
            "hold" => {
                let (promise, answer) = call.hold();
                std::thread::spawn(move || promise.door_return(bytes));
                answer
            }
            _ => bytes.into(),
        }
    }

    fn at_once(&self, number: u32) -> Answer<u32> {
        number.into()
    }

    fn early(&self, word: &str, call: &Call<'_>) -> Answer<Result<String, NoWord>> {
        let before = (format!("{:?}", call.caller()), call.door_id());
        let answer = call.door_reply_now(match word {
            "" => Err(NoWord),
            word => Ok(word.to_owned()),
        });
        assert_eq!(before, (format!("{:?}", call.caller()), call.door_id()));
        assert!(!call.is_cancelled());
        call.on_cancel(|| {});
        let free = self.free.lock().unwrap();
        let mut free = self.freed.wait_while(free, |free| !*free).unwrap();
        *free = false;
        answer
    }

    fn let_go(&self) {
        *self.free.lock().unwrap() = true;
        self.freed.notify_all();
    }

    fn later(&self, call: &Call<'_>) -> Answer<Result<Vec<u8>, NoWord>> {
        let gone = Arc::clone(&self.gone);
        call.on_cancel(move || {
            let mut gone = gone.lock().unwrap();
            *gone = gone.checked_add(1).unwrap();
        });
        let (promise, answer) = call.hold();
        self.words.lock().unwrap().push(promise);
        answer
    }

    fn give(&self, word: Option<Vec<u8>>) {
        let promise = self.first();
        std::thread::spawn(move || promise.door_return(word.ok_or(NoWord)));
    }

    fn give_up(&self) {
        drop(self.first());
    }

    fn waiting(&self) -> (usize, bool, u32) {
        let words = self.words.lock().unwrap();
        let first_gone = words.first().is_some_and(Promise::is_cancelled);
        (words.len(), first_gone, *self.gone.lock().unwrap())
    }

    fn file(&self, path: String, call: &Call<'_>) -> Answer<File> {
        let (promise, answer) = call.hold();
        std::thread::spawn(move || promise.door_return(File::open(path).unwrap()));
        answer
    }

    fn files(&self, many: usize, how: &str, call: &Call<'_>) -> Answer<Vec<File>> {
        let files = (0..many).map(|_| File::open("/dev/null").unwrap());
        let files = files.collect();
        match how {
            "reply" => call.door_reply(files),
            "reply now" => call.door_reply_now(files),
            "keep" => {
                let (promise, answer) = call.hold();
                promise.door_return(files);
                answer
            }
            "hold" => {
                let (promise, answer) = call.hold();
                std::thread::spawn(move || promise.door_return(files));
                answer
            }
            _ => files.into(),
        }
    }

    fn nothing(&self, call: &Call<'_>) -> Answer<()> {
        call.door_reply_now(())
    }

    fn odd(&self, what: &str, call: &Call<'_>) -> Answer<u32> {
        match what {
            "reply, then return" => {
                let _first = call.door_reply(1_u32);
                2.into()
            }
            "reply twice" => {
                let _first = call.door_reply_now(1_u32);
                let _second = call.door_reply(2_u32);
                call.door_reply_now(3)
            }
            "reply, then hold" => {
                let _first = call.door_reply(1_u32);
                let (promise, answer) = call.hold();
                assert!(promise.is_cancelled());
                promise.door_return(2);
                answer
            }
            "reply with another type" => {
                let _text = call.door_reply_now("2");
                let _number = call.door_reply(2_u64);
                1.into()
            }
            "keep at once" => {
                let (promise, answer) = call.hold();
                assert!(!promise.is_cancelled());
                promise.door_return(1);
                answer
            }
            "break at once" => {
                let (promise, answer) = call.hold();
                drop(promise);
                answer
            }
            "hold, then return" => {
                let (promise, answer) = call.hold();
                drop(answer);
                assert!(promise.is_cancelled());
                promise.door_return(2);
                1.into()
            }
            "keep, then return" => {
                let (promise, _answer) = call.hold();
                promise.door_return(2);
                1.into()
            }
            "panic" => {
                let (promise, _answer) = call.hold::<u32>();
                promise.door_return(2);
                panic!("after a promise");
            }
            "steal" => {
                *self.stolen.lock().unwrap() = Some(call.door_reply_now(1));
                2.into()
            }
            // Whoever steals has let its caller go before.
            "use what was stolen" => loop {
                if let Some(answer) = self.stolen.lock().unwrap().take() {
                    return answer;
                }
                std::thread::yield_now();
            },
            _ => panic!("unknown: {what}"),
        }
    }

    fn plain(&self, call: &Call<'_>) -> u32 {
        let _early = call.door_reply_now(2_u32);
        let (promise, _late) = call.hold::<u32>();
        promise.door_return(3);
        1
    }
}
