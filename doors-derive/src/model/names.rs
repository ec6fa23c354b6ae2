//! Types that are known by their names: a macro sees no more of them.

use syn::{GenericArgument, PathArguments, Type};

/// Whether a type is `Vec<u8>`.
pub(super) fn is_bytes(ty: &Type) -> bool {
    inside(ty, "Vec").is_some_and(|element| last_word(element, "u8"))
}

/// The types that are descriptors.
pub(crate) const CARRIED: [&str; 11] = [
    "OwnedFd",
    "File",
    "UnixStream",
    "UnixListener",
    "UnixDatagram",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "PipeReader",
    "PipeWriter",
    "Door",
];

/// Whether a type is a descriptor, or an `Option` or a `Vec` of some.
pub(crate) fn is_carried(ty: &Type) -> bool {
    CARRIED.iter().any(|word| last_word(ty, word))
        || is_frozen_archive(ty)
        || ["Option", "Vec"]
            .iter()
            .any(|word| inside(ty, word).is_some_and(is_carried))
}

/// Whether a type is a `FrozenArchive` of something.
pub(super) fn is_frozen_archive(ty: &Type) -> bool {
    matches!(bare(ty), Type::Path(path) if is_frozen_archive_path(path))
}

pub(crate) fn is_frozen_archive_path(path: &syn::TypePath) -> bool {
    let last = path.path.segments.last().filter(|_| path.qself.is_none());
    last.is_some_and(|segment| segment.ident == "FrozenArchive" && !segment.arguments.is_none())
}

/// Whether a reference is one that can come with archives.
pub(crate) fn is_lent_by_rkyv(ty: &syn::TypeReference) -> bool {
    let elem = bare(&ty.elem);
    last_word(elem, "str")
        || is_frozen_archive(elem)
        || inside(elem, "Archived").is_some()
        || matches!(elem, Type::Slice(slice) if last_word(&slice.elem, "u8"))
}

/// Whether a type is a descriptor by its name: one that can be an argument, is lent, or stands inside a value.
pub(crate) fn is_descriptor_path(path: &syn::TypePath) -> bool {
    let last = path.path.segments.last().filter(|_| path.qself.is_none());
    last.is_some_and(|segment| {
        let name = &segment.ident;
        CARRIED.iter().any(|word| name == word) || name == "BorrowedFd" || name == "Fd"
    })
}

/// Whether a type is `BorrowedFd<'_>`.
pub(super) fn is_borrowed(ty: &Type) -> bool {
    matches!(bare(ty), Type::Path(path) if is_borrowed_path(path))
}

pub(crate) fn is_borrowed_path(path: &syn::TypePath) -> bool {
    let last = path.path.segments.last();
    path.qself.is_none() && last.is_some_and(|segment| segment.ident == "BorrowedFd")
}

/// The `T` of a `Word<T>`.
pub(crate) fn inside<'a>(ty: &'a Type, word: &str) -> Option<&'a Type> {
    let segment = last_segment(ty).filter(|segment| segment.ident == word)?;
    let PathArguments::AngleBracketed(list) = &segment.arguments else {
        return None;
    };
    let mut arguments = list.args.iter();
    match (arguments.next(), arguments.next()) {
        (Some(GenericArgument::Type(inside)), None) => Some(inside),
        _ => None,
    }
}

/// A type without the parentheses and the invisible delimiters that other macros leave.
pub(crate) fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        other => other,
    }
}

pub(super) fn last_segment(ty: &Type) -> Option<&syn::PathSegment> {
    match bare(ty) {
        Type::Path(path) if path.qself.is_none() => path.path.segments.last(),
        _ => None,
    }
}

pub(super) fn last_word(ty: &Type, word: &str) -> bool {
    last_segment(ty).is_some_and(|segment| segment.ident == word && segment.arguments.is_none())
}
