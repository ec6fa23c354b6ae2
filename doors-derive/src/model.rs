//! An item that was checked: what is expanded.

use proc_macro2::{Delimiter, Literal, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt;
use syn::{
    Attribute, Expr, ExprLit, GenericArgument, Ident, ItemTrait, Lit, Meta, PathArguments, Type,
};

use crate::parse::Function;

/// A function, the one procedure of its door.
pub(crate) struct Single<'a> {
    pub(crate) function: &'a Function,
    pub(crate) version: Version,
    pub(crate) codec: Codec,
    pub(crate) procedure: Procedure<'a>,
}

/// A trait, whose methods are the procedures of its door.
pub(crate) struct Service<'a> {
    pub(crate) item: &'a ItemTrait,
    pub(crate) version: Version,
    pub(crate) codec: Codec,
    pub(crate) rules: Rules,
    pub(crate) methods: Vec<Procedure<'a>>,
}

/// What is said of a procedure, or of a trait for all that say nothing themselves.
#[derive(Default)]
pub(crate) struct Rules {
    pub(crate) callers: Option<Vec<Allowed>>,
    pub(crate) leaf: bool,
}

/// Whom `#[allow_callers]` names.
pub(crate) enum Allowed {
    Anyone,
    Me,
    Uid(u32),
    User(String),
    Gid(u32),
    Group(String),
}

/// The version of an interface.
#[derive(Clone, Copy)]
pub(crate) struct Version {
    pub(crate) major: u16,
    pub(crate) minor: u16,
}

/// How values are put into bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Codec {
    /// Through serde.
    #[default]
    Fixed,
    /// As archives.
    Rkyv,
}

/// A procedure of a door.
pub(crate) struct Procedure<'a> {
    pub(crate) name: &'a Ident,
    pub(crate) attributes: &'a [Attribute],
    pub(crate) rules: Rules,
    pub(crate) number: u16,
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

/// `&Call`.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) place: usize,
    pub(crate) ty: &'a Type,
}

impl Call<'_> {
    /// Whether an argument is the call itself.
    pub(crate) fn is(ty: &Type) -> bool {
        let Type::Reference(reference) = bare(ty) else {
            return false;
        };
        last_segment(&reference.elem).is_some_and(|segment| {
            segment.ident == "Call"
                && match &segment.arguments {
                    PathArguments::None => true,
                    PathArguments::AngleBracketed(list) => list
                        .args
                        .iter()
                        .all(|argument| matches!(argument, GenericArgument::Lifetime(_))),
                    PathArguments::Parenthesized(_) => false,
                }
        })
    }
}

/// One argument.
pub(crate) struct Argument<'a> {
    pub(crate) name: &'a Ident,
    pub(crate) ty: &'a Type,
    pub(crate) codec: Codec,
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
    /// `&Archived<T>`: a `T` is put, and its archive is lent.
    ArchiveOf { archive: &'a Type, value: &'a Type },
    /// A value that is taken out of its archive.
    Restored,
    /// `&str` beside archives.
    TextBeside,
    /// `&[u8]` beside archives.
    BytesBeside,
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
    /// As an archive.
    Archived,
}

impl Kind {
    pub(crate) fn of(ty: &Type, codec: Codec) -> Self {
        match ty {
            ty if codec == Codec::Rkyv && is_frozen_archive(ty) => Self::Carried,
            _ if codec == Codec::Rkyv => Self::Archived,
            ty if is_bytes(ty) => Self::Bytes,
            ty if is_carried(ty) => Self::Carried,
            _ => Self::Value,
        }
    }
}

impl Kind {
    /// Of a half of a `Result`, if its type is there to be read; errors never have a way of their own.
    pub(crate) fn of_half(ty: Option<&Type>, codec: Codec) -> Self {
        match ty {
            Some(ty) => Self::of(ty, codec),
            None if codec == Codec::Rkyv => Self::Archived,
            None => Self::Value,
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

impl<'a> Argument<'a> {
    /// The name as it is read: without `r#`.
    pub(crate) fn name(&self) -> String {
        self.name.unraw().to_string()
    }

    pub(crate) fn passing(&self) -> Passing<'a> {
        match self.codec {
            Codec::Fixed => self.passing_by_serde(),
            Codec::Rkyv => self.passing_by_rkyv(),
        }
    }

    /// What `check` refuses is passed in any way.
    fn passing_by_rkyv(&self) -> Passing<'a> {
        let Type::Reference(reference) = bare(self.ty) else {
            return if is_frozen_archive(self.ty) {
                Passing::Carried
            } else {
                Passing::Restored
            };
        };
        match bare(&reference.elem) {
            elem if is_frozen_archive(elem) => Passing::ReferenceToCarried(elem),
            elem if last_word(elem, "str") => Passing::TextBeside,
            Type::Slice(slice) if last_word(&slice.elem, "u8") => Passing::BytesBeside,
            archive => match inside(archive, "Archived") {
                Some(value) => Passing::ArchiveOf { archive, value },
                None => Passing::Restored,
            },
        }
    }

    /// The type of what a caller gives.
    pub(crate) fn given(&self) -> TokenStream {
        match self.passing() {
            Passing::ArchiveOf { value, .. } => quote::quote!(&#value),
            _ => self.ty.to_token_stream(),
        }
    }

    fn passing_by_serde(&self) -> Passing<'a> {
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
    /// That of a type behind an arrow, with the `T` of an `Answer<T>`.
    pub(crate) fn returned(ty: &'a Type) -> (Self, Option<&'a Type>) {
        match inside(ty, "Answer") {
            // As where nothing is written: whether a procedure answers by its end is nothing to its callers.
            Some(answer) if matches!(bare(answer), Type::Tuple(tuple) if tuple.elems.is_empty()) => {
                (Self::Unit, Some(answer))
            }
            Some(answer) => (Self::of(answer), Some(answer)),
            None => (Self::of(ty), None),
        }
    }

    /// The types that travel.
    pub(crate) fn types(&self) -> Vec<&'a Type> {
        match *self {
            Self::Unit => Vec::new(),
            Self::Fallible {
                halves: Some((value, error)),
                ..
            } => vec![value, error],
            Self::Value(ty) | Self::Fallible { ty, .. } => vec![ty],
        }
    }

    fn of(ty: &'a Type) -> Self {
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

/// The name of a client's type: `add_user` becomes `AddUserClient`.
pub(crate) fn client_name(function: &Ident, suffix: &str) -> Ident {
    let mut name = String::new();
    for word in function.unraw().to_string().split('_') {
        let mut letters = word.chars();
        name.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        name.push_str(letters.as_str());
    }
    format_ident!("{name}{suffix}", span = function.span())
}

/// Whether a type is `Vec<u8>`.
fn is_bytes(ty: &Type) -> bool {
    inside(ty, "Vec").is_some_and(|element| last_word(element, "u8"))
}

/// The types that are descriptors, by their names: a macro sees no more of them.
pub(crate) const CARRIED: [&str; 11] = [
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
pub(crate) fn is_carried(ty: &Type) -> bool {
    CARRIED.iter().any(|word| last_word(ty, word))
        || is_frozen_archive(ty)
        || ["Option", "Vec"]
            .iter()
            .any(|word| inside(ty, word).is_some_and(is_carried))
}

/// Whether a type is a `FrozenArchive` of something.
fn is_frozen_archive(ty: &Type) -> bool {
    matches!(bare(ty), Type::Path(path) if is_frozen_archive_path(path))
}

pub(crate) fn is_frozen_archive_path(path: &syn::TypePath) -> bool {
    let last = path.path.segments.last().filter(|_| path.qself.is_none());
    last.is_some_and(|segment| segment.ident == "FrozenArchive" && !segment.arguments.is_none())
}

/// Whether a reference is one that can come with archives.
pub(crate) fn is_lent_by_rkyv(ty: &syn::TypeReference) -> bool {
    let elem = bare(&ty.elem);
    last_word(elem, "str")
        || is_frozen_archive(elem)
        || inside(elem, "Archived").is_some()
        || matches!(elem, Type::Slice(slice) if last_word(&slice.elem, "u8"))
}

/// Whether a type is a descriptor by its name: one that can be an argument, is lent, or stands inside a value.
pub(crate) fn is_descriptor_path(path: &syn::TypePath) -> bool {
    let last = path.path.segments.last().filter(|_| path.qself.is_none());
    last.is_some_and(|segment| {
        let name = &segment.ident;
        CARRIED.iter().any(|word| name == word) || name == "BorrowedFd" || name == "Fd"
    })
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
pub(crate) fn inside<'a>(ty: &'a Type, word: &str) -> Option<&'a Type> {
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
pub(crate) fn bare(ty: &Type) -> &Type {
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
