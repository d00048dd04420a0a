//! Compares the time of each step of a network with what the processor could do.
//!
//!     cargo run --release -p resnet-engine --example roofline -- resnet50 [BATCH [SIZE [int8]]]
//!
//! A step with `w` multiply-adds that moves `b` bytes takes at least `max(w / rate, b / bandwidth)`
//! (Williams et al., Roofline, 2009). Both rates are measured first: fused multiply-adds in
//! registers, and reads of a large buffer, on all cores. Winograd's algorithm needs fewer products
//! than are counted here, so its share may exceed 100 %. Feature maps of the step before are often
//! still in the cache, so a share by bandwidth may as well.
//!
//! With `int8`, all layers have integers. The rate is then that of floats times the products of a lane
//! of 32 bits: four of bytes with VNNI, two of 16-bit integers with the other instructions.

#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use std::convert::Infallible;
use std::hint::black_box;
use std::time::Instant;

use pulp::{Arch, Simd, WithSimd};
use resnet_core::ResNetConfig;
use resnet_engine::{
    Batch, CalibrationMethod, Calibrator, CompileOptions, Engine, Outputs, Precision,
    QuantizedNetwork, StepTime,
};
use resnet_kernels::int8::Instructions;
use resnet_kernels::{parallel, vectorize};

/// Number of measurements; the fastest counts.
const RUNS: usize = 30;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap_or_else(|| "resnet50".into());
    let mut number = |default: usize| args.next().map_or(Ok(default), |text| text.parse());
    let (batch, size) = (number(1)?, number(224)?);
    let is_int8 = args.next().is_some_and(|word| word == "int8");
    let (vectors, products) = match (is_int8, Instructions::fastest()) {
        (false, _) => (resnet_engine::simd().to_string(), 1.0),
        (true, found @ (Instructions::Avx512Vnni | Instructions::AvxVnni)) => {
            (format!("{found:?}"), 4.0)
        }
        (true, found) => (format!("{found:?}"), 2.0),
    };
    let (flops, bandwidth) = (flops() * products, bandwidth());
    println!(
        "{name}, batch {batch}, {size}x{size}, {} cores, {vectors}: {:.0} GOP/s, {:.1} GB/s",
        parallel::cores(),
        flops / 1e9,
        bandwidth / 1e9,
    );
    println!("| step | algorithm | output | ms | GOP/s | GB/s | limit | of limit |");
    println!("|---|---|---|---:|---:|---:|---|---:|");
    let steps = steps(&name, batch, size, is_int8)?;
    let mut total = [0.0; 2];
    for step in &steps {
        let seconds = step.time.as_secs_f64();
        let work = 2.0 * step.macs as f64;
        let [by_work, by_bytes] = [work / flops, step.bytes as f64 / bandwidth];
        let least = by_work.max(by_bytes);
        total[0] += seconds;
        total[1] += least;
        let [_, channels, height, width] = step.output;
        println!(
            "| {} | {} | {channels}x{height}x{width} | {:.3} | {:.0} | {:.1} | {} | {:.0} % |",
            step.name,
            step.algorithm.as_deref().unwrap_or_default(),
            1e3 * seconds,
            work / seconds / 1e9,
            step.bytes as f64 / seconds / 1e9,
            if by_work > by_bytes {
                "arithmetic"
            } else {
                "memory"
            },
            100.0 * least / seconds,
        );
    }
    let [seconds, least] = total;
    let share = 100.0 * least / seconds;
    println!("| all | | | {:.3} | | | | {share:.0} % |", 1e3 * seconds);
    Ok(())
}

/// Returns the fastest time of each step, with arbitrary weights.
fn steps(
    name: &str,
    batch: usize,
    size: usize,
    is_int8: bool,
) -> Result<Vec<StepTime>, Box<dyn std::error::Error>> {
    let config = ResNetConfig::named(name)?;
    let values = |key: &str, shape: &[usize]| {
        let count: usize = shape.iter().product();
        let least = if key.ends_with("var") { 1.0 } else { -0.06 };
        Ok::<_, Infallible>(
            (0..count)
                .map(|i| (i % 13) as f32 / 100.0 + least)
                .collect(),
        )
    };
    let options = CompileOptions {
        batch,
        size: Some([size; 2]),
        ..CompileOptions::default()
    };
    let dims = [batch, config.in_channels, size, size];
    let x = vec![0.5; dims.iter().product()];
    let images = Batch::channels_first(&x, dims);
    let engine = match is_int8 {
        false => Engine::compile(&config, values, options)?,
        true => {
            let floats = Engine::compile(&config, values, Precision::F32)?;
            let mut calibrator = Calibrator::new(&floats);
            calibrator.observe(images)?;
            let calibration = calibrator.finish(CalibrationMethod::MinMax);
            let network = QuantizedNetwork::new(&config, values, &calibration, |_| true)?;
            Engine::compile_quantized(network, options)?
        }
    };
    let mut session = engine.session();
    let mut best = session.profile(images, Outputs::LOGITS)?;
    for _ in 1..RUNS {
        for (best, again) in best
            .iter_mut()
            .zip(session.profile(images, Outputs::LOGITS)?)
        {
            best.time = best.time.min(again.time);
        }
    }
    Ok(best)
}

/// Returns the floating-point operations per second of all cores.
fn flops() -> f64 {
    let arch = match resnet_engine::simd() {
        #[cfg(target_arch = "x86_64")]
        "avx2" => pulp::x86::V3::try_new().map_or(Arch::Scalar, Arch::V3),
        "none" => Arch::Scalar,
        _ => Arch::new(),
    };
    let cores = parallel::cores();
    let count = arch.dispatch(MultiplyAdds);
    let time = fastest(|| {
        parallel::each(cores, |_| {
            arch.dispatch(MultiplyAdds);
        });
    });
    2.0 * (count * cores) as f64 / time
}

/// Multiplies and adds vectors that stay in registers. Returns the number of multiply-adds.
struct MultiplyAdds;

impl WithSimd for MultiplyAdds {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> usize {
        /// More than the latency times the number of multiply-adds per cycle.
        const VECTORS: usize = 12;
        const STEPS: usize = 1_000_000;
        let [a, b] = [0.5, 1.0].map(|value| simd.splat_f32s(black_box(value)));
        let mut sums = [b; VECTORS];
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = simd.mul_add_f32s(*sum, a, b);
            }
        }
        black_box(sums);
        STEPS * VECTORS * S::F32_LANES
    }
}

/// Returns the bytes per second that all cores read from memory.
fn bandwidth() -> f64 {
    let values = vec![1_u64; 1 << 25];
    let cores = parallel::cores();
    let time = fastest(|| {
        parallel::each(cores, |core| {
            let part = &values[parallel::range(values.len(), cores, core)];
            let sum = vectorize(
                #[inline(always)]
                || {
                    part.iter()
                        .fold(0_u64, |sum, value| sum.wrapping_add(*value))
                },
            );
            black_box(sum);
        });
    });
    size_of_val(&values[..]) as f64 / time
}

fn fastest(mut work: impl FnMut()) -> f64 {
    let times = (0..RUNS).map(|_| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    });
    times.fold(f64::INFINITY, f64::min)
}
