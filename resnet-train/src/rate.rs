//! The learning rate range test.

use burn::tensor::backend::AutodiffBackend;

use crate::{Fit, FitError, Trainer};

/// A learning rate range test: the loss at learning rates that grow with every step (Smith 2015,
/// section 3.3).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RateSearch {
    /// Pairs of learning rate and smoothed loss.
    pub points: Vec<(f64, f64)>,
}

/// Decay of the exponential moving average of the loss.
const MEMORY: f64 = 0.9;

/// The search ends if the loss exceeds this factor times the best loss.
const DIVERGED: f64 = 4.0;

impl RateSearch {
    /// Takes up to `steps` training steps. The learning rate grows geometrically from `from` to
    /// `to`. The search ends early if the loss diverges. Discard the network afterwards.
    ///
    /// # Errors
    ///
    /// Returns an error if the images cannot be batched or an epoch has no batch with enough
    /// readable images.
    ///
    /// # Panics
    ///
    /// Panics if the network and the dataset differ in the number of classes.
    pub fn run<B: AutodiffBackend>(
        trainer: &mut Trainer<B>,
        fit: &Fit,
        [from, to]: [f64; 2],
        steps: usize,
        device: &B::Device,
    ) -> Result<Self, FitError> {
        let mut search = Self::default();
        let (mut mean, mut best) = (0.0, f64::INFINITY);
        let mut epoch = 0;
        while search.points.len() < steps {
            let before = search.points.len();
            let mut least = 1;
            for batch in fit.train.epoch(epoch)? {
                if search.points.len() == steps {
                    break;
                }
                least = least.max(trainer.least_images(&batch));
                let parts = fit.parts(&batch, trainer, device)?;
                if parts.is_empty() {
                    continue;
                }
                let step = search.points.len();
                let share = step as f64 / (steps - 1).max(1) as f64;
                let rate = from * (to / from).powf(share);
                let loss = trainer.step_batch(rate, parts);
                let loss: f64 = loss.into_data().iter::<f64>().sum();
                mean = MEMORY * mean + (1.0 - MEMORY) * loss;
                let smooth = mean / (1.0 - MEMORY.powi(step as i32 + 1));
                if !smooth.is_finite() || smooth > DIVERGED * best {
                    return Ok(search);
                }
                best = best.min(smooth);
                search.points.push((rate, smooth));
            }
            if search.points.len() == before {
                return Err(FitError::NoImages {
                    epoch,
                    batches: fit.train.len(),
                    least,
                });
            }
            epoch += 1;
        }
        Ok(search)
    }

    /// Returns the learning rate at which the loss falls fastest, or `None` if it never falls.
    pub fn suggestion(&self) -> Option<f64> {
        const REACH: usize = 3;
        let slope = |window: &[(f64, f64)]| {
            let (first, last) = (window[0], window[2 * REACH]);
            (last.1 - first.1) / (last.0 / first.0).ln()
        };
        let windows = self.points.windows(2 * REACH + 1);
        let steepest = windows.min_by(|a, b| slope(a).total_cmp(&slope(b)))?;
        (slope(steepest) < 0.0).then(|| steepest[REACH].0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suggestion_is_where_the_loss_falls_fastest() {
        // The loss over the logarithm of the rate is flat, falls around 1e-2, is flat again, then
        // rises.
        let loss = |x: f64| -1.0 / (1.0 + (-4.0 * (x + 2.0)).exp()) + (x + 0.5).max(0.0).powi(2);
        let rates = (0..100).map(|i| -6.0 + 0.06 * f64::from(i));
        let points = rates.map(|x| (10.0_f64.powf(x), 2.0 + loss(x))).collect();
        let rate = RateSearch { points }.suggestion().unwrap();
        assert!((rate.log10() + 2.0).abs() < 0.1, "{rate}");
        let points = (1..50).map(|i| (f64::from(i), f64::from(i))).collect();
        assert_eq!(RateSearch { points }.suggestion(), None);
        assert_eq!(RateSearch::default().suggestion(), None);
    }
}
