//! The library, without the command.

use resnet_core::{Arch, ResNet};
use resnet_cpu::Cpu;
use resnet_image::{Preprocessing, RgbImage};
use resnet_infer::{BuildError, Classifier, Labels};
use resnet_testing::pairs;

use crate::{checkpoint, image};

#[test]
fn a_checkpoint_alone_makes_a_classifier() {
    let classifier = Classifier::open(checkpoint("good/zip.pth")).unwrap();
    assert_eq!(classifier.preprocessing(), &Preprocessing::cifar());
    let images = ["tiny_33x20.png", "cat_451x300.png", "tiny_33x20.png"];
    let images = images.map(|name| resnet_image::open(image(name)).unwrap());
    let together = classifier
        .clone()
        .with_batch_size(1)
        .with_top_k(10)
        .classify(&images)
        .unwrap();
    assert_eq!(together.len(), 3);
    assert_eq!(together[0], together[2]);
    let sum: f32 = together[1].top.iter().map(|score| score.probability).sum();
    assert!((sum - 1.0).abs() < 1e-5);
    assert_eq!(classifier.classify(&[] as &[RgbImage]).unwrap(), []);
}

#[test]
fn batches_do_not_change_predictions() {
    let classifier = Classifier::open(checkpoint("good/zip.pth")).unwrap();
    let images: Vec<_> = (0..7)
        .map(|i| RgbImage::from_fn(32, 32, |x, y| image::Rgb([x as u8 * i, y as u8 * 8, 9 * i])))
        .collect();
    let one = classifier
        .clone()
        .with_batch_size(1)
        .classify(&images)
        .unwrap();
    let four = classifier.with_batch_size(4).classify(&images).unwrap();
    for (a, b) in pairs(&one, &four) {
        assert_eq!(a.top[0].class, b.top[0].class);
        assert!((a.top[0].probability - b.top[0].probability).abs() < 1e-5);
    }
}

#[test]
fn mismatched_parts_are_an_error() {
    let refusal =
        |config: resnet_core::ResNetConfig, labels: Labels, preprocessing: Preprocessing| {
            let model: ResNet<Cpu> = config.init(&Default::default());
            Classifier::new(model, preprocessing, labels, &Default::default()).unwrap_err()
        };
    let config = Arch::CifarResNet20.config();
    let ten = || Labels::named("cifar10").unwrap();
    let headless = refusal(
        config.clone().with_num_classes(0),
        ten(),
        Preprocessing::cifar(),
    );
    assert!(matches!(headless, BuildError::NoClasses));
    let gray = refusal(
        config.clone().with_in_channels(1),
        ten(),
        Preprocessing::cifar(),
    );
    assert!(matches!(gray, BuildError::Channels(_)));
    let few = refusal(
        config.clone(),
        ["a", "b"].into_iter().collect(),
        Preprocessing::cifar(),
    );
    assert!(matches!(few, BuildError::Labels(_)));
    let flat = refusal(
        config,
        ten(),
        Preprocessing {
            std: [0.0; 3].into(),
            ..Preprocessing::cifar()
        },
    );
    assert!(matches!(flat, BuildError::Preprocessing(_)));
}
