//! Benchmarks one alternative on one network. Prints one JSON object.
//!
//! ```text
//! peers candle MODEL BATCH SIZE RUNS            # ResNet-18, 34, 50, 101 or 152
//! peers tract|rten FILE.onnx BATCH SIZE RUNS
//! ```

use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use candle_nn::{Module, VarBuilder, VarMap};
use candle_transformers::models::resnet;
use rten_tensor::prelude::*;
use tract_onnx::prelude::*;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize| -> usize { args[i].parse().unwrap() };
    let (batch, size, runs) = (number(2), number(3), number(4));
    let pixels: Vec<f32> = (0..batch * 3 * size * size)
        .map(|i| ((i * 2654435761) % 1000) as f32 / 500.0 - 1.0)
        .collect();
    let shape = [batch, 3, size, size];
    match args[0].as_str() {
        "candle" => {
            let vars = VarMap::new();
            let builder = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
            let build = match args[1].as_str() {
                "resnet18" => resnet::resnet18,
                "resnet34" => resnet::resnet34,
                "resnet50" => resnet::resnet50,
                "resnet101" => resnet::resnet101,
                "resnet152" => resnet::resnet152,
                name => panic!("expected a ResNet of candle, found {name}"),
            };
            let model = build(1000, builder).unwrap();
            let x = Tensor::from_slice(&pixels, &shape, &Device::Cpu).unwrap();
            report("candle", runs, || drop(model.forward(&x).unwrap()));
        }
        "tract" => {
            let model = tract_onnx::onnx().model_for_path(&args[1]).unwrap();
            let model = model.into_optimized().unwrap().into_runnable().unwrap();
            let x: tract_onnx::prelude::Tensor =
                tract_ndarray::Array4::from_shape_vec((batch, 3, size, size), pixels).unwrap().into();
            report("tract", runs, || drop(model.run(tvec!(x.clone().into())).unwrap()));
        }
        "rten" => {
            let model = rten::Model::load_file(&args[1]).unwrap();
            let x = rten_tensor::NdTensor::from_data(shape, pixels);
            report("rten", runs, || drop(model.run_one(x.view().into(), None).unwrap()));
        }
        peer => panic!("expected candle, tract or rten, found {peer}"),
    }
}

fn report(peer: &str, runs: usize, mut work: impl FnMut()) {
    (0..4).for_each(|_| work());
    let mut time = |_| {
        let start = Instant::now();
        work();
        1e3 * start.elapsed().as_secs_f64()
    };
    let mut times: Vec<f64> = (0..runs).map(&mut time).collect();
    times.sort_by(f64::total_cmp);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: f64 = peak.split_whitespace().next().unwrap().parse().unwrap();
    println!(
        "{{\"peer\": \"{peer}\", \"median_ms\": {}, \"min_ms\": {}, \"peak_mb\": {}}}",
        times[runs / 2],
        times[0],
        peak * 1024.0 / 1e6
    );
}
