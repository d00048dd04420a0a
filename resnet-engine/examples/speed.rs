//! Times a network with arbitrary weights, without Burn.
//!
//!     cargo run --release -p resnet-engine --example speed -- resnet50 [BATCH [SIZE]]

#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use std::convert::Infallible;
use std::time::Instant;

use resnet_core::ResNetConfig;
use resnet_engine::{Batch, CompileOptions, Engine, Outputs};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap_or_else(|| "resnet50".into());
    let mut number = |default: usize| args.next().map_or(Ok(default), |text| text.parse());
    let (batch, size) = (number(1)?, number(224)?);
    let config = ResNetConfig::named(&name)?;
    let values = |_: &str, shape: &[usize]| {
        let count: usize = shape.iter().product();
        Ok::<_, Infallible>((0..count).map(|i| (i % 13) as f32 / 100.0 + 0.01).collect())
    };
    let options = CompileOptions {
        batch,
        size: Some([size; 2]),
        ..CompileOptions::default()
    };
    let engine = Engine::compile(&config, values, options)?;
    let mut session = engine.session();
    let dims = [batch, config.in_channels, size, size];
    let x: Vec<f32> = (0..dims.iter().product())
        .map(|i: usize| (i % 17) as f32 / 17.0 - 0.5)
        .collect();
    let mut times = Vec::new();
    for _ in 0..30 {
        let start = Instant::now();
        session.run(Batch::channels_first(&x, dims), Outputs::LOGITS)?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    println!(
        "{name}, batch {batch}: {:.2} ms (fastest {:.2}), weights {:.1} MB, feature maps {:.1} MB",
        times[times.len() / 2],
        times[0],
        engine.weight_bytes() as f64 / 1e6,
        session.arena_bytes() as f64 / 1e6,
    );
    Ok(())
}
