//! A window of unread losses. Reading a loss waits for the device, so losses are read in groups.

use std::time::{Duration, Instant};

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// The steps whose losses are not read yet.
pub(crate) struct LossWindow<B: Backend> {
    losses: Vec<Tensor<B, 1>>,
    images: usize,
    start: Instant,
}

impl<B: Backend> LossWindow<B> {
    pub(crate) fn new() -> Self {
        Self {
            losses: Vec::new(),
            images: 0,
            start: Instant::now(),
        }
    }

    /// Adds a step: its loss, if it had images, and the number of images.
    pub(crate) fn extend(&mut self, loss: Option<Tensor<B, 1>>, images: usize) {
        self.losses.extend(loss);
        self.images += images;
    }

    pub(crate) fn len(&self) -> usize {
        self.losses.len()
    }

    /// Returns losses, image count and elapsed time since the last call, and starts a new window.
    pub(crate) fn take(&mut self) -> (Vec<f64>, usize, Duration) {
        let losses = std::mem::take(&mut self.losses);
        let losses = match losses.is_empty() {
            true => Vec::new(),
            false => Tensor::cat(losses, 0).into_data().iter::<f64>().collect(),
        };
        let time = self.start.elapsed();
        self.start = Instant::now();
        (losses, std::mem::take(&mut self.images), time)
    }
}
