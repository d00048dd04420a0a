//! Networks for grayscale and RGBA images.

use std::collections::BTreeMap;
use std::fs;

use resnet_cpu::Cpu;
use resnet_image::{Channels, RgbImage, open_as};
use resnet_infer::{BuildError, Classifier, Labels, PrepareError};
use resnet_weights::{Checkpoint, Load};
use serde_json::Value;

use crate::{fixture, run, stderr, stdout};

const GRAY: [&str; 4] = ["--mean", "0.45", "--std", "0.25"];
const RGBA: [&str; 4] = [
    "--mean",
    "0.45,0.4,0.35,0.5",
    "--std",
    "0.25,0.25,0.25,0.25",
];

fn network(mode: &str) -> String {
    let path = fixture("resnet-infer/tests/fixtures/channels").join(format!("{mode}.safetensors"));
    path.to_str().unwrap().into()
}

fn picture(name: &str) -> String {
    let path = fixture("resnet-image/tests/fixtures/formats/images").join(name);
    path.to_str().unwrap().into()
}

fn flags(mode: &str) -> [&'static str; 4] {
    match mode {
        "L" => GRAY,
        _ => RGBA,
    }
}

#[test]
fn gray_and_rgba_images_are_classified_as_pytorch_does_with_pillow() {
    let expected = fixture("resnet-infer/tests/fixtures/channels/expected.json");
    let expected: BTreeMap<String, Vec<f64>> =
        serde_json::from_slice(&fs::read(expected).unwrap()).unwrap();
    assert_eq!(expected.len(), 12);
    for (case, expected) in expected {
        let (mode, name) = case.split_once(' ').unwrap();
        let (file, image) = (network(mode), picture(name));
        let args = [
            "classify",
            &image,
            "--weights",
            &file,
            "--backend",
            "cpu",
            "--json",
        ];
        let sizes = ["--resize", "32", "--crop", "32"];
        let found = run(args.iter().chain(&flags(mode)).chain(&sizes)).success();
        let line: Value = serde_json::from_str(&stdout(&found)).unwrap();
        let predictions = line["predictions"].as_array().unwrap();
        assert_eq!(predictions.len(), 4, "{case}");
        for prediction in predictions {
            let class = prediction["class"].as_u64().unwrap() as usize;
            let probability = prediction["probability"].as_f64().unwrap();
            let difference = (probability - expected[class]).abs();
            assert!(difference < 1e-4, "{case}: class {class}: {line}");
        }
    }
}

#[test]
fn the_number_of_means_must_match_the_channels() {
    let image = picture("grey.bmp");
    for (mode, flags, expected) in [
        (
            "L",
            &[][..],
            "the network takes 1 input channel, its preprocessing has 3 means: expected 1 of each; pass --mean and --std with 1 number each",
        ),
        (
            "RGBA",
            &GRAY,
            "the network takes 4 input channels, its preprocessing has 1 mean: expected 4 of each",
        ),
        (
            "L",
            &["--mean", "0.5"],
            "`mean` and `std`: expected as many of each, found 1 and 3",
        ),
        (
            "L",
            &["--mean", "0.5,0.5"],
            "expected one, three or four numbers",
        ),
    ] {
        let file = network(mode);
        let args = ["classify", &image, "--weights", &file, "--backend", "cpu"];
        let message = stderr(&run(args.iter().chain(flags)).code(2));
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn gray_images_are_evaluated() {
    let folder = tempfile::tempdir().unwrap();
    for (class, image) in [("0", "grey.bmp"), ("1", "plain.pgm"), ("1", "rgba.png")] {
        let class = folder.path().join("val").join(class);
        fs::create_dir_all(&class).unwrap();
        fs::copy(picture(image), class.join(image)).unwrap();
    }
    let (data, file) = (folder.path().to_str().unwrap(), network("L"));
    let args = [
        "evaluate",
        data,
        "--weights",
        &file,
        "--backend",
        "cpu",
        "--json",
    ];
    let sizes = ["--resize", "32", "--crop", "32"];
    let found = run(args.iter().chain(&GRAY).chain(&sizes)).success();
    let report: Value = serde_json::from_str(&stdout(&found)).unwrap();
    // The network predicts class 1 for each image.
    assert_eq!(report["images"], 3);
    let top1 = report["top1"].as_f64().unwrap();
    assert!((top1 - 2.0 / 3.0).abs() < 1e-6, "{report}");
}

#[test]
fn a_classifier_requires_the_channels_of_its_preprocessing() {
    let device = Default::default();
    let checkpoint = Checkpoint::open(network("L")).unwrap();
    let inferred = checkpoint.infer().unwrap();
    let (model, _) = Load::default()
        .apply(inferred.config.init::<Cpu>(&device), &checkpoint)
        .unwrap();
    let mut preprocessing = resnet_image::Preprocessing::cifar();
    let labels = Labels::of_network(None, 4);
    let refused =
        Classifier::new(model.clone(), preprocessing, labels.clone(), &device).unwrap_err();
    assert!(matches!(refused, BuildError::Channels(_)), "{refused}");
    (preprocessing.mean, preprocessing.std) = ([0.45].into(), [0.25].into());
    (preprocessing.resize, preprocessing.crop) = (Some(32), Some(32));
    let classifier = Classifier::new(model, preprocessing, labels, &device).unwrap();
    assert_eq!(classifier.preprocessing().channels(), Channels::Gray);
    let gray = open_as(picture("grey.bmp"), Channels::Gray).unwrap();
    let predictions = classifier.classify(&[gray]).unwrap();
    assert_eq!(predictions[0].top[0].class, 1);
    let refused = classifier.prepare(RgbImage::new(32, 32)).unwrap_err();
    assert!(matches!(refused, PrepareError::Channels { .. }));
    assert_eq!(
        refused.to_string(),
        "expected gray pixels, found RGB; open images with `open_as`, or convert them"
    );
}
