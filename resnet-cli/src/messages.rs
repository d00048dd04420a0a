//! What goes to standard error.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Error;

use crate::hints::flags;

/// How a command ended without an error that stopped it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All was done.
    Done,
    /// Some inputs failed; each was reported where it stood.
    SomeFailed,
    /// The user ended it.
    Stopped,
}

impl Outcome {
    /// Returns `Done`, or `SomeFailed` if some inputs did.
    pub fn of(some_failed: bool) -> Self {
        match some_failed {
            true => Self::SomeFailed,
            false => Self::Done,
        }
    }
}

/// The exit status of a command, once its error is told: 0 all done, 1 some inputs failed, 2 could not run,
/// 130 ended by the user.
pub(crate) fn status(outcome: Result<Outcome, Error>) -> ExitCode {
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::SomeFailed) => ExitCode::from(1),
        Ok(Outcome::Stopped) => ExitCode::from(130),
        // The reader of our output has seen enough (`| head`).
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            self::error(&error);
            ExitCode::from(2)
        }
    }
}

fn is_broken_pipe(error: &Error) -> bool {
    let mut causes = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// An error that stops the command.
pub fn error(error: &Error) {
    say("error", &format!("{error:#}"));
}

/// What the user should know, though it stops nothing.
pub fn note(text: &str) {
    say("note", text);
}

fn say(kind: &str, text: &str) {
    // Nothing can be done where standard error is closed.
    let _ = writeln!(io::stderr(), "{kind}: {}", printable(&flags(text)));
}

/// The text with its control characters escaped, and those that change the direction of text or
/// have no width: keys, class names and file names may hold any.
pub fn printable(text: &str) -> String {
    let hidden = |c| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let escaped = |c: char| match c.is_control() || hidden(c) {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(escaped).collect()
}

/// The text as a cell of a CSV file: escaped as [`printable`] does, and with an apostrophe before
/// what spreadsheets would take for a formula.
pub fn cell(text: &str) -> String {
    let text = printable(text);
    match text.starts_with(['=', '+', '-', '@']) {
        true => format!("'{text}"),
        false => text,
    }
}

/// The value as JSON that is safe to print: control characters beyond ASCII are escaped as well,
/// since terminals obey some of them.
///
/// # Errors
///
/// If the value cannot be written as JSON.
pub fn json(value: &impl serde::Serialize) -> serde_json::Result<String> {
    let text = serde_json::to_string(value)?;
    let escaped = |c: char| match c {
        c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    Ok(text.chars().map(escaped).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_reach_no_terminal_as_they_are() {
        let name = "\u{1b}[31mcat\u{7}\n\u{9b}2J\u{202e}gnp";
        assert_eq!(
            printable(name),
            "\\u{1b}[31mcat\\u{7}\\n\\u{9b}2J\\u{202e}gnp"
        );
        assert_eq!(cell("=HYPERLINK(1)"), "'=HYPERLINK(1)");
        assert_eq!(cell("tabby, tabby cat"), "tabby, tabby cat");
        let text = json(&name).unwrap();
        assert!(!text.contains(char::is_control), "{text}");
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), name);
    }
}
