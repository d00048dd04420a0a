//! The end of a run: scores of the best network, figures and a model card.

use anyhow::Result;
use burn::tensor::backend::Backend;
use resnet_cli::Outcome;
use resnet_core::{Network, ResNet};
use resnet_data::{BadImage, DataLoader, Scores};
use resnet_train::evaluate;
use resnet_train::report::{Card, confusion_svg};
use resnet_weights::{Checkpoint, Load};

use super::Job;
use super::mistakes::Mistakes;
use crate::commands::png;
use crate::run::Run;

const BEST: &str = "best.safetensors";

impl Job {
    /// Evaluates the best network, writes scores, figures and a model card, and prints the result.
    pub(super) fn conclude<B: Backend>(
        &self,
        run: &mut Run,
        device: &B::Device,
    ) -> Result<Outcome> {
        let best = Checkpoint::open(self.args.output.join(BEST))?;
        let model: ResNet<B> = self.start.network.init(device);
        let (model, _) = Load::default().apply(model, &best)?;
        let valid = &self.data[1];
        let loader = DataLoader::new(valid.clone(), self.start.preprocessing)
            .with_batch_size(self.config.batch_size);
        let mut mistakes = Mistakes::default();
        let mut bad = Vec::new();
        let each = |number: usize, logits: &[f32]| mistakes.add(valid, number, logits);
        let scores = evaluate(
            &model.clone().fuse(),
            &loader,
            device,
            u64::MAX,
            each,
            |image: &BadImage| {
                bad.push(image.name.clone());
            },
        )?;
        run.unreadable.extend(bad);
        let classes = valid.classes();
        if !valid.is_multi_label() {
            run.write("confusion.svg", confusion_svg(&scores, classes).as_bytes())?;
        }
        run.write("mistakes.png", &png(&mistakes.sheet(valid))?)?;
        run.write("scores.json", &self.json(&scores)?)?;
        let card = Card {
            network: &self.start.name,
            start: &self.start.origin,
            data: &self.args.data.data.display().to_string(),
            images: [self.data[0].len(), valid.len()],
            classes,
            scores: &scores,
            config: &self.config,
            parameters: model.num_parameters(),
        };
        run.write("README.md", card.to_markdown().as_bytes())?;
        run.result(&format!(
            "best: top-1 {:.2} %, loss {:.4}; saved as `{}`",
            100.0 * scores.top1(),
            scores.loss(),
            self.args.output.join(BEST).display()
        ))?;
        Ok(Outcome::of(!run.unreadable.is_empty()))
    }

    fn json(&self, scores: &Scores) -> Result<Vec<u8>> {
        let classes: Vec<_> = scores.per_class();
        let value = serde_json::json!({
            "images": scores.images(),
            "top1": scores.top1(),
            "top5": scores.top5(),
            "loss": scores.loss(),
            "calibration_error": scores.calibration_error(),
            "names": self.data[1].classes(),
            "classes": classes,
        });
        Ok(serde_json::to_vec_pretty(&value)?)
    }
}
