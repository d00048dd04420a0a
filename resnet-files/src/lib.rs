#![doc = include_str!("../README.md")]

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

/// Writes a file atomically: writes a temporary file beside it, syncs it and renames it.
///
/// After a crash, the file has either the old or the new content. If `path` is a symbolic link, its
/// target is replaced. Writes to a device or a pipe are direct and not atomic.
///
/// # Errors
///
/// Returns the error of the operating system. The file then keeps its old content, and the
/// temporary file is removed.
pub fn write_atomically(path: impl AsRef<Path>, bytes: &[u8]) -> io::Result<()> {
    let path = &match path.as_ref().canonicalize() {
        Ok(existing) if existing.is_file() => existing,
        Ok(device) if !device.is_dir() => {
            return OpenOptions::new()
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
        // Otherwise the error would name the temporary file, which the user does not know.
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for content in ["old and long", "new"] {
            write_atomically(&path, content.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_leaves_nothing_behind_and_names_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        let error = write_atomically(missing.join("file"), b"new").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert_eq!(
            error.to_string(),
            format!("there is no folder `{}`", missing.display())
        );

        // The temporary file is written, but cannot replace a folder.
        let occupied = folder.path().join("occupied");
        fs::create_dir(&occupied).unwrap();
        write_atomically(&occupied, b"new").unwrap_err();
        assert!(occupied.is_dir());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_devices_stay_devices() {
        let folder = tempfile::tempdir().unwrap();
        let [target, link] = ["target", "link"].map(|name| folder.path().join(name));
        fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write_atomically(&link, b"new").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert!(link.symlink_metadata().unwrap().is_symlink());
        let null = folder.path().join("null");
        std::os::unix::fs::symlink("/dev/null", &null).unwrap();
        write_atomically(&null, b"gone").unwrap();
        assert!(!Path::new("/dev/null").is_file());
    }

    #[cfg(unix)]
    #[test]
    fn a_file_of_others_to_read_stays_readable_to_them() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let [ours, plain] = ["ours", "plain"].map(|name| folder.path().join(name));
        write_atomically(&ours, b"x").unwrap();
        fs::write(&plain, b"x").unwrap();
        let [ours, plain] = [ours, plain].map(|path| fs::metadata(path).unwrap().permissions());
        assert_eq!(ours.mode(), plain.mode());
    }
}
