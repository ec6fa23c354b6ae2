//! What a function must be like; all that is wrong is reported at once.

use proc_macro2::TokenStream;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{FnArg, Ident, Pat, PatType, ReturnType, Safety, Signature, Type};

use crate::model::{Argument, Outcome, Procedure};
use crate::parse::Function;

/// Checks a function, or says all that is wrong with it.
pub(crate) fn check<'a>(
    attribute: &TokenStream,
    function: &'a Function,
) -> syn::Result<Procedure<'a>> {
    let mut faults = Faults(None);
    if !attribute.is_empty() {
        faults.add(attribute, "`#[door]` on a function takes no arguments");
    }
    check_qualifiers(&function.signature, &mut faults);
    check_generics(&function.signature, &mut faults);
    let arguments = check_arguments(&function.signature, &mut faults);
    let outcome = check_outcome(&function.signature, &mut faults);
    match faults.0 {
        Some(error) => Err(error),
        None => Ok(Procedure {
            function,
            arguments,
            outcome,
        }),
    }
}

struct Faults(Option<syn::Error>);

impl Faults {
    fn add(&mut self, place: impl quote::ToTokens, message: &str) {
        let error = syn::Error::new_spanned(place, message);
        match &mut self.0 {
            Some(all) => all.combine(error),
            None => self.0 = Some(error),
        }
    }
}

fn check_qualifiers(signature: &Signature, faults: &mut Faults) {
    if let Some(word) = &signature.asyncness {
        faults.add(
            word,
            "a server procedure cannot be `async`: its thread answers when the function returns",
        );
    }
    if let Safety::Unsafe(word) = &signature.safety {
        faults.add(
            word,
            "a server procedure cannot be `unsafe`: no caller in another process can be held to its conditions",
        );
    }
    if let Some(dots) = &signature.variadic {
        faults.add(
            dots,
            "a server procedure has the same arguments in every call",
        );
    }
}

fn check_generics(signature: &Signature, faults: &mut Faults) {
    for parameter in &signature.generics.params {
        match parameter {
            syn::GenericParam::Lifetime(lifetime) => faults.add(
                lifetime,
                "leave the lifetime out: arguments are borrowed for the call, results are owned",
            ),
            other => faults.add(
                other,
                "a server procedure cannot be generic: callers are compiled without it",
            ),
        }
    }
    if let Some(clause) = &signature.generics.where_clause
        && signature.generics.params.is_empty()
    {
        faults.add(
            clause,
            "a server procedure cannot have conditions on its types",
        );
    }
}

fn check_arguments<'a>(signature: &'a Signature, faults: &mut Faults) -> Vec<Argument<'a>> {
    let mut arguments = Vec::new();
    for input in &signature.inputs {
        match input {
            FnArg::Receiver(receiver) => faults.add(
                receiver,
                "`#[door]` goes on a free function: there is no `self` in another process",
            ),
            FnArg::Typed(input) => {
                for attribute in &input.attrs {
                    if attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr") {
                        faults.add(
                            attribute,
                            "put the condition on the function, not on one argument",
                        );
                    }
                }
                TypeCheck {
                    faults,
                    result: false,
                }
                .visit_type(&input.ty);
                if let Some(name) = check_name(input, faults) {
                    arguments.push(Argument {
                        name,
                        ty: &input.ty,
                    });
                }
            }
        }
    }
    arguments
}

fn check_name<'a>(input: &'a PatType, faults: &mut Faults) -> Option<&'a Ident> {
    match &*input.pat {
        Pat::Ident(pattern) if pattern.by_ref.is_none() && pattern.subpat.is_none() => {
            return Some(&pattern.ident);
        }
        Pat::Wild(wild) => faults.add(
            wild,
            "give the argument a name: it is part of the interface (it may begin with `_`)",
        ),
        other => faults.add(
            other,
            "give the argument a name and take it apart in the body: the name is part of the interface",
        ),
    }
    None
}

fn check_outcome<'a>(signature: &'a Signature, faults: &mut Faults) -> Outcome<'a> {
    match &signature.output {
        ReturnType::Default => Outcome::Unit,
        ReturnType::Type(_, ty) => {
            TypeCheck {
                faults,
                result: true,
            }
            .visit_type(ty);
            Outcome::of(ty)
        }
    }
}

/// Looks for what cannot travel whatever the types are. Whether they are serde's is for the compiler to say.
struct TypeCheck<'f> {
    faults: &'f mut Faults,
    result: bool,
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
            let error = syn::Error::new(ty.span(), "this type is not known to `#[door]`");
            self.faults.add(ty, &error.to_string());
        }
        visit::visit_type(self, ty);
    }
}
