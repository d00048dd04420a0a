//! The images that a user points at.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use resnet_image::{Decoder, IMAGE_ENDINGS, RgbImage, has_image_ending};
use walkdir::WalkDir;

/// One image.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Source {
    File(PathBuf),
    Stdin,
    /// A part of a folder that cannot be searched, and why.
    Unsearchable(PathBuf, String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) | Self::Unsearchable(path, _) => path.display().fmt(f),
            Self::Stdin => f.write_str("-"),
        }
    }
}

/// Every image below the paths: files as they are, folders searched, sorted by name.
pub(crate) fn find(paths: &[PathBuf]) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for path in paths {
        if path == Path::new("-") {
            if sources.contains(&Source::Stdin) {
                bail!("`-`: expected once, found twice, as standard input holds one image");
            }
            sources.push(Source::Stdin);
        } else if path.is_dir() {
            let before = sources.len();
            for entry in WalkDir::new(path).follow_links(true).sort_by_file_name() {
                let entry = match entry {
                    Ok(entry) => entry,
                    Err(error) => {
                        let place = error.path().unwrap_or(path).to_path_buf();
                        sources.push(Source::Unsearchable(place, error.to_string()));
                        continue;
                    }
                };
                if entry.file_type().is_file() && has_image_ending(entry.path()) {
                    sources.push(Source::File(entry.into_path()));
                }
            }
            if sources.len() == before {
                let endings = IMAGE_ENDINGS.join(", ");
                bail!(
                    "`{}`: expected images ({endings}), found none in the folder",
                    path.display()
                );
            }
        } else {
            sources.push(Source::File(path.clone()));
        }
    }
    // Before a network is loaded, perhaps downloaded, for nothing.
    let missing = |source: &Source| matches!(source, Source::File(path) if !path.exists());
    match sources.first() {
        Some(first) if sources.iter().all(missing) => {
            bail!("`{first}`: expected an image, found no file")
        }
        _ => Ok(sources),
    }
}

impl Source {
    pub(crate) fn open(&self) -> Result<RgbImage> {
        match self {
            Self::File(path) => Ok(resnet_image::open(path)?),
            Self::Unsearchable(path, error) => {
                bail!("`{}`: cannot be searched: {error}", path.display())
            }
            Self::Stdin => {
                let decoder = Decoder::default();
                let bytes = decoder
                    .read_bytes(std::io::stdin().lock())
                    .context("standard input")?;
                decoder.decode(&bytes).context("standard input")
            }
        }
    }
}
