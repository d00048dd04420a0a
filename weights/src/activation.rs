//! The output activation of a classifier: softmax or sigmoid.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The function that turns the logits of a classifier into probabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputActivation {
    /// `exp(x) / sum(exp(x))`: exactly one class applies, as trained with cross-entropy.
    #[default]
    Softmax,
    /// `1 / (1 + exp(-x))` for each class: any number of classes may apply (multi-label), as
    /// trained with binary cross-entropy.
    Sigmoid,
}

/// The error for an unknown output activation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected `softmax` or `sigmoid`, found `{found}`")]
#[non_exhaustive]
pub struct UnknownActivation {
    /// The unknown name.
    pub found: String,
}

impl FromStr for OutputActivation {
    type Err = UnknownActivation;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "softmax" => Ok(Self::Softmax),
            "sigmoid" => Ok(Self::Sigmoid),
            found => Err(UnknownActivation {
                found: found.into(),
            }),
        }
    }
}

impl fmt::Display for OutputActivation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Softmax => "softmax",
            Self::Sigmoid => "sigmoid",
        })
    }
}

impl OutputActivation {
    /// Returns the class probabilities of one image.
    ///
    /// A single logit is the log-odds of a binary classifier. Both activations then apply the
    /// sigmoid.
    pub fn probabilities(self, logits: &[f32]) -> Vec<f32> {
        match self {
            Self::Softmax if logits.len() > 1 => softmax(logits),
            _ => logits.iter().copied().map(sigmoid).collect(),
        }
    }
}

/// Returns `exp(x - max) / sum(exp(x - max))`, which cannot overflow.
fn softmax(logits: &[f32]) -> Vec<f32> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponentials: Vec<f32> = logits.iter().map(|logit| (logit - max).exp()).collect();
    let sum: f32 = exponentials.iter().sum();
    exponentials.iter().map(|e| e / sum).collect()
}

/// Returns `1 / (1 + exp(-x))`. The exponent is never positive, so it cannot overflow.
fn sigmoid(logit: f32) -> f32 {
    let e = (-logit.abs()).exp();
    match logit < 0.0 {
        true => e / (1.0 + e),
        false => 1.0 / (1.0 + e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_logits_give_finite_probabilities() {
        // e^0 / (e^0 + e^-ln3) = 3/4
        let logits = [1000.0, 1000.0 - 3.0_f32.ln()];
        let p = OutputActivation::Softmax.probabilities(&logits);
        assert!(
            (p[0] - 0.75).abs() < 1e-4 && (p[1] - 0.25).abs() < 1e-4,
            "{p:?}"
        );
        let p = OutputActivation::Sigmoid.probabilities(&[1000.0, -1000.0, 3.0_f32.ln()]);
        assert_eq!(p[..2], [1.0, 0.0]);
        assert!((p[2] - 0.75).abs() < 1e-6, "{p:?}");
    }

    #[test]
    fn a_single_logit_gets_a_sigmoid() {
        let p = OutputActivation::Softmax.probabilities(&[0.0]);
        assert_eq!(p, [0.5]);
    }
}
