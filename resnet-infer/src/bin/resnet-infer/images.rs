//! The input images of a command.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, anyhow, bail};
use resnet_cli::tell_skipped;
use resnet_data::{BadImage, ImageFiles, Skipped};
use resnet_image::{Channels, Decoder, IMAGE_ENDINGS, Pixels};

/// An input image.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Source {
    File(PathBuf),
    Stdin,
    /// An unreadable entry of a folder, and the reason.
    Unreadable(PathBuf, String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) | Self::Unreadable(path, _) => path.display().fmt(f),
            Self::Stdin => f.write_str("-"),
        }
    }
}

/// Returns the images of the paths. Searches folders recursively, in name order and without hidden
/// entries, and prints a note about skipped files.
pub(crate) fn find(paths: &[PathBuf]) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    let mut skipped = Skipped::default();
    for path in paths {
        if path == Path::new("-") {
            if sources.contains(&Source::Stdin) {
                bail!("`-`: expected once, found twice, as standard input holds one image");
            }
            sources.push(Source::Stdin);
        } else if path.is_dir() {
            let files = ImageFiles::below(path);
            if files.found.is_empty() {
                return Err(no_images(path, &files.skipped));
            }
            skipped.merge(&files.skipped);
            sources.extend(files.found.into_iter().map(|file| match file {
                Ok(path) => Source::File(path),
                Err(BadImage { name, reason }) => Source::Unreadable(name.into(), reason),
            }));
        } else {
            sources.push(Source::File(path.clone()));
        }
    }
    tell_skipped(&skipped);
    // Returns the error before the network is downloaded and loaded.
    let missing = |source: &Source| matches!(source, Source::File(path) if !path.exists());
    match sources.first() {
        Some(first) if sources.iter().all(missing) => {
            bail!("`{first}`: expected an image, found no file")
        }
        _ => Ok(sources),
    }
}

impl Source {
    pub(crate) fn open(&self, channels: Channels) -> Result<Pixels> {
        match self {
            Self::File(path) if is_open_stream(path) => {
                let context = || format!("`{}`", path.display());
                let file = File::open(path).with_context(context)?;
                decode(file, channels).with_context(context)
            }
            Self::File(path) => Ok(resnet_image::open_as(path, channels)?),
            Self::Unreadable(_, reason) => bail!("{reason}"),
            Self::Stdin => decode(std::io::stdin().lock(), channels).context("standard input"),
        }
    }
}

/// Decodes an image from a stream.
fn decode(input: impl Read, channels: Channels) -> Result<Pixels> {
    let decoder = Decoder::default();
    Ok(decoder.decode_as(&decoder.read_bytes(input)?, channels)?)
}

fn no_images(folder: &Path, skipped: &Skipped) -> Error {
    let endings = IMAGE_ENDINGS.join(", ");
    let others = match skipped.is_empty() {
        true => String::new(),
        false => format!(": {skipped}"),
    };
    anyhow!(
        "`{}`: expected images ({endings}), found none in the folder{others}",
        folder.display()
    )
}

/// Returns whether the path is a stream that is already open, such as the shell's `<(command)`.
/// Unlike any other pipe, it has a writer.
fn is_open_stream(path: &Path) -> bool {
    let places = ["/dev/fd", "/dev/stdin", "/proc/self/fd"];
    places.iter().any(|place| path.starts_with(place))
}
