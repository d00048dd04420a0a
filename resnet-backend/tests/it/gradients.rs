//! The gradients of layers that are one step, against those that Burn makes of its operations, which `cpu` has in float64.

use burn::backend::Autodiff;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{FloatDType, Tensor};
use resnet_backend::Work;
use resnet_core::{Activation, Network, NormMode, ResNet, ResNetConfig};
use resnet_testing::{keyed, pairs};

use crate::parity::on;

/// What a step leaves: the gradient of every parameter, and the running statistics.
#[derive(Clone)]
struct Step {
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
    /// Convolutions have biases, and all parameters learn.
    Fuse,
}

impl Work for Step {
    type Output = Vec<Vec<f64>>;

    fn run<B: Backend>(self, device: B::Device) -> Vec<Vec<f64>> {
        let model: ResNet<Autodiff<B>> = keyed::fill(self.config.init(&device), 7);
        let model = match self.prepare {
            Prepare::Nothing => model,
            Prepare::Norms(mode) => model.with_norm_mode(mode),
            Prepare::Fuse => model.fuse(),
        };
        let shape = [4, 3, self.size, self.size];
        let model = model.cast(self.dtype).unwrap();
        let model = match self.prepare {
            Prepare::Fuse => model.map(&mut Learn),
            _ => model,
        };
        let x = keyed::images(7, shape, &device).cast(self.dtype);
        let embedding = model.forward_embedding(x);
        let loss = (embedding.clone() * embedding).sum();
        let mut left = Left {
            gradients: GradientsParams::from_grads(loss.backward(), &model),
            values: Vec::new(),
        };
        model.visit(&mut left);
        let running: Result<(), ()> = model.visit_state(|key, data| {
            if key.contains("running") {
                left.values.push(data.iter().collect());
            }
            Ok(())
        });
        running.unwrap();
        left.values
    }
}

/// What was folded for inference learns again.
struct Learn;

impl<B: AutodiffBackend> ModuleMapper<B> for Learn {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        param.set_require_grad(true)
    }
}

struct Left {
    gradients: GradientsParams,
    values: Vec<Vec<f64>>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Left {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let gradient = self.gradients.get::<B::InnerBackend, D>(param.id);
        let values = gradient.map(|gradient| gradient.into_data().iter().collect());
        self.values.extend(values);
    }
}

/// The largest difference as a share of the largest value of its tensor.
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

const PREPARED: [Prepare; 4] = [
    Prepare::Nothing,
    Prepare::Norms(NormMode::Eval),
    Prepare::Norms(NormMode::Frozen),
    Prepare::Fuse,
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

/// In float32. Fifty norms by the batch's statistics amplify rounding so much that no digit of some gradient is left, of Burn's
/// own as well: that network is compared by the running ones. The bounds are twice what Burn's own are off.
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
