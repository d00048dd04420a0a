//! Losses that wait to be looked at: to look is to wait for the device.

use std::time::{Duration, Instant};

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// Steps whose losses nobody has looked at yet.
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

    /// A step more: its loss, if it had one, and its images.
    pub(crate) fn extend(&mut self, loss: Option<Tensor<B, 1>>, images: usize) {
        self.losses.extend(loss);
        self.images += images;
    }

    pub(crate) fn len(&self) -> usize {
        self.losses.len()
    }

    /// The losses, the images and the time since the last time.
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
