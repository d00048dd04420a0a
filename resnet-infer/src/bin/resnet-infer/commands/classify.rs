//! `classify`: prints the most probable classes of each image.

use anyhow::{Context, Result};
use burn::tensor::backend::Backend;
use rayon::prelude::*;
use resnet_backend::Work;
use resnet_cli::{Outcome, check_classifier, compiles, note};
use resnet_core::Network as _;
use resnet_image::{Pixels, Preprocessing};
use resnet_infer::{Classifier, Labels, OutputActivation, Prediction};
use resnet_weights::{Classes, Resolved};

use crate::cli::Classify;
use crate::images::{self, Source};
use crate::output::{self, Writer};

pub(crate) fn run(args: Classify, offline: bool) -> Result<Outcome> {
    args.compile.check(args.network.runtime.selection())?;
    let sources = images::find(&args.paths)?;
    let labels = args.labels.as_ref().map(Labels::open).transpose()?;
    // `--labels` implies custom classes: the checkpoint gives their number.
    let classes = if labels.is_some() {
        Classes::FromFile
    } else {
        Classes::FromArch
    };
    let network = args.network.resolve(classes, offline)?;
    let preprocessing = args.preprocessing.over(network.preprocessing);
    let labels = resnet_cli::labels(labels, args.labels.as_deref(), &network)?;
    check_classifier(&network, &preprocessing)?;
    if let Some(side) = preprocessing.crop {
        let memory = args.network.runtime.memory;
        let file = network.checkpoint.name();
        memory.check(file, &network.config, 1, [side as usize; 2], "--crop")?;
    }
    let activation = match network.config.num_classes {
        1 => OutputActivation::Sigmoid,
        _ => args.activation.unwrap_or(network.activation),
    };
    for text in output_notes(&labels, network.config.num_classes, args.activation) {
        note(&text);
    }
    let runtime = args.network.runtime;
    let job = Job {
        args,
        sources,
        network,
        preprocessing,
        labels,
        activation,
    };
    match compiles(runtime.selection()) {
        true => job.compiled(),
        false => resnet_backend::with_backend(runtime.selection(), job)?,
    }
}

/// Returns notes about the printed class names and probabilities.
fn output_notes(
    labels: &Labels,
    classes: usize,
    activation: Option<OutputActivation>,
) -> Vec<String> {
    let mut notes = Vec::new();
    if labels.are_numbers() {
        notes.push(
            "the weights do not name the classes: predictions show class indices; pass --labels FILE to name them"
                .into(),
        );
    }
    if classes == 1 {
        notes.push(
            "the network has a single logit: its sigmoid is the probability of class 1".into(),
        );
    }
    if classes == 1 && activation == Some(OutputActivation::Softmax) {
        notes.push(
            "--activation softmax: the softmax of a single logit is always 1; the sigmoid is used instead"
                .into(),
        );
    }
    notes
}

/// The validated input of the command, ready for the backend.
struct Job {
    args: Classify,
    sources: Vec<Source>,
    network: Resolved,
    preprocessing: Preprocessing,
    labels: Labels,
    activation: OutputActivation,
}

impl Work for Job {
    type Output = Result<Outcome>;

    fn run<B: Backend>(self, device: B::Device) -> Result<Outcome> {
        let model = resnet_cli::load::<B>(&self.network, &device)?;
        let model = model.fuse().cast(self.args.network.runtime.dtype.into())?;
        let (preprocessing, labels) = (self.preprocessing, self.labels.clone());
        let classifier = Classifier::new(model, preprocessing, labels, &device)?;
        self.classify(classifier)
    }
}

impl Job {
    fn compiled(self) -> Result<Outcome> {
        let Classify {
            network,
            compile,
            batch_size,
            ..
        } = &self.args;
        let batch = self.sources.len().clamp(1, *batch_size);
        let options = compile.for_images(network.runtime.dtype, batch, &self.preprocessing);
        let engine = resnet_cli::compile(&self.network, options)?;
        let (preprocessing, labels) = (self.preprocessing, self.labels.clone());
        let classifier = Classifier::from_engine(engine, preprocessing, labels)?;
        self.classify(classifier)
    }

    fn classify(self, classifier: Classifier) -> Result<Outcome> {
        let classifier = classifier
            .with_activation(self.activation)
            .with_memory_limit(self.args.network.runtime.memory.limit())
            .with_batch_size(self.args.batch_size);
        let all = self.network.config.num_classes.max(2);
        let classifier = match (self.args.top_k, self.args.threshold) {
            (top_k, Some(threshold)) => classifier
                .with_top_k(top_k.unwrap_or(all))
                .with_threshold(threshold),
            (top_k, None) => classifier.with_top_k(top_k.unwrap_or(5)),
        };
        let mut writer = Writer::new(
            &self.args,
            &self.network.name,
            self.activation,
            &self.sources,
        )?;
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
        Ok(Outcome::of(failed))
    }
}

/// Classifies a batch of sources and returns one result per source. Unreadable images do not affect
/// the others.
fn classify(classifier: &Classifier, sources: &[Source]) -> Vec<Result<Prediction>> {
    let prepare = |source: &Source| -> Result<Pixels> {
        classifier
            .prepare(source.open(classifier.preprocessing().channels())?)
            .with_context(|| format!("`{source}`"))
    };
    let prepared: Vec<Result<Pixels>> = sources.par_iter().map(prepare).collect();
    let images: Vec<Pixels> = prepared.iter().flatten().cloned().collect();
    let mut predictions = classifier.classify_prepared(&images).into_iter();
    let prediction = |image: Result<Pixels>| {
        image?;
        Ok(predictions.next().context("no prediction")??)
    };
    prepared.into_iter().map(prediction).collect()
}
