//! The model card of a trained network.

use std::fmt::Write;

use resnet_data::Scores;

use super::escape::markdown;
use crate::Config;

/// The content of a model card.
#[derive(Debug)]
pub struct Card<'a> {
    /// The name of the network.
    pub network: &'a str,
    /// The origin of its initial weights.
    pub start: &'a str,
    /// The path of the dataset.
    pub data: &'a str,
    /// The number of training and validation images.
    pub images: [usize; 2],
    /// The class names.
    pub classes: &'a [String],
    /// The scores on the validation set.
    pub scores: &'a Scores,
    /// The config of the run.
    pub config: &'a Config,
    /// The number of trainable parameters.
    pub parameters: usize,
}

impl Card<'_> {
    /// Returns the card as Markdown. Special characters in names and paths are escaped.
    pub fn to_markdown(&self) -> String {
        let Self {
            network,
            start,
            data,
            images: [train, valid],
            classes,
            scores,
            config,
            parameters,
        } = self;
        let [network, start, data] = [network, start, data].map(|text| markdown(text));
        let percent = |share: f64| format!("{:.2} %", 100.0 * share);
        let mut text = format!(
            "# {network}\n\n\
             A residual network with {parameters} parameters and {} classes, trained with resnet-train {}.\n\n\
             * Initial weights: {start}\n\
             * Dataset: {data}, {train} training images, {valid} validation images\n\
             * Seed: {}\n\
             * License: not stated; choose one that the images and the initial weights allow\n\n\
             ## Accuracy\n\n\
             On the {} validation images, which also selected the best epoch:\n\n\
             | top-1 | top-5 | loss | calibration error |\n|---:|---:|---:|---:|\n\
             | {} | {} | {:.4} | {:.4} |\n\n\
             | class | images | recall | precision |\n|---|---:|---:|---:|\n",
            classes.len(),
            env!("CARGO_PKG_VERSION"),
            config.seed,
            scores.images(),
            percent(scores.top1()),
            percent(scores.top5()),
            scores.loss(),
            scores.calibration_error(),
        );
        for row in scores.per_class() {
            let share = |share: Option<f64>| share.map_or("-".into(), percent);
            let name = markdown(&classes[row.class]);
            let (recall, precision) = (share(row.recall), share(row.precision));
            let _ = writeln!(text, "| {name} | {} | {recall} | {precision} |", row.images);
        }
        text += "\n![loss and accuracy](curves.svg)\n\n![confusion](confusion.svg)\n\n\
                 ## Usage\n\n\
                 ```sh\nresnet-infer classify photo.jpg --weights best.safetensors\n```\n\n\
                 The file stores the architecture, the classes and the preprocessing. `config.toml` has the hyperparameters.\n";
        text
    }
}
