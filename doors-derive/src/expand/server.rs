//! The side that has the procedures.

use proc_macro2::TokenStream;
use quote::quote;

use super::arm::arm;
use super::local;
use super::types::Types;
use crate::model::{Procedure, Service};

/// The door of a function.
pub(super) fn of_function(types: &Types, procedure: &Procedure<'_>) -> TokenStream {
    let door = &types.door;
    let visibility = &types.visibility;
    let [incoming, options] = ["incoming", "options"].map(local);
    let name = procedure.name;
    let arm = arm(
        types,
        procedure,
        &incoming,
        |arguments| quote!(#name(#arguments)),
    );
    quote! {
        #[allow(dead_code)]
        impl #door {
            /// What caller and server must agree on.
            #visibility const INTERFACE: &'static ::doors::typed::Interface = &DOOR_INTERFACE;

            /// Makes a door of the function.
            ///
            /// # Errors
            /// As [`Door::create`](::doors::Door::create).
            #visibility fn door() -> ::core::result::Result<::doors::Door, ::doors::DoorError> {
                Self::door_with(::core::default::Default::default())
            }

            /// Makes a door of the function, with everything that can be chosen. It refuses descriptors if no argument has any.
            ///
            /// # Errors
            /// As [`Door::create_with`](::doors::Door::create_with).
            #visibility fn door_with(
                #options: ::doors::Options,
            ) -> ::core::result::Result<::doors::Door, ::doors::DoorError> {
                ::doors::typed::create(&DOOR_INTERFACE, __door_dispatch, #options)
            }
        }

        fn __door_dispatch(#incoming: ::doors::typed::Incoming<'_>) -> ::doors::Returned {
            match #incoming.number() {
                #arm
                _ => #incoming.unsupported(),
            }
        }
    }
}

/// The door of a trait: it serves a value that has it.
pub(super) fn of_trait(types: &Types, service: &Service<'_>) -> TokenStream {
    let Types {
        door,
        client,
        visibility,
        ..
    } = types;
    let name = &service.item.ident;
    let [incoming, options, value, implementor] =
        ["incoming", "options", "value", "__Implementor"].map(local);
    let arms = service.methods.iter().map(|method| {
        let name_of_method = method.name;
        arm(
            types,
            method,
            &incoming,
            |arguments| quote!(<#implementor as #name>::#name_of_method(#value, #arguments)),
        )
    });
    let bounds = quote! {
        #name + ::core::marker::Send + ::core::marker::Sync + 'static
    };
    quote! {
        #[allow(dead_code)]
        impl #door {
            /// What caller and server must agree on.
            #visibility const INTERFACE: &'static ::doors::typed::Interface = &DOOR_INTERFACE;

            /// Makes a door that serves a value: its methods run for the calls, several at once.
            ///
            /// The value is dropped with the door.
            ///
            /// # Errors
            /// As [`Door::create`](::doors::Door::create).
            #visibility fn serve<#implementor: #bounds>(
                #value: #implementor,
            ) -> ::core::result::Result<::doors::Door, ::doors::DoorError> {
                Self::serve_with(#value, ::core::default::Default::default())
            }

            /// A client of a new door that serves a value, to be given to a caller: as a result, or inside one.
            ///
            /// Whoever gets the client has a reference to the door. When all are gone, here and in all other
            /// processes, the door goes, and the value is dropped; a caller that is killed has none any more.
            ///
            /// # Errors
            /// As [`Door::create`](::doors::Door::create).
            #visibility fn serve_object<#implementor: #bounds>(
                #value: #implementor,
            ) -> ::core::result::Result<#client, ::doors::DoorError> {
                Self::serve(#value).map(::core::convert::From::from)
            }

            /// As [`serve`](Self::serve), with everything that can be chosen.
            ///
            /// # Errors
            /// As [`Door::create_with`](::doors::Door::create_with).
            #visibility fn serve_with<#implementor: #bounds>(
                #value: #implementor,
                #options: ::doors::Options,
            ) -> ::core::result::Result<::doors::Door, ::doors::DoorError> {
                ::doors::typed::create(
                    &DOOR_INTERFACE,
                    move |#incoming| __door_dispatch(&#value, #incoming),
                    #options,
                )
            }
        }

        #[allow(unused_variables)]
        fn __door_dispatch<#implementor: #name>(
            #value: &#implementor,
            #incoming: ::doors::typed::Incoming<'_>,
        ) -> ::doors::Returned {
            match #incoming.number() {
                #(#arms)*
                _ => #incoming.unsupported(),
            }
        }
    }
}
