//! Layers with gradients of their own.
//!
//! Burn's autodiff makes that of a batch norm from a dozen passes over its input. Here a layer, convolution to activation, is one
//! step of Burn's graph.

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::ops::{ActivationOps, ConvOptions, FloatTensor, ModuleOps};
use burn::tensor::{Tensor, TensorPrimitive};
use resnet_core::{Layer, LayerNorm, LayerOutput};
use resnet_cpu::{BatchNorm, Cpu, Normed};

use super::layers::{Affine, Convolution, primitive, tensor};

type Train = Autodiff<Cpu>;

pub(super) fn layer(layer: Layer<Train>) -> LayerOutput<Train> {
    let (weight, bias, options) = match layer.conv {
        Some(conv) => (Some(conv.weight), conv.bias, Some(conv.options)),
        None => (None, None, None),
    };
    let (scale, shift, epsilon) = match layer.norm {
        Some(LayerNorm::Batch {
            scale,
            shift,
            epsilon,
        }) => (Some(scale), Some(shift), Some(epsilon)),
        Some(LayerNorm::Running { scale, shift }) => (Some(scale), Some(shift), None),
        None => (None, None, None),
    };
    let forward = Forward {
        options,
        epsilon,
        bias: bias.is_some(),
        norm: scale.is_some(),
        residual: layer.residual.is_some(),
        relu: layer.relu,
    };
    let inputs = [
        recorded(Some(layer.x)),
        recorded(weight),
        recorded(bias),
        recorded(scale),
        recorded(shift),
        recorded(layer.residual),
    ];
    let nodes = inputs.each_ref().map(|input| input.node.clone());
    let values = inputs.map(|input| input.primitive);
    let step = Step
        .prepare::<NoCheckpointing>(nodes)
        .compute_bound()
        .stateful();
    let (output, statistics) = match step {
        OpsKind::Tracked(step) => {
            let [x, weight, _, scale, ..] = values.clone();
            let (output, normed) = forward.run(values);
            let statistics = normed.as_ref().map(statistics);
            let state = State {
                x,
                weight,
                scale,
                output: output.clone(),
                normed,
                forward,
            };
            (step.finish(state, output), statistics)
        }
        OpsKind::UnTracked(step) => {
            let (output, normed) = forward.run(values);
            (step.finish(output), normed.as_ref().map(statistics))
        }
    };
    LayerOutput {
        output: Tensor::from_primitive(TensorPrimitive::Float(output)),
        statistics: statistics.map(|both| both.map(Tensor::from_inner)),
    }
}

/// Where there is no tensor, one without elements.
fn recorded<const D: usize>(tensor: Option<Tensor<Train, D>>) -> FloatTensor<Train> {
    let tensor = tensor.unwrap_or_else(|| Tensor::empty([0; D], &Default::default()));
    tensor.into_primitive().tensor()
}

/// The mean and the unbiased variance of each channel.
fn statistics(normed: &Normed) -> [Tensor<Cpu, 1>; 2] {
    let [n, _, h, w] = tensor::<4>(normed.output.clone()).dims();
    let count = (n * h * w) as f64;
    let unbiased = tensor(normed.variance.clone()) * (count / (count - 1.0));
    [tensor(normed.mean.clone()), unbiased]
}

/// What a layer consists of.
#[derive(Clone, Debug)]
struct Forward {
    /// Of the convolution.
    options: Option<ConvOptions<2>>,
    /// Of a norm by the batch's own statistics.
    epsilon: Option<f64>,
    bias: bool,
    norm: bool,
    residual: bool,
    relu: bool,
}

impl Forward {
    fn run(&self, inputs: [FloatTensor<Cpu>; 6]) -> (FloatTensor<Cpu>, Option<Normed>) {
        let [x, weight, bias, scale, shift, residual] = inputs;
        let residual = self.residual.then_some(residual);
        let conv = self.options.clone().map(|options| Convolution {
            weight,
            bias: self.bias.then_some(bias),
            options,
        });
        let Some(epsilon) = self.epsilon else {
            let affine = Affine {
                scale: self.norm.then_some(scale),
                shift: self.norm.then_some(shift),
                residual,
                relu: self.relu,
            };
            return (affine.forward(x, conv), None);
        };
        let x = match conv {
            Some(_) => {
                let plain = Affine {
                    scale: None,
                    shift: None,
                    residual: None,
                    relu: false,
                };
                plain.forward(x, conv)
            }
            None => x,
        };
        let norm = BatchNorm {
            scale,
            shift,
            epsilon,
            residual,
            relu: self.relu,
        };
        let normed = norm.forward(x);
        (normed.output.clone(), Some(normed))
    }
}

#[derive(Clone, Debug)]
struct State {
    x: FloatTensor<Cpu>,
    weight: FloatTensor<Cpu>,
    scale: FloatTensor<Cpu>,
    output: FloatTensor<Cpu>,
    normed: Option<Normed>,
    forward: Forward,
}

#[derive(Debug)]
struct Step;

impl Backward<Cpu, 6> for Step {
    type State = State;

    fn backward(
        self,
        ops: Ops<Self::State, 6>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let grad = gradients.consume::<Cpu>(&ops.node);
        let ids = ops.parents.map(|parent| parent.map(|node| node.id));
        let [of_x, of_weight, of_bias, of_scale, of_shift, of_residual] = ids;
        let mut register = |id, gradient| {
            if let Some(id) = id {
                gradients.register::<Cpu>(id, gradient);
            }
        };
        let State {
            x,
            weight,
            scale,
            output,
            normed,
            forward,
        } = ops.state;
        let (grad, scale) = match normed {
            Some(normed) => {
                drop(output);
                let found = normed.backward(grad, of_residual.is_some());
                register(of_scale, found.scale);
                register(of_shift, found.shift);
                if let Some(residual) = found.residual {
                    register(of_residual, residual);
                }
                (found.x, None)
            }
            None => {
                let grad = if forward.relu {
                    Cpu::relu_backward(output, grad)
                } else {
                    grad
                };
                register(of_residual, grad.clone());
                (grad, forward.norm.then_some(scale))
            }
        };
        // What comes before is multiplied by this constant.
        let scaled = |x: FloatTensor<Cpu>, shape: [i32; 4]| match &scale {
            Some(scale) => {
                let scale = tensor::<1>(scale.clone()).reshape(shape);
                primitive(tensor::<4>(x) * scale)
            }
            None => x,
        };
        let outputs = [-1, 1, 1, 1];
        let Some(options) = forward.options else {
            return register(of_x, scaled(grad, [1, -1, 1, 1]));
        };
        if of_bias.is_some() {
            let sums = tensor::<4>(grad.clone())
                .sum_dims(&[0, 2, 3])
                .swap_dims(0, 1);
            let sums = tensor::<4>(scaled(primitive(sums), outputs)).reshape([-1]);
            register(of_bias, primitive::<1>(sums));
        }
        if of_weight.is_some() {
            let [x, weight, grad] = [&x, &weight, &grad].map(Clone::clone);
            let found = Cpu::conv2d_weight_backward(x, weight, grad, options.clone());
            register(of_weight, scaled(found, outputs));
        }
        if of_x.is_some() {
            let weight = scaled(weight, outputs);
            register(of_x, Cpu::conv2d_x_backward(x, weight, grad, options));
        }
    }
}
