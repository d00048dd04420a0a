use anyhow::{Context, Result};
use burn::tensor::backend::Backend;
use rayon::prelude::*;
use resnet_backend::Work;
use resnet_image::{Recipe, RgbImage};
use resnet_infer::{Classifier, Labels, Prediction};

use crate::cli::Classify;
use crate::images::{self, Source};
use crate::output::{self, Writer};
use resnet_infer::command::Outcome;
use resnet_infer::command::{Classes, Resolved};

pub(crate) fn run(args: Classify, offline: bool) -> Result<Outcome> {
    let sources = images::find(&args.paths)?;
    let labels = args.labels.as_ref().map(Labels::open).transpose()?;
    // Labels of one's own are the word for classes of one's own.
    let classes = if labels.is_some() {
        Classes::OfTheFile
    } else {
        Classes::OfTheName
    };
    let network = args.network.resolve(classes, offline)?;
    let recipe = args.recipe.over(network.recipe);
    let classes = network.config.num_classes;
    let labels = match (labels, &args.labels) {
        (Some(labels), Some(path)) => labels.check(classes, &format!("`{}`", path.display()))?,
        _ => network.labels.clone(),
    };
    let runtime = args.network.runtime;
    resnet_backend::with_backend(
        runtime.selection(),
        Job {
            args,
            sources,
            network,
            recipe,
            labels,
        },
    )?
}

/// All that is settled before the first slow step.
struct Job {
    args: Classify,
    sources: Vec<Source>,
    network: Resolved,
    recipe: Recipe,
    labels: Labels,
}

impl Work for Job {
    type Output = Result<Outcome>;

    fn run<B: Backend>(self, device: B::Device) -> Result<Outcome> {
        let model = self.network.load::<B>(&device)?;
        let classifier = Classifier::new(model, self.recipe, self.labels, &device)?
            .with_dtype(self.args.network.runtime.dtype)?
            .with_top_k(self.args.top_k)
            .with_batch_size(self.args.batch_size);
        let mut writer = Writer::new(&self.args, &self.network.name, &self.sources)?;
        let progress = output::progress(self.sources.len());
        let mut failed = false;
        for sources in self.sources.chunks(self.args.batch_size) {
            for (source, prediction) in sources.iter().zip(classify(&classifier, sources)) {
                failed |= prediction.is_err();
                progress.suspend(|| writer.write(source, prediction))?;
            }
            progress.inc(sources.len() as u64);
        }
        progress.finish_and_clear();
        writer.finish()?;
        Ok(if failed {
            Outcome::SomeFailed
        } else {
            Outcome::Done
        })
    }
}

/// A prediction or an error for each source: the images that can be read make the batch.
fn classify<B: Backend>(classifier: &Classifier<B>, sources: &[Source]) -> Vec<Result<Prediction>> {
    let prepare = |source: &Source| -> Result<RgbImage> {
        classifier
            .prepare(source.open()?)
            .with_context(|| format!("`{source}`"))
    };
    let prepared: Vec<Result<RgbImage>> = sources.par_iter().map(prepare).collect();
    let images: Vec<RgbImage> = prepared.iter().flatten().cloned().collect();
    let mut predictions = predict(classifier, &images).into_iter();
    let prediction = |image: Result<RgbImage>| {
        image?;
        predictions.next().context("no prediction")?
    };
    prepared.into_iter().map(prediction).collect()
}

/// A prediction for each image. If the batch fails, each image alone: one must not fail the others.
fn predict<B: Backend>(classifier: &Classifier<B>, images: &[RgbImage]) -> Vec<Result<Prediction>> {
    match classifier.classify_prepared(images) {
        Ok(predictions) => predictions.into_iter().map(Ok).collect(),
        Err(error) if images.len() < 2 => vec![Err(error.into())],
        Err(_) => images
            .chunks(1)
            .flat_map(|image| predict(classifier, image))
            .collect(),
    }
}
