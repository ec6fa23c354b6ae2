//! Which type is which.
#![expect(
    unsafe_code,
    reason = "the compiler numbers types without lifetimes only"
)]

use std::any::TypeId;
use std::marker::PhantomData;

/// The number of a type, whatever lifetimes are in it. Unlike its name no other type has it: two of one name may stand in two
/// blocks of one function.
pub(crate) fn of<T: ?Sized>() -> TypeId {
    let marker: &dyn Numbered = &PhantomData::<T>;
    // SAFETY: only the lifetime in the type differs, and the method that has it as its condition looks at nothing that could
    // have ended: it has no value of the type, and a type's number is the same for all lifetimes.
    let marker: &(dyn Numbered + 'static) = unsafe { std::mem::transmute(marker) };
    marker.number()
}

trait Numbered {
    fn number(&self) -> TypeId
    where
        Self: 'static;
}

impl<T: ?Sized> Numbered for PhantomData<T> {
    fn number(&self) -> TypeId
    where
        Self: 'static,
    {
        TypeId::of::<T>()
    }
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn types_of_one_name_have_numbers_of_their_own() {
        let one = {
            struct Same(#[expect(dead_code, reason = "a part")] u8);
            (std::any::type_name::<Same>(), of::<Same>())
        };
        let other = {
            struct Same(#[expect(dead_code, reason = "a part")] i8);
            (std::any::type_name::<Same>(), of::<Same>())
        };
        assert_eq!(one.0, other.0);
        assert_ne!(one.1, other.1);
        assert_eq!(of::<&'static str>(), std::any::TypeId::of::<&str>());
    }
}
