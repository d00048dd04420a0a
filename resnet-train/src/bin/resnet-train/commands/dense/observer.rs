//! What a run prints and writes after steps and epochs.

use anyhow::Result;
use burn::tensor::backend::Backend;
use resnet_core::Network;
use resnet_data::BadImage;
use resnet_train::StepReport;
use resnet_train::dense::{DenseEpoch, DenseObserver};
use resnet_train::report::{DenseLog, DenseRow, dense_curves_svg};

use crate::run::Run;

/// Writes the files of a run.
pub(super) struct Observe<'a> {
    pub(super) run: &'a mut Run,
    pub(super) log: DenseLog,
}

impl Observe<'_> {
    fn end<B: Backend>(&mut self, report: &DenseEpoch, network: &impl Network<B>) -> Result<()> {
        let clock = self.run.take_clock();
        let row = DenseRow {
            epoch: report.epoch + 1,
            learning_rate: clock.learning_rate,
            train_loss: report.loss,
            images_per_second: clock.images_per_second(),
            seconds: clock.elapsed(),
            metrics: report
                .valid
                .as_ref()
                .map(|scores| scores.metrics())
                .unwrap_or_default(),
        };
        let line = report.valid.as_ref().map(|scores| scores.line());
        self.run.progress(&format!(
            "{:>3}/{}  loss {:.4}  {}{}  {:.1} images/s, {:.0} s",
            row.epoch,
            self.run.epochs,
            row.train_loss,
            line.unwrap_or_default(),
            if report.best { " *" } else { "  " },
            row.images_per_second,
            row.seconds,
        ));
        let save = |name: &str| {
            let path = self.run.folder.join(name);
            self.run.save.safetensors(network, path)
        };
        save("last.safetensors")?;
        if report.best {
            save("best.safetensors")?;
        }
        self.log.push(row)?;
        let curves = dense_curves_svg(self.log.rows());
        self.run.write("curves.svg", curves.as_bytes())
    }
}

impl<B: Backend, N: Network<B>> DenseObserver<B, N> for Observe<'_> {
    fn steps(&mut self, report: &StepReport) {
        self.run.show_steps(report);
    }

    fn epoch(&mut self, report: &DenseEpoch, network: &N) -> Result<(), String> {
        self.end(report, network)
            .map_err(|error| format!("{error:#}"))
    }

    fn bad_image(&mut self, image: &BadImage) -> Result<(), String> {
        self.run.note_bad_image(image)
    }

    fn stop(&mut self) -> bool {
        self.run.is_stopped()
    }
}
