//! What a run tells as it goes on.

use std::time::Duration;

use burn::tensor::backend::Backend;
use resnet_core::ResNet;
use resnet_data::{BadImage, Scores};

/// A window of steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// The epoch, from 0.
    pub epoch: u64,
    /// Batches of it that are over, of how many.
    pub batch: [usize; 2],
    /// Steps since the start.
    pub step: u64,
    /// The mean loss of the window.
    pub loss: f64,
    /// The learning rate of its last step.
    pub learning_rate: f64,
    /// Images of the window, and the time they took.
    pub images: usize,
    /// The time they took.
    pub time: Duration,
}

/// An epoch.
#[derive(Clone, Debug)]
pub struct EpochReport {
    /// The epoch, from 0.
    pub epoch: u64,
    /// Its mean loss.
    pub loss: f64,
    /// The scores on the validation images.
    pub valid: Option<Scores>,
    /// Whether those are the best so far.
    pub best: bool,
}

/// Sees a run as it goes on.
pub trait Observer<B: Backend> {
    /// A window of steps is over.
    fn steps(&mut self, _report: &StepReport) {}

    /// An epoch is over; `model` is the one that was validated: the average where one is kept.
    ///
    /// # Errors
    ///
    /// What the observer says; the run ends then.
    fn epoch(&mut self, _report: &EpochReport, _model: &ResNet<B>) -> Result<(), String> {
        Ok(())
    }

    /// An image cannot be had.
    ///
    /// # Errors
    ///
    /// What the observer says; the run ends then.
    fn bad_image(&mut self, _image: &BadImage) -> Result<(), String> {
        Ok(())
    }

    /// Whether the run shall end, with its state saved.
    fn stop(&mut self) -> bool {
        false
    }
}

/// Sees nothing.
impl<B: Backend> Observer<B> for () {}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All epochs are over.
    Done,
    /// The observer asked for the end.
    Stopped,
}
