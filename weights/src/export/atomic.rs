use std::io::{self, Write};
use std::path::Path;

/// Writes a file whole or not at all: beside its place, synced, then renamed. A link is followed to
/// the file behind it; a device or a pipe is written to as it is.
///
/// # Errors
///
/// What the operating system says; nothing is left behind then.
pub fn write_atomically(path: impl AsRef<Path>, bytes: &[u8]) -> io::Result<()> {
    let path = &match path.as_ref().canonicalize() {
        Ok(existing) if existing.is_file() => existing,
        Ok(device) if !device.is_dir() => {
            return std::fs::OpenOptions::new()
                .write(true)
                .open(device)?
                .write_all(bytes);
        }
        _ => path.as_ref().to_path_buf(),
    };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        // Else the temporary file would be named, of which nobody knows.
        let message = format!("there is no folder `{}`", folder.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, message));
    }
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.prefix(".writing-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
