//! Benchmarks of single convolutions at batch size 1: the layers of ResNet-50 at 224 pixels and the
//! grouped layers of ResNeXt-50.
//!
//! ```text
//! cargo bench -p resnet-backend --features tch -- 'tch:cpu/3x3'
//! ```
//!
//! Runs on every device except software renderers. Criterion's `Gelem/s` are GFLOP/s.

#![recursion_limit = "256"]

use burn::tensor::backend::Backend;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Distribution, Tensor, module};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use resnet_backend::{Hardware, Selection, Work, backends, with_backend};

/// Input channels, output channels, kernel size, stride, groups, and side of the input in pixels.
struct Shape(usize, usize, usize, usize, usize, usize);

#[rustfmt::skip]
const SHAPES: &[Shape] = &[
    Shape(   3,   64, 7, 2,  1, 224),
    Shape(  64,   64, 1, 1,  1,  56),
    Shape(  64,   64, 3, 1,  1,  56),
    Shape(  64,  256, 1, 1,  1,  56),
    Shape( 256,   64, 1, 1,  1,  56),
    Shape( 256,  128, 1, 1,  1,  56),
    Shape( 128,  128, 3, 2,  1,  56),
    Shape( 128,  512, 1, 1,  1,  28),
    Shape( 256,  512, 1, 2,  1,  56),
    Shape( 512,  128, 1, 1,  1,  28),
    Shape( 128,  128, 3, 1,  1,  28),
    Shape( 512,  256, 1, 1,  1,  28),
    Shape( 256,  256, 3, 2,  1,  28),
    Shape( 256, 1024, 1, 1,  1,  14),
    Shape( 512, 1024, 1, 2,  1,  28),
    Shape(1024,  256, 1, 1,  1,  14),
    Shape( 256,  256, 3, 1,  1,  14),
    Shape(1024,  512, 1, 1,  1,  14),
    Shape( 512,  512, 3, 2,  1,  14),
    Shape( 512, 2048, 1, 1,  1,   7),
    Shape(1024, 2048, 1, 2,  1,  14),
    Shape(2048,  512, 1, 1,  1,   7),
    Shape( 512,  512, 3, 1,  1,   7),
    // ResNeXt-50 32x4d
    Shape( 128,  128, 3, 1, 32,  56),
    Shape( 256,  256, 3, 1, 32,  28),
    Shape( 512,  512, 3, 1, 32,  14),
    Shape(1024, 1024, 3, 1, 32,   7),
];

struct Convolutions<'a> {
    criterion: &'a mut Criterion,
    selection: Selection,
}

impl Work for Convolutions<'_> {
    type Output = ();

    fn run<B: Backend>(self, device: B::Device) {
        let mut group = self.criterion.benchmark_group(self.selection.to_string());
        let random = |shape: [usize; 4]| {
            Tensor::<B, 4>::random(shape, Distribution::Uniform(-1.0, 1.0), &device)
        };
        for &Shape(input, output, kernel, stride, groups, side) in SHAPES {
            let x = random([1, input, side, side]);
            let weight = random([output, input / groups, kernel, kernel]);
            let padding = (kernel - 1) / 2;
            let options = ConvOptions::new([stride; 2], [padding; 2], [1, 1], groups);
            let pixels = side.div_ceil(stride).pow(2);
            let flops = 2 * pixels * output * (input / groups) * kernel * kernel;
            group.throughput(Throughput::Elements(flops as u64));
            let name =
                format!("{kernel}x{kernel}/{stride} {input}-{output} groups {groups} at {side}");
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    let y = module::conv2d(x.clone(), weight.clone(), None, options.clone());
                    B::sync(&device).ok();
                    y
                });
            });
        }
        group.finish();
    }
}

fn benches(criterion: &mut Criterion) {
    for device in backends().iter().flat_map(|backend| &backend.devices) {
        if device.hardware != Hardware::Software
            && let Ok(selection) = device.selection.parse()
        {
            let work = Convolutions {
                criterion,
                selection,
            };
            with_backend(selection, work).unwrap_or_else(|error| panic!("{error}"));
        }
    }
}

criterion_group! {
    name = group;
    config = Criterion::default().sample_size(20);
    targets = benches
}
criterion_main!(group);
