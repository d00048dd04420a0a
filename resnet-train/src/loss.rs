//! Losses, all of them over targets with one number a class.

use burn::tensor::activation::{log_sigmoid, log_softmax};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// What is minimised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// `-sum(target * log_softmax(logits))` of each sample, averaged over the batch: PyTorch's `CrossEntropyLoss`, for
    /// hard, smoothed and mixed targets.
    #[default]
    CrossEntropy,
    /// One independent decision a class, averaged over classes and batch: PyTorch's `BCEWithLogitsLoss`. For several
    /// labels an image, and for timm's recipes A1 and A2.
    BinaryCrossEntropy,
}

impl LossKind {
    /// # Shapes
    /// - `logits`, `targets`: `[batch, classes]`
    /// - output: `[1]`
    pub fn forward<B: Backend>(self, logits: Tensor<B, 2>, targets: Tensor<B, 2>) -> Tensor<B, 1> {
        let [batch, classes] = logits.dims();
        match self {
            Self::CrossEntropy => -(log_softmax(logits, 1) * targets).sum() / batch as f64,
            Self::BinaryCrossEntropy => {
                // log(1 - sigmoid(x)) = log(sigmoid(x)) - x
                let log = log_sigmoid(logits.clone());
                -(log - logits * (targets.neg() + 1.0)).sum() / (batch * classes) as f64
            }
        }
    }
}

/// One row a sample: 1 at each of its classes, 0 elsewhere.
///
/// # Panics
///
/// If a class is not below `classes`.
pub fn targets(labels: &[&[usize]], classes: usize) -> TensorData {
    let mut rows = vec![0.0_f32; labels.len() * classes];
    for (row, labels) in rows.chunks_mut(classes).zip(labels) {
        for &label in *labels {
            row[label] = 1.0;
        }
    }
    TensorData::new(rows, [labels.len(), classes])
}

/// Label smoothing (Szegedy et al. 2015, section 7): `targets * (1 - smoothing) + smoothing / classes`.
pub fn smoothed<B: Backend>(targets: Tensor<B, 2>, smoothing: f64) -> Tensor<B, 2> {
    let [_, classes] = targets.dims();
    match smoothing {
        0.0 => targets,
        _ => targets * (1.0 - smoothing) + smoothing / classes as f64,
    }
}
