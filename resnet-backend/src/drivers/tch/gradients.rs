//! Convolutions and batch norms with LibTorch's own gradients.
//!
//! Burn's autodiff makes the gradient of a convolution's weight from another convolution, which LibTorch has no fast kernel for,
//! and that of a batch norm from a dozen passes over its input. Here LibTorch records the operation on a graph of its own, and
//! Burn's backward pass asks that graph.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::libtorch::TchTensor;
use burn::backend::{Autodiff, LibTorch};
use burn::tensor::ops::{ConvOptions, FloatTensor};
use burn::tensor::{Tensor, TensorPrimitive};
use resnet_core::{Kernels, Normalised};
use tch::Kind;

type Train = Autodiff<LibTorch>;

/// Networks on LibTorch train by these functions from now on.
pub(super) fn register() {
    let kernels = Kernels { conv2d, batch_norm };
    kernels.register();
}

fn conv2d(
    x: Tensor<Train, 4>,
    weight: Tensor<Train, 4>,
    options: ConvOptions<2>,
) -> Tensor<Train, 4> {
    let [stride, padding, dilation] = [options.stride, options.padding, options.dilation]
        .map(|sizes| sizes.map(|size| size as i64));
    let groups = options.groups as i64;
    let inputs = [primitive(x), primitive(weight)];
    let forward = |[x, weight]: [&tch::Tensor; 2]| {
        x.conv2d(
            weight,
            None::<&tch::Tensor>,
            stride,
            padding,
            dilation,
            groups,
        )
    };
    tensor(record(inputs, forward))
}

fn batch_norm(
    x: Tensor<Train, 4>,
    weight: Tensor<Train, 1>,
    bias: Tensor<Train, 1>,
    epsilon: f64,
) -> Normalised<Train> {
    let inputs = [primitive(x), primitive(weight), primitive(bias)];
    let like = &inputs[1].primitive.tensor;
    // Running statistics that are all of the batch's: its mean and its unbiased variance.
    let (mean, variance) = (like.zeros_like(), like.ones_like());
    let forward = |[x, weight, bias]: [&tch::Tensor; 3]| {
        let (weight, bias) = (Some(weight), Some(bias));
        x.batch_norm(
            weight,
            bias,
            Some(&mean),
            Some(&variance),
            true,
            1.0,
            epsilon,
            true,
        )
    };
    let output = tensor(record(inputs, forward));
    // Copies, as LibTorch's graph keeps these and Burn may overwrite what it gets.
    let outside = |statistic: &tch::Tensor| {
        let primitive = TensorPrimitive::Float(TchTensor::new(statistic.copy()));
        Tensor::from_inner(Tensor::<LibTorch, 1>::from_primitive(primitive))
    };
    Normalised {
        output,
        mean: outside(&mean),
        variance: outside(&variance),
    }
}

fn primitive<const D: usize>(tensor: Tensor<Train, D>) -> FloatTensor<Train> {
    tensor.into_primitive().tensor()
}

fn tensor<const D: usize>(primitive: FloatTensor<Train>) -> Tensor<Train, D> {
    Tensor::from_primitive(TensorPrimitive::Float(primitive))
}

/// An operation on LibTorch's graph: what went in, and what came out.
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
                let learns = !input.node.requirement.is_none();
                let leaf = input.primitive.tensor.detach().set_requires_grad(learns);
                // With the storage of the input, so that Burn does not overwrite what LibTorch keeps.
                TchTensor {
                    tensor: leaf,
                    storage: input.primitive.storage,
                }
            });
            let output = tch::with_grad(|| forward(leaves.each_ref().map(|leaf| &leaf.tensor)));
            let seen = TchTensor::new(output.detach());
            let recorded = Recorded {
                inputs: leaves,
                output: TchTensor::new(output),
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
            // The scalar whose gradient by the output is the one that came from behind.
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
