//! Deterministic values, the same as in `keyed.py`. Each depends on a seed, a key and an index.

use std::convert::Infallible;

use burn::tensor::{Tensor, TensorData, backend::Backend};
use resnet_core::Network;

/// Returns the 64-bit FNV-1a hash of the text's bytes.
pub fn fnv1a64(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |h, byte| {
        (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

/// Yields `count` values in `[-1, 1)`.
pub fn uniform(seed: u64, key: &str, count: usize) -> impl Iterator<Item = f64> {
    let hash = fnv1a64(&format!("{seed}:{key}"));
    (1..=count as u64).map(move |i| {
        let z = hash.wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let z = z ^ (z >> 31);
        (z >> 40) as f64 / 16_777_216.0 * 2.0 - 1.0
    })
}

/// Returns values for the state dict entry `key`. Their range depends on the kind of the entry.
///
/// # Panics
///
/// Panics if the shape is empty.
pub fn parameter(seed: u64, key: &str, shape: &[usize]) -> TensorData {
    let (offset, scale) = match shape {
        _ if key.ends_with("running_mean") => (0.0, 0.1),
        _ if key.ends_with("running_var") => (1.0, 0.5),
        _ if key.ends_with("bias") => (0.0, 0.1),
        [_] => (0.5, 0.2),
        [_, fan_in] => (0.0, (3.0 / *fan_in as f64).sqrt()),
        [_, rest @ ..] => (0.0, (6.0 / rest.iter().product::<usize>() as f64).sqrt()),
        [] => unreachable!("scalars are not parameters"),
    };
    let values: Vec<f32> = uniform(seed, key, shape.iter().product())
        .map(|u| (offset + scale * u) as f32)
        .collect();
    TensorData::new(values, shape.to_vec())
}

/// Returns a batch of images with mean 0 and standard deviation 1.
///
/// # Shapes
/// - output: `[batch, channels, height, width]`
pub fn images<B: Backend>(seed: u64, shape: [usize; 4], device: &B::Device) -> Tensor<B, 4> {
    let scale = 3.0_f64.sqrt();
    let values: Vec<f32> = uniform(seed, "input", shape.iter().product())
        .map(|u| (scale * u) as f32)
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Returns the network with weights generated from `seed`.
pub fn fill<B: Backend, N: Network<B>>(model: N, seed: u64) -> N {
    let filled =
        model.load_state(|key, shape| Ok::<_, Infallible>(Some(parameter(seed, key, shape))));
    filled.unwrap_or_else(|never| match never {})
}
