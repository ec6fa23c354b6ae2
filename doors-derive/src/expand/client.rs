//! The side that calls.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Visibility;

use super::common::common;
use super::local;
use super::method::{Manner, method};
use super::types::Types;
use crate::model::Procedure;

pub(super) fn client(
    types: &Types,
    visibility: &Visibility,
    methods: &[Procedure<'_>],
) -> TokenStream {
    let client = &types.client;
    let [door, deadline, target, serializer] = ["door", "deadline", "target", "S"].map(local);
    let common = common(types, visibility, methods, Manner::Blocking);
    let methods = methods
        .iter()
        .map(|procedure| method(types, visibility, procedure, Manner::Blocking));
    quote! {
        #[allow(dead_code, clippy::too_many_arguments)]
        impl #client {
            #(#common)*
            #(#methods)*
        }

        impl ::doors::Client for #client {
            const INTERFACE: &'static ::doors::typed::Interface = &DOOR_INTERFACE;

            fn door(&self) -> &::doors::Door {
                self.target.door()
            }

            fn until(&self, #deadline: ::std::time::Instant) -> Self {
                Self { target: self.target.until(#deadline) }
            }
        }

        impl ::core::convert::From<::doors::Door> for #client {
            fn from(#door: ::doors::Door) -> Self {
                Self { target: ::core::convert::From::from(#door) }
            }
        }

        impl ::doors::typed::serde::Serialize for #client {
            fn serialize<#serializer: ::doors::typed::serde::Serializer>(
                &self,
                #target: #serializer,
            ) -> ::core::result::Result<#serializer::Ok, #serializer::Error> {
                ::doors::typed::put_door(self, #target)
            }
        }

        impl<'de> ::doors::typed::serde::Deserialize<'de> for #client {
            fn deserialize<#serializer: ::doors::typed::serde::Deserializer<'de>>(
                #target: #serializer,
            ) -> ::core::result::Result<Self, #serializer::Error> {
                ::doors::typed::take_door(#target)
            }
        }
    }
}
