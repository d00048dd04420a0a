//! Objects on standard output.

use std::io::{self, StdoutLock, Write};

use anyhow::Result;
use resnet_cli::{cell, printable};
use resnet_infer::{CategoryIds, DetectedObject, ImageDetections};
use serde::Serialize;

use super::coco::{Results, file_name};
use super::{line, reason};
use crate::cli::Detect;
use crate::images::Source;

/// A writer of objects in one of four formats, one image at a time.
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
    /// One JSON array in COCO's result format.
    Coco(Results<'a>),
    /// A header, and one row per object.
    Csv(csv::Writer<StdoutLock<'static>>),
}

/// One result in COCO's format.
#[derive(Serialize)]
struct CocoResult<'a> {
    image_id: u64,
    file_name: String,
    category_id: u64,
    /// `x, y, width, height`
    bbox: [f32; 4],
    score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    segmentation: Option<&'a resnet_dense::ops::rle::Rle>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keypoints: Option<Vec<f32>>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(
        args: &Detect,
        model: &'a str,
        category_ids: Option<&'a CategoryIds>,
        sources: &[Source],
    ) -> Result<Self> {
        if args.coco {
            return Ok(Self::Coco(Results::new(sources, category_ids)?));
        }
        let out = io::stdout().lock();
        if args.json {
            return Ok(Self::Json { out, model });
        }
        if args.csv {
            let mut writer = csv::Writer::from_writer(out);
            writer.write_record([
                "path", "class", "label", "score", "x1", "y1", "x2", "y2", "error",
            ])?;
            return Ok(Self::Csv(writer));
        }
        let width = super::widest(sources);
        Ok(Self::Table { out, width })
    }

    pub(crate) fn write(
        &mut self,
        index: usize,
        source: &Source,
        found: Result<ImageDetections>,
    ) -> Result<()> {
        let error = found.as_ref().err().map(reason);
        match self {
            Self::Table { out, width } => {
                table(out, *width, source, found.as_ref().ok(), error.as_deref())?;
            }
            Self::Json { out, model } => line::write(out, source, model, &found)?,
            Self::Coco(results) => {
                results.note_error(source, error.as_deref());
                let image_id = results.image_id(index);
                for object in found.iter().flat_map(|found| &found.objects) {
                    if let Some(category_id) = results.category_id(object.class) {
                        results.push(&coco(image_id, category_id, source, object))?;
                    }
                }
            }
            Self::Csv(writer) => rows(writer, source, found.as_ref().ok(), error.as_deref())?,
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<()> {
        match self {
            Self::Table { mut out, .. } | Self::Json { mut out, .. } => out.flush()?,
            Self::Coco(results) => results.finish()?,
            Self::Csv(mut writer) => writer.flush()?,
        }
        Ok(())
    }
}

fn table(
    out: &mut impl Write,
    width: usize,
    source: &Source,
    found: Option<&ImageDetections>,
    error: Option<&str>,
) -> Result<()> {
    let mut path = printable(&source.to_string());
    if let Some(error) = error {
        writeln!(out, "{path:width$}  failed: {}", printable(error))?;
    }
    if found.is_some_and(|found| found.objects.is_empty()) {
        writeln!(out, "{path:width$}  no objects above the score")?;
    }
    for object in found.into_iter().flat_map(|found| &found.objects) {
        let [x1, y1, x2, y2] = object.bounds;
        writeln!(
            out,
            "{path:width$}  {:.2}  {:16}  x {x1:.0} to {x2:.0}, y {y1:.0} to {y2:.0}",
            object.score,
            printable(&object.label),
        )?;
        path.clear();
    }
    out.flush()?;
    Ok(())
}

/// Returns an object in COCO's format.
fn coco<'a>(
    image_id: u64,
    category_id: u64,
    source: &Source,
    object: &'a DetectedObject,
) -> CocoResult<'a> {
    let [x1, y1, x2, y2] = object.bounds;
    CocoResult {
        image_id,
        file_name: file_name(source),
        category_id,
        bbox: [x1, y1, x2 - x1, y2 - y1],
        score: object.score,
        segmentation: object.mask.as_ref(),
        keypoints: object.keypoints.as_ref().map(|points| {
            points
                .iter()
                .flat_map(|point| [point.x, point.y, 1.0])
                .collect()
        }),
    }
}

fn rows<W: Write>(
    writer: &mut csv::Writer<W>,
    source: &Source,
    found: Option<&ImageDetections>,
    error: Option<&str>,
) -> Result<()> {
    let path = cell(&source.to_string());
    if let Some(error) = error {
        writer.write_record([&path, "", "", "", "", "", "", "", &cell(error)])?;
    }
    for object in found.into_iter().flat_map(|found| &found.objects) {
        let [x1, y1, x2, y2] = object.bounds.map(|side| side.to_string());
        writer.write_record([
            &path,
            &object.class.to_string(),
            &cell(&object.label),
            &object.score.to_string(),
            &x1,
            &y1,
            &x2,
            &y2,
            "",
        ])?;
    }
    writer.flush()?;
    Ok(())
}
