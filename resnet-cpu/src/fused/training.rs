//! Fused layers with their own gradients.
//!
//! Burn's autodiff computes the gradient of a batch norm in a dozen passes over its input. Here a layer, convolution to
//! activation, is one node of the autograd graph.

use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};
use burn_tensor::ops::{ActivationOps, FloatTensor, ModuleOps};
use burn_tensor::{DType, Tensor, TensorPrimitive};
use resnet_fused::autodiff::{Form, Inputs, inputs};
use resnet_fused::{FusedLayers, Layer, LayerOutput};

use super::{Affine, Convolution, primitive, tensor};
use crate::{BatchNorm, Cpu, Normed, Phase};

type Train = Autodiff<Cpu>;

pub(super) fn register() {
    let training = FusedLayers {
        supports: |dtype| dtype == DType::F32,
        forward: layer,
    };
    training.register();
}

fn layer(layer: Layer<Train>) -> LayerOutput<Train> {
    let (inputs, form) = inputs(layer);
    let nodes = inputs.each_ref().map(|input| input.node.clone());
    let values = inputs.map(|input| input.primitive);
    let step = Step
        .prepare::<NoCheckpointing>(nodes)
        .compute_bound()
        .stateful();
    let (output, statistics) = match step {
        OpsKind::Tracked(step) => {
            let [x, weight, _, scale, ..] = values.clone();
            let (output, normed) = run(&form, values);
            let statistics = normed.as_ref().map(statistics);
            let state = State {
                x,
                weight,
                scale,
                output: output.clone(),
                normed,
                form,
            };
            (step.finish(state, output), statistics)
        }
        OpsKind::UnTracked(step) => {
            let (output, normed) = run(&form, values);
            (step.finish(output), normed.as_ref().map(statistics))
        }
    };
    LayerOutput {
        output: Tensor::from_primitive(TensorPrimitive::Float(output)),
        statistics: statistics.map(|both| both.map(Tensor::from_inner)),
    }
}

/// The mean and the unbiased variance of each channel.
fn statistics(normed: &Normed) -> [Tensor<Cpu, 1>; 2] {
    let [n, _, h, w] = tensor::<4>(normed.output.clone()).dims();
    let count = (n * h * w) as f64;
    let unbiased = tensor(normed.variance.clone()) * (count / (count - 1.0));
    [tensor(normed.mean.clone()), unbiased]
}

fn run(form: &Form, inputs: Inputs<Cpu>) -> (FloatTensor<Cpu>, Option<Normed>) {
    let [x, weight, bias, scale, shift, residual] = inputs;
    let residual = form.residual.then_some(residual);
    let conv = form.options.clone().map(|options| Convolution {
        weight,
        bias: form.bias.then_some(bias),
        options,
        phase: Phase::Training,
    });
    let Some(epsilon) = form.epsilon else {
        let affine = Affine {
            scale: form.norm.then_some(scale),
            shift: form.norm.then_some(shift),
            residual,
            relu: form.relu,
        };
        return (affine.forward(x, conv), None);
    };
    let x = Affine::default().forward(x, conv);
    let norm = BatchNorm {
        scale,
        shift,
        epsilon,
        residual,
        relu: form.relu,
    };
    let normed = norm.forward(x);
    (normed.output.clone(), Some(normed))
}

#[derive(Clone, Debug)]
struct State {
    x: FloatTensor<Cpu>,
    weight: FloatTensor<Cpu>,
    scale: FloatTensor<Cpu>,
    output: FloatTensor<Cpu>,
    normed: Option<Normed>,
    form: Form,
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
            form,
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
                let grad = if form.relu {
                    Cpu::relu_backward(output, grad)
                } else {
                    grad
                };
                register(of_residual, grad.clone());
                (grad, form.norm.then_some(scale))
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
        let Some(options) = form.options else {
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
