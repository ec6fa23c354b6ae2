//! What a procedure is given.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::{GenericArgument, Ident, PathArguments, Type};

use super::Codec;
use super::names::{
    bare, inside, is_borrowed, is_bytes, is_carried, is_frozen_archive, last_segment, last_word,
};

/// One argument.
pub(crate) struct Argument<'a> {
    pub(crate) name: &'a Ident,
    pub(crate) ty: &'a Type,
    pub(crate) codec: Codec,
}

/// How an argument comes out of the data.
pub(crate) enum Passing<'a> {
    /// As it is; what it borrows is in the data.
    Whole,
    /// `Vec<u8>`: all bytes at once.
    Bytes,
    /// `&[T]`: a vector is read, a slice of it is passed.
    SliceOf(&'a Type),
    /// `&T`: a value is read, a reference to it is passed.
    ReferenceTo(&'a Type),
    /// A descriptor, or an `Option` or a `Vec` of some.
    Carried,
    /// `&File` and the like: a descriptor is taken, a reference to it is passed.
    ReferenceToCarried(&'a Type),
    /// `&[File]` and the like.
    SliceOfCarried(&'a Type),
    /// `BorrowedFd<'_>`: a descriptor is taken and lent.
    Borrowed,
    /// `Option<BorrowedFd<'_>>`.
    BorrowedIf,
    /// `&Archived<T>`: a `T` is put, and its archive is lent.
    ArchiveOf { archive: &'a Type, value: &'a Type },
    /// A value that is taken out of its archive.
    Restored,
    /// `&str` beside archives.
    TextBeside,
    /// `&[u8]` beside archives.
    BytesBeside,
}

impl<'a> Argument<'a> {
    /// The name as it is read: without `r#`.
    pub(crate) fn name(&self) -> String {
        self.name.unraw().to_string()
    }

    pub(crate) fn passing(&self) -> Passing<'a> {
        match self.codec {
            Codec::Fixed => self.passing_by_serde(),
            Codec::Rkyv => self.passing_by_rkyv(),
        }
    }

    /// The type of what a caller gives.
    pub(crate) fn given(&self) -> TokenStream {
        match self.passing() {
            Passing::ArchiveOf { value, .. } => quote!(&#value),
            _ => self.ty.to_token_stream(),
        }
    }

    fn passing_by_serde(&self) -> Passing<'a> {
        match bare(self.ty) {
            Type::Reference(reference) => match bare(&reference.elem) {
                // serde borrows these three.
                elem if last_word(elem, "str") || last_word(elem, "Path") => Passing::Whole,
                Type::Slice(slice) if last_word(&slice.elem, "u8") => Passing::Whole,
                Type::Slice(slice) if is_carried(&slice.elem) => {
                    Passing::SliceOfCarried(&slice.elem)
                }
                Type::Slice(slice) => Passing::SliceOf(&slice.elem),
                elem if is_carried(elem) => Passing::ReferenceToCarried(elem),
                elem => Passing::ReferenceTo(elem),
            },
            ty if is_bytes(ty) => Passing::Bytes,
            ty if is_carried(ty) => Passing::Carried,
            ty if is_borrowed(ty) => Passing::Borrowed,
            ty if inside(ty, "Option").is_some_and(is_borrowed) => Passing::BorrowedIf,
            _ => Passing::Whole,
        }
    }

    /// What `check` refuses is passed in any way.
    fn passing_by_rkyv(&self) -> Passing<'a> {
        let Type::Reference(reference) = bare(self.ty) else {
            return if is_frozen_archive(self.ty) {
                Passing::Carried
            } else {
                Passing::Restored
            };
        };
        match bare(&reference.elem) {
            elem if is_frozen_archive(elem) => Passing::ReferenceToCarried(elem),
            elem if last_word(elem, "str") => Passing::TextBeside,
            Type::Slice(slice) if last_word(&slice.elem, "u8") => Passing::BytesBeside,
            archive => match inside(archive, "Archived") {
                Some(value) => Passing::ArchiveOf { archive, value },
                None => Passing::Restored,
            },
        }
    }
}

/// `&Call`.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) place: usize,
    pub(crate) ty: &'a Type,
}

impl Call<'_> {
    /// Whether an argument is the call itself.
    pub(crate) fn is(ty: &Type) -> bool {
        let Type::Reference(reference) = bare(ty) else {
            return false;
        };
        last_segment(&reference.elem).is_some_and(|segment| {
            segment.ident == "Call"
                && match &segment.arguments {
                    PathArguments::None => true,
                    PathArguments::AngleBracketed(list) => list
                        .args
                        .iter()
                        .all(|argument| matches!(argument, GenericArgument::Lifetime(_))),
                    PathArguments::Parenthesized(_) => false,
                }
        })
    }
}
