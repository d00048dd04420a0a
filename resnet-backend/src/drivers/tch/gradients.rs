//! Fused layers with LibTorch's own gradients.
//!
//! Burn's autodiff is slow here. It computes the weight gradient of a convolution by another
//! convolution, for which LibTorch has no fast kernel, and the gradient of a batch norm in a dozen
//! passes over its input. Instead, LibTorch records each layer, from convolution to activation, in
//! its own autograd graph, and Burn's backward pass calls LibTorch's backward pass.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::libtorch::TchTensor;
use burn::backend::{Autodiff, LibTorch};
use burn::tensor::ops::{ConvOptions, FloatTensor};
use burn::tensor::{Tensor, TensorPrimitive};
use resnet_fused::{FusedLayers, Layer, LayerOutput};
use tch::Kind;

use super::inputs::inputs;

type Train = Autodiff<LibTorch>;

/// Registers the fused layers for training on LibTorch.
pub(crate) fn register() {
    let layers = FusedLayers {
        supports: |_| true,
        forward: layer,
    };
    layers.register();
}

fn layer(layer: Layer<Train>) -> LayerOutput<Train> {
    let (inputs, form) = inputs(layer);
    // With momentum 1, LibTorch writes the batch mean and unbiased variance into the tensors `mean`
    // and `variance` below.
    let like = &inputs[3].primitive.tensor;
    let (mean, variance) = (like.zeros_like(), like.ones_like());
    let forward = |[x, weight, bias, scale, shift, residual]: [&tch::Tensor; 6]| {
        let mut y = match form.options {
            Some(options) => convolve(x, weight, form.bias.then_some(bias), options),
            None if form.norm => x.shallow_clone(),
            None => x.copy(),
        };
        if let Some(epsilon) = form.epsilon {
            let (scale, shift) = (Some(scale), Some(shift));
            let (mean, variance) = (Some(&mean), Some(&variance));
            y = y.batch_norm(scale, shift, mean, variance, true, 1.0, epsilon, true);
        } else if form.norm {
            let [scale, shift] = [scale, shift].map(|values| values.reshape([1, -1, 1, 1]));
            y = (y * scale).g_add_(&shift);
        }
        // Adds in place: no other tensor shares `y`, and the gradients of the earlier operations do
        // not need it.
        if form.residual {
            y = y.g_add_(residual);
        }
        match form.relu {
            true => y.relu_(),
            false => y,
        }
    };
    let output = record(inputs, forward);
    // Copies the statistics: LibTorch's graph keeps the originals, and Burn may overwrite its own
    // tensors.
    let copied = |statistic: &tch::Tensor| {
        let primitive = TensorPrimitive::Float(TchTensor::new(statistic.copy()));
        Tensor::from_inner(Tensor::<LibTorch, 1>::from_primitive(primitive))
    };
    LayerOutput {
        output: Tensor::from_primitive(TensorPrimitive::Float(output)),
        statistics: form.epsilon.map(|_| [&mean, &variance].map(copied)),
    }
}

fn convolve(
    x: &tch::Tensor,
    weight: &tch::Tensor,
    bias: Option<&tch::Tensor>,
    options: ConvOptions<2>,
) -> tch::Tensor {
    let [stride, padding, dilation] = [options.stride, options.padding, options.dilation]
        .map(|sizes| sizes.map(|size| size as i64));
    let groups = options.groups as i64;
    x.conv2d(weight, bias, stride, padding, dilation, groups)
}

/// An operation in LibTorch's autograd graph: its inputs and its output.
#[derive(Clone, Debug)]
struct Recorded<const N: usize> {
    inputs: [TchTensor; N],
    output: TchTensor,
}

#[derive(Debug)]
struct Replay<const N: usize>;

fn record<const N: usize>(
    inputs: [FloatTensor<Train>; N],
    forward: impl FnOnce([&tch::Tensor; N]) -> tch::Tensor,
) -> FloatTensor<Train> {
    let nodes = inputs.each_ref().map(|input| input.node.clone());
    match Replay
        .prepare::<NoCheckpointing>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => {
            let leaves = inputs.map(|input| {
                let requires_grad = !input.node.requirement.is_none();
                let leaf = input
                    .primitive
                    .tensor
                    .detach()
                    .set_requires_grad(requires_grad);
                // Shares the storage of the input, so that Burn does not overwrite a tensor that
                // LibTorch keeps.
                TchTensor {
                    tensor: leaf,
                    storage: input.primitive.storage,
                }
            });
            let output = tch::with_grad(|| forward(leaves.each_ref().map(|leaf| &leaf.tensor)));
            let seen = output.detach();
            let output = TchTensor::new(output);
            // Shares the output's storage, so that Burn does not overwrite a tensor that LibTorch
            // keeps.
            let seen = TchTensor {
                tensor: seen,
                storage: output.storage.clone(),
            };
            let recorded = Recorded {
                inputs: leaves,
                output,
            };
            prep.finish(recorded, seen)
        }
        OpsKind::UnTracked(prep) => {
            let output = forward(inputs.each_ref().map(|input| &input.primitive.tensor));
            prep.finish(TchTensor::new(output))
        }
    }
}

impl<const N: usize> Backward<LibTorch, N> for Replay<N> {
    type State = Recorded<N>;

    fn backward(
        self,
        ops: Ops<Self::State, N>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<LibTorch>(&ops.node).tensor;
        let Recorded { inputs, output } = ops.state;
        let learning = ops.parents.iter().zip(&inputs);
        let (nodes, leaves): (Vec<_>, Vec<_>) = learning
            .filter_map(|(parent, input)| Some((parent.as_ref()?.id, &input.tensor)))
            .unzip();
        let found = tch::with_grad(|| {
            // A scalar whose gradient with respect to the output is `gradient`.
            let gradient = gradient.to_kind(output.tensor.kind()).reshape([-1]);
            let scalar = match output.tensor.kind() {
                Kind::Float | Kind::Double => output.tensor.reshape([-1]).dot(&gradient),
                kind => (output.tensor.reshape([-1]) * gradient).sum(kind),
            };
            tch::Tensor::run_backward(&[scalar], &leaves, false, false)
        });
        for (node, gradient) in nodes.into_iter().zip(found) {
            gradients.register::<LibTorch>(node, TchTensor::new(gradient));
        }
    }
}
