//! The learning rate over the steps of a run.

use std::f64::consts::PI;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits;

/// How the learning rate falls. Rates are shares of the peak, which is the learning rate that is asked for; all change
/// with every step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Decay {
    /// Not at all.
    Constant,
    /// Along half a cosine (Loshchilov & Hutter 2016) down to a share of the peak: PyTorch's `CosineAnnealingLR`. Burn
    /// 0.21's restarts at the end.
    #[default]
    Cosine,
    /// By a factor at each of some epochs: PyTorch's `MultiStepLR`.
    Steps {
        /// The epochs.
        epochs: Vec<f64>,
        /// The factor.
        factor: f64,
    },
    /// Up along half a cosine from 1/25 of the peak, and down along another to 1/250,000 of it (Smith & Topin 2017):
    /// PyTorch's `OneCycleLR`. It has its own warm-up.
    OneCycle {
        /// The share of the run that goes up.
        rise: f64,
    },
    /// By a factor after some epochs in a row without a lower validation loss: PyTorch's `ReduceLROnPlateau`.
    Plateau {
        /// The epochs.
        patience: u64,
        /// The factor.
        factor: f64,
    },
}

/// The learning rate over the steps of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// How the rate falls.
    pub decay: Decay,
    /// The steps in which the rate rises from `warmup_start` times the peak to the peak, along a line, before it falls:
    /// PyTorch's `LinearLR`.
    pub warmup: u64,
    /// Where the warm-up starts, as a share of the peak.
    pub warmup_start: f64,
    /// Where a cosine ends, as a share of the peak.
    pub end: f64,
    /// Steps of an epoch.
    pub epoch: u64,
    /// Steps of the run.
    pub total: u64,
}

impl Schedule {
    /// The rate of a step, as a share of the peak; what [`Plateau`] takes off comes on top.
    pub fn rate(&self, step: u64) -> f64 {
        if let Decay::OneCycle { rise } = self.decay {
            return one_cycle(step as f64, self.total as f64, rise);
        }
        if step < self.warmup {
            let share = step as f64 / self.warmup as f64;
            return self.warmup_start + (1.0 - self.warmup_start) * share;
        }
        match &self.decay {
            Decay::Cosine => {
                let steps = self.total.saturating_sub(self.warmup).max(1);
                let share = (step - self.warmup) as f64 / steps as f64;
                cosine(1.0, self.end, share.min(1.0))
            }
            Decay::Steps { epochs, factor } => {
                let passed = |&&epoch: &&f64| step as f64 >= epoch * self.epoch as f64;
                factor.powi(epochs.iter().filter(passed).count() as i32)
            }
            Decay::Constant | Decay::OneCycle { .. } | Decay::Plateau { .. } => 1.0,
        }
    }
}

/// From one value to another along half a cosine.
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

/// What [`Decay::Plateau`] remembers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plateau {
    /// What the rate is multiplied by.
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
    /// Returns whether it can be so after some epochs of this decay, validated or not.
    pub(crate) fn is_possible(&self, decay: &Decay, epochs: u64, validated: bool) -> bool {
        let (&Decay::Plateau { patience, factor }, true) = (decay, validated && epochs > 0) else {
            return *self == Self::default();
        };
        // The loss of the first epoch is the best; after `patience` and one more without a lower one, the rate falls.
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

    /// Notes the validation loss of an epoch. Lower is: by more than a ten-thousandth of the best.
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
    fn a_plateau_is_possible_exactly_where_losses_lead_to_it() {
        let decay = Decay::Plateau {
            patience: 1,
            factor: 0.1,
        };
        // Every run of eight epochs, each with a lower loss than all before or a higher one.
        for losses in 0..256_u32 {
            let mut plateau = Plateau::default();
            assert!(plateau.is_possible(&decay, 0, true));
            for epoch in 0..8_u64 {
                let higher = (losses >> epoch) & 1 == 1;
                plateau.note(&decay, if higher { 10.0 } else { 9.0 - epoch as f64 });
                assert!(plateau.is_possible(&decay, epoch + 1, true), "{plateau}");
                // Without validation, or by a schedule without a plateau, nothing is noted.
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
            // Four falls take nine epochs.
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
