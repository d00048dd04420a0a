//! Why a run ends early.

use resnet_data::LoaderError;
use resnet_image::BatchError;

use crate::{EvaluateError, PeersError, TrainingStateError};

/// Why a run could not go on. Its last training state is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// The loss is NaN or infinite.
    #[error("the loss is {loss} at step {step} of epoch {}: expected a finite number; lower the learning rate, or clip gradients", .epoch + 1)]
    NonFinite {
        /// The epoch, from 0.
        epoch: u64,
        /// Steps since the start.
        step: u64,
        /// The loss.
        loss: f64,
    },
    /// There was nothing to learn from.
    #[error("epoch {}: expected a batch with {least} readable images or more, found none in {batches} batches", .epoch + 1)]
    NoImages {
        /// The epoch, from 0.
        epoch: u64,
        /// Its batches.
        batches: usize,
        /// The fewest images of a step.
        least: usize,
    },
    /// The batches have too few images for the batch norms.
    #[error(
        "expected {least} images or more in a batch, found {found}: the last maps of {0}x{1} pixels are {2}x{3}, and batch norm in training needs two values per channel or more; use a larger batch (`DataLoader::with_batch_size`), larger images (`Augment::crop`), or running statistics (norms = \"eval\")",
        .size[0], .size[1], .last_map[0], .last_map[1]
    )]
    TooFew {
        /// The fewest images of a step.
        least: usize,
        /// The images of a batch.
        found: usize,
        /// Width and height of the images.
        size: [usize; 2],
        /// Width and height of the last maps.
        last_map: [usize; 2],
    },
    /// Instance norm would see maps of one pixel.
    #[error(
        "expected larger images (`Augment::crop`), found {width}x{height} pixels: the last maps have one pixel, and instance norm needs two or more"
    )]
    OnePixel {
        /// The width of the images.
        width: usize,
        /// Their height.
        height: usize,
    },
    /// The position is of another run.
    #[error("expected a position of this run, found {0}")]
    Position(String),
    /// Images do not make a batch.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// No images can be prepared.
    #[error(transparent)]
    DataLoader(#[from] LoaderError),
    /// The validation failed.
    #[error("validation")]
    Evaluate(#[from] EvaluateError),
    /// The state cannot be written.
    #[error(transparent)]
    State(#[from] TrainingStateError),
    /// A process that trains along is gone.
    #[error(transparent)]
    Peers(#[from] PeersError),
    /// The observer ended the run.
    #[error("{0}")]
    Observer(String),
}
