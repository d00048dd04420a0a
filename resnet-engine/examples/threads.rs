//! Shares one engine between threads and shows the memory of the process (Linux).
//!
//!     cargo run --release -p resnet-engine --example threads -- resnet50 [THREADS]

#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use std::convert::Infallible;
use std::sync::Barrier;

use resnet_core::ResNetConfig;
use resnet_engine::{Batch, Engine, Outputs, Precision};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap_or_else(|| "resnet50".into());
    let threads = args.next().map_or(Ok(4), |text| text.parse())?;
    let config = ResNetConfig::named(&name)?;
    let values = |_: &str, shape: &[usize]| {
        let count: usize = shape.iter().product();
        Ok::<_, Infallible>((0..count).map(|i| (i % 13) as f32 / 100.0 + 0.01).collect())
    };
    let engine = Engine::compile(&config, values, Precision::F32)?;
    let loaded = resident();
    println!(
        "{name}: {:.1} MB of packed weights",
        engine.weight_bytes() as f64 / 1e6
    );
    let dims = [1, config.in_channels, 224, 224];
    let x = vec![0.5; dims.iter().product()];
    let ready = Barrier::new(threads + 1);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut session = engine.session();
                for _ in 0..5 {
                    let run = session.run(Batch::channels_first(&x, dims), Outputs::LOGITS);
                    assert!(run.is_ok(), "the images fit the network");
                }
                ready.wait();
                ready.wait();
            });
        }
        ready.wait();
        let running = resident();
        println!(
            "{loaded:.1} MB after loading, {running:.1} MB with {threads} threads: {:.1} MB per thread",
            (running - loaded) / threads as f64
        );
        ready.wait();
    });
    Ok(())
}

/// Returns the resident memory in MB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) * 1024.0 / 1e6
}
