//! The gradients of layers that are one step, against those that Burn makes of its operations, which `cpu` has in float64.

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
    dtype: FloatDType,
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
        let model = model.cast(self.dtype).unwrap();
        let x = keyed::images(7, shape, &device).cast(self.dtype);
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

/// The largest difference as a share of the largest value.
fn difference(
    backend: &str,
    dtype: FloatDType,
    config: ResNetConfig,
    size: usize,
    prepare: Prepare,
) -> f64 {
    let gradient = |dtype| Gradient {
        config: config.clone(),
        size,
        prepare,
        dtype,
    };
    let expected = on("cpu", gradient(FloatDType::F64));
    let found = on(backend, gradient(dtype));
    let largest = expected
        .iter()
        .fold(0.0_f64, |max, value| max.max(value.abs()));
    assert!(largest > 0.0 && expected.len() == found.len());
    let pairs = expected.iter().zip(&found);
    pairs.fold(0.0, |most: f64, (a, b)| most.max((a - b).abs())) / largest
}

fn named(name: &str) -> ResNetConfig {
    ResNetConfig::named(name).unwrap()
}

/// What the step of `parity.rs` has not: shortcuts of option A, groups, dilation, norms before convolutions, attention, an
/// activation that is not taken into the layer.
fn networks() -> [(ResNetConfig, usize); 4] {
    let mut silu = named("ecaresnet26t");
    silu.activation = Activation::Silu;
    [
        (named("cifar_resnet20"), 32),
        (named("resnext50_32x4d").with_output_stride(16), 64),
        (named("cifar_wide_resnet16_4"), 32),
        (silu, 64),
    ]
}

const PREPARED: [Prepare; 3] = [
    Prepare::Nothing,
    Prepare::Norms(NormMode::Eval),
    Prepare::Norms(NormMode::Frozen),
];

/// In float64, as fifty norms over 64 values each amplify rounding.
#[cfg(feature = "tch")]
#[test]
fn gradients_on_libtorch() {
    for (config, size) in networks() {
        let found = difference("tch:cpu", FloatDType::F64, config, size, Prepare::Nothing);
        assert!(found <= 1e-6, "{size}: {found}");
    }
    for prepare in PREPARED {
        let config = named("cifar_resnet20");
        let found = difference("tch:cpu", FloatDType::F64, config, 32, prepare);
        assert!(found <= 1e-6, "{prepare:?}: {found}");
    }
}

/// In float32, where Burn's own gradients of the second network are as far off.
#[test]
fn gradients_on_cpu() {
    for ((config, size), most) in networks().into_iter().zip([1e-4, 5e-2, 1e-4, 1e-4]) {
        let found = difference("cpu", FloatDType::F32, config, size, Prepare::Nothing);
        assert!(found <= most, "{size}: {found}");
    }
    for prepare in PREPARED {
        let config = named("cifar_resnet20");
        let found = difference("cpu", FloatDType::F32, config, 32, prepare);
        assert!(found <= 1e-4, "{prepare:?}: {found}");
    }
}
