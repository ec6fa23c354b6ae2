//! Types that cannot travel, whatever else is right.

use syn::Type;
use syn::visit::{self, Visit};

use super::Faults;
use crate::model::is_borrowed_path;

/// Looks for what cannot travel whatever the types are. Whether they are serde's is for the compiler to say.
pub(super) struct TypeCheck<'f> {
    pub(super) faults: &'f mut Faults,
    /// Results are checked, not arguments.
    pub(super) result: bool,
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
        }
        self.visit_type(&ty.elem);
    }

    fn visit_type_path(&mut self, ty: &'ast syn::TypePath) {
        if self.result && is_borrowed_path(ty) {
            self.faults
                .add(ty, "results are given to the caller: return an `OwnedFd`");
            return;
        }
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
        visit::visit_type(self, ty);
    }
}
