//! Losses over targets with one value per class.

use burn::tensor::activation::{log_sigmoid, log_softmax};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// A loss with label smoothing and class weights.
///
/// ```
/// use resnet_train::{Loss, OptimizerConfig, Settings};
///
/// let settings = Settings {
///     loss: Loss {
///         smoothing: 0.1,
///         class_weights: Some(vec![1.0, 3.0]),
///         ..Loss::default()
///     },
///     ..Settings::new(OptimizerConfig::sgd(5e-4))
/// };
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loss {
    /// The loss function.
    pub kind: LossKind,
    /// Label smoothing (Szegedy et al. 2015, section 7): `targets * (1 - smoothing) + smoothing /
    /// classes`.
    pub smoothing: f64,
    /// The weight of each class in the cross-entropy: PyTorch's `CrossEntropyLoss(weight=…)`. Other
    /// losses do not support class weights.
    pub class_weights: Option<Vec<f64>>,
    /// The kind of targets, which matters only with class weights. A [`Fit`](crate::Fit) with
    /// mixup, CutMix or several labels per image ignores this field and uses
    /// [probabilities](TargetKind::Probabilities).
    pub targets: TargetKind,
}

/// A loss function of logits and targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// `-sum(target * log_softmax(logits))` of each sample, averaged over the batch: PyTorch's
    /// `CrossEntropyLoss`. For hard, smoothed and mixed targets.
    #[default]
    CrossEntropy,
    /// Binary cross-entropy of each class, averaged over classes and batch: PyTorch's
    /// `BCEWithLogitsLoss`. For several labels per image, and for timm's recipes A1 and A2.
    BinaryCrossEntropy,
}

impl LossKind {
    /// Computes the loss of a batch.
    ///
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

/// Creates multi-hot targets: one row per sample, 1 at each of its classes, 0 elsewhere.
///
/// # Panics
///
/// Panics if a class is not below `classes`.
pub fn targets(labels: &[&[usize]], classes: usize) -> TensorData {
    let mut rows = vec![0.0_f32; labels.len() * classes];
    for (row, labels) in rows.chunks_mut(classes).zip(labels) {
        for &label in *labels {
            row[label] = 1.0;
        }
    }
    TensorData::new(rows, [labels.len(), classes])
}

/// The kind of targets, which sets the divisor of a cross-entropy with class weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetKind {
    /// One class per image: PyTorch's class indices. The divisor is the sum of the weights of the
    /// true classes.
    #[default]
    Indices,
    /// Class probabilities, such as mixup, CutMix and soft labels. The divisor is the number of
    /// images, as in PyTorch.
    Probabilities,
}

impl Loss {
    /// Creates a loss without label smoothing and class weights.
    pub fn new(kind: LossKind) -> Self {
        Self {
            kind,
            ..Self::default()
        }
    }

    /// Computes the loss of a whole batch. The cross-entropy equals PyTorch's
    /// `CrossEntropyLoss(weight=class_weights, label_smoothing=smoothing)`.
    ///
    /// # Shapes
    /// - `logits`, `targets`: `[batch, classes]`
    /// - output: `[1]`
    ///
    /// # Panics
    ///
    /// Panics if the number of class weights differs from the number of classes, or if there are
    /// class weights and the loss is not the cross-entropy.
    pub fn forward<B: Backend>(&self, logits: Tensor<B, 2>, targets: Tensor<B, 2>) -> Tensor<B, 1> {
        let [batch, _] = targets.dims();
        let mass = self.mass_of(&targets);
        self.kind.forward(logits, self.prepare(targets)) * (batch as f64 / mass)
    }

    /// Applies label smoothing and class weights to the targets.
    pub(crate) fn prepare<B: Backend>(&self, targets: Tensor<B, 2>) -> Tensor<B, 2> {
        let targets = smoothed(targets, self.smoothing);
        match &self.class_weights {
            // A binary cross-entropy with targets above 1 has no minimum.
            Some(_) if self.kind != LossKind::CrossEntropy => {
                panic!("class weights are for the cross-entropy alone")
            }
            Some(weights) => scaled(targets, weights),
            None => targets,
        }
    }

    /// Returns the divisor of the loss sum over these targets, one row per image.
    pub(crate) fn mass(&self, targets: &[Vec<f32>]) -> f64 {
        match (&self.class_weights, self.targets) {
            (Some(weights), TargetKind::Indices) => {
                let weight = |row: &Vec<f32>| -> f64 {
                    let shares = row.iter().map(|&share| f64::from(share));
                    shares
                        .zip(weights)
                        .map(|(share, weight)| share * weight)
                        .sum()
                };
                targets.iter().map(weight).sum()
            }
            _ => targets.len() as f64,
        }
    }

    /// Returns [`mass`](Self::mass) for a tensor, which it reads only if class weights need it.
    pub(crate) fn mass_of<B: Backend>(&self, targets: &Tensor<B, 2>) -> f64 {
        let [batch, classes] = targets.dims();
        match (&self.class_weights, self.targets) {
            (Some(_), TargetKind::Indices) => {
                let values: Vec<f32> = targets.to_data().iter().collect();
                let rows = values.chunks(classes.max(1)).map(<[f32]>::to_vec);
                self.mass(&rows.collect::<Vec<_>>())
            }
            _ => batch as f64,
        }
    }
}

/// Applies label smoothing (Szegedy et al. 2015, section 7).
fn smoothed<B: Backend>(targets: Tensor<B, 2>, smoothing: f64) -> Tensor<B, 2> {
    let [_, classes] = targets.dims();
    match smoothing {
        0.0 => targets,
        _ => targets * (1.0 - smoothing) + smoothing / classes as f64,
    }
}

/// Multiplies each class by its weight.
fn scaled<B: Backend>(targets: Tensor<B, 2>, weights: &[f64]) -> Tensor<B, 2> {
    let [_, classes] = targets.dims();
    assert_eq!(weights.len(), classes, "one weight per class");
    let weights = TensorData::new(weights.to_vec(), [1, classes]);
    let weights = Tensor::from_data(weights, (&targets.device(), targets.dtype()));
    targets * weights
}

#[cfg(test)]
mod tests {
    use super::*;
    use resnet_cpu::Cpu;

    fn loss(kind: LossKind, logits: [[f32; 2]; 2], targets: [[f32; 2]; 2]) -> f32 {
        let tensor = |values| Tensor::<Cpu, 2>::from_data(values, &Default::default());
        kind.forward(tensor(logits), tensor(targets)).into_scalar()
    }

    #[test]
    fn losses_of_two_samples() {
        let three = 3.0_f32.ln();
        let logits = [[three, 0.0], [0.0, 0.0]];
        let targets = [[1.0, 0.0], [0.25, 0.75]];
        // Softmax (3/4, 1/4) and (1/2, 1/2): -ln(3/4) and ln 2, averaged.
        let expected = (-0.75_f32.ln() + 2.0_f32.ln()) / 2.0;
        let found = loss(LossKind::CrossEntropy, logits, targets);
        assert!((found - expected).abs() < 1e-6, "{found}");
        // Sigmoid 3/4 with target 1, and sigmoid 1/2 three times, averaged over four values.
        let expected = (-0.75_f32.ln() + 3.0 * 2.0_f32.ln()) / 4.0;
        let found = loss(LossKind::BinaryCrossEntropy, logits, targets);
        assert!((found - expected).abs() < 1e-6, "{found}");
        // Sigmoid 3/4 with target 0.
        let found = loss(LossKind::BinaryCrossEntropy, [[three; 2]; 2], [[0.0; 2]; 2]);
        assert!((found - 4.0_f32.ln()).abs() < 1e-6, "{found}");
    }

    #[test]
    fn class_weights_match_pytorch() {
        let device = Default::default();
        let logits = Tensor::<Cpu, 2>::from_data([[3.0_f32.ln(), 0.0], [0.0, 0.0]], &device);
        let hard = Tensor::from_data(targets(&[&[0], &[1]], 2), &device);
        // -ln(3/4) once and ln 2 three times: over a sum of weights of 4, or over 2 images.
        let sum = -0.75_f32.ln() + 3.0 * 2.0_f32.ln();
        for (kind, divisor) in [(TargetKind::Indices, 4.0), (TargetKind::Probabilities, 2.0)] {
            let loss = Loss {
                class_weights: Some(vec![1.0, 3.0]),
                targets: kind,
                ..Loss::default()
            };
            let found = loss.forward(logits.clone(), hard.clone()).into_scalar();
            assert!((found - sum / divisor).abs() < 1e-6, "{kind:?}: {found}");
            let rows = [vec![1.0, 0.0], vec![0.0, 1.0]];
            assert_eq!(f64::from(divisor), loss.mass(&rows));
            assert_eq!(f64::from(divisor), loss.mass_of(&hard));
            assert_eq!(Loss::default().mass(&rows), 2.0);
        }
    }

    #[test]
    fn large_logits_have_finite_losses() {
        let logits = [[1e4, -1e4]; 2];
        for kind in [LossKind::CrossEntropy, LossKind::BinaryCrossEntropy] {
            let found = loss(kind, logits, [[0.0, 1.0]; 2]);
            assert!(found.is_finite() && found > 1e3, "{kind:?}: {found}");
        }
    }

    #[test]
    fn smoothing_is_spread_over_all_classes() {
        let target = targets(&[&[1]], 4);
        let smooth = smoothed(
            Tensor::<Cpu, 2>::from_data(target, &Default::default()),
            0.1,
        );
        let values = smooth.into_data().to_vec::<f32>().unwrap();
        for (value, expected) in values.iter().zip([0.025, 0.925, 0.025, 0.025]) {
            assert!((value - expected).abs() < 1e-6, "{values:?}");
        }
    }
}
