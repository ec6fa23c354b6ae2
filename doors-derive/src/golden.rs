//! The expansion of `tests/expand/*.rs`, word by word, and what may not be in it.
//!
//! With `DOORS_BLESS=1` in the environment the test writes what it found.

use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};

use crate::expansion;

fn sources() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expand");
    let mut sources: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    sources.sort();
    assert!(!sources.is_empty());
    sources
}

fn expanded(source: &Path) -> TokenStream {
    let text = std::fs::read_to_string(source).unwrap();
    expansion(&TokenStream::new(), text.parse().unwrap())
}

#[test]
fn the_expansion_is_as_written_down() {
    for source in sources() {
        let file = syn::parse2(expanded(&source)).unwrap();
        let found = prettyplease::unparse(&file);
        let golden = source.with_extension("expanded");
        if std::env::var_os("DOORS_BLESS").is_some() {
            std::fs::write(&golden, &found).unwrap();
        }
        let written = std::fs::read_to_string(&golden).unwrap_or_default();
        assert!(
            found == written,
            "{} differs; the expansion is now:\n{found}",
            golden.display()
        );
    }
}

/// Words that mean something else where somebody shadows them.
const BANNED: [&str; 14] = [
    "Clone",
    "Debug",
    "Default",
    "Door",
    "Err",
    "From",
    "None",
    "Ok",
    "Option",
    "Result",
    "Some",
    "String",
    "Vec",
    "unreachable",
];

#[test]
fn the_expansion_takes_no_name_from_its_surroundings() {
    for source in [
        "fn add(a: u32, b: &[u16], c: Bytes) -> Sum { todo!() }",
        "trait Sums { fn add(&self, a: u32, b: &[u16]) -> Sum; fn clear(&self); }",
    ] {
        let tokens = expansion(&TokenStream::new(), source.parse().unwrap());
        let mut path = false;
        no_banned(tokens, &mut path);
    }
}

/// Fails at a banned word that does not come after `::`.
fn no_banned(tokens: TokenStream, path: &mut bool) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                *path = false;
                no_banned(group.stream(), path);
                *path = false;
            }
            TokenTree::Ident(word) => {
                let word = word.to_string();
                assert!(
                    *path || !BANNED.contains(&word.as_str()),
                    "`{word}` without its path"
                );
                *path = false;
            }
            TokenTree::Punct(punct) => *path = punct.as_char() == ':',
            TokenTree::Literal(_) => *path = false,
        }
    }
}

/// The signature that goes into the interface.
fn signature(source: &str) -> String {
    let function = syn::parse_str(source).unwrap();
    crate::check::function(&TokenStream::new(), &function)
        .unwrap()
        .procedure
        .signature()
}

#[test]
fn the_layout_of_the_source_does_not_make_another_interface() {
    let dense =
        signature("fn r#f(a:Vec<(u8,u16)>,b:&'_ [dynamic::T;4],mut r#c:&str)->Result<(),E>{}");
    let wide = signature(
        "fn f(\n a : Vec < ( u8 , u16 ) > ,\n b : & '_ [ dynamic :: T ; 4 ] , c : & str ,\n) -> Result < ( ) , E > { 1 }",
    );
    assert_eq!(dense, wide);
    assert_eq!(
        dense,
        "fn f(a: Vec<(u8, u16)>, b: &'_[dynamic::T;4], c: &str) -> Result<(), E>"
    );
}
