//! The errors of a training loop.

use resnet_data::LoaderError;
use resnet_image::BatchError;

use crate::{EvaluateError, PeersError, TrainingStateError};

/// An error that ends a training loop. The last training state stays valid.
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
    /// No batch of the epoch had enough readable images.
    #[error("epoch {}: expected a batch with {least} readable images or more, found none in {batches} batches", .epoch + 1)]
    NoImages {
        /// The epoch, from 0.
        epoch: u64,
        /// The batches of the epoch.
        batches: usize,
        /// The minimum batch size.
        least: usize,
    },
    /// The batches are too small for batch norm.
    #[error(
        "expected {least} images or more in a batch, found {found}: the last maps of {0}x{1} pixels are {2}x{3}, and batch norm in training needs two values per channel or more; use a larger batch (`DataLoader::with_batch_size`), larger images (`Augment::crop`), or running statistics (norms = \"eval\")",
        .size[0], .size[1], .last_map[0], .last_map[1]
    )]
    TooFew {
        /// The minimum batch size.
        least: usize,
        /// The size of the smallest batch.
        found: usize,
        /// Width and height of the images.
        size: [usize; 2],
        /// Width and height of the last feature maps.
        last_map: [usize; 2],
    },
    /// Instance norm would see feature maps of one pixel.
    #[error(
        "expected larger images (`Augment::crop`), found {width}x{height} pixels: the last maps have one pixel, and instance norm needs two or more"
    )]
    OnePixel {
        /// The image width.
        width: usize,
        /// The image height.
        height: usize,
    },
    /// The position belongs to another run.
    #[error("expected a position of this run, found {0}")]
    Position(String),
    /// The images cannot be batched.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The data loader cannot start.
    #[error(transparent)]
    DataLoader(#[from] LoaderError),
    /// The validation failed.
    #[error("validation")]
    Evaluate(#[from] EvaluateError),
    /// The detections cannot be compared with the annotations.
    #[cfg(feature = "dense")]
    #[error("validation")]
    Coco(#[from] resnet_data::coco::CocoError),
    /// The training state cannot be written.
    #[error(transparent)]
    State(#[from] TrainingStateError),
    /// The connection to another process failed.
    #[error(transparent)]
    Peers(#[from] PeersError),
    /// The observer ended the run.
    #[error("{0}")]
    Observer(String),
}
