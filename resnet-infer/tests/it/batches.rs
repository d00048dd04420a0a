//! Dependence of logits on the batch size: the figures of the page "Backends".

use burn::tensor::Tensor;
use resnet_core::{Arch, Network, ResNet};
use resnet_cpu::Cpu;
use resnet_testing::{data, keyed, pairs};
use resnet_weights::{Checkpoint, Load};

/// Tolerance relative to the largest logit.
const TOLERANCE: f32 = 2e-6;

/// Computes the logits of 16 images at batch sizes 1, 8 and 16. Returns the largest difference to
/// batch size 1, relative to the largest logit.
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
fn logits_depend_on_the_batch_size_only_in_the_last_bits() {
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
        assert!(difference <= TOLERANCE, "{arch:?}: {difference:.1e}");
    }
}

fn check_trained(model: ResNet<Cpu>) {
    let difference = difference(model, 32);
    println!("trained: {difference:.1e}");
    assert!(difference <= TOLERANCE, "{difference:.1e}");
}

#[test]
fn logits_of_the_embedded_network_depend_on_the_batch_size_only_in_the_last_bits() {
    let name = "cifar_resnet20.resnet_zoo_c10";
    let ours = resnet_weights::pretrained::<Cpu>(name, &Default::default());
    check_trained(ours.unwrap().model);
}

#[test]
#[ignore = "needs RESNET_TEST_DATA"]
fn logits_of_third_party_networks_depend_on_the_batch_size_only_in_the_last_bits() {
    for file in ["resnet20-12fca82f.th", "resnet56-4bfd9763.th"] {
        let checkpoint = Checkpoint::open(data(&format!("cifar10-resnet/{file}"))).unwrap();
        let config = checkpoint.infer().unwrap().config;
        let model = config.init(&Default::default());
        check_trained(Load::default().apply(model, &checkpoint).unwrap().0);
    }
}
