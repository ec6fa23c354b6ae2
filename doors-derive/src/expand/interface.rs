//! What both sides must agree on, and the trait as it is put back.

use proc_macro2::{Literal, TokenStream};
use quote::quote;
use syn::{ItemTrait, TraitItem};

use super::types::Types;
use crate::check::OURS;
use crate::model::{Procedure, Version};

/// The tables of the interface; `DOOR_INTERFACE` and `DOOR_METHODS` are seen by the other parts only.
pub(super) fn interface(
    types: &Types,
    version: Version,
    methods: &[Procedure<'_>],
) -> TokenStream {
    let interface = &types.name;
    let Version { major, minor } = version;
    let version = quote!(::doors::typed::Version::new(#major, #minor));
    let count = Literal::usize_unsuffixed(methods.len());
    let described = methods.iter().map(|method| {
        let (number, name, signature) = (method.number, method.text(), method.signature());
        quote!(::doors::typed::Method::new(#interface, #version, #number, #name, #signature))
    });
    quote! {
        static DOOR_METHODS: [::doors::typed::Method; #count] = [#(#described),*];
        static DOOR_INTERFACE: ::doors::typed::Interface =
            ::doors::typed::Interface::new(#interface, #version, &DOOR_METHODS);
    }
}

/// The trait without our attributes.
pub(crate) fn stripped(item: &ItemTrait) -> ItemTrait {
    let mut item = item.clone();
    for part in &mut item.items {
        if let TraitItem::Fn(method) = part {
            method
                .attrs
                .retain(|attribute| !OURS.iter().any(|ours| attribute.path().is_ident(ours)));
        }
    }
    item
}
