//! `evaluate`, and the embedded network.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::{fixture, run, stderr, stdout};

/// Creates a dataset folder with the cat image in the given class.
fn cat_as(folder: &Path, class: &str) -> String {
    let class = folder.join(class);
    fs::create_dir_all(&class).unwrap();
    fs::copy(
        fixture("resnet-infer/sample/chelsea.png"),
        class.join("chelsea.png"),
    )
    .unwrap();
    folder.to_str().unwrap().into()
}

fn evaluate(data: &str, more: &[&str]) -> Vec<String> {
    let args = [
        "evaluate",
        data,
        "--model",
        "cifar_resnet20",
        "--backend",
        "cpu",
        "--offline",
    ];
    args.iter()
        .chain(more)
        .map(|arg| (*arg).to_string())
        .collect()
}

#[test]
fn classes_are_matched_by_name_or_index() {
    for (class, more) in [("cat", &[][..]), ("3", &["--class-order", "index"])] {
        let folder = tempfile::tempdir().unwrap();
        let data = cat_as(folder.path(), class);
        let report: Value = serde_json::from_str(&stdout(
            &run(evaluate(&data, &[&["--json"], more].concat())).success(),
        ))
        .unwrap();
        assert_eq!(
            (&report["images"], &report["top1"]),
            (&1.into(), &1.0.into())
        );
        assert_eq!(report["model"], "cifar_resnet20.resnet_zoo_c10");
        assert_eq!(
            (
                &report["classes"][0]["name"],
                &report["classes"][0]["class"]
            ),
            (&"cat".into(), &3.into())
        );
        assert_eq!(report["classes"].as_array().unwrap().len(), 1);
        assert!(report["loss"].as_f64().unwrap() < 0.7);
        if class == "3" {
            let message = stderr(&run(evaluate(&data, &[])).code(2));
            assert!(
                message.contains("`3` is class 3 (`cat`)")
                    && message.contains("--class-order index"),
                "{message}"
            );
        }
    }
}

#[test]
fn the_table_has_one_line_per_class_and_bad_images_are_noted() {
    let folder = tempfile::tempdir().unwrap();
    let data = cat_as(folder.path(), "cat");
    fs::create_dir(folder.path().join("dog")).unwrap();
    fs::write(folder.path().join("dog/none.png"), b"no image").unwrap();
    let assert = run(evaluate(&data, &[])).code(1);
    let table = stdout(&assert);
    assert!(
        table.starts_with("images                     1\ntop-1               100.00 %\n"),
        "{table}"
    );
    assert!(
        table.ends_with("class  images   recall  precision\ncat         1 100.00 %   100.00 %\n"),
        "{table}"
    );
    let message = stderr(&assert);
    assert!(message.contains("none.png`: left out: "), "{message}");
}

#[test]
fn an_unknown_class_is_an_error_that_lists_the_known_ones() {
    let folder = tempfile::tempdir().unwrap();
    let data = cat_as(folder.path(), "lion");
    let message = stderr(&run(evaluate(&data, &[])).code(2));
    assert!(
        message.contains("expected classes among `airplane`, `automobile`")
            && message.contains("found `lion`"),
        "{message}"
    );
}

#[test]
fn a_single_logit_separates_two_classes() {
    let folder = tempfile::tempdir().unwrap();
    cat_as(folder.path(), "cat");
    let data = cat_as(folder.path(), "dog");
    let weights = fixture("weights/tests/fixtures/cases/binary.pth");
    let args = [
        "evaluate",
        &data,
        "--backend",
        "cpu",
        "--json",
        "--weights",
        weights.to_str().unwrap(),
    ];
    let assert = run(args).success();
    let report: Value = serde_json::from_str(&stdout(&assert)).unwrap();
    // Both folders contain the same image, so exactly one prediction is correct.
    assert_eq!(
        (&report["images"], &report["top1"]),
        (&2.into(), &0.5.into())
    );
    assert!(
        stderr(&assert).contains("`cat` is class 0, `dog` is class 1"),
        "{}",
        stderr(&assert)
    );
    // Three classes are too many for a single logit.
    cat_as(folder.path(), "fox");
    assert!(stderr(&run(args).code(2)).contains("expected 2 classes"));
}

#[test]
fn sigmoid_changes_the_loss() {
    let folder = tempfile::tempdir().unwrap();
    let data = cat_as(folder.path(), "cat");
    let loss = |more: &[&str]| {
        let text = stdout(&run(evaluate(&data, &[&["--json"], more].concat())).success());
        serde_json::from_str::<Value>(&text).unwrap()["loss"]
            .as_f64()
            .unwrap()
    };
    // The sigmoid loss is the mean of ten binary cross-entropies, the softmax loss is one
    // cross-entropy.
    assert!((loss(&["--activation", "sigmoid"]) - loss(&[])).abs() > 1e-3);
}

/// Creates image folders `0` to `11`, one color each, and returns them with the network that
/// PyTorch trained on them.
fn twelve_colors() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    for class in 0..12_u32 {
        let path = folder.path().join(class.to_string());
        fs::create_dir_all(&path).unwrap();
        // The hue depends on the class; the value is 0.9.
        let channel = |offset: f32| {
            let k = (offset + class as f32 / 2.0) % 6.0;
            (0.9 * (1.0 - k.min(4.0 - k).clamp(0.0, 1.0)) * 255.0) as u8
        };
        let color = [5.0, 3.0, 1.0].map(channel);
        resnet_image::RgbImage::from_pixel(32, 32, image::Rgb(color))
            .save(path.join("1.png"))
            .unwrap();
    }
    let weights = fixture("resnet-infer/tests/fixtures/class_order/twelve.pth");
    (folder, weights.to_str().unwrap().into())
}

#[test]
fn ambiguous_numbered_folders_require_a_class_order() {
    let (folder, weights) = twelve_colors();
    let data = folder.path().to_str().unwrap();
    let args = |more: &[&'static str]| {
        let args = [
            "evaluate",
            data,
            "--weights",
            &weights,
            "--backend",
            "cpu",
            "--json",
        ];
        [&args[..], more]
            .concat()
            .into_iter()
            .map(String::from)
            .collect::<Vec<_>>()
    };
    let message = stderr(&run(args(&[])).code(2));
    for part in [
        "(`0`, `1`, `10`, `11`, `2`, …)",
        "(`0`, `1`, `2`, `3`, `4`, …)",
        "`--class-order lexical` or `--class-order numeric`",
    ] {
        assert!(message.contains(part), "{message}");
    }
    let top1 = |more: &[&'static str]| {
        let report: Value = serde_json::from_str(&stdout(&run(args(more)).success())).unwrap();
        assert_eq!(report["images"], 12);
        (report["top1"].as_f64().unwrap() * 12.0).round()
    };
    // With torchvision's order all 12 are correct, with timm's only `0` and `1`.
    assert_eq!(top1(&["--class-order", "lexical"]), 12.0);
    assert_eq!(top1(&["--class-order", "numeric"]), 2.0);
    let labels = folder.path().join("labels.txt");
    fs::write(&labels, "0\n1\n10\n11\n2\n3\n4\n5\n6\n7\n8\n9\n").unwrap();
    let labels = labels.to_str().unwrap().to_owned();
    let mut named = args(&[]);
    named.extend(["--labels".into(), labels]);
    let report: Value = serde_json::from_str(&stdout(&run(named).success())).unwrap();
    assert_eq!(report["top1"], 1.0);
    let message = stderr(&run(args(&["--class-order", "alphabetical"])).code(2));
    assert!(
        message.contains("expected `lexical`, `numeric` or `index`, found `alphabetical`"),
        "{message}"
    );
}

#[test]
fn wordnet_ids_match_imagenet_classes() {
    let folder = tempfile::tempdir().unwrap();
    let model: resnet_core::ResNet<burn::backend::Flex> =
        resnet_core::ResNetConfig::named("cifar_resnet8_b")
            .unwrap()
            .with_num_classes(1000)
            .init(&Default::default());
    let weights = folder.path().join("thousand.safetensors");
    let labels = resnet_weights::Labels::named("imagenet1k").unwrap();
    let save = resnet_weights::Save::default().with_labels(labels);
    save.safetensors(&model, &weights).unwrap();
    let classes = |names: &[&str]| -> Vec<(u64, String)> {
        let data = tempfile::tempdir().unwrap();
        for name in names {
            cat_as(data.path(), name);
        }
        let data = data.path().to_str().unwrap();
        let weights = weights.to_str().unwrap();
        let args = [
            "evaluate",
            data,
            "--weights",
            weights,
            "--backend",
            "cpu",
            "--json",
            "--resize",
            "32",
            "--crop",
            "32",
        ];
        let report: Value = serde_json::from_str(&stdout(&run(args).success())).unwrap();
        let class = |row: &Value| {
            (
                row["class"].as_u64().unwrap(),
                row["name"].as_str().unwrap().to_string(),
            )
        };
        report["classes"]
            .as_array()
            .unwrap()
            .iter()
            .map(class)
            .collect()
    };
    let expected = [(0, "tench".into()), (217, "English springer".into())];
    assert_eq!(classes(&["n01440764", "n02102040"]), expected);
    assert_eq!(classes(&["tench", "English_springer"]), expected);
}

#[test]
fn the_embedded_network_needs_no_file() {
    let photo = fixture("resnet-infer/sample/chelsea.png");
    let args = [
        "classify",
        photo.to_str().unwrap(),
        "--model",
        "cifar_resnet20",
        "--offline",
        "--top-k",
        "1",
    ];
    let assert = run(args).success();
    assert!(stdout(&assert).ends_with("cat\n"));
    let message = stderr(&run(["weights", "path", "cifar_resnet20"]).code(2));
    assert!(
        message.contains("has no file, because the feature"),
        "{message}"
    );
    let list = stdout(&run(["weights", "list", "cifar*"]).success());
    assert!(
        list.contains("cifar_resnet20.resnet_zoo_c10*") && list.contains("MIT OR Apache-2.0"),
        "{list}"
    );
}
