//! What goes to standard error.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Error;

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

/// The exit status of a command, once its error is told: 0 all done, 1 some inputs failed, 2 could not run,
/// 130 ended by the user.
pub fn status(outcome: Result<Outcome, Error>) -> ExitCode {
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
    let _ = writeln!(io::stderr(), "{kind}: {}", printable(text));
}

/// The text with its control characters escaped: keys and file names may hold any.
pub fn printable(text: &str) -> String {
    let escaped = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(escaped).collect()
}
