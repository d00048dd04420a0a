//! One epoch: training steps, validation and the training state.

use burn::module::{AutodiffModule, Module};
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use resnet_data::{BadImage, Batch};

use super::{Fit, FitError};
use crate::loss_window::LossWindow;
use crate::{Ending, EpochReport, Observer, Peers, Position, StepReport, Trainer, evaluate};

/// Steps between two reads of the loss. Reading waits for the device.
const WINDOW: usize = 10;

impl Fit {
    pub(super) fn epoch<B: AutodiffBackend>(
        &self,
        mut peers: Option<&mut Peers>,
        trainer: &mut Trainer<B>,
        position: &mut Position,
        device: &B::Device,
        observer: &mut impl Observer<B::InnerBackend>,
    ) -> Result<Ending, FitError> {
        let batches = self.train.len();
        let mut least = 1;
        let mut window = LossWindow::new();
        let mut wished = false;
        for batch in self.train.epoch_from(position.epoch, position.batch)? {
            for bad in &batch.bad {
                observer.bad_image(bad).map_err(FitError::Observer)?;
            }
            least = least.max(trainer.least_images(&batch));
            let learning_rate = self.rate(position);
            let others = peers.as_deref_mut();
            let wish = observer.stop();
            let stop = match self.step(others, trainer, &batch, position.step, learning_rate, wish)
            {
                Ok((loss, stop)) => {
                    window.extend(loss, batch.images.len());
                    stop
                }
                Err(error) => {
                    position.note(&window.take().0);
                    return Err(error);
                }
            };
            position.step += 1;
            position.batch += 1;
            let save = self
                .save_every
                .is_some_and(|steps| position.step.is_multiple_of(steps));
            let last = position.batch == batches;
            if window.len() == WINDOW || stop || save || last {
                let report = self.look(&mut window, position, learning_rate)?;
                observer.steps(&report);
            }
            if let (true, Some(peers)) = (stop || save, &mut peers) {
                trainer.share_statistics(peers)?;
            }
            wished = stop;
            if (stop || save) && !last {
                self.keep(trainer, position)?;
            }
            if stop && !last {
                return Ok(Ending::Stopped);
            }
        }
        if position.losses == 0 {
            return Err(FitError::NoImages {
                epoch: position.epoch,
                batches,
                least,
            });
        }
        if let Some(peers) = &mut peers {
            trainer.share_statistics(peers)?;
        }
        self.end_of_epoch(trainer, position, device, observer)?;
        // Asked last, so that all processes learn of a stop request made during validation.
        let stop = wished | observer.stop();
        match agreed(peers, stop)? && position.epoch < self.epochs {
            true => Ok(Ending::Stopped),
            false => Ok(Ending::Done),
        }
    }

    /// Returns the learning rate of the next step.
    fn rate(&self, position: &Position) -> f64 {
        let share = self.schedule.rate(position.step) * position.plateau.factor;
        self.learning_rate * share
    }

    /// Reads the losses of a window after its last step, and checks that they are finite.
    fn look<B: Backend>(
        &self,
        window: &mut LossWindow<B>,
        position: &mut Position,
        learning_rate: f64,
    ) -> Result<StepReport, FitError> {
        let (losses, images, time) = window.take();
        let loss: f64 = losses.iter().sum();
        if !loss.is_finite() {
            return Err(FitError::NonFinite {
                epoch: position.epoch,
                step: position.step - 1,
                loss,
            });
        }
        position.note(&losses);
        Ok(StepReport {
            epoch: position.epoch,
            batch: [position.batch, self.train.len()],
            step: position.step,
            loss: loss / losses.len().max(1) as f64,
            learning_rate,
            images,
            time,
        })
    }

    /// Takes one step, alone or with all processes. Returns the loss, if there were images, and
    /// whether to stop the run.
    #[allow(clippy::type_complexity, reason = "an optional loss")]
    fn step<B: AutodiffBackend>(
        &self,
        peers: Option<&mut Peers>,
        trainer: &mut Trainer<B>,
        batch: &Batch,
        step: u64,
        learning_rate: f64,
        wish: bool,
    ) -> Result<(Option<Tensor<B::InnerBackend, 1>>, bool), FitError> {
        let device = trainer.model().devices().swap_remove(0);
        let rank = peers.as_ref().map_or(0, |peers| peers.rank() as u64);
        let seed = self.seed.wrapping_mul(0x9e37_79b9).wrapping_add(step);
        B::seed(&device, seed.wrapping_add(rank << 48));
        let parts = self.parts(batch, trainer, &device)?;
        let Some(peers) = peers else {
            let loss = (!parts.is_empty()).then(|| trainer.step_batch(learning_rate, parts));
            return Ok((loss, wish));
        };
        let among = trainer.step_batch_among(peers, learning_rate, parts, wish)?;
        let loss = among
            .loss
            .map(|loss| Tensor::from_floats([loss as f32], &device));
        Ok((loss, among.stop))
    }

    fn end_of_epoch<B: AutodiffBackend>(
        &self,
        trainer: &Trainer<B>,
        position: &mut Position,
        device: &B::Device,
        observer: &mut impl Observer<B::InnerBackend>,
    ) -> Result<(), FitError> {
        let last = trainer.model().valid();
        let model = trainer.average().unwrap_or(&last);
        let mut bad = Vec::new();
        let valid = match &self.valid {
            Some(loader) => {
                let note = |image: &BadImage| bad.push(image.clone());
                Some(evaluate(model, loader, device, u64::MAX, |_, _| {}, note)?)
            }
            None => None,
        };
        for image in &bad {
            observer.bad_image(image).map_err(FitError::Observer)?;
        }
        let loss = position.mean_loss();
        let best = valid
            .as_ref()
            .is_some_and(|scores| position.improve(scores.top1(), scores.loss()));
        if let Some(valid) = &valid {
            position.plateau.note(&self.schedule.decay, valid.loss());
        }
        let report = EpochReport {
            epoch: position.epoch,
            loss,
            valid,
            best,
        };
        observer.epoch(&report, model).map_err(FitError::Observer)?;
        position.end_epoch();
        self.keep(trainer, position).map_err(FitError::from)
    }
}

/// Returns whether a process requests a stop.
fn agreed(peers: Option<&mut Peers>, stop: bool) -> Result<bool, FitError> {
    let mut wishes = [f32::from(u8::from(stop))];
    if let Some(peers) = peers {
        peers.sum(&mut wishes)?;
    }
    Ok(wishes[0] > 0.0)
}
