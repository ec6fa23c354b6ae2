//! The two halves of a `Result`.

/// The two halves of a `Result`, for signatures that name it by an alias.
#[diagnostic::on_unimplemented(
    message = "`#[door]` takes a type called `Result` for the one of the standard library",
    label = "this is another type",
    note = "give the type another name, or write the path of an alias of `std::result::Result`"
)]
pub trait Fallible {
    /// What `Ok` carries.
    type Value;
    /// What `Err` carries.
    type Error;

    /// The `Result` that the alias stands for.
    ///
    /// # Errors
    /// Its own.
    fn into_result(self) -> Result<Self::Value, Self::Error>;
}

impl<T, E> Fallible for Result<T, E> {
    type Value = T;
    type Error = E;

    fn into_result(self) -> Self {
        self
    }
}
