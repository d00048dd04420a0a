//! Fused layers with gradients.
//!
//! Burn's autodiff computes the gradient of a batch norm in a dozen passes over its input. Here, a
//! whole layer is one node of the autograd graph. [`inner`] detaches a layer from the graph, so
//! that training uses the same [`forward`] as inference. [`Saved::gradients`] returns the gradients
//! of its inputs.

use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};
use burn_backend::Bytes;
use burn_flex::{FlexTensor, Layout};
use burn_tensor::ops::{ActivationOps, ConvOptions, FloatTensor, ModuleOps};
use burn_tensor::{DType, Tensor, TensorPrimitive};
use resnet_fused::{FusedLayers, Layer, LayerConv, LayerNorm, LayerOutput};
use resnet_kernels::parallel;

use super::{forward, primitive, statistics, tensor};
use crate::{Cpu, Normed, Phase};

type Train = Autodiff<Cpu>;

/// One value for each input of a layer: `x`, weight, bias, scale, shift, residual.
type Inputs<T> = [T; 6];

pub(super) fn register() {
    let training = FusedLayers {
        supports: |dtype| dtype == DType::F32,
        forward: layer,
    };
    training.register();
}

fn layer(layer: Layer<Train>) -> LayerOutput<Train> {
    let nodes = inputs(&layer).map(|input| input.node);
    let layer = inner(layer);
    let step = Step
        .prepare::<NoCheckpointing>(nodes)
        .compute_bound()
        .stateful();
    let (output, statistics) = match step {
        OpsKind::Tracked(step) => {
            let conv = layer.conv.as_ref().map(|conv| SavedConv {
                x: primitive(layer.x.clone()),
                weight: primitive(conv.weight.clone()),
                options: conv.options.clone(),
            });
            let scale = match &layer.norm {
                Some(LayerNorm::Running { scale, .. }) => Some(scale.clone()),
                _ => None,
            };
            let relu = layer.relu;
            let (output, normed) = forward(layer, Phase::Training);
            let statistics = normed.as_ref().map(statistics);
            let saved = Saved {
                conv,
                scale,
                relu: (relu && normed.is_none()).then(|| output.clone()),
                normed,
            };
            (step.finish(saved, output), statistics)
        }
        OpsKind::UnTracked(step) => {
            let (output, normed) = forward(layer, Phase::Training);
            (step.finish(output), normed.as_ref().map(statistics))
        }
    };
    LayerOutput {
        output: Tensor::from_primitive(TensorPrimitive::Float(output)),
        statistics: statistics.map(|both| both.map(Tensor::from_inner)),
    }
}

/// Returns the inputs of a layer in the autograd graph. Missing inputs are empty constants.
fn inputs(layer: &Layer<Train>) -> Inputs<FloatTensor<Train>> {
    fn input<const D: usize>(tensor: Option<&Tensor<Train, D>>) -> FloatTensor<Train> {
        let missing = || Tensor::empty([0; D], &Default::default());
        let tensor = tensor.cloned().unwrap_or_else(missing);
        tensor.into_primitive().tensor()
    }
    let conv = layer.conv.as_ref();
    let (scale, shift) = match &layer.norm {
        Some(LayerNorm::Batch { scale, shift, .. } | LayerNorm::Running { scale, shift }) => {
            (Some(scale), Some(shift))
        }
        None => (None, None),
    };
    [
        input(Some(&layer.x)),
        input(conv.map(|conv| &conv.weight)),
        input(conv.and_then(|conv| conv.bias.as_ref())),
        input(scale),
        input(shift),
        input(layer.residual.as_ref()),
    ]
}

/// Detaches a layer from the autograd graph.
fn inner(layer: Layer<Train>) -> Layer<Cpu> {
    let conv = layer.conv.map(|conv| LayerConv {
        weight: conv.weight.inner(),
        bias: conv.bias.map(Tensor::inner),
        options: conv.options,
    });
    let norm = layer.norm.map(|norm| match norm {
        LayerNorm::Batch {
            scale,
            shift,
            epsilon,
        } => LayerNorm::Batch {
            scale: scale.inner(),
            shift: shift.inner(),
            epsilon,
        },
        LayerNorm::Running { scale, shift } => LayerNorm::Running {
            scale: scale.inner(),
            shift: shift.inner(),
        },
    });
    Layer {
        x: layer.x.inner(),
        conv,
        norm,
        residual: layer.residual.map(Tensor::inner),
        relu: layer.relu,
    }
}

/// The data that a layer keeps for its backward pass. It excludes the residual, because the output
/// may reuse the residual's memory.
#[derive(Clone, Debug)]
struct Saved {
    conv: Option<SavedConv>,
    /// Batch norm, with its residual and ReLU.
    normed: Option<Normed>,
    /// Scale of a norm that uses the running statistics.
    scale: Option<Tensor<Cpu, 1>>,
    /// Output of a ReLU, for layers without a batch norm.
    relu: Option<FloatTensor<Cpu>>,
}

#[derive(Clone, Debug)]
struct SavedConv {
    x: FloatTensor<Cpu>,
    weight: FloatTensor<Cpu>,
    options: ConvOptions<2>,
}

#[derive(Debug)]
struct Step;

impl Backward<Cpu, 6> for Step {
    type State = Saved;

    fn backward(
        self,
        ops: Ops<Self::State, 6>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let grad = gradients.consume::<Cpu>(&ops.node);
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let found = ops.state.gradients(grad, wanted);
        for (parent, gradient) in ops.parents.into_iter().zip(found) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<Cpu>(parent.id, gradient);
            }
        }
    }
}

impl Saved {
    /// Returns the gradients of the inputs, at least the `wanted` ones, from the gradient of the
    /// output.
    fn gradients(
        self,
        grad: FloatTensor<Cpu>,
        wanted: Inputs<bool>,
    ) -> Inputs<Option<FloatTensor<Cpu>>> {
        let [of_x, of_weight, of_bias, _, _, of_residual] = wanted;
        let (grad, [scale, shift, residual]) = match self.normed {
            Some(normed) => {
                let found = normed.backward(grad, of_residual);
                (
                    found.x,
                    [Some(found.scale), Some(found.shift), found.residual],
                )
            }
            None => {
                let grad = match self.relu {
                    Some(output) => Cpu::relu_backward(output, grad),
                    None => grad,
                };
                let residual = of_residual.then(|| grad.clone());
                (grad, [None, None, residual])
            }
        };
        // A norm that uses the running statistics scales its input by a constant.
        let Some(SavedConv { x, weight, options }) = self.conv else {
            let x = match self.scale {
                Some(scale) => primitive(tensor::<4>(grad) * scale.reshape([1, -1, 1, 1])),
                None => grad,
            };
            return [Some(x), None, None, scale, shift, residual];
        };
        let scaled = |values: FloatTensor<Cpu>| match &self.scale {
            Some(scale) => scale_rows(values, scale.clone()),
            None => values,
        };
        let bias = of_bias.then(|| {
            let sums = tensor::<4>(grad.clone()).sum_dims(&[0, 2, 3]);
            let sums = scaled(primitive(sums.swap_dims(0, 1)));
            primitive(tensor::<4>(sums).reshape([-1]))
        });
        let of_weight = of_weight.then(|| {
            let [x, weight, grad] = [&x, &weight, &grad].map(Clone::clone);
            let found = Cpu::conv2d_weight_backward(x, weight, grad, options.clone());
            scaled(found)
        });
        let of_x = of_x.then(|| {
            let weight = scaled(weight);
            Cpu::conv2d_x_backward(x, weight, grad, options)
        });
        [of_x, of_weight, bias, scale, shift, residual]
    }
}

/// Multiplies each row of `[rows, ...]` by a factor. Burn's broadcast product is not parallel.
fn scale_rows(values: FloatTensor<Cpu>, factors: Tensor<Cpu, 1>) -> FloatTensor<Cpu> {
    let factors = factors.into_data().to_vec::<f32>().unwrap_or_default();
    let values = values.to_contiguous();
    let layout = Layout::contiguous(values.layout().shape().clone());
    let mut scaled =
        values.storage::<f32>()[values.layout().start_offset()..][..layout.num_elements()].to_vec();
    let row = (scaled.len() / factors.len().max(1)).max(1);
    parallel::chunks(&mut scaled, row, row, |number, _, row| {
        row.iter_mut().for_each(|value| *value *= factors[number]);
    });
    FlexTensor::new(Bytes::from_elems(scaled), layout, DType::F32)
}
