//! Benchmarks layers of ResNet-50 and ResNeXt-50 on this backend and on Flex.
//!
//! Run a selection with `cargo bench -p resnet-cpu -- '3x3'`.

use std::hint::black_box;

use burn_backend::TensorData;
use burn_backend::ops::{ConvOptions, ModuleOps};
use burn_flex::{Flex, FlexTensor};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use resnet_cpu::{Cpu, Epilogue, Phase, conv2d_with};

/// Name, input channels, output channels, output size, kernel, stride, groups.
const LAYERS: [(&str, usize, usize, usize, usize, usize, usize); 14] = [
    ("stem 7x7 3-64 112", 3, 64, 112, 7, 2, 1),
    ("1x1 64-256 56", 64, 256, 56, 1, 1, 1),
    ("1x1 256-64 56", 256, 64, 56, 1, 1, 1),
    ("3x3 64-64 56", 64, 64, 56, 3, 1, 1),
    ("3x3 128-128 28", 128, 128, 28, 3, 1, 1),
    ("1x1 512-128 28", 512, 128, 28, 1, 1, 1),
    ("3x3 256-256 14", 256, 256, 14, 3, 1, 1),
    ("1x1 256-1024 14", 256, 1024, 14, 1, 1, 1),
    ("3x3 512-512 7", 512, 512, 7, 3, 1, 1),
    ("1x1 2048-512 7", 2048, 512, 7, 1, 1, 1),
    ("3x3 128-128 56 groups 32", 128, 128, 56, 3, 1, 32),
    ("3x3 256-256 28 groups 32", 256, 256, 28, 3, 1, 32),
    ("3x3 512-512 14 groups 32", 512, 512, 14, 3, 1, 32),
    ("3x3 1024-1024 7 groups 32", 1024, 1024, 7, 3, 1, 32),
];

fn tensor(shape: [usize; 4]) -> FlexTensor {
    let values = (0..shape.iter().product()).map(|i: usize| (i % 13) as f32 / 13.0 - 0.5);
    FlexTensor::from_data(TensorData::new(values.collect::<Vec<_>>(), shape))
}

fn layers(criterion: &mut Criterion) {
    for (name, inputs, outputs, size, kernel, stride, groups) in LAYERS {
        let mut group = criterion.benchmark_group(name);
        let operations = 2 * outputs * inputs / groups * kernel * kernel * size * size;
        group.throughput(Throughput::Elements(operations as u64));
        let options = ConvOptions::new([stride; 2], [kernel / 2; 2], [1; 2], groups);
        let weight = tensor([outputs, inputs / groups, kernel, kernel]);
        let x = tensor([1, inputs, size * stride, size * stride]);
        let ours = |x: &FlexTensor| {
            conv2d_with(
                x.clone(),
                weight.clone(),
                options.clone(),
                Epilogue::default(),
                Phase::Inference,
            )
        };
        let channels_last = resnet_cpu::into_channels_last(x.clone());
        group.bench_function("resnet-cpu", |bench| {
            bench.iter(|| ours(black_box(&channels_last)))
        });
        let grad = ours(&channels_last);
        group.bench_function("resnet-cpu, gradient of the input", |bench| {
            bench.iter(|| {
                let [x, weight] = [&channels_last, &weight].map(FlexTensor::clone);
                Cpu::conv2d_x_backward(x, weight, black_box(grad.clone()), options.clone())
            })
        });
        group.bench_function("resnet-cpu, gradient of the weights", |bench| {
            bench.iter(|| {
                let [x, weight] = [&channels_last, &weight].map(FlexTensor::clone);
                Cpu::conv2d_weight_backward(x, weight, black_box(grad.clone()), options.clone())
            })
        });
        group.bench_function("flex", |bench| {
            bench
                .iter(|| Flex::conv2d(black_box(x.clone()), weight.clone(), None, options.clone()));
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(std::time::Duration::from_millis(200))
        .measurement_time(std::time::Duration::from_millis(500));
    targets = layers
}
criterion_main!(benches);
