//! The subcommands, one module for each.

pub(crate) mod backends;
pub(crate) mod bench;
pub(crate) mod classify;
mod dense;
pub(crate) mod detect;
pub(crate) mod evaluate;
pub(crate) mod forward;
pub(crate) mod inspect;
pub(crate) mod models;
pub(crate) mod preprocess;
pub(crate) mod quantize;
pub(crate) mod segment;
pub(crate) mod weights;

use std::path::Path;

use anyhow::{Result, bail};

/// Checks that a command does not overwrite its input.
pub(crate) fn check_distinct(output: &Path, read: &Path) -> Result<()> {
    match (read.canonicalize(), output.canonicalize()) {
        (Ok(a), Ok(b)) if a == b => bail!(
            "`{}`: expected an output other than the input, found the same file",
            output.display()
        ),
        _ => Ok(()),
    }
}
