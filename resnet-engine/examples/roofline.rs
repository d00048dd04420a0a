//! Compares the time of each step of a network with what the processor could do.
//!
//!     cargo run --release -p resnet-engine --example roofline -- resnet50 [BATCH [SIZE]]
//!
//! A step with `w` multiply-adds that moves `b` bytes takes at least `max(w / rate, b / bandwidth)`
//! (Williams et al., Roofline, 2009). Both rates are measured first: fused multiply-adds in
//! registers, and reads of a large buffer, on all cores. Winograd's algorithm needs fewer products
//! than are counted here, so its share may exceed 100 %. Feature maps of the step before are often
//! still in the cache, so a share by bandwidth may as well.

#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use std::convert::Infallible;
use std::hint::black_box;
use std::time::Instant;

use resnet_core::ResNetConfig;
use resnet_engine::{Batch, CompileOptions, Engine, Outputs, StepTime};
use resnet_kernels::{parallel, vectorize};

/// Number of measurements; the fastest counts.
const RUNS: usize = 30;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap_or_else(|| "resnet50".into());
    let mut number = |default: usize| args.next().map_or(Ok(default), |text| text.parse());
    let (batch, size) = (number(1)?, number(224)?);
    let (flops, bandwidth) = (flops(), bandwidth());
    println!(
        "{name}, batch {batch}, {size}x{size}, {} cores, {}: {:.0} GFLOP/s, {:.1} GB/s",
        parallel::cores(),
        resnet_engine::simd(),
        flops / 1e9,
        bandwidth / 1e9,
    );
    println!("| step | algorithm | output | ms | GFLOP/s | GB/s | limit | of limit |");
    println!("|---|---|---|---:|---:|---:|---|---:|");
    let steps = steps(&name, batch, size)?;
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
) -> Result<Vec<StepTime>, Box<dyn std::error::Error>> {
    let config = ResNetConfig::named(name)?;
    let values = |_: &str, shape: &[usize]| {
        let count: usize = shape.iter().product();
        Ok::<_, Infallible>((0..count).map(|i| (i % 13) as f32 / 100.0 + 0.01).collect())
    };
    let options = CompileOptions {
        batch,
        size: Some([size; 2]),
        ..CompileOptions::default()
    };
    let mut session = Engine::compile(&config, values, options)?.session();
    let dims = [batch, config.in_channels, size, size];
    let x = vec![0.5; dims.iter().product()];
    let images = Batch::channels_first(&x, dims);
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
    match resnet_engine::simd() {
        "avx512" => flops_of::<16, 24>(),
        "avx2" => flops_of::<8, 12>(),
        _ => flops_of::<4, 24>(),
    }
}

/// Multiplies and adds vectors that stay in registers.
fn flops_of<const LANES: usize, const VECTORS: usize>() -> f64 {
    const STEPS: usize = 1_000_000;
    let cores = parallel::cores();
    let time = fastest(|| {
        parallel::each(cores, |_| {
            let (a, b) = (black_box(0.5), black_box(1.0));
            let sums = vectorize(
                #[inline(always)]
                || {
                    let mut sums = [[1.0_f32; LANES]; VECTORS];
                    for _ in 0..STEPS {
                        for sums in &mut sums {
                            for sum in sums {
                                *sum = sum.mul_add(a, b);
                            }
                        }
                    }
                    sums
                },
            );
            black_box(sums);
        });
    });
    2.0 * (STEPS * LANES * VECTORS * cores) as f64 / time
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
