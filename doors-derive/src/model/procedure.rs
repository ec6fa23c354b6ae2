//! A procedure of a door, with its place among those that are there.

use proc_macro2::{Literal, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::{Attribute, Ident, Meta, Type};

use super::text::of_type;
use super::{Argument, Call, Codec, Outcome, Rules, Version};

/// A procedure of a door.
pub(crate) struct Procedure<'a> {
    pub(crate) name: &'a Ident,
    pub(crate) attributes: &'a [Attribute],
    pub(crate) rules: Rules,
    pub(crate) number: u16,
    /// The version from which on the interface has it.
    pub(crate) since: Option<Version>,
    /// Where it stands among those that are there.
    pub(crate) place: TokenStream,
    pub(crate) codec: Codec,
    pub(crate) arguments: Vec<Argument<'a>>,
    /// The call itself, which is none of the caller's arguments, and before which of them it stands.
    pub(crate) call: Option<Call<'a>>,
    /// The `T` of an `Answer<T>`: the outcome is of that.
    pub(crate) answer: Option<&'a Type>,
    pub(crate) outcome: Outcome<'a>,
}

impl Procedure<'_> {
    /// The signature in words that do not depend on how the source is laid out.
    pub(crate) fn signature(&self) -> String {
        let arguments: Vec<String> = self
            .arguments
            .iter()
            .map(|argument| format!("{}: {}", argument.name(), of_type(argument.ty)))
            .collect();
        let outcome = match self.outcome {
            Outcome::Unit => String::new(),
            Outcome::Value(ty) | Outcome::Fallible { ty, .. } => format!(" -> {}", of_type(ty)),
        };
        let name = self.name.unraw();
        format!("fn {name}({}){outcome}", arguments.join(", "))
    }

    /// Its name as it is read: without `r#`.
    pub(crate) fn text(&self) -> String {
        self.name.unraw().to_string()
    }
}

impl<'a> Procedure<'a> {
    /// The attributes that decide whether it is there at all.
    pub(crate) fn conditions(&self) -> Vec<&'a Attribute> {
        self.attributes
            .iter()
            .filter(|attribute| attribute.path().is_ident("cfg"))
            .collect()
    }
}

/// How many of the procedures are there: a number, or what the compiler makes one of where there are conditions.
pub(crate) fn count(procedures: &[Procedure<'_>]) -> TokenStream {
    let mut always: usize = 0;
    let mut perhaps = Vec::new();
    for procedure in procedures {
        let conditions = procedure.conditions();
        if conditions.is_empty() {
            always = always.saturating_add(1);
        } else {
            let conditions = conditions.iter().map(|condition| match &condition.meta {
                Meta::List(list) => list.tokens.clone(),
                _ => quote!(),
            });
            perhaps.push(quote!(if ::core::cfg!(all(#(#conditions),*)) {
                1
            } else {
                0
            }));
        }
    }
    let always = Literal::usize_unsuffixed(always);
    quote!(#always #(+ #perhaps)*)
}

/// Gives each procedure its place.
pub(crate) fn places(procedures: &mut [Procedure<'_>]) {
    for at in 0..procedures.len() {
        let place = count(procedures.get(..at).unwrap_or_default());
        if let Some(procedure) = procedures.get_mut(at) {
            procedure.place = place;
        }
    }
}
