//! Progress reports of a run, and the observer that receives them.

use std::time::Duration;

use burn::tensor::backend::Backend;
use resnet_core::ResNet;
use resnet_data::{BadImage, Scores};

/// A report on a window of up to 10 steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// The epoch, from 0.
    pub epoch: u64,
    /// Finished batches of the epoch, and all batches of the epoch.
    pub batch: [usize; 2],
    /// Steps taken so far.
    pub step: u64,
    /// Mean loss of the window.
    pub loss: f64,
    /// Learning rate of the last step of the window.
    pub learning_rate: f64,
    /// Number of images in the window.
    pub images: usize,
    /// Wall time of the window.
    pub time: Duration,
}

/// A report on an epoch.
#[derive(Clone, Debug)]
pub struct EpochReport {
    /// The epoch, from 0.
    pub epoch: u64,
    /// Mean training loss.
    pub loss: f64,
    /// Scores on the validation set, if there is one.
    pub valid: Option<Scores>,
    /// Whether these scores are the best so far.
    pub best: bool,
}

/// A callback for the progress of a run.
pub trait Observer<B: Backend> {
    /// Receives a report after each window of steps.
    fn steps(&mut self, _report: &StepReport) {}

    /// Receives a report after each epoch. `model` is the validated network: the moving average if
    /// there is one.
    ///
    /// # Errors
    ///
    /// Returns an error to end the run.
    fn epoch(&mut self, _report: &EpochReport, _model: &ResNet<B>) -> Result<(), String> {
        Ok(())
    }

    /// Receives each unreadable image, in every epoch.
    ///
    /// # Errors
    ///
    /// Returns an error to end the run.
    fn bad_image(&mut self, _image: &BadImage) -> Result<(), String> {
        Ok(())
    }

    /// Returns whether the run should save its training state and stop.
    fn stop(&mut self) -> bool {
        false
    }
}

/// An observer that ignores all reports.
impl<B: Backend> Observer<B> for () {}

/// The way a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All epochs are done.
    Done,
    /// The observer stopped the run.
    Stopped,
}
