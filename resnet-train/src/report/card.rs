//! A page about a network that was trained.

use std::fmt::Write;

use resnet_data::Scores;

use super::escape::markdown;
use crate::Config;

/// What a model card tells.
#[derive(Debug)]
pub struct Card<'a> {
    /// The name of the network.
    pub network: &'a str,
    /// What it started from.
    pub start: &'a str,
    /// Where the images were.
    pub data: &'a str,
    /// Images to train from, and to validate with.
    pub images: [usize; 2],
    /// The names of the classes.
    pub classes: &'a [String],
    /// How good it is on the validation images.
    pub scores: &'a Scores,
    /// The numbers of the run.
    pub config: &'a Config,
    /// Trainable parameters.
    pub parameters: usize,
}

impl Card<'_> {
    /// Returns the page, in Markdown; names and paths are plain words in it, whatever they hold.
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
             A residual network of {parameters} parameters and {} classes, trained by resnet-train {}.\n\n\
             * Start: {start}\n\
             * Images: {train} to train from, {valid} to validate with, from {data}\n\
             * Seed: {}\n\
             * License: not stated; it is for you to state one that the images and the start allow\n\n\
             ## How good it is\n\n\
             On the {} validation images, by which the best epoch was chosen:\n\n\
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
                 ## Its use\n\n\
                 ```sh\nresnet-infer classify photo.jpg --weights best.safetensors\n```\n\n\
                 The file tells the network, its classes and its preprocessing. The numbers of the run are in `config.toml`.\n";
        text
    }
}
