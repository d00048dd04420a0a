//! Gradients of fused layers, compared to Burn's op-by-op gradients, which `cpu` computes in f64.

use burn::backend::Autodiff;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{FloatDType, Tensor};
use resnet_backend::Work;
use resnet_core::{Activation, Network, NormMode, ResNet, ResNetConfig};
use resnet_testing::{keyed, pairs};

use crate::parity::on;

/// A training step. Its output is the gradient of every parameter and the running statistics.
#[derive(Clone)]
struct Step {
    config: ResNetConfig,
    size: usize,
    prepare: Prepare,
    dtype: FloatDType,
}

/// A change of the network before the step.
#[derive(Clone, Copy, Debug)]
enum Prepare {
    Nothing,
    Norms(NormMode),
    /// Fuses the network: convolutions have biases. All parameters require gradients.
    Fuse,
}

impl Work for Step {
    type Output = Vec<Vec<f64>>;

    fn run<B: Backend>(self, device: B::Device) -> Vec<Vec<f64>> {
        let _lock = resnet_testing::autograd_lock();
        let model: ResNet<Autodiff<B>> = keyed::fill(self.config.init(&device), 7);
        let model = match self.prepare {
            Prepare::Nothing => model,
            Prepare::Norms(mode) => model.with_norm_mode(mode),
            Prepare::Fuse => model.fuse(),
        };
        let shape = [4, 3, self.size, self.size];
        let model = model.cast(self.dtype).unwrap();
        let model = match self.prepare {
            Prepare::Fuse => model.map(&mut RequireGrad),
            _ => model,
        };
        let x = keyed::images(7, shape, &device).cast(self.dtype);
        let embedding = model.forward_embedding(x);
        let loss = (embedding.clone() * embedding).sum();
        let mut collector = Collector {
            gradients: GradientsParams::from_grads(loss.backward(), &model),
            values: Vec::new(),
        };
        model.visit(&mut collector);
        let running: Result<(), ()> = model.visit_state(|key, data| {
            if key.contains("running") {
                collector.values.push(data.iter().collect());
            }
            Ok(())
        });
        running.unwrap();
        collector.values
    }
}

/// Makes the parameters of a fused network require gradients again.
struct RequireGrad;

impl<B: AutodiffBackend> ModuleMapper<B> for RequireGrad {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        param.set_require_grad(true)
    }
}

struct Collector {
    gradients: GradientsParams,
    values: Vec<Vec<f64>>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Collector {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let gradient = self.gradients.get::<B::InnerBackend, D>(param.id);
        let values = gradient.map(|gradient| gradient.into_data().iter().collect());
        self.values.extend(values);
    }
}

/// Returns the largest difference, relative to the largest value of its tensor.
fn difference(
    backend: &str,
    dtype: FloatDType,
    config: ResNetConfig,
    size: usize,
    prepare: Prepare,
) -> f64 {
    let step = |dtype| Step {
        config: config.clone(),
        size,
        prepare,
        dtype,
    };
    let expected = on("cpu", step(FloatDType::F64));
    let found = on(backend, step(dtype));
    let lengths =
        [&expected, &found].map(|tensors| tensors.iter().map(Vec::len).collect::<Vec<_>>());
    assert_eq!(lengths[0], lengths[1], "{backend} {prepare:?}");
    assert!(expected.len() > 20, "{prepare:?}: {}", expected.len());
    let of_tensor = |(expected, found): (&Vec<f64>, &Vec<f64>)| {
        let largest = expected
            .iter()
            .fold(0.0_f64, |max, value| max.max(value.abs()));
        let pairs = pairs(expected, found).into_iter();
        let off = pairs.fold(0.0, |most: f64, (a, b)| most.max((a - b).abs()));
        assert!(largest > 0.0 && off.is_finite());
        off / largest
    };
    let pairs = pairs(&expected, &found).into_iter();
    pairs.map(of_tensor).fold(0.0, f64::max)
}

fn named(name: &str) -> ResNetConfig {
    ResNetConfig::named(name).unwrap()
}

/// Networks with features that the step of `parity.rs` lacks: option A shortcuts, grouped and
/// dilated convolutions, pre-activation, attention, and an activation that is not part of the fused
/// layer.
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

const PREPARED: [Prepare; 4] = [
    Prepare::Nothing,
    Prepare::Norms(NormMode::Eval),
    Prepare::Norms(NormMode::Frozen),
    Prepare::Fuse,
];

/// Computes in f64, because fifty norms over 64 values each amplify rounding errors.
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

/// Computes in f32. In the 50-layer network, norms with batch statistics amplify rounding errors
/// until some gradients lose all digits, also in Burn's op-by-op path. That network uses running
/// statistics. The bounds are twice the error of Burn's op-by-op path.
#[test]
fn gradients_on_cpu() {
    for ((config, size), most) in pairs(networks(), [1e-4, 1e-3, 1e-3, 1e-4]) {
        let prepare = match config == networks()[1].0 {
            true => Prepare::Norms(NormMode::Eval),
            false => Prepare::Nothing,
        };
        let found = difference("cpu", FloatDType::F32, config, size, prepare);
        println!("{size}: {found:.1e}");
        assert!(found <= most, "{size}: {found}");
    }
    for prepare in PREPARED {
        let config = named("cifar_resnet20");
        let found = difference("cpu", FloatDType::F32, config, 32, prepare);
        println!("{prepare:?}: {found:.1e}");
        assert!(found <= 1e-4, "{prepare:?}: {found}");
    }
}
