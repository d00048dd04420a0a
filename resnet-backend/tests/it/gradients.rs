//! LibTorch's own gradients of convolutions and batch norms, against those of `cpu`.

use burn::backend::Autodiff;
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{FloatDType, Tensor};
use resnet_backend::Work;
use resnet_core::{Activation, NormMode, ResNet, ResNetConfig};

use crate::keyed;
use crate::parity::on;

/// The gradient of the first convolution, behind which are all others.
#[derive(Clone)]
struct Gradient {
    config: ResNetConfig,
    size: usize,
    prepare: Prepare,
}

/// What happens to the network before.
#[derive(Clone, Copy, Debug)]
enum Prepare {
    Nothing,
    Norms(NormMode),
}

impl Work for Gradient {
    type Output = Vec<f64>;

    fn run<B: Backend>(self, device: B::Device) -> Vec<f64> {
        let model: ResNet<Autodiff<B>> = keyed::fill(self.config.init(&device), 7);
        let model = match self.prepare {
            Prepare::Nothing => model,
            Prepare::Norms(mode) => model.with_norm_mode(mode),
        };
        let shape = [4, 3, self.size, self.size];
        let model = model.cast(FloatDType::F64).unwrap();
        let x = keyed::images(7, shape, &device).cast(FloatDType::F64);
        let embedding = model.forward_embedding(x);
        let loss = (embedding.clone() * embedding).sum();
        let mut first = First {
            gradients: GradientsParams::from_grads(loss.backward(), &model),
            values: Vec::new(),
        };
        model.visit(&mut first);
        first.values
    }
}

struct First {
    gradients: GradientsParams,
    values: Vec<f64>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for First {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if D == 4 && self.values.is_empty() {
            let gradient = self.gradients.get::<B::InnerBackend, D>(param.id);
            self.values = gradient.unwrap().into_data().iter().collect();
        }
    }
}

fn compare(config: ResNetConfig, size: usize, prepare: Prepare) {
    let gradient = Gradient {
        config,
        size,
        prepare,
    };
    let [cpu, tch] = ["cpu", "tch:cpu"].map(|backend| on(backend, gradient.clone()));
    let largest = cpu.iter().fold(0.0_f64, |max, value| max.max(value.abs()));
    assert!(largest > 0.0 && cpu.len() == tch.len());
    for (a, b) in cpu.iter().zip(&tch) {
        assert!(
            (a - b).abs() <= 1e-6 * largest,
            "{prepare:?} {size}: {a} and {b}"
        );
    }
}

fn named(name: &str) -> ResNetConfig {
    ResNetConfig::named(name).unwrap()
}

/// What the step of `parity.rs` has not: shortcuts of option A, groups, dilation, norms before convolutions, attention, an
/// activation that LibTorch does not take into the layer. In float64, as fifty norms over 64 values each amplify rounding.
#[test]
fn gradients_are_those_of_cpu() {
    compare(named("cifar_resnet20"), 32, Prepare::Nothing);
    let dilated = named("resnext50_32x4d").with_output_stride(16);
    compare(dilated, 64, Prepare::Nothing);
    compare(named("cifar_wide_resnet16_4"), 32, Prepare::Nothing);
    let mut silu = named("ecaresnet26t");
    silu.activation = Activation::Silu;
    compare(silu, 64, Prepare::Nothing);
}

#[test]
fn gradients_without_norms_that_learn_are_those_of_cpu() {
    compare(named("cifar_resnet20"), 32, Prepare::Norms(NormMode::Eval));
    compare(
        named("cifar_resnet20"),
        32,
        Prepare::Norms(NormMode::Frozen),
    );
}
