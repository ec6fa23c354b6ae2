//! A wrong command line, told as every other failure is: on one line.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

use crate::arguments::Arguments;
use crate::printable;

/// The exit status of a wrong command line.
const WRONG: u8 = 2;

/// Says what is wrong; or, if help or the version was asked for, says that.
pub(crate) fn report(error: &Error) -> ExitCode {
    // Help is long by nature; without a verb it is what is missing.
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _unheard = error.print();
        return ExitCode::from(if error.use_stderr() { WRONG } else { 0 });
    }
    let first = std::env::args_os().nth(1);
    let _unheard = writeln!(io::stderr(), "doors: {}", line(error, first.as_deref()));
    ExitCode::from(WRONG)
}

/// What is wrong, what may have been meant, and where to read on.
fn line(error: &Error, first: Option<&OsStr>) -> String {
    let told = error.to_string();
    // The first paragraph says it; what follows is usage and tips.
    let wrong = told.split("\n\n").next().unwrap_or_default();
    let wrong = wrong.strip_prefix("error: ").unwrap_or(wrong);
    let words: Vec<&str> = wrong.split_whitespace().collect();
    let forgotten =
        error.kind() == ErrorKind::UnknownArgument && first == Some(OsStr::new("serve"));
    let meant = match meant(error) {
        Some(word) => Some(format!(" (is `{word}` meant?)")),
        None if forgotten => Some(" (the command comes after `--`)".to_owned()),
        None => None,
    };
    printable::line(&format!(
        "{}{}; see `{} --help`",
        words.join(" "),
        meant.unwrap_or_default(),
        verb(first)
    ))
}

/// The most similar word that there is. The last one: they come in ascending order.
fn meant(error: &Error) -> Option<String> {
    let suggested = [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg];
    let words = suggested.iter().find_map(|kind| error.get(*kind))?;
    match words {
        ContextValue::String(word) => Some(word.clone()),
        // The hidden roles of the demonstration are nothing to mean.
        ContextValue::Strings(words) => words
            .iter()
            .rfind(|word| !word.starts_with("demo-"))
            .cloned(),
        _ => None,
    }
}

/// The command with its verb, if it was given one.
fn verb(first: Option<&OsStr>) -> String {
    let command = Arguments::command();
    let mut verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    let verb = verbs.find(|verb| first == Some(OsStr::new(verb.get_name())));
    verb.map_or_else(
        || "doors".into(),
        |verb| format!("doors {}", verb.get_name()),
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn said(words: &[&str]) -> String {
        let all = std::iter::once(&"doors").chain(words);
        let first = words.first().map(OsStr::new);
        line(&Arguments::try_parse_from(all).unwrap_err(), first)
    }

    #[test]
    fn a_slip_is_one_line_with_the_way_to_the_help() {
        assert_eq!(
            said(&["call"]),
            "the following required arguments were not provided: <PATH>; see `doors call --help`"
        );
        assert_eq!(
            said(&["call", "a", "--data", "a", "--file", "b"]),
            "the argument '--data <STR>' cannot be used with '--file <F>'; see `doors call --help`"
        );
        assert_eq!(
            said(&["top", "--rows", "x"]),
            "invalid value 'x' for '--rows <N>': a number of rows is wanted; see `doors top --help`"
        );
        assert!(!said(&["call", "--no\nsuch"]).contains('\n'));
    }

    #[test]
    fn what_may_be_meant_is_said() {
        assert_eq!(
            said(&["serve", "d", "tr", "a-z", "A-Z"]),
            "unexpected argument 'tr' found (the command comes after `--`); see `doors serve --help`"
        );
        assert_eq!(
            said(&["dmeo"]),
            "unrecognized subcommand 'dmeo' (is `demo` meant?); see `doors --help`"
        );
        assert_eq!(
            said(&["call", "a", "--dedline", "1"]),
            "unexpected argument '--dedline' found (is `--deadline` meant?); see `doors call --help`"
        );
    }
}
