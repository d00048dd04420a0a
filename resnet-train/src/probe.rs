//! A linear classifier on embeddings that are computed once (linear probe).

use burn::module::{Module, Param};
use burn::optim::{AdamConfig, GradientsParams, Optimizer};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Distribution, Tensor, TensorData};
use resnet_core::{Network, ResNet};
use resnet_data::{BadImage, DataLoader, Sample, for_each_output};

use crate::{EvaluateError, LossKind, autograd_lock, targets};

/// The embeddings and the classes of all readable images of a dataset.
#[derive(Clone, Debug, Default)]
pub struct Embeddings {
    /// The embeddings, one row of `features` values per image.
    pub rows: Vec<f32>,
    /// The length of an embedding.
    pub features: usize,
    /// The classes of each image.
    pub labels: Vec<Vec<usize>>,
}

impl Embeddings {
    /// Runs every image through the network once. `bad` receives the unreadable images.
    ///
    /// # Errors
    ///
    /// Returns an error if images differ in size, if the network does not accept their size, or if
    /// an embedding is not finite.
    pub fn new<B: Backend>(
        model: &ResNet<B>,
        loader: &DataLoader,
        device: &B::Device,
        bad: impl FnMut(&BadImage),
    ) -> Result<Self, EvaluateError> {
        let mut embeddings = Self {
            features: model.config().num_features(),
            ..Self::default()
        };
        let each = |_, sample: &Sample, row: &[f32]| {
            embeddings.rows.extend_from_slice(row);
            embeddings.labels.push(sample.labels().to_vec());
        };
        let forward = |images| model.forward_embedding(images);
        for_each_output(model.config(), loader, device, u64::MAX, forward, each, bad)?;
        Ok(embeddings)
    }

    /// Returns the number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Returns whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    fn tensor<B: Backend>(&self, device: &B::Device) -> Tensor<B, 2> {
        let data = TensorData::new(self.rows.clone(), [self.len(), self.features]);
        Tensor::from_data(data, device)
    }
}

/// The parameters of a logistic regression.
#[derive(Module, Debug)]
struct Linear<B: Backend> {
    weight: Param<Tensor<B, 2>>,
    bias: Param<Tensor<B, 2>>,
}

/// Trains a linear classifier for `classes` classes on the embeddings of `model`, and returns the
/// network with this classifier.
///
/// The classifier is a logistic regression on features that are standardized to mean 0 and standard
/// deviation 1. The loss includes `l2` times the sum of the squared weights.
///
/// # Errors
///
/// Returns an error if there are no embeddings, or if the classifier cannot be loaded into the
/// network.
///
/// # Panics
///
/// Panics if a label is not below `classes`.
pub fn linear_probe<B: AutodiffBackend>(
    model: ResNet<B::InnerBackend>,
    embeddings: &Embeddings,
    classes: usize,
    l2: f64,
    device: &B::Device,
) -> Result<ResNet<B::InnerBackend>, String> {
    const STEPS: usize = 400;
    const RATE: f64 = 0.05;
    if embeddings.is_empty() || classes == 0 {
        return Err("expected one image and one class or more, found none".into());
    }
    let x = embeddings.tensor::<B::InnerBackend>(device);
    let mean = x.clone().mean_dim(0);
    let centered = x - mean.clone();
    let deviation = (centered.clone() * centered.clone()).mean_dim(0).sqrt() + 1e-6;
    let x = Tensor::<B, 2>::from_inner(centered / deviation.clone());
    let labels: Vec<&[usize]> = embeddings.labels.iter().map(Vec::as_slice).collect();
    let y = Tensor::<B, 2>::from_data(targets(&labels, classes), device);
    let several = labels.iter().any(|labels| labels.len() != 1);
    let loss = match several {
        true => LossKind::BinaryCrossEntropy,
        false => LossKind::CrossEntropy,
    };

    let zeros = |rows: usize| {
        Tensor::<B, 2>::random([rows, classes], Distribution::Uniform(0.0, 1e-30), device)
    };
    let mut linear = Linear {
        weight: Param::from_tensor(zeros(embeddings.features)),
        bias: Param::from_tensor(zeros(1)),
    };
    let mut adam = AdamConfig::new().init();
    for step in 0..STEPS {
        let _lock = autograd_lock();
        let weight = linear.weight.val();
        let logits = x.clone().matmul(weight.clone()) + linear.bias.val();
        let penalty = (weight.clone() * weight).sum() * l2;
        let gradients = (loss.forward(logits, y.clone()) + penalty).backward();
        let gradients = GradientsParams::from_grads(gradients, &linear);
        let rate = RATE * (1.0 - step as f64 / STEPS as f64);
        linear = adam.step(rate, linear, gradients);
    }

    // Folds the standardization of the features into the classifier.
    let weight = linear.weight.val().inner() / deviation.transpose();
    let bias = linear.bias.val().inner() - mean.matmul(weight.clone());
    let weight = weight.transpose().into_data();
    let bias = bias.reshape([classes]).into_data();
    model.with_classes(classes).load_state(|key, _| {
        Ok(match key {
            "fc.weight" => Some(weight.clone()),
            "fc.bias" => Some(bias.clone()),
            _ => None,
        })
    })
}
