//! Descriptors in the middle of types, where they need a wrapper.

use syn::visit::{self, Visit};
use syn::{Type, TypePath};

use super::Faults;
use crate::model::{CARRIED, Codec, bare, is_carried};

/// Looks for descriptors that do not stand where they travel by themselves. Types are known by their names here: whose name is that
/// of a descriptor could not be an argument either.
pub(super) fn check(ty: &Type, codec: Codec, faults: &mut Faults) {
    // rkyv has no word for them anywhere, which is said already.
    if codec == Codec::Rkyv || !is_passed_whole(ty) {
        return;
    }
    Nested(faults).visit_type(ty);
}

struct Nested<'f>(&'f mut Faults);

impl<'ast> Visit<'ast> for Nested<'_> {
    fn visit_type_path(&mut self, path: &'ast TypePath) {
        let last = path.path.segments.last();
        if last.is_some_and(|segment| segment.ident == "Fd") {
            return;
        }
        match descriptor(path) {
            Some("Door") => self.0.add(
                path,
                "a door travels by itself, in an `Option` or in a `Vec`: inside other types pass the client of its interface (`..Client`)",
            ),
            Some(word) => self.0.add(
                path,
                format!(
                    "a descriptor travels by itself, in an `Option` or in a `Vec`: inside other types write `doors::typed::Fd<{word}>`"
                ),
            ),
            None => visit::visit_type_path(self, path),
        }
    }
}

/// The name of the descriptor that a path names.
fn descriptor(path: &TypePath) -> Option<&'static str> {
    let last = path.path.segments.last().filter(|_| path.qself.is_none())?;
    let mut words = CARRIED.into_iter();
    words.find(|word| last.ident == word && last.arguments.is_none())
}

/// Whether serde puts and takes a type, and not whoever passes descriptors.
fn is_passed_whole(ty: &Type) -> bool {
    match bare(ty) {
        Type::Reference(reference) => is_passed_whole(&reference.elem),
        Type::Slice(slice) => is_passed_whole(&slice.elem),
        ty => !is_carried(ty),
    }
}
