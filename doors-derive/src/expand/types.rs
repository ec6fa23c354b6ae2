//! The types that stand beside an item: its door's and its clients'.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::{Attribute, ItemTrait, Visibility};

use crate::model::Procedure;
use crate::parse::Function;

/// The names of all, and what goes with their declarations.
pub(crate) struct Types {
    /// The interface's name, as it is read.
    pub(crate) name: String,
    pub(crate) door: Ident,
    pub(crate) client: Ident,
    /// The client whose methods are awaited.
    pub(crate) awaited: Ident,
    what: String,
    pub(super) visibility: Visibility,
    conditions: Vec<Attribute>,
    /// The only procedure is called `call` at the client.
    single: bool,
}

impl Types {
    /// The door's type has the function's name: types and functions do not share a namespace, and unlike a module it can
    /// stand inside another function.
    pub(crate) fn of_function(function: &Function) -> Self {
        let name = &function.signature.ident;
        Self {
            name: name.unraw().to_string(),
            door: name.clone(),
            client: client_name(name, "Client"),
            awaited: client_name(name, "AsyncClient"),
            what: format!("the function `{name}`"),
            visibility: function.visibility.clone(),
            conditions: conditions(&function.attributes),
            single: true,
        }
    }

    pub(crate) fn of_trait(item: &ItemTrait) -> Self {
        let name = item.ident.unraw();
        Self {
            name: name.to_string(),
            door: format_ident!("{name}Door", span = item.ident.span()),
            client: format_ident!("{name}Client", span = item.ident.span()),
            awaited: format_ident!("{name}AsyncClient", span = item.ident.span()),
            what: format!("the trait [`{name}`]"),
            visibility: item.vis.clone(),
            conditions: conditions(&item.attrs),
            single: false,
        }
    }

    /// What a procedure is called at the client.
    pub(super) fn method_name(&self, procedure: &Procedure<'_>) -> Ident {
        if self.single {
            format_ident!("call", span = procedure.name.span())
        } else {
            procedure.name.clone()
        }
    }

    /// The attributes that decide whether a procedure is there; those of a function are on all of it already.
    pub(super) fn conditions_of<'a>(&self, procedure: &Procedure<'a>) -> Vec<&'a Attribute> {
        if self.single {
            Vec::new()
        } else {
            procedure.conditions()
        }
    }

    pub(crate) fn declared(&self) -> TokenStream {
        let Self {
            door,
            client,
            awaited,
            visibility,
            conditions,
            ..
        } = self;
        let door_doc = format!("The door of {}.", self.what);
        let client_doc = format!("Calls {} behind a door.", self.what);
        let awaited_doc = format!("Calls {} behind a door, from async code.", self.what);
        quote! {
            #[doc = #door_doc]
            #(#conditions)*
            #[allow(non_camel_case_types, dead_code)]
            #[derive(::core::fmt::Debug)]
            #visibility enum #door {}

            #[doc = #client_doc]
            #(#conditions)*
            #[allow(dead_code)]
            #[derive(::core::clone::Clone, ::core::fmt::Debug)]
            #visibility struct #client {
                target: ::doors::typed::Target,
            }

            #(#conditions)*
            ::doors::__awaited! {
                #[doc = #awaited_doc]
                ///
                /// See [`door`](macro@::doors::door#clients-that-await).
                #[allow(dead_code)]
                #[derive(::core::clone::Clone, ::core::fmt::Debug)]
                #visibility struct #awaited {
                    target: ::doors::typed::Awaited,
                }
            }
        }
    }
}

/// The attributes that decide whether the item is there at all.
pub(crate) fn conditions(attributes: &[Attribute]) -> Vec<Attribute> {
    let is_condition = |attribute: &&Attribute| attribute.path().is_ident("cfg");
    attributes.iter().filter(is_condition).cloned().collect()
}

/// The name of a client's type: `add_user` becomes `AddUserClient`.
fn client_name(function: &Ident, suffix: &str) -> Ident {
    let mut name = String::new();
    for word in function.unraw().to_string().split('_') {
        let mut letters = word.chars();
        name.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        name.push_str(letters.as_str());
    }
    format_ident!("{name}{suffix}", span = function.span())
}
