//! One file a command.

pub(crate) mod backends;
pub(crate) mod bench;
pub(crate) mod classify;
pub(crate) mod forward;
pub(crate) mod inspect;
pub(crate) mod models;
pub(crate) mod preprocess;
pub(crate) mod weights;

use std::path::Path;

use anyhow::{Result, bail};

/// That a command does not write over what it reads.
pub(crate) fn check_distinct(output: &Path, read: &Path) -> Result<()> {
    match (read.canonicalize(), output.canonicalize()) {
        (Ok(a), Ok(b)) if a == b => bail!(
            "`{}`: expected a file of its own, found one that is read",
            output.display()
        ),
        _ => Ok(()),
    }
}
