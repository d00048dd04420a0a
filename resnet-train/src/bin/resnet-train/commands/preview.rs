//! `preview`: a sheet of what a network sees in training.

use anyhow::Result;
use image::{Rgb, RgbImage};
use resnet_cli::{Outcome, tell_left_out, write};
use resnet_data::Batch;
use resnet_train::report::{Cell, sheet};

use crate::cli::Preview;
use crate::commands::png;
use crate::start::preprocessing;

pub(crate) fn run(args: Preview) -> Result<Outcome> {
    let mut config = args.optimization.config(&args.data.data, None)?;
    config.batch_size = args.count;
    let [train, valid] = args.data.open(config.split, config.seed)?;
    let classes = train.classes().to_vec();
    let preprocessing = preprocessing(&config)?;
    let fit = config.fit([train, valid], preprocessing)?;
    let batch = fit.train.epoch(0, 0)?.next().unwrap_or_default();
    batch.bad.iter().for_each(tell_left_out);
    let cells: Vec<Cell> = (0..batch.images.len())
        .map(|place| Cell {
            image: seen(&batch, place),
            lines: words(&batch.targets[place], &classes),
        })
        .collect();
    write(&args.output, &png(&sheet(&cells, args.columns))?)?;
    Ok(Outcome::of(!batch.bad.is_empty()))
}

/// The image with what is only done once its pixels are numbers.
fn seen(batch: &Batch, place: usize) -> RgbImage {
    let blanked = |place: usize| {
        let mut image = batch.images[place].clone().into_rgb();
        if let Some([x, y, width, height]) = batch.erased[place] {
            for (x, y) in (x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y))) {
                // About the mean, which normalisation takes to 0.
                image.put_pixel(x, y, Rgb([124, 116, 104]));
            }
        }
        image
    };
    let mut image = blanked(place);
    if let Some(share) = batch.blend {
        let count = batch.images.len();
        let other = blanked((place + count - 1) % count);
        for (pixel, other) in image.pixels_mut().zip(other.pixels()) {
            for (value, &other) in pixel.0.iter_mut().zip(&other.0) {
                *value =
                    (share * f32::from(*value) + (1.0 - share) * f32::from(other)).round() as u8;
            }
        }
    }
    image
}

/// The classes of an image, with their shares where it is mixed.
fn words(target: &[f32], classes: &[String]) -> Vec<String> {
    let mut shares: Vec<_> = target
        .iter()
        .zip(classes)
        .filter(|(share, _)| **share > 0.005)
        .collect();
    shares.sort_by(|a, b| b.0.total_cmp(a.0));
    let word = |(&share, name): (&f32, &String)| match share {
        share if share > 0.995 => name.clone(),
        share => format!("{:.0} % {name}", 100.0 * share),
    };
    shares.into_iter().take(2).map(word).collect()
}
