//! `preprocess`: saves an image as the network sees it, resized and cropped.

use std::io::Cursor;

use anyhow::{Context, Result, bail};
use image::ImageFormat;
use resnet_cli::{Outcome, write};
use resnet_image::{Pixels, Preprocessing};

use crate::cli::Preprocess;
use crate::images::find;

pub(crate) fn run(args: Preprocess) -> Result<Outcome> {
    let preprocessing = args.preprocessing.over(Preprocessing::imagenet());
    preprocessing.validate().context("preprocessing")?;
    if args.image.is_dir() {
        bail!(
            "`{}`: expected an image, found a folder",
            args.image.display()
        );
    }
    let source = &find(std::slice::from_ref(&args.image))?[0];
    let image = preprocessing
        .apply_to(source.open(preprocessing.channels())?)
        .with_context(|| format!("`{source}`"))?;
    let mut png = Cursor::new(Vec::new());
    match image {
        Pixels::Gray(image) => image.write_to(&mut png, ImageFormat::Png)?,
        Pixels::Rgb(image) => image.write_to(&mut png, ImageFormat::Png)?,
        Pixels::Rgba(image) => image.write_to(&mut png, ImageFormat::Png)?,
    }
    write(&args.output, png.get_ref())?;
    Ok(Outcome::Done)
}
