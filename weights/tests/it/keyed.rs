//! The reference values of `fixtures/checkpoints/keyed.py`: all numbers follow from a seed, a key
//! and an index.

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

fn fnv1a64(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// Values in [-1, 1) that are exact in `f32`.
pub(crate) fn uniform(seed: u64, key: &str, count: usize) -> impl Iterator<Item = f64> {
    let start = fnv1a64(&format!("{seed}:{key}"));
    (1..=count as u64).map(move |i| {
        let z = start.wrapping_add(i.wrapping_mul(GOLDEN));
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let z = z ^ (z >> 31);
        (z >> 40) as f64 / f64::from(1 << 24) * 2.0 - 1.0
    })
}

/// The values of the state-dict entry `key`, which is not `num_batches_tracked`.
pub(crate) fn parameter(seed: u64, key: &str, shape: &[usize]) -> Vec<f32> {
    let fan_in = shape.iter().skip(1).product::<usize>() as f64;
    let (scale, shift) = if key.ends_with("running_mean") {
        (0.1, 0.0)
    } else if key.ends_with("running_var") {
        (0.5, 1.0)
    } else if key.ends_with("bias") {
        (0.1, 0.0)
    } else {
        match shape.len() {
            1 => (0.2, 0.5),
            2 => ((3.0 / fan_in).sqrt(), 0.0),
            _ => ((6.0 / fan_in).sqrt(), 0.0),
        }
    };
    uniform(seed, key, shape.iter().product())
        .map(|u| (shift + scale * u) as f32)
        .collect()
}
