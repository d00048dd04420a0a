//! `detect`: prints the objects of each image, and draws them.

use anyhow::{Context, Result};
use burn::tensor::backend::Backend;
use resnet_backend::Work;
use resnet_cli::{Outcome, check_f32, note};
use resnet_image::Channels;
use resnet_infer::{Detector, ImageDetections, Labels};
use resnet_weights::ResolvedDense;

use crate::cli::Detect;
use crate::commands::dense::{Drawings, labels};
use crate::images::{self, Source};
use crate::output::{self, objects::Writer};

pub(crate) fn run(args: Detect, offline: bool) -> Result<Outcome> {
    let sources = images::find(&args.paths)?;
    let own = args.labels.as_ref().map(Labels::open).transpose()?;
    check_f32(args.network.runtime)?;
    let mut network = args.network.resolve_dense(offline)?;
    network.labels = labels(own, args.labels.as_deref(), &network)?;
    let drawings = Drawings::new(args.draw.as_deref(), &sources)?;
    let runtime = args.network.runtime;
    resnet_backend::with_backend(
        runtime.selection(),
        Job {
            args,
            sources,
            network,
            drawings,
        },
    )?
}

struct Job {
    args: Detect,
    sources: Vec<Source>,
    network: ResolvedDense,
    drawings: Drawings,
}

impl Work for Job {
    type Output = Result<Outcome>;

    fn run<B: Backend>(self, device: B::Device) -> Result<Outcome> {
        let detector: Detector<B> = Detector::from_resolved(&self.network, &device)?
            .with_score(self.args.score)
            .with_memory_limit(self.args.network.runtime.memory.limit());
        detector.notes().iter().for_each(|text| note(text));
        let ids = detector.category_ids();
        let mut writer = Writer::new(&self.args, &self.network.name, ids, &self.sources)?;
        let progress = output::progress(self.sources.len());
        let mut failed = false;
        for (index, source) in self.sources.iter().enumerate() {
            let found = self.detect(&detector, index, source);
            failed |= found.is_err();
            progress.suspend(|| writer.write(index, source, found))?;
            progress.inc(1);
        }
        progress.finish_and_clear();
        writer.finish()?;
        Ok(Outcome::of(failed))
    }
}

impl Job {
    fn detect<B: Backend>(
        &self,
        detector: &Detector<B>,
        index: usize,
        source: &Source,
    ) -> Result<ImageDetections> {
        let channels = Channels::try_from(detector.config().body().in_channels)?;
        let pixels = source.open(channels)?;
        let pixels = detector
            .prepare(pixels)
            .with_context(|| format!("`{source}`"))?;
        let found = detector
            .detect_prepared(&pixels)
            .with_context(|| format!("`{source}`"))?;
        self.drawings
            .write(index, || found.draw(&pixels.clone().into_rgb()))?;
        Ok(found)
    }
}
