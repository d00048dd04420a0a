//! `segment`: prints the classes of each image, and draws or saves the class of each pixel.

use std::path::absolute;

use anyhow::{Context, Result, ensure};
use burn::tensor::backend::Backend;
use resnet_backend::Work;
use resnet_cli::{Outcome, PreprocessingFlags, check_f32, note};
use resnet_infer::{ImageSegmentation, Labels, Segmenter};
use resnet_weights::ResolvedDense;

use crate::cli::Segment;
use crate::commands::dense::{Drawings, Masks, labels};
use crate::images::{self, Source};
use crate::output::{self, pixels::Writer};

pub(crate) fn run(args: Segment, offline: bool) -> Result<Outcome> {
    let sources = images::find(&args.paths)?;
    let own = args.labels.as_ref().map(Labels::open).transpose()?;
    check_f32(args.network.runtime)?;
    let mut network = args.network.resolve_dense(offline)?;
    network.labels = labels(own, args.labels.as_deref(), &network)?;
    if let (Some(draw), Some(masks)) = (&args.draw, &args.masks) {
        ensure!(
            absolute(draw)? != absolute(masks)?,
            "`{}`: expected two folders for --draw and --masks, whose files have the same names",
            draw.display()
        );
    }
    let drawings = Drawings::new(args.draw.as_deref(), &sources)?;
    let masks = Masks::new(args.masks.as_deref(), &sources)?;
    let runtime = args.network.runtime;
    resnet_backend::with_backend(
        runtime.selection(),
        Job {
            args,
            sources,
            network,
            drawings,
            masks,
        },
    )?
}

struct Job {
    args: Segment,
    sources: Vec<Source>,
    network: ResolvedDense,
    drawings: Drawings,
    masks: Masks,
}

impl Work for Job {
    type Output = Result<Outcome>;

    fn run<B: Backend>(self, device: B::Device) -> Result<Outcome> {
        let segmenter: Segmenter<B> = Segmenter::from_resolved(&self.network, &device)?
            .with_memory_limit(self.args.network.runtime.memory.limit());
        let segmenter = with_flags(segmenter, &self.args.preprocessing)?;
        segmenter.notes().iter().for_each(|text| note(text));
        let mut writer = Writer::new(&self.args, &self.network, &self.sources)?;
        let progress = output::progress(self.sources.len());
        let mut failed = false;
        for (index, source) in self.sources.iter().enumerate() {
            let found = self.segment(&segmenter, index, source);
            failed |= found.is_err();
            progress.suspend(|| writer.write(index, source, found))?;
            progress.inc(1);
        }
        progress.finish_and_clear();
        writer.finish()?;
        Ok(Outcome::of(failed))
    }
}

/// Overrides the preprocessing of a segmenter.
pub(super) fn with_flags<B: Backend>(
    segmenter: Segmenter<B>,
    flags: &PreprocessingFlags,
) -> Result<Segmenter<B>> {
    let preprocessing = flags.over(*segmenter.preprocessing());
    ensure!(
        preprocessing.crop.is_none(),
        "--crop: expected none, because segmentation finds the class of every pixel"
    );
    preprocessing.validate().context("preprocessing")?;
    preprocessing.check_channels(segmenter.config().backbone.in_channels)?;
    Ok(segmenter.with_preprocessing(preprocessing))
}

impl Job {
    fn segment<B: Backend>(
        &self,
        segmenter: &Segmenter<B>,
        index: usize,
        source: &Source,
    ) -> Result<ImageSegmentation> {
        let pixels = source.open(segmenter.preprocessing().channels())?;
        let found = segmenter
            .segment_pixels(&pixels)
            .with_context(|| format!("`{source}`"))?;
        self.drawings
            .write(index, || found.draw(&pixels.clone().into_rgb()))?;
        self.masks.write(index, &found)?;
        Ok(found)
    }
}
