//! `quantize`, and the commands that read its files.

use std::fs;
use std::path::{Path, PathBuf};

use resnet_infer::Classifier;
use serde_json::Value;

use crate::{checkpoint, fixture, run, stderr, stdout};

fn cat() -> String {
    let path = fixture("resnet-infer/sample/chelsea.png");
    path.to_str().unwrap().to_string()
}

/// Quantizes the built-in network and returns the report.
fn quantize(output: &Path, more: &[&str]) -> Value {
    let (cat, output) = (cat(), output.to_str().unwrap());
    let args = [
        &[
            "quantize",
            "--model",
            "cifar_resnet20",
            "--offline",
            "--json",
        ][..],
        &["--calibrate", &cat, "--output", output],
        more,
    ];
    serde_json::from_str(&stdout(&run(args.concat()).success())).unwrap()
}

#[test]
fn a_quantized_file_works_in_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("int8.safetensors");
    let report = quantize(&file, &[]);
    assert_eq!(report["model"], "cifar_resnet20.resnet_zoo_c10");
    assert_eq!(report["calibration"], "mse");
    assert_eq!(report["int8_layers"], 20);
    assert_eq!(report["float_layers"].as_array().unwrap().len(), 0);
    assert_eq!(report["agreement"], 1.0);
    assert_eq!(report["worst"].as_array().unwrap().len(), 5);
    assert!(
        report["worst"][0]["sqnr_db"].as_f64().unwrap() > 20.0,
        "{report}"
    );
    let bytes = report["int8"]["file_bytes"].as_u64().unwrap();
    assert_eq!(bytes, fs::metadata(&file).unwrap().len());
    assert!(bytes < 300_000, "{bytes}");
    assert!(report["int8"]["batch1_ms"].as_f64().unwrap() > 0.0);

    let name = file.to_str().unwrap();
    let found = stdout(&run(["classify", &cat(), "--weights", name, "--backend", "cpu"]).success());
    assert!(found.contains("cat"), "{found}");
    let found = stdout(&run(["inspect", name]).success());
    let line = "quantized     weights and activations of 8 bits, calibration mse on 1 images, from \
                cifar_resnet20.resnet_zoo_c10 (MIT OR Apache-2.0)";
    assert!(found.contains(line), "{found}");
    let class = folder.path().join("images/cat");
    fs::create_dir_all(&class).unwrap();
    fs::copy(cat(), class.join("cat.png")).unwrap();
    let images = folder.path().join("images");
    let images = images.to_str().unwrap();
    let found = run([
        "evaluate",
        images,
        "--weights",
        name,
        "--backend",
        "cpu",
        "--json",
    ]);
    let found: Value = serde_json::from_str(&stdout(&found.success())).unwrap();
    assert_eq!((&found["top1"], &found["images"]), (&1.0.into(), &1.into()));
    let bench = [
        "bench",
        "--backend",
        "cpu",
        "--weights",
        name,
        "--size",
        "32",
    ];
    run([&bench[..], &["--runs", "1"]].concat()).success();

    let classifier = Classifier::open(&file).unwrap();
    assert_eq!(classifier.classify_one(cat()).unwrap().top[0].label, "cat");

    let found = stderr(&run(["classify", &cat(), "--weights", name, "--backend", "flex"]).code(2));
    assert!(
        found.contains("found a quantized network, which runs on the backend `cpu` only"),
        "{found}"
    );
    let other = folder.path().join("other.safetensors");
    let other = other.to_str().unwrap();
    let again = [
        "quantize",
        "--weights",
        name,
        "--calibrate",
        &cat(),
        "-o",
        other,
    ];
    assert!(stderr(&run(again).code(2)).contains("expected weights in floats"));
    let convert = ["weights", "convert", name, other];
    assert!(stderr(&run(convert).code(2)).contains("expected weights in floats"));
    assert!(!Path::new(other).exists());
}

#[test]
fn layers_stay_in_floats() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("int8.safetensors");
    let report = quantize(
        &file,
        &["--float-layers", "fc,conv1", "--method", "percentile:99.9"],
    );
    assert_eq!(report["float_layers"], serde_json::json!(["conv1", "fc"]));
    assert_eq!(
        (&report["int8_layers"], &report["calibration"]),
        (&18.into(), &"percentile:99.9".into())
    );
    let found = stdout(&run(["inspect", "--json", file.to_str().unwrap()]).success());
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found["dtypes"]["int8"]["tensors"], 18);

    let report = quantize(&file, &["--fastest", "--method", "min-max"]);
    let [int8, float] = ["int8_layers", "float_layers"].map(|key| report[key].clone());
    assert_eq!(
        int8.as_u64().unwrap() + float.as_array().unwrap().len() as u64,
        20
    );

    // The cat is wrong as a dog in both, so nothing is lost.
    let class = folder.path().join("images/dog");
    fs::create_dir_all(&class).unwrap();
    fs::copy(cat(), class.join("cat.png")).unwrap();
    let images = folder.path().join("images");
    let images = images.to_str().unwrap();
    let report = quantize(&file, &["--evaluate", images, "--max-loss", "0"]);
    assert_eq!(
        (&report["float"]["top1"], &report["int8"]["top1"]),
        (&0.0.into(), &0.0.into())
    );
    assert_eq!(
        (&report["int8_layers"], &report["same_images"]),
        (&20.into(), &false.into())
    );
}

#[test]
fn mistakes_are_explained_and_leave_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("int8.safetensors");
    let file = file.to_str().unwrap();
    let cat = cat();
    let none = folder.path().to_str().unwrap();
    let network = ["quantize", "--model", "cifar_resnet20", "--offline"];
    let detector = checkpoint("good/legacy.pth");
    for (args, message) in [
        (
            &["--calibrate", &cat, "-o", "int8.bin"][..],
            "expected a name that ends in `.safetensors`",
        ),
        (
            &["--calibrate", &cat, "-o", "no/such/int8.safetensors"],
            "in a folder that exists",
        ),
        (&["--calibrate", none, "-o", file], "expected images"),
        (
            &["--calibrate", "no.png", "-o", file],
            "expected an image, found no file",
        ),
        (
            &["--calibrate", &detector, "-o", file],
            "expected readable images, found none",
        ),
        (
            &["--calibrate", &cat, "-o", file, "--float-layers", "conv9"],
            "found `conv9`; the keys are conv1, ",
        ),
        (
            &["--calibrate", &cat, "-o", file, "--method", "best"],
            "expected `mse`, `min-max` or `percentile:P`",
        ),
        (
            &["--calibrate", &cat, "-o", file, "--max-loss", "1"],
            "--evaluate",
        ),
        (
            &["--calibrate", &cat, "-o", file, "--backend", "flex"],
            "expected `cpu`, which runs quantized networks",
        ),
        (&["-o", file], "--calibrate"),
    ] {
        let found = stderr(&run([&network[..], args].concat()).code(2));
        assert!(found.contains(message), "{args:?}: {found}");
        assert!(!found.contains("panicked"), "{found}");
    }
    let dense = [
        "quantize",
        "--model",
        "deeplabv3_plus_scenes",
        "--calibrate",
        &cat,
        "-o",
        file,
    ];
    let found = stderr(&run(dense).code(2));
    assert!(
        found.contains("expected a classifier, found a detector"),
        "{found}"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
#[ignore = "needs RESNET_TEST_DATA"]
fn trained_networks_keep_their_answers() {
    let folder = tempfile::tempdir().unwrap();
    // The small images of CIFAR-10.
    let photos = fs::read_dir(resnet_testing::data("photos")).unwrap();
    let photos = photos.map(|entry| entry.unwrap().path());
    let is_cifar = |path: &PathBuf| path.to_str().unwrap().contains("cifar10_");
    let photos: Vec<_> = photos.filter(is_cifar).collect();
    assert_eq!(photos.len(), 20);
    for name in ["resnet20-12fca82f.th", "resnet56-4bfd9763.th"] {
        let weights = resnet_testing::data(&format!("cifar10-resnet/{name}"));
        let file = folder.path().join("int8.safetensors");
        let mut args = vec!["quantize", "--json", "-o", file.to_str().unwrap()];
        args.extend(["--weights", weights.to_str().unwrap(), "--calibrate"]);
        args.extend(photos.iter().map(|photo| photo.to_str().unwrap()));
        let found = stdout(&run(args).success());
        let report: Value = serde_json::from_str(&found).unwrap();
        assert!(report["agreement"].as_f64().unwrap() >= 0.95, "{report}");
    }
}
