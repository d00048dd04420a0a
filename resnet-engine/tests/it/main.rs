//! Tests of compiled networks against PyTorch and against the Burn networks.

mod allocations;
mod errors;
mod int8;
mod options;
mod parity;
mod threads;

use std::convert::Infallible;

use burn::tensor::{Tensor, TensorData};
use resnet_core::{Network, NormKind, Outputs as BurnOutputs, ResNet, ResNetConfig};
use resnet_cpu::Cpu;
use resnet_engine::{Batch, CompileOptions, Engine, Outputs};
use resnet_testing::keyed;

const ALL: Outputs = Outputs {
    logits: true,
    embedding: true,
    c1: true,
    c2: true,
    c3: true,
    c4: true,
    c5: true,
};

/// Requests everything that a network has.
fn all(config: &ResNetConfig) -> Outputs {
    let stages = config.stages.len();
    Outputs {
        logits: config.num_classes > 0,
        c3: stages > 1,
        c4: stages > 2,
        c5: stages > 3,
        ..ALL
    }
}

/// Compiles a network with weights generated from `seed`.
fn compile(config: &ResNetConfig, seed: u64, options: impl Into<CompileOptions>) -> Engine {
    let values = |key: &str, shape: &[usize]| values(seed, key, shape);
    Engine::compile(config, values, options).unwrap()
}

/// Returns the values of a tensor of a network with weights generated from `seed`.
fn values(seed: u64, key: &str, shape: &[usize]) -> Result<Vec<f32>, Infallible> {
    Ok(keyed::parameter(seed, key, shape).to_vec().unwrap())
}

fn images(seed: u64, dims: [usize; 4]) -> Vec<f32> {
    let count = dims.iter().product();
    keyed::uniform(seed, "input", count)
        .map(|u| (3.0_f64.sqrt() * u) as f32)
        .collect()
}

/// The outputs of a network, in PyTorch's order.
#[derive(Debug, PartialEq)]
struct Found {
    logits: Vec<f32>,
    embedding: Vec<f32>,
    maps: Vec<([usize; 4], Vec<f32>)>,
}

fn run(engine: &Engine, x: &[f32], dims: [usize; 4]) -> Found {
    let mut session = engine.session();
    let outputs = all(engine.config());
    let found = session
        .run(Batch::channels_first(x, dims), outputs)
        .unwrap();
    Found {
        logits: found.logits().unwrap_or_default().to_vec(),
        embedding: found.embedding().unwrap().to_vec(),
        maps: (1..=5)
            .filter_map(|number| found.map(number))
            .map(|map| (map.dims(), map.to_channels_first()))
            .collect(),
    }
}

/// Runs the Burn network, fused.
fn run_burn(config: &ResNetConfig, seed: u64, x: &[f32], dims: [usize; 4]) -> Found {
    let device = Default::default();
    let model: ResNet<Cpu> = config.init(&device);
    let model = keyed::fill(model, seed).fuse();
    let x = Tensor::from_data(TensorData::new(x.to_vec(), dims), &device);
    let BurnOutputs {
        pyramid,
        embedding,
        logits,
        ..
    } = model.forward_all(x);
    let floats = |data: TensorData| data.to_vec::<f32>().unwrap();
    let logits = match config.num_classes {
        0 => Vec::new(),
        _ => floats(logits.into_data()),
    };
    Found {
        logits,
        embedding: floats(embedding.into_data()),
        maps: pyramid
            .into_maps()
            .into_iter()
            .map(|map| (map.dims(), floats(map.into_data())))
            .collect(),
    }
}

/// Returns the largest difference to the Burn network, relative to the largest magnitude.
///
/// Burn sums the statistics of group norms in `f32`, and this crate in `f64`.
fn tolerance(config: &ResNetConfig) -> f32 {
    match config.norm {
        NormKind::Batch | NormKind::Frozen => 1e-6,
        _ => 1e-5,
    }
}

/// Asserts that all outputs differ by at most `tolerance` times the largest magnitude.
#[track_caller]
fn assert_alike(what: &str, found: &Found, expected: &Found, tolerance: f32) {
    let close = |name: &str, found: &[f32], expected: &[f32], tolerance: f32| {
        resnet_testing::assert_close(&format!("{what} {name}"), found, expected, tolerance);
    };
    if !expected.logits.is_empty() {
        // The products of the embedding cancel, so their sum is less exact than its terms.
        close("logits", &found.logits, &expected.logits, 2.0 * tolerance);
    }
    close(
        "embedding",
        &found.embedding,
        &expected.embedding,
        tolerance,
    );
    assert_eq!(found.maps.len(), expected.maps.len(), "{what}: maps");
    for (index, (found, expected)) in found.maps.iter().zip(&expected.maps).enumerate() {
        assert_eq!(found.0, expected.0, "{what}: sizes of map {index}");
        close(&format!("c{}", index + 1), &found.1, &expected.1, tolerance);
    }
}
