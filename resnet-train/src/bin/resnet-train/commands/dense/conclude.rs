//! The end of a run: the scores of the best network, a sheet of its worst images, and a model card.

use std::fmt::Write;

use anyhow::{Context, Result};
use burn::tensor::backend::Backend;
use resnet_cli::Outcome;
use resnet_core::Network;
use resnet_data::BadImage;
use resnet_data::coco::CocoTask;
use resnet_dense::{DenseConfig, DetectorNetwork, Segmentation};
use resnet_train::dense::{DenseScores, DetectionTask, SegmentationTask};
use resnet_weights::{Checkpoint, Load};

use super::{Data, Job, mistakes};
use crate::commands::png;
use crate::run::Run;

const BEST: &str = "best.safetensors";

impl Job {
    /// Evaluates the best network, writes scores, mistakes and a model card, and prints the result.
    pub(super) fn conclude<B: Backend>(
        &self,
        run: &mut Run,
        device: &B::Device,
    ) -> Result<Outcome> {
        let path = self.args.output.join(BEST);
        if !path.exists() {
            run.progress("no epoch had a score above 0; last.safetensors has the last network");
            return Ok(Outcome::of(!run.unreadable.is_empty()));
        }
        let best = Checkpoint::open(&path)?;
        let mut bad = |image: BadImage| {
            run.unreadable.insert(image.name);
        };
        let (scores, sheet, parameters) = match (&self.data, &self.start.network) {
            (Data::Objects([_, valid]), DenseConfig::Detection(config)) => {
                let network: DetectorNetwork<B> = config.init(device);
                let (network, _) = Load::default().apply(network, &best)?;
                let scores = DetectionTask::evaluate_on(valid, &network, device, &mut bad)?;
                let parameters = network.num_parameters();
                let sheet = mistakes::of_objects(valid, &network.fuse(), device);
                (scores, sheet, parameters)
            }
            (Data::ClassMaps([_, valid]), DenseConfig::Segmentation(config)) => {
                let network: Segmentation<B> = config.init(device);
                let (network, _) = Load::default().apply(network, &best)?;
                let preprocessing = self.config.segmentation_preprocessing();
                let scores = SegmentationTask::evaluate_on(
                    valid,
                    &network,
                    &preprocessing,
                    device,
                    &mut bad,
                )?;
                let parameters = network.num_parameters();
                let sheet = mistakes::of_pixels(valid, &network.fuse(), &preprocessing, device)?;
                (scores, sheet, parameters)
            }
            _ => return Ok(Outcome::Done),
        };
        run.write("mistakes.png", &png(&sheet)?)?;
        let json = self.json(&scores)?;
        run.write("scores.json", &json)?;
        run.write("README.md", self.card(&scores, parameters).as_bytes())?;
        run.result(&format!(
            "best: {}; saved as `{}`",
            scores.line(),
            path.display()
        ))?;
        Ok(Outcome::of(!run.unreadable.is_empty()))
    }

    fn json(&self, scores: &DenseScores) -> Result<Vec<u8>> {
        let value = match scores {
            DenseScores::Objects(tasks) => serde_json::json!({
                "images": self.data.lengths()[1],
                "tasks": tasks,
            }),
            DenseScores::Pixels(pixels) => serde_json::json!({
                "images": self.data.lengths()[1],
                "mean_iou": pixels.mean_iou(),
                "pixel_accuracy": pixels.pixel_accuracy(),
                "classes": pixels.classes(),
            }),
        };
        serde_json::to_vec_pretty(&value).context("scores")
    }

    /// Returns the model card as Markdown.
    fn card(&self, scores: &DenseScores, parameters: usize) -> String {
        let escape = resnet_train::report::markdown;
        // COCO writes -1 for metrics without ground truth.
        let score = |value: f64| match value {
            value if value < 0.0 => "-".into(),
            value => format!("{value:.3}"),
        };
        let [train, valid] = self.data.lengths();
        let command = match scores {
            DenseScores::Objects(_) => "detect",
            DenseScores::Pixels(_) => "segment",
        };
        let mut text = format!(
            "# {}\n\n\
             {parameters} parameters, {} classes, trained with resnet-train {}.\n\n\
             * Initial weights: {}\n\
             * Dataset: {}, {train} training images, {valid} validation images\n\
             * Seed: {}\n\
             * License: not stated; choose one that the images and the initial weights allow\n\n\
             ## Accuracy\n\n\
             On the {valid} validation images, which also selected the best epoch:\n\n",
            escape(&self.start.name),
            self.data.classes().len(),
            env!("CARGO_PKG_VERSION"),
            escape(&self.start.origin),
            escape(&self.args.data.data.display().to_string()),
            self.config.seed,
        );
        match scores {
            DenseScores::Objects(tasks) => {
                for task in tasks {
                    let title = match task.task {
                        CocoTask::Boxes => "boxes",
                        CocoTask::Masks => "masks",
                        CocoTask::Keypoints => "keypoints",
                    };
                    let _ = writeln!(text, "| {title} | |\n|---|---:|");
                    for metric in &task.numbers {
                        let value = score(metric.value);
                        let _ = writeln!(text, "| {} | {value} |", metric.name);
                    }
                    for class in &task.categories {
                        let (name, ap) = (escape(&class.name), score(class.ap));
                        let _ = writeln!(text, "| AP of {name} | {ap} |");
                    }
                    text.push('\n');
                }
            }
            DenseScores::Pixels(pixels) => {
                let percent = |share: Option<f64>| {
                    share.map_or("-".into(), |share| format!("{:.1} %", 100.0 * share))
                };
                let _ = writeln!(text, "| class | IoU | accuracy |\n|---|---:|---:|");
                let labels = self.data.labels(&self.start.network);
                for (class, found) in pixels.classes().into_iter().enumerate() {
                    let (iou, accuracy) = (percent(found.iou), percent(found.accuracy));
                    let name = escape(labels.get(class));
                    let _ = writeln!(text, "| {name} | {iou} | {accuracy} |");
                }
                let (iou, accuracy) = (pixels.mean_iou(), pixels.pixel_accuracy());
                let (iou, accuracy) = (percent(iou), percent(accuracy));
                let _ = writeln!(text, "| mean, and all pixels | {iou} | {accuracy} |\n");
            }
        }
        text += "![loss and accuracy](curves.svg)\n\n## Usage\n\n```sh\n";
        let _ = writeln!(
            text,
            "resnet-infer {command} photo.jpg --weights best.safetensors --draw drawings\n```\n"
        );
        text += "The file stores the network, the classes and the preprocessing. `config.toml` has the hyperparameters. `mistakes.png` shows the worst validation images: ground truth on the left, predictions on the right.\n";
        text
    }
}
