//! Learning rate schedules.

use std::f64::consts::PI;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits;

/// The decay of the learning rate. Rates are fractions of the peak learning rate and change with
/// every step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Decay {
    /// No decay.
    Constant,
    /// Cosine decay to [`Schedule::end`] (Loshchilov & Hutter 2016): PyTorch's `CosineAnnealingLR`.
    /// The cosine schedule of Burn 0.21 restarts at the end.
    #[default]
    Cosine,
    /// Polynomial decay to 0: `(1 - share)^power`. PyTorch's `PolynomialLR`.
    Polynomial {
        /// The exponent.
        power: f64,
    },
    /// Step decay: a factor at given epochs. PyTorch's `MultiStepLR`.
    Steps {
        /// The epochs.
        epochs: Vec<f64>,
        /// The factor.
        factor: f64,
    },
    /// One cycle: a cosine from 1/25 of the peak to the peak, then a cosine to 1/250,000 of the
    /// peak (Smith & Topin 2017). PyTorch's `OneCycleLR`. It includes a warm-up.
    OneCycle {
        /// The fraction of the run in which the learning rate rises.
        rise: f64,
    },
    /// Reduction on plateau: a factor whenever the validation loss has not improved for more than
    /// `patience` epochs in a row. PyTorch's `ReduceLROnPlateau`.
    Plateau {
        /// The number of epochs.
        patience: u64,
        /// The factor.
        factor: f64,
    },
}

/// A learning rate schedule over the steps of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// The decay.
    pub decay: Decay,
    /// Warm-up steps. The learning rate rises linearly from `warmup_start` to the peak: PyTorch's
    /// `LinearLR`.
    pub warmup: u64,
    /// The learning rate at the start of the warm-up, as a fraction of the peak.
    pub warmup_start: f64,
    /// The learning rate at the end of a cosine decay, as a fraction of the peak.
    pub end: f64,
    /// Steps per epoch.
    pub epoch: u64,
    /// Steps of the run.
    pub total: u64,
}

impl Schedule {
    /// Returns the learning rate of a step as a fraction of the peak, without the factor of
    /// [`Plateau`].
    pub fn rate(&self, step: u64) -> f64 {
        if let Decay::OneCycle { rise } = self.decay {
            return one_cycle(step as f64, self.total as f64, rise);
        }
        if step < self.warmup {
            let share = step as f64 / self.warmup as f64;
            return self.warmup_start + (1.0 - self.warmup_start) * share;
        }
        let steps = self.total.saturating_sub(self.warmup).max(1);
        let share = ((step - self.warmup) as f64 / steps as f64).min(1.0);
        match &self.decay {
            Decay::Cosine => cosine(1.0, self.end, share),
            Decay::Polynomial { power } => (1.0 - share).powf(*power),
            Decay::Steps { epochs, factor } => {
                let passed = |&&epoch: &&f64| step as f64 >= epoch * self.epoch as f64;
                factor.powi(epochs.iter().filter(passed).count() as i32)
            }
            Decay::Constant | Decay::OneCycle { .. } | Decay::Plateau { .. } => 1.0,
        }
    }
}

/// Interpolates between two values along half a cosine.
fn cosine(from: f64, to: f64, share: f64) -> f64 {
    to + (from - to) * (1.0 + (PI * share).cos()) / 2.0
}

fn one_cycle(step: f64, total: f64, rise: f64) -> f64 {
    const START: f64 = 1.0 / 25.0;
    const END: f64 = START / 1e4;
    let (top, last) = (rise * total - 1.0, total - 1.0);
    if top > 0.0 && step <= top {
        cosine(START, 1.0, step / top)
    } else {
        cosine(1.0, END, ((step - top) / (last - top)).min(1.0))
    }
}

impl fmt::Display for Plateau {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (factor, bad) = (self.factor, self.bad_epochs);
        match self.best {
            Some(best) => write!(f, "a factor of {factor:e}, a best loss of {best:e}")?,
            None => write!(f, "a factor of {factor:e}, no best loss")?,
        }
        write!(f, ", {bad} epochs without a lower one")
    }
}

/// The state of [`Decay::Plateau`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plateau {
    /// The current factor of the learning rate.
    pub factor: f64,
    best: Option<f64>,
    bad_epochs: u64,
}

impl Default for Plateau {
    fn default() -> Self {
        Self {
            factor: 1.0,
            best: None,
            bad_epochs: 0,
        }
    }
}

impl Plateau {
    /// Returns whether some validation losses lead to this state after `epochs` epochs of `decay`.
    pub(crate) fn is_possible(&self, decay: &Decay, epochs: u64, validated: bool) -> bool {
        let (&Decay::Plateau { patience, factor }, true) = (decay, validated && epochs > 0) else {
            return *self == Self::default();
        };
        // The first epoch sets the best loss. The rate falls after `patience + 1` epochs without a
        // lower one.
        let cycle = patience.saturating_add(1);
        let worse = epochs - 1;
        let most = (worse / cycle).min(limits::EPOCHS);
        let (mut falls, mut product) = (0, 1.0);
        while (product - self.factor).abs() > 1e-9 * product {
            if falls == most || product < self.factor {
                return false;
            }
            falls += 1;
            product *= factor;
        }
        self.best
            .is_some_and(|best| best.is_finite() && best >= 0.0)
            && self.bad_epochs <= patience.min(worse - falls * cycle)
    }

    /// Records the validation loss of an epoch. It counts as lower if it is below the best by more
    /// than 0.01%.
    pub fn note(&mut self, decay: &Decay, loss: f64) {
        let &Decay::Plateau { patience, factor } = decay else {
            return;
        };
        match self.best {
            Some(best) if loss >= best * (1.0 - 1e-4) => self.bad_epochs += 1,
            _ => {
                self.best = Some(loss);
                self.bad_epochs = 0;
            }
        }
        if self.bad_epochs > patience {
            self.factor *= factor;
            self.bad_epochs = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plateau_state_is_possible_if_losses_lead_to_it() {
        let decay = Decay::Plateau {
            patience: 1,
            factor: 0.1,
        };
        // All runs of eight epochs in which each loss is either the lowest so far or higher.
        for losses in 0..256_u32 {
            let mut plateau = Plateau::default();
            assert!(plateau.is_possible(&decay, 0, true));
            for epoch in 0..8_u64 {
                let higher = (losses >> epoch) & 1 == 1;
                plateau.note(&decay, if higher { 10.0 } else { 9.0 - epoch as f64 });
                assert!(plateau.is_possible(&decay, epoch + 1, true), "{plateau}");
                // Without validation or with another decay, the state stays at its default.
                assert!(!plateau.is_possible(&decay, epoch + 1, false));
                assert!(!plateau.is_possible(&Decay::Cosine, epoch + 1, true));
            }
        }
        assert!(Plateau::default().is_possible(&Decay::Cosine, 8, true));
        assert!(!Plateau::default().is_possible(&decay, 8, true));
        let state = |factor, best, bad_epochs| Plateau {
            factor,
            best,
            bad_epochs,
        };
        for wrong in [
            state(0.0, Some(1.0), 0),
            state(1e-320, Some(1.0), 0),
            state(0.5, Some(1.0), 0),
            state(1.1, Some(1.0), 0),
            // Four reductions take nine epochs.
            state(1e-4, Some(1.0), 0),
            state(1e-3, Some(1.0), 2),
            state(1.0, Some(1.0), 2),
            state(1.0, Some(-1.0), 0),
            state(1.0, None, 0),
        ] {
            assert!(!wrong.is_possible(&decay, 8, true), "{wrong}");
        }
        assert!(state(1e-3, Some(1.0), 1).is_possible(&decay, 8, true));
        assert!(!state(0.5, Some(1.0), 0).is_possible(&decay, u64::MAX, true));
    }
}
