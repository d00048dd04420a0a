//! The files that `detect` and `segment` write.

use std::collections::BTreeSet;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use image::{ImageFormat, RgbImage};
use resnet_infer::{ImageSegmentation, Labels};
use resnet_weights::ResolvedDense;

use crate::images::Source;

/// Returns the labels that the user gave in `file`, or else the labels of the network.
pub(crate) fn labels(
    own: Option<Labels>,
    file: Option<&Path>,
    network: &ResolvedDense,
) -> Result<Labels> {
    match (own, file) {
        (Some(labels), Some(file)) => {
            let name = format!("`{}`", file.display());
            Ok(labels.check(network.config.num_classes(), &name)?)
        }
        _ => Ok(network.labels.clone()),
    }
}

/// A folder with one file per image, or nothing.
struct Folder(Vec<PathBuf>);

impl Folder {
    /// Creates the folder, and chooses a name for each image: the name of the image with another
    /// ending, and a number if images have the same name.
    fn new(folder: Option<&Path>, sources: &[Source], ending: &str) -> Result<Self> {
        let Some(folder) = folder else {
            return Ok(Self(Vec::new()));
        };
        let context = || {
            format!(
                "`{}`: expected a folder that can be created",
                folder.display()
            )
        };
        std::fs::create_dir_all(folder).with_context(context)?;
        let mut taken = BTreeSet::new();
        let name = |source: &Source| {
            let path = PathBuf::from(source.to_string());
            let stem = path
                .file_stem()
                .map(|stem| stem.to_string_lossy().into_owned());
            let stem = stem
                .filter(|stem| stem != "-")
                .unwrap_or_else(|| "stdin".into());
            let numbered = (2..).map(|number| format!("{stem}_{number}"));
            let mut names = std::iter::once(stem.clone()).chain(numbered);
            let name = names
                .find(|name| taken.insert(name.clone()))
                .unwrap_or(stem);
            folder.join(format!("{name}.{ending}"))
        };
        let files: Vec<PathBuf> = sources.iter().map(name).collect();
        let images = sources.iter().filter_map(|source| match source {
            Source::File(path) => path.canonicalize().ok(),
            _ => None,
        });
        let images: BTreeSet<PathBuf> = images.collect();
        for file in &files {
            if file.canonicalize().is_ok_and(|file| images.contains(&file)) {
                bail!(
                    "`{}`: expected a folder other than the images', the file would replace an image",
                    file.display()
                );
            }
        }
        Ok(Self(files))
    }
}

/// The folder of drawings.
pub(crate) struct Drawings(Folder);

impl Drawings {
    pub(crate) fn new(folder: Option<&Path>, sources: &[Source]) -> Result<Self> {
        Folder::new(folder, sources, "png").map(Self)
    }

    /// Draws and saves an image, if the user asked for drawings.
    pub(crate) fn write(&self, index: usize, draw: impl FnOnce() -> RgbImage) -> Result<()> {
        let Some(path) = self.0.0.get(index) else {
            return Ok(());
        };
        let mut png = Cursor::new(Vec::new());
        draw().write_to(&mut png, ImageFormat::Png)?;
        resnet_cli::write(path, &png.into_inner())
    }
}

/// The folder of class maps.
pub(crate) struct Masks(Folder);

impl Masks {
    pub(crate) fn new(folder: Option<&Path>, sources: &[Source]) -> Result<Self> {
        Folder::new(folder, sources, "png").map(Self)
    }

    /// Saves the class of each pixel as a PNG with the palette of Pascal VOC.
    pub(crate) fn write(&self, index: usize, found: &ImageSegmentation) -> Result<()> {
        match self.0.0.get(index) {
            Some(path) => resnet_cli::write(path, &found.to_palette_png()?),
            None => Ok(()),
        }
    }
}
