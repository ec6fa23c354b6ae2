//! Types that cannot travel, whatever else is right.

use syn::Type;
use syn::visit::{self, Visit};

use super::Faults;
use crate::model::{
    Codec, is_borrowed_path, is_carried, is_descriptor_path, is_frozen_archive_path,
    is_lent_by_rkyv,
};

/// Looks for what cannot travel whatever the types are. Whether they are serde's is for the compiler to say.
pub(super) struct TypeCheck<'f> {
    pub(super) faults: &'f mut Faults,
    pub(super) codec: Codec,
    /// Results are checked, not arguments.
    pub(super) result: bool,
    /// What is looked at is an argument or a result itself, not a part of one.
    pub(super) whole: bool,
}

impl<'ast> Visit<'ast> for TypeCheck<'_> {
    fn visit_type_impl_trait(&mut self, ty: &'ast syn::TypeImplTrait) {
        self.faults.add(
            ty,
            "name the type: caller and server must agree on one, and `impl` hides it",
        );
    }

    fn visit_type_trait_object(&mut self, ty: &'ast syn::TypeTraitObject) {
        self.faults.add(
            ty,
            "a trait object cannot travel: its code is that of this process",
        );
    }

    fn visit_type_ptr(&mut self, ty: &'ast syn::TypePtr) {
        self.faults
            .add(ty, "an address means nothing in another process");
    }

    fn visit_type_fn_ptr(&mut self, ty: &'ast syn::TypeFnPtr) {
        self.faults.add(
            ty,
            "the address of a function means nothing in another process",
        );
    }

    fn visit_type_infer(&mut self, ty: &'ast syn::TypeInfer) {
        self.faults
            .add(ty, "write the type out: it is part of the interface");
    }

    fn visit_type_never(&mut self, ty: &'ast syn::TypeNever) {
        self.faults
            .add(ty, "a server procedure that never returns never answers");
    }

    fn visit_type_reference(&mut self, ty: &'ast syn::TypeReference) {
        if self.result {
            self.faults.add(
                ty.and_token,
                "results are copied to the caller: return an owned value",
            );
        } else if let Some(word) = &ty.mutability {
            self.faults.add(
                word,
                "the server has a copy of the argument: changes do not travel back, return them",
            );
        } else if let Some(lifetime) = &ty.lifetime
            && lifetime.ident == "static"
        {
            self.faults.add(
                lifetime,
                "arguments live as long as the call: leave the lifetime out, or take an owned value",
            );
        } else if self.codec == Codec::Rkyv && !is_lent_by_rkyv(ty) && !is_carried(&ty.elem) {
            self.faults.add(
                ty,
                "by rkyv the server has the argument's archive: write `&Archived<T>` (callers give a `&T`), or take an owned value",
            );
        }
        self.visit_type(&ty.elem);
    }

    fn visit_type_path(&mut self, ty: &'ast syn::TypePath) {
        let first = ty.path.segments.first();
        if ty.qself.is_none() && first.is_some_and(|segment| segment.ident == "Self") {
            self.faults.add(
                ty,
                "name the type: `Self` is the server's value on one side and the client on the other",
            );
            return;
        }
        if self.codec == Codec::Rkyv && is_descriptor_path(ty) {
            self.faults.add(
                ty,
                "a descriptor cannot travel by rkyv: only the usual codec has a word for it",
            );
            return;
        }
        if self.codec == Codec::Rkyv && is_frozen_archive_path(ty) && !self.whole {
            self.faults.add(
                ty,
                "by rkyv a frozen archive is an argument or a result itself: only the usual codec has it inside a value",
            );
            return;
        }
        if self.result && is_borrowed_path(ty) {
            self.faults
                .add(ty, "results are given to the caller: return an `OwnedFd`");
            return;
        }
        if ty.qself.is_none() && is_io_error(&ty.path) {
            self.faults.add(
                ty,
                "an `io::Error` cannot travel: return an error of your own that has `Serialize` and `Deserialize`, made of it by `map_err` or `From`",
            );
            return;
        }
        // The value of a `Result` is the result.
        let last = ty.path.segments.last();
        self.whole &= self.result && last.is_some_and(|segment| segment.ident == "Result");
        visit::visit_type_path(self, ty);
    }

    fn visit_lifetime(&mut self, lifetime: &'ast syn::Lifetime) {
        if self.result && lifetime.ident != "static" {
            self.faults.add(
                lifetime,
                "results are copied to the caller: nothing in them can be borrowed",
            );
        }
    }

    fn visit_type(&mut self, ty: &'ast Type) {
        if let Type::Verbatim(_) = ty {
            self.faults.add(ty, "this type is not known to `#[door]`");
        }
        let whole = self.whole;
        if !matches!(
            ty,
            Type::Path(_) | Type::Reference(_) | Type::Group(_) | Type::Paren(_)
        ) {
            self.whole = false;
        }
        visit::visit_type(self, ty);
        self.whole = whole;
    }
}

/// Whether a path is `io::Error` or `io::Result<..>`, as far as its words tell.
fn is_io_error(path: &syn::Path) -> bool {
    let words: Vec<&syn::PathSegment> = path.segments.iter().collect();
    match words.as_slice() {
        [io, last] => io.ident == "io" && (last.ident == "Error" || last.ident == "Result"),
        [first, io, last] => {
            first.ident == "std"
                && io.ident == "io"
                && (last.ident == "Error" || last.ident == "Result")
        }
        _ => false,
    }
}
