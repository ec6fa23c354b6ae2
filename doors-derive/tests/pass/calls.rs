//! Methods that are given their call, under the strictest lints.
#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub)]
#![deny(nonstandard_style, elided_lifetimes_in_paths, unused_qualifications)]

use doors::{Answer, Call, door};

/// In each place.
#[door]
pub trait Places {
    /// Before all.
    fn first(&self, call: &Call<'_>, name: &str) -> u64;
    /// Between.
    fn between(&self, name: &str, call: &Call<'_>, answer: u32) -> u64;
    /// After all, without a name.
    fn last(&self, call: u64, _: &Call<'_>) -> u64;
    /// Nothing else.
    fn alone(&self, call: &Call<'_>);
}

/// With answers that come otherwise.
#[door]
pub trait Answers {
    /// Of a value.
    fn value(&self, value: u8, call: &Call<'_>, answer: u8) -> Answer<Vec<u8>>;
    /// Of nothing, without a call.
    fn nothing(&self) -> Answer<()>;
    /// Of an error.
    fn error(&self, call: &Call<'_>) -> Answer<Result<(), u8>>;
}

/// By a function.
#[door]
pub fn later(call: &Call<'_>) -> Answer<u64> {
    let (promise, answer) = call.hold();
    promise.door_return(call.door_id());
    answer
}

/// By a function.
#[door]
pub fn number(call: &Call<'_>) -> u64 {
    call.door_id()
}

/// Takes the name of ours for a value: it is not behind a reference.
pub mod phone {
    use serde::{Deserialize, Serialize};

    /// Another thing of that name.
    #[derive(Debug, Serialize, Deserialize)]
    pub struct Call(u8);

    /// Takes it.
    #[doors::door]
    pub fn dial(call: Call) -> Call {
        call
    }
}

fn main() {
    let (_, _, _) = (PlacesClient::first, PlacesClient::between, PlacesClient::last);
    let _: fn(&PlacesClient) -> Result<(), doors::ProcedureError> = PlacesClient::alone;
    let _: fn(&NumberClient) -> Result<u64, doors::ProcedureError> = NumberClient::call;
}
