//! How far predictions depend on the images that are in the same batch: the figures of the page "Backends".

use burn::tensor::Tensor;
use resnet_core::{Arch, Network, ResNet};
use resnet_cpu::Cpu;
use resnet_testing::{data, keyed, pairs};
use resnet_weights::{Checkpoint, Load};

/// A share of the largest logit.
const MOST: f32 = 2e-6;

/// The largest difference of the logits of 16 images one by one to those in batches of 8 and 16, over the largest logit.
fn difference(model: ResNet<Cpu>, side: usize) -> f32 {
    let model = model.fuse();
    let images = keyed::images::<Cpu>(7, [16, 3, side, side], &Default::default());
    let logits = |batch: usize| -> Vec<f32> {
        let parts = images.clone().split(batch, 0);
        let logits = parts.into_iter().map(|images| model.forward(images));
        Tensor::cat(logits.collect(), 0)
            .into_data()
            .to_vec()
            .unwrap()
    };
    let alone = logits(1);
    let largest = alone
        .iter()
        .fold(0.0_f32, |most, logit| most.max(logit.abs()));
    assert!(largest > 0.1, "{largest}");
    let differences = [8, 16].into_iter().flat_map(|batch| {
        let pairs = pairs(logits(batch), alone.clone()).into_iter();
        pairs.map(|(a, b)| (a - b).abs())
    });
    differences.fold(0.0, f32::max) / largest
}

#[test]
fn logits_depend_on_the_batch_in_the_last_bits_only() {
    for (arch, side) in [
        (Arch::ResNet18, 96),
        (Arch::ResNet50, 64),
        (Arch::ResNeXt50_32x4d, 64),
        (Arch::WideResNet50_2, 64),
        (Arch::ResNet50d, 64),
        (Arch::SeResNet18, 64),
        (Arch::CifarResNet56, 32),
        (Arch::CifarWideResNet16_4, 32),
    ] {
        let model = keyed::fill(arch.config().init(&Default::default()), 7);
        let difference = difference(model, side);
        println!("{arch:?} {side}: {difference:.1e}");
        assert!(difference <= MOST, "{arch:?}: {difference:.1e}");
    }
}

fn check_trained(model: ResNet<Cpu>) {
    let difference = difference(model, 32);
    println!("trained: {difference:.1e}");
    assert!(difference <= MOST, "{difference:.1e}");
}

#[test]
fn those_of_our_trained_network_too() {
    let name = "cifar_resnet20.resnet_zoo_c10";
    let ours = resnet_weights::pretrained::<Cpu>(name, &Default::default());
    check_trained(ours.unwrap().model);
}

#[test]
#[ignore = "needs RESNET_TEST_DATA"]
fn those_of_networks_that_others_trained_too() {
    for file in ["resnet20-12fca82f.th", "resnet56-4bfd9763.th"] {
        let checkpoint = Checkpoint::open(data(&format!("cifar10-resnet/{file}"))).unwrap();
        let config = checkpoint.infer().unwrap().config;
        let model = config.init(&Default::default());
        check_trained(Load::default().apply(model, &checkpoint).unwrap().0);
    }
}
