//! Loads a ResNet-50 of 102 MB from safetensors into a network, and saves it.

use burn::backend::Flex;
use criterion::{Criterion, criterion_group, criterion_main};
use resnet_core::{Arch, Network, ResNet};
use resnet_testing::keyed;
use resnet_weights::{Checkpoint, Load, Save};

fn benches(criterion: &mut Criterion) {
    let device = Default::default();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("resnet50.safetensors");
    let model: ResNet<Flex> = keyed::fill(Arch::ResNet50.config().init(&device), 7);
    Save::default().safetensors(&model, &file).expect("writes");

    criterion.bench_function("open", |bencher| bencher.iter(|| Checkpoint::open(&file)));
    let checkpoint = Checkpoint::open(&file).expect("opens");
    criterion.bench_function("infer", |bencher| bencher.iter(|| checkpoint.infer()));
    criterion.bench_function("apply", |bencher| {
        bencher.iter(|| {
            let model: ResNet<Flex> = Arch::ResNet50.config().init(&device);
            Load::default().apply(model, &checkpoint)
        });
    });
    criterion.bench_function("fuse", |bencher| bencher.iter(|| model.clone().fuse()));
    let copy = folder.path().join("copy.safetensors");
    criterion.bench_function("save", |bencher| {
        bencher.iter(|| Save::default().safetensors(&model, &copy));
    });
}

criterion_group! {
    name = group;
    config = Criterion::default().sample_size(10);
    targets = benches
}
criterion_main!(group);
