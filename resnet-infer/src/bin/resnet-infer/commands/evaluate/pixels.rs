//! The IoU of a segmentation network.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use burn::tensor::backend::Backend;
use resnet_backend::Work;
use resnet_cli::{Outcome, json, note, printable};
use resnet_data::class_maps::{IGNORE, read_indices};
use resnet_data::{ClassPixels, PixelScores};
use resnet_infer::Segmenter;
use resnet_weights::ResolvedDense;
use serde::Serialize;

use crate::cli::EvaluateAny;
use crate::commands::segment::with_flags;
use crate::images::{self, Source};
use crate::output;

pub(super) fn run(args: EvaluateAny, masks: &Path, network: ResolvedDense) -> Result<Outcome> {
    let sources = images::find(std::slice::from_ref(&args.classifier.data))?;
    let pairs = sources.into_iter().map(|source| {
        let path = PathBuf::from(source.to_string());
        let name = path.file_stem().unwrap_or_default();
        let mask = masks.join(name).with_extension("png");
        ensure!(
            mask.is_file(),
            "`{}`: expected the classes of `{source}`, found no file",
            mask.display()
        );
        Ok((source, mask))
    });
    let pairs: Vec<(Source, PathBuf)> = pairs.collect::<Result<_>>()?;
    let runtime = args.classifier.network.runtime;
    resnet_backend::with_backend(
        runtime.selection(),
        Job {
            args,
            pairs,
            network,
        },
    )?
}

struct Job {
    args: EvaluateAny,
    pairs: Vec<(Source, PathBuf)>,
    network: ResolvedDense,
}

/// The output of `--json`.
#[derive(Serialize)]
struct Report<'a> {
    model: &'a str,
    images: usize,
    unreadable: usize,
    /// Mean of the IoU over the classes that occur; `null` without pixels.
    mean_iou: Option<f64>,
    pixel_accuracy: Option<f64>,
    classes: Vec<ClassReport<'a>>,
}

#[derive(Serialize)]
struct ClassReport<'a> {
    class: usize,
    label: &'a str,
    #[serde(flatten)]
    pixels: ClassPixels,
}

impl Work for Job {
    type Output = Result<Outcome>;

    fn run<B: Backend>(self, device: B::Device) -> Result<Outcome> {
        let segmenter: Segmenter<B> = Segmenter::from_resolved(&self.network, &device)?
            .with_memory_limit(self.args.classifier.network.runtime.memory.limit());
        let segmenter = with_flags(segmenter, &self.args.classifier.preprocessing)?;
        segmenter.notes().iter().for_each(|text| note(text));
        let classes = segmenter.config().num_classes;
        let mut scores = PixelScores::new(classes);
        let progress = output::progress(self.pairs.len());
        let mut unreadable = 0;
        for (source, mask) in &self.pairs {
            if let Err(error) = count(&segmenter, source, mask, &mut scores) {
                unreadable += 1;
                progress.suspend(|| resnet_cli::error(&error));
            }
            progress.inc(1);
        }
        progress.finish_and_clear();
        let report = self.report(&scores, unreadable);
        let mut out = std::io::stdout().lock();
        match self.args.classifier.json {
            true => writeln!(out, "{}", json(&report)?)?,
            false => table(&mut out, &report)?,
        }
        Ok(Outcome::of(unreadable > 0))
    }
}

impl Job {
    fn report(&self, scores: &PixelScores, unreadable: usize) -> Report<'_> {
        let classes = scores.classes().into_iter().enumerate();
        let classes = classes.map(|(class, pixels)| ClassReport {
            class,
            label: self.network.labels.get(class),
            pixels,
        });
        Report {
            model: &self.network.name,
            images: self.pairs.len(),
            unreadable,
            mean_iou: scores.mean_iou(),
            pixel_accuracy: scores.pixel_accuracy(),
            classes: classes.collect(),
        }
    }
}

/// Adds the pixels of an image to the scores.
fn count<B: Backend>(
    segmenter: &Segmenter<B>,
    source: &Source,
    mask: &Path,
    scores: &mut PixelScores,
) -> Result<()> {
    let pixels = source.open(segmenter.preprocessing().channels())?;
    let found = segmenter
        .segment_pixels(&pixels)
        .with_context(|| format!("`{source}`"))?;
    let (size, truth) = read_indices(mask)?;
    ensure!(
        size == [found.width, found.height],
        "`{}`: expected {}x{} pixels, as the image has, found {}x{}",
        mask.display(),
        found.width,
        found.height,
        size[0],
        size[1]
    );
    let classes = segmenter.config().num_classes;
    if let Some(class) = truth
        .iter()
        .find(|c| **c != IGNORE && usize::from(**c) >= classes)
    {
        bail!(
            "`{}`: expected class indices below {classes}, or {IGNORE} for pixels to leave out, found {class}",
            mask.display()
        );
    }
    let truth = truth.into_iter();
    let truth = truth.map(|class| (class != IGNORE).then_some(usize::from(class)));
    let found = found.pixels.into_iter().map(usize::from);
    scores.add(&truth.collect::<Vec<_>>(), &found.collect::<Vec<_>>());
    Ok(())
}

fn table(out: &mut impl Write, report: &Report<'_>) -> Result<()> {
    let percent = |value: Option<f64>| value.map_or("-".into(), |v| format!("{:.1} %", 100.0 * v));
    writeln!(out, "mean IoU        {:>8}", percent(report.mean_iou))?;
    writeln!(out, "pixel accuracy  {:>8}", percent(report.pixel_accuracy))?;
    writeln!(out, "\n{:>8}  {:>8}  class", "IoU", "accuracy")?;
    for class in &report.classes {
        let (iou, accuracy) = (percent(class.pixels.iou), percent(class.pixels.accuracy));
        writeln!(out, "{iou:>8}  {accuracy:>8}  {}", printable(class.label))?;
    }
    Ok(())
}
