//! Notes and errors on standard error, exit statuses, and escaping of untrusted text.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Error;

use crate::hints::flags;

/// The outcome of a command that no error stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All inputs succeeded.
    Done,
    /// Some inputs failed; each failure is already printed.
    SomeFailed,
    /// The user stopped the command.
    Stopped,
}

impl Outcome {
    /// Returns `SomeFailed` if some inputs failed, else `Done`.
    pub fn of(some_failed: bool) -> Self {
        match some_failed {
            true => Self::SomeFailed,
            false => Self::Done,
        }
    }
}

/// Prints the error of a command and returns its exit status: 0 for success, 1 if some inputs
/// failed, 2 if an error stopped the command, 130 if the user stopped it.
pub(crate) fn status(outcome: Result<Outcome, Error>) -> ExitCode {
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::SomeFailed) => ExitCode::from(1),
        Ok(Outcome::Stopped) => ExitCode::from(130),
        // The reader closed the pipe, as `head` does.
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

/// Prints an error with its causes.
pub fn error(error: &Error) {
    say("error", &format!("{error:#}"));
}

/// Prints a note. A note does not stop the command.
pub fn note(text: &str) {
    say("note", text);
}

fn say(kind: &str, text: &str) {
    // Standard error may be closed: there is no place to report that.
    let _ = writeln!(io::stderr(), "{kind}: {}", printable(&flags(text)));
}

/// Escapes control characters, zero-width characters and characters that change the text direction.
/// Keys, class names and file names may contain any of them.
pub fn printable(text: &str) -> String {
    let hidden = |c| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let escaped = |c: char| match c.is_control() || hidden(c) {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(escaped).collect()
}

/// Escapes a text for a cell of a CSV file: as [`printable`] does, with an apostrophe before text
/// that a spreadsheet would evaluate as a formula.
pub fn cell(text: &str) -> String {
    let text = printable(text);
    match text.starts_with(['=', '+', '-', '@']) {
        true => format!("'{text}"),
        false => text,
    }
}

/// Serializes a value as JSON that is safe to print. It also escapes control characters beyond
/// ASCII, because terminals interpret some of them.
///
/// # Errors
///
/// Returns an error if the value cannot be serialized.
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
    fn control_characters_are_escaped() {
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
