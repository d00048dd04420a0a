//! User errors, each reported in one line.

use super::*;

#[test]
fn user_errors_are_one_line() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("odd.toml"), "epochs = 0").unwrap();
    fs::write(folder.path().join("typo.toml"), "epoch = 1").unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    fs::write(folder.path().join("no.pth"), "text").unwrap();
    let cases: [(&[&str], &str); 11] = [
        (&["train", "nowhere", "--arch", "resnet18"], "`nowhere`"),
        (
            &["train", "empty", "--arch", "resnet18"],
            "expected one folder of images per class",
        ),
        (
            &["train", "shapes", "--recipe", "cifer"],
            "`cifer`: expected a recipe (cifar, finetune",
        ),
        (
            &["train", "shapes", "--recipe", "none.toml"],
            "`none.toml`: expected a config in TOML",
        ),
        (
            &["train", "shapes", "--recipe", "odd.toml"],
            "`epochs`: expected a whole number from 1",
        ),
        (&["train", "shapes", "--arch", "resnet19"], "resnet19"),
        (&["train", "shapes", "--resume"], "expected a run to resume"),
        (
            &["train", "shapes", "--learning-rate", "-1"],
            "`learning-rate`: expected a number above 0 and up to 1,000,000, found -1",
        ),
        (&["finetune", "shapes", "--weights", "no.pth"], "`no.pth`"),
        (
            &["finetune", "shapes", "--recipe", "cifar"],
            "expected weights to start from",
        ),
        (
            &["evaluate", "empty", "--weights", "no.pth"],
            "expected one folder of images per class",
        ),
    ];
    for (args, expected) in cases {
        let message = refused(folder.path(), args);
        assert!(
            message.starts_with("error: ") && message.contains(expected),
            "{args:?}: {message}"
        );
        assert!(!folder.path().join("run").exists(), "{args:?}");
    }
    let message = refused_last(folder.path(), &["train", "shapes", "--recipe", "typo.toml"]);
    assert!(message.contains("unknown field `epoch`"), "{message}");
}

#[test]
fn a_failed_start_blocks_no_other_and_resume_checks_the_images() {
    let folder = tempfile::tempdir().unwrap();
    let short = [
        "train",
        "shapes",
        "--images-per-class",
        "8",
        "--epochs",
        "1",
        "--output",
        "run",
    ];
    let failed = run(
        folder.path(),
        &[&short[..], &["--backend", "rocm"]].concat(),
    );
    assert_eq!(failed.status.code(), Some(2), "{}", text(&failed.stderr));
    expect(
        folder.path(),
        &[&short[..], &["--backend", "cpu"]].concat(),
        0,
    );
    let mut other = [&short[..], &["--backend", "cpu", "--resume"]].concat();
    other[3] = "9";
    let message = refused(folder.path(), &other);
    assert!(
        message.contains("`# 48 images of 6 classes") && message.contains("`# 54 images"),
        "{message}"
    );
}

#[test]
fn a_network_for_gray_images_needs_one_mean() {
    let folder = tempfile::tempdir().unwrap();
    let config = resnet_core::ResNetConfig::named("cifar_resnet8_b")
        .unwrap()
        .with_in_channels(1);
    let gray: resnet_core::ResNet<resnet_cpu::Cpu> = config.init(&Default::default());
    resnet_weights::save(&gray, folder.path().join("gray.safetensors")).unwrap();
    for args in [
        &["finetune", "shapes", "--weights", "gray.safetensors"][..],
        &[
            "probe",
            "shapes",
            "--weights",
            "gray.safetensors",
            "--output",
            "o.safetensors",
            "--backend",
            "cpu",
        ],
        &["evaluate", "shapes", "--weights", "gray.safetensors"],
    ] {
        let message = refused(folder.path(), args);
        assert!(
            message.contains("the network takes 1 input channel, its preprocessing has 3 means"),
            "{message}"
        );
    }
    let probe = "probe shapes --weights gray.safetensors --output o.safetensors --backend cpu --mean 0.5 --std 0.25";
    expect(folder.path(), &probe.split(' ').collect::<Vec<_>>(), 0);
    let message = refused(
        folder.path(),
        &[
            "evaluate",
            "shapes",
            "--model",
            "cifar_resnet20",
            "--backend",
            "flex",
            "--dtype",
            "f16",
        ],
    );
    assert!(message.contains("--dtype: expected f32"), "{message}");
}
