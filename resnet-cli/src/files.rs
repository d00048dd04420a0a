//! Output files.

use std::path::Path;

use anyhow::{Context, Result};
use resnet_files::write_atomically;

/// Writes a file atomically: it appears complete or not at all.
///
/// # Errors
///
/// Returns an error that names the file if it cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomically(path, bytes)
        .with_context(|| format!("`{}`: cannot be written", path.display()))
}
