//! Classes of pixels on standard output.

use std::io::{self, StdoutLock, Write};

use anyhow::Result;
use resnet_cli::printable;
use resnet_dense::ops::masks::SoftMask;
use resnet_dense::ops::rle::Rle;
use resnet_infer::ImageSegmentation;
use resnet_weights::{DenseWeights, LabelSet, ResolvedDense};
use serde::Serialize;

use super::coco::{Results, file_name};
use super::{line, reason};
use crate::cli::Segment;
use crate::images::Source;

/// A writer of the classes of each image in one of three formats, one image at a time.
pub(crate) enum Writer<'a> {
    /// Aligned columns.
    Table {
        out: StdoutLock<'static>,
        width: usize,
    },
    /// JSON Lines, one object per image.
    Json {
        out: StdoutLock<'static>,
        model: &'a str,
    },
    /// One JSON array in COCO's result format, without the background class.
    Coco {
        results: Results<'a>,
        background: Option<usize>,
    },
}

/// A class of an image in COCO's format.
#[derive(Serialize)]
struct CocoResult {
    image_id: u64,
    file_name: String,
    category_id: u64,
    segmentation: Rle,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(
        args: &Segment,
        network: &'a ResolvedDense,
        sources: &[Source],
    ) -> Result<Self> {
        if args.coco {
            return Ok(Self::Coco {
                results: Results::new(sources, network.category_ids.as_ref())?,
                background: background(network),
            });
        }
        let out = io::stdout().lock();
        Ok(match args.json {
            true => Self::Json {
                out,
                model: &network.name,
            },
            false => Self::Table {
                out,
                width: super::widest(sources),
            },
        })
    }

    pub(crate) fn write(
        &mut self,
        index: usize,
        source: &Source,
        found: Result<ImageSegmentation>,
    ) -> Result<()> {
        let error = found.as_ref().err().map(reason);
        match self {
            Self::Table { out, width } => {
                table(out, *width, source, found.as_ref().ok(), error.as_deref())?;
            }
            Self::Json { out, model } => line::write(out, source, model, &found)?,
            Self::Coco {
                results,
                background,
            } => {
                results.note_error(source, error.as_deref());
                if let Ok(found) = &found {
                    coco(results, *background, index, source, found)?;
                }
            }
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<()> {
        match self {
            Self::Table { mut out, .. } | Self::Json { mut out, .. } => out.flush()?,
            Self::Coco { results, .. } => results.finish()?,
        }
        Ok(())
    }
}

/// Returns the background class: class 0 of torchvision's weights, else the class of this name.
fn background(network: &ResolvedDense) -> Option<usize> {
    let is_voc = |weights: &DenseWeights| weights.classes == LabelSet::Voc21;
    if network.weights.as_ref().is_some_and(is_voc) {
        return Some(0);
    }
    let labels = &network.labels;
    let is_background =
        |class: &usize| ["background", "__background__"].contains(&labels.get(*class));
    (0..labels.len()).find(is_background)
}

fn table(
    out: &mut impl Write,
    width: usize,
    source: &Source,
    found: Option<&ImageSegmentation>,
    error: Option<&str>,
) -> Result<()> {
    let mut path = printable(&source.to_string());
    if let Some(error) = error {
        writeln!(out, "{path:width$}  failed: {}", printable(error))?;
    }
    for class in found.into_iter().flat_map(|found| &found.classes) {
        let share = 100.0 * class.share;
        let label = printable(&class.label);
        writeln!(out, "{path:width$}  {share:5.1} %  {label}")?;
        path.clear();
    }
    out.flush()?;
    Ok(())
}

/// Writes the pixels of each class except the background.
fn coco(
    results: &mut Results<'_>,
    background: Option<usize>,
    index: usize,
    source: &Source,
    found: &ImageSegmentation,
) -> Result<()> {
    let classes = found.classes.iter().map(|share| share.class);
    for class in classes.filter(|class| Some(*class) != background) {
        if let Some(category_id) = results.category_id(class) {
            results.push(&CocoResult {
                image_id: results.image_id(index),
                file_name: file_name(source),
                category_id,
                segmentation: pixels_of(class, found),
            })?;
        }
    }
    Ok(())
}

/// Returns the pixels of a class.
fn pixels_of(class: usize, found: &ImageSegmentation) -> Rle {
    let size = [found.height, found.width];
    let inside = |pixel: &u16| f32::from(u8::from(usize::from(*pixel) == class));
    let mask = SoftMask {
        size,
        start: [0, 0],
        extent: size,
        values: found.pixels.iter().map(inside).collect(),
    };
    Rle::of_mask(&mask, 0.5)
}
