//! An item that was checked: what is expanded.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::{ToTokens, format_ident};
use syn::ext::IdentExt;
use syn::{
    Attribute, Expr, ExprLit, GenericArgument, Ident, ItemTrait, Lit, Meta, PathArguments, Type,
};

use crate::parse::Function;

/// A function, the one procedure of its door.
pub(crate) struct Single<'a> {
    pub(crate) function: &'a Function,
    pub(crate) version: Version,
    pub(crate) procedure: Procedure<'a>,
}

/// A trait, whose methods are the procedures of its door.
pub(crate) struct Service<'a> {
    pub(crate) item: &'a ItemTrait,
    pub(crate) version: Version,
    pub(crate) methods: Vec<Procedure<'a>>,
}

/// The version of an interface.
#[derive(Clone, Copy)]
pub(crate) struct Version {
    pub(crate) major: u16,
    pub(crate) minor: u16,
}

/// A procedure of a door.
pub(crate) struct Procedure<'a> {
    pub(crate) name: &'a Ident,
    pub(crate) attributes: &'a [Attribute],
    pub(crate) number: u16,
    pub(crate) arguments: Vec<Argument<'a>>,
    pub(crate) outcome: Outcome<'a>,
}

/// One argument.
pub(crate) struct Argument<'a> {
    pub(crate) name: &'a Ident,
    pub(crate) ty: &'a Type,
}

/// How an argument comes out of the data.
pub(crate) enum Passing<'a> {
    /// As it is; what it borrows is in the data.
    Whole,
    /// `Vec<u8>`: all bytes at once.
    Bytes,
    /// `&[T]`: a vector is read, a slice of it is passed.
    SliceOf(&'a Type),
    /// `&T`: a value is read, a reference to it is passed.
    ReferenceTo(&'a Type),
    /// A descriptor, or an `Option` or a `Vec` of some.
    Carried,
    /// `&File` and the like: a descriptor is taken, a reference to it is passed.
    ReferenceToCarried(&'a Type),
    /// `&[File]` and the like.
    SliceOfCarried(&'a Type),
    /// `BorrowedFd<'_>`: a descriptor is taken and lent.
    Borrowed,
    /// `Option<BorrowedFd<'_>>`.
    BorrowedIf,
}

/// How a result travels.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// Through serde.
    Value,
    /// `Vec<u8>`: all bytes at once.
    Bytes,
    /// As descriptors.
    Carried,
}

impl Kind {
    pub(crate) fn of(ty: &Type) -> Self {
        match ty {
            ty if is_bytes(ty) => Self::Bytes,
            ty if is_carried(ty) => Self::Carried,
            _ => Self::Value,
        }
    }
}

/// What the function returns.
pub(crate) enum Outcome<'a> {
    /// Nothing.
    Unit,
    /// A value.
    Value(&'a Type),
    /// A `Result`; the types of its halves, if they are there to be read.
    Fallible {
        ty: &'a Type,
        halves: Option<(&'a Type, &'a Type)>,
    },
}

impl Procedure<'_> {
    /// The signature in words that do not depend on how the source is laid out.
    pub(crate) fn signature(&self) -> String {
        let arguments: Vec<String> = self
            .arguments
            .iter()
            .map(|argument| format!("{}: {}", argument.name(), text(argument.ty)))
            .collect();
        let outcome = match self.outcome {
            Outcome::Unit => String::new(),
            Outcome::Value(ty) | Outcome::Fallible { ty, .. } => format!(" -> {}", text(ty)),
        };
        let name = self.name.unraw();
        format!("fn {name}({}){outcome}", arguments.join(", "))
    }

    /// Its name as it is read: without `r#`.
    pub(crate) fn text(&self) -> String {
        self.name.unraw().to_string()
    }
}

impl<'a> Argument<'a> {
    /// The name as it is read: without `r#`.
    pub(crate) fn name(&self) -> String {
        self.name.unraw().to_string()
    }

    pub(crate) fn passing(&self) -> Passing<'a> {
        match bare(self.ty) {
            Type::Reference(reference) => match bare(&reference.elem) {
                // serde borrows these three.
                elem if last_word(elem, "str") || last_word(elem, "Path") => Passing::Whole,
                Type::Slice(slice) if last_word(&slice.elem, "u8") => Passing::Whole,
                Type::Slice(slice) if is_carried(&slice.elem) => {
                    Passing::SliceOfCarried(&slice.elem)
                }
                Type::Slice(slice) => Passing::SliceOf(&slice.elem),
                elem if is_carried(elem) => Passing::ReferenceToCarried(elem),
                elem => Passing::ReferenceTo(elem),
            },
            ty if is_bytes(ty) => Passing::Bytes,
            ty if is_carried(ty) => Passing::Carried,
            ty if is_borrowed(ty) => Passing::Borrowed,
            ty if inside(ty, "Option").is_some_and(is_borrowed) => Passing::BorrowedIf,
            _ => Passing::Whole,
        }
    }
}

impl<'a> Outcome<'a> {
    pub(crate) fn of(ty: &'a Type) -> Self {
        let Some(segment) = last_segment(ty).filter(|segment| segment.ident == "Result") else {
            return Self::Value(ty);
        };
        let mut halves = Vec::new();
        if let PathArguments::AngleBracketed(list) = &segment.arguments {
            halves.extend(list.args.iter().filter_map(|argument| match argument {
                GenericArgument::Type(half) => Some(half),
                _ => None,
            }));
        }
        let halves = match halves.as_slice() {
            [value, error] => Some((*value, *error)),
            _ => None,
        };
        Self::Fallible { ty, halves }
    }
}

/// What is written above an item, line by line.
pub(crate) fn docs(attributes: &[Attribute]) -> String {
    let lines = attributes
        .iter()
        .filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
                Expr::Lit(ExprLit {
                    lit: Lit::Str(text),
                    ..
                }) => Some(text.value()),
                _ => None,
            },
            _ => None,
        });
    let lines: Vec<String> = lines
        .map(|line| {
            line.strip_prefix(' ')
                .unwrap_or(&line)
                .trim_end()
                .to_owned()
        })
        .collect();
    lines.join("\n")
}

/// The name of the client's type: `add_user` becomes `AddUserClient`.
pub(crate) fn client_name(function: &Ident) -> Ident {
    let mut name = String::new();
    for word in function.unraw().to_string().split('_') {
        let mut letters = word.chars();
        name.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        name.push_str(letters.as_str());
    }
    format_ident!("{name}Client", span = function.span())
}

/// Whether a type is `Vec<u8>`.
fn is_bytes(ty: &Type) -> bool {
    inside(ty, "Vec").is_some_and(|element| last_word(element, "u8"))
}

/// The types that are descriptors, by their names: a macro sees no more of them.
const CARRIED: [&str; 11] = [
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
fn is_carried(ty: &Type) -> bool {
    CARRIED.iter().any(|word| last_word(ty, word))
        || ["Option", "Vec"]
            .iter()
            .any(|word| inside(ty, word).is_some_and(is_carried))
}

/// Whether a type is `BorrowedFd<'_>`.
fn is_borrowed(ty: &Type) -> bool {
    matches!(bare(ty), Type::Path(path) if is_borrowed_path(path))
}

pub(crate) fn is_borrowed_path(path: &syn::TypePath) -> bool {
    let last = path.path.segments.last();
    path.qself.is_none() && last.is_some_and(|segment| segment.ident == "BorrowedFd")
}

/// The `T` of a `Word<T>`.
fn inside<'a>(ty: &'a Type, word: &str) -> Option<&'a Type> {
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
fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        other => other,
    }
}

fn last_segment(ty: &Type) -> Option<&syn::PathSegment> {
    match bare(ty) {
        Type::Path(path) if path.qself.is_none() => path.path.segments.last(),
        _ => None,
    }
}

fn last_word(ty: &Type, word: &str) -> bool {
    last_segment(ty).is_some_and(|segment| segment.ident == word && segment.arguments.is_none())
}

/// A type in one line, the same for every way to lay it out.
///
/// The compiler's own rendering of tokens is not stable, so it cannot go into a hash.
fn text(ty: &Type) -> String {
    let mut out = String::new();
    write(ty.to_token_stream(), &mut out);
    out
}

fn write(tokens: TokenStream, out: &mut String) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                out.push_str(open);
                write(group.stream(), out);
                out.push_str(close);
            }
            TokenTree::Punct(punct) if punct.as_char() == ',' => out.push_str(", "),
            TokenTree::Punct(punct) => out.push(punct.as_char()),
            word @ (TokenTree::Ident(_) | TokenTree::Literal(_)) => {
                if out.ends_with(|end: char| end.is_alphanumeric() || end == '_') {
                    out.push(' ');
                }
                out.push_str(&word.to_string());
            }
        }
    }
}
