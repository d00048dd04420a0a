//! `weights`, and pretrained networks, against a local server.

use std::path::Path;

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use burn::backend::Flex;
use resnet_core::{Arch, Network, ResNet};
use resnet_testing::server::{Reply, Request, Server};
use resnet_testing::{keyed, pairs};
use resnet_weights::{DenseWeights, EmbeddedDense, Weights};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::{checkpoint, image, stderr, stdout};

const FILE: &str = "/timm/test_resnet.r160_in1k/resolve/main/model.safetensors";

fn keyed_test_resnet() -> ResNet<Flex> {
    keyed::fill(Arch::TestResNet.config().init(&Default::default()), 7)
}

fn content() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    resnet_weights::save(&keyed_test_resnet(), &path).unwrap();
    std::fs::read(path).unwrap()
}

fn sha256(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A local Hugging Face hub that serves the smallest pretrained network.
fn hub() -> Server {
    let content = content();
    Server::new(move |request: &Request, reply: &mut Reply| {
        match (request.path.as_str(), request.method.as_str()) {
            (FILE, "HEAD") => {
                let etag = format!("\"{}\"", sha256(&content));
                let length = content.len().to_string();
                let headers = [("X-Linked-Etag", &*etag), ("X-Linked-Size", &*length)];
                reply.head("200 OK", &headers);
            }
            (FILE, _) => reply.file(request, &content),
            _ => reply.head("404 Not Found", &[("Content-Length", "0")]),
        }
    })
}

/// Runs `resnet-infer ARGS` with the given cache and hub, without the environment of the test
/// process.
fn run(cache: &Path, hub: &str, args: &[&str]) -> Assert {
    let mut command = Command::cargo_bin("resnet-infer").unwrap();
    command
        .env_clear()
        .env("HOME", cache.join("home"))
        .env("RESNET_CACHE", cache)
        .env("HF_ENDPOINT", hub)
        .env("RESNET_MIRROR", hub)
        .args(args)
        .assert()
}

fn cache() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_name_is_enough_to_classify() {
    let (cache, hub) = (cache(), hub());
    let photo = image("cat_451x300.png");
    let args = ["classify", &photo, "--model", "test_resnet", "--json"];
    let assert = run(cache.path(), &hub.url, &args).success();
    let line: Value = serde_json::from_str(&stdout(&assert)).unwrap();
    assert_eq!(line["model"], "test_resnet.r160_in1k");
    assert!(
        stderr(&assert).contains("note: downloading test_resnet.r160_in1k.safetensors (1.81 MiB)")
    );

    // The preprocessing and the labels come from the catalog.
    let weights = Weights::named("test_resnet").unwrap();
    let pixels = weights
        .preprocessing
        .apply(resnet_image::open(&photo).unwrap());
    let (mean, std) = (weights.preprocessing.mean, weights.preprocessing.std);
    let x = resnet_image::to_tensor::<Flex>(&[pixels.unwrap()], mean, std, &Default::default());
    let logits = keyed_test_resnet().fuse().forward(x.unwrap());
    let best: i32 = logits.argmax(1).into_scalar();
    let guess = &line["predictions"][0];
    assert_eq!(guess["class"], best);
    assert_eq!(guess["label"], weights.labels().get(best as usize));

    // The second run reads the cache and needs no network.
    let args = [&args[..], &["--offline"]].concat();
    let again = run(cache.path(), "http://127.0.0.1:1", &args).success();
    assert_eq!(stdout(&again), stdout(&assert));
    assert_eq!(stderr(&again), "");
    assert_eq!(hub.gets().len(), 1);
}

#[test]
fn offline_errors_are_one_line_with_advice() {
    let (cache, hub) = (cache(), hub());
    let photo = image("tiny_33x20.png");
    for args in [
        &["classify", &photo, "--model", "test_resnet", "--offline"][..],
        &["--offline", "weights", "download", "test_resnet"],
        &["weights", "path", "test_resnet.r160_in1k"],
    ] {
        let error = stderr(&run(cache.path(), &hub.url, args).code(2));
        assert!(
            error.starts_with("error: `test_resnet.r160_in1k`: not on this machine"),
            "{error}"
        );
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    assert!(hub.requests().is_empty());
    let nowhere = run(
        cache.path(),
        "http://127.0.0.1:1",
        &["weights", "download", "resnet18.a1_in1k"],
    );
    let error = stderr(&nowhere.code(2));
    assert!(
        error.contains("127.0.0.1:1") && error.contains("by hand and put it at"),
        "{error}"
    );
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[test]
fn the_cache_is_filled_checked_and_emptied() {
    let (cache, hub) = (cache(), hub());
    let run = |args: &[&str]| run(cache.path(), &hub.url, args);
    let downloaded = stdout(
        &run(&[
            "weights",
            "download",
            "test_resnet",
            "timm/test_resnet.r160_in1k",
        ])
        .success(),
    );
    let file = cache.path().join("test_resnet.r160_in1k.safetensors");
    let line = format!("{}\n", file.display());
    assert_eq!(downloaded, line.repeat(2));
    assert_eq!(
        stdout(&run(&["weights", "path", "test_resnet"]).success()),
        line
    );
    assert_eq!(hub.gets().len(), 1);

    let text = stdout(&run(&["weights", "verify"]).success());
    let hash = sha256(&content());
    assert_eq!(
        text,
        format!("right    test_resnet.r160_in1k  sha256 {hash}  {line}")
    );
    assert!(
        stdout(&run(&["weights", "verify", "resnet18"]).code(1))
            .starts_with("absent   resnet18.a1_in1k")
    );

    let mut bytes = std::fs::read(&file).unwrap();
    bytes[100_000] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let text = stdout(&run(&["weights", "verify"]).code(1));
    assert!(
        text.starts_with("removed  test_resnet.r160_in1k  expected sha256"),
        "{text}"
    );
    assert!(!file.exists());

    run(&["weights", "download", "test_resnet"]).success();
    let mine = cache.path().join("notes.txt");
    std::fs::write(&mine, "mine").unwrap();
    let text = stdout(&run(&["weights", "clean", "--partial"]).success());
    assert_eq!((text.as_str(), file.exists()), ("", true));
    let text = stdout(&run(&["weights", "clean"]).success());
    assert_eq!(text, format!("removed  1.81 MiB  {line}"));
    let left: Vec<_> = std::fs::read_dir(cache.path()).unwrap().collect();
    assert!(mine.exists() && left.len() == 1, "{left:?}");
}

#[test]
fn an_output_does_not_overwrite_the_input() {
    let (cache, hub) = (cache(), hub());
    let run = |args: &[&str]| run(cache.path(), &hub.url, args);
    run(&["weights", "download", "test_resnet"]).success();
    let file = cache.path().join("test_resnet.r160_in1k.safetensors");
    let input = crate::fixture("resnet-core/tests/fixtures/parity/expected.safetensors");
    let (input, output) = (input.to_str().unwrap(), file.to_str().unwrap());
    let args = [
        "forward",
        "--model",
        "test_resnet",
        "--input",
        input,
        "--output",
        output,
    ];
    let error = stderr(&run(&args).code(2));
    assert!(
        error.contains("expected an output other than the input, found the same file"),
        "{error}"
    );
    run(&["weights", "verify", "test_resnet"]).success();

    // A folder in place of a file does not stop the verification of the others.
    std::fs::create_dir(cache.path().join("resnet10t.c3_in1k.safetensors")).unwrap();
    let assert = run(&["weights", "verify"]).code(1);
    assert!(stdout(&assert).starts_with("right    test_resnet.r160_in1k"));
    assert!(stderr(&assert).contains("resnet10t.c3_in1k.safetensors`: cannot be read"));
}

#[test]
fn a_missing_input_is_reported_before_the_download() {
    let (cache, hub) = (cache(), hub());
    for args in [
        &["classify", "none.png", "--model", "test_resnet"][..],
        &[
            "classify",
            &image("tiny_33x20.png"),
            "--model",
            "test_resnet",
            "--labels",
            "none.txt",
        ],
        &[
            "forward",
            "--model",
            "test_resnet",
            "--input",
            "none.safetensors",
            "--output",
            "x",
        ],
    ] {
        let error = stderr(&run(cache.path(), &hub.url, args).code(2));
        assert!(error.contains("`none."), "{error}");
    }
    assert!(hub.requests().is_empty());
    let empty = run(cache.path(), &hub.url, &["weights", "verify"]).success();
    assert!(stderr(&empty).starts_with("note: no weights in `"));
}

#[test]
fn a_failed_download_does_not_stop_the_others() {
    let (cache, hub) = (cache(), hub());
    let args = ["weights", "download", "resnet18.a1_in1k", "test_resnet"];
    let assert = run(cache.path(), &hub.url, &args).code(1);
    assert!(stdout(&assert).ends_with("test_resnet.r160_in1k.safetensors\n"));
    assert!(
        stderr(&assert)
            .contains("`resnet18.a1_in1k`: not on this machine, and cannot be downloaded")
    );
    let typo = ["weights", "download", "test_resnet", "resnet5O"];
    assert!(stderr(&run(cache.path(), &hub.url, &typo).code(2)).contains("nearest: resnet50"));
}

#[test]
fn a_restricted_license_is_noted_before_the_download() {
    let (cache, hub) = (cache(), hub());
    let args = ["weights", "download", "resnet18.fb_swsl_ig1b_ft_in1k"];
    let error = stderr(&run(cache.path(), &hub.url, &args).code(2));
    let first = error.lines().next().unwrap();
    assert!(
        first.starts_with("note: ")
            && first.contains("CC-BY-NC-4.0, does not allow commercial use"),
        "{error}"
    );
    let args = ["weights", "download", "resnext101_32x16d"];
    let error = stderr(&run(cache.path(), &hub.url, &args).code(2));
    assert!(
        error.contains("if you may use them, name one: resnext101_32x16d.fb_"),
        "{error}"
    );
}

#[test]
fn a_restricted_license_is_noted_when_the_download_fails() {
    let (cache, hub) = (cache(), hub());
    let photo = image("tiny_33x20.png");
    let model = "resnet18.fb_swsl_ig1b_ft_in1k";
    let args = ["classify", &photo, "--model", model, "--offline"];
    let error = stderr(&run(cache.path(), &hub.url, &args).code(2));
    let lines: Vec<&str> = error.lines().collect();
    assert!(
        lines[0].starts_with("note: ") && lines[0].contains("does not allow commercial use"),
        "{error}"
    );
    assert!(lines[1].starts_with("error: "), "{error}");
    assert_eq!(lines.len(), 2, "{error}");
}

#[test]
fn a_local_file_replaces_the_download_of_a_named_model() {
    let (cache, hub) = (cache(), hub());
    let file = cache.path().join("mine.safetensors");
    std::fs::write(&file, content()).unwrap();
    let photo = image("tiny_33x20.png");
    let args = [
        "classify",
        &photo,
        "--model",
        "test_resnet",
        "--weights",
        file.to_str().unwrap(),
        "--json",
    ];
    let line: Value =
        serde_json::from_str(&stdout(&run(cache.path(), &hub.url, &args).success())).unwrap();
    assert_eq!(line["model"], "test_resnet.r160_in1k");
    assert!(hub.requests().is_empty());
    let args = [
        "classify",
        &photo,
        "--model",
        "resnet18",
        "--weights",
        file.to_str().unwrap(),
    ];
    assert!(
        stderr(&run(cache.path(), &hub.url, &args).code(2)).contains("does not fit the network")
    );
    let args = ["classify", &photo];
    assert!(
        stderr(&run(cache.path(), &hub.url, &args).code(2))
            .contains("--model <ID>|--weights <FILE>")
    );
    let args = [
        "classify", &photo, "--model", "resnet18", "--arch", "resnet18",
    ];
    run(cache.path(), &hub.url, &args).code(2);
}

#[test]
fn checkpoints_are_converted() {
    let folder = cache();
    let input = checkpoint("good/training_checkpoint.pth");
    for (name, dtype, bytes) in [
        ("a.safetensors", "f32", 316_000),
        ("b.safetensors", "bf16", 160_000),
        ("c.bpk", "f16", 180_000),
    ] {
        let output = folder.path().join(name);
        let args = [
            "weights",
            "convert",
            &input,
            output.to_str().unwrap(),
            "--dtype",
            dtype,
        ];
        let assert = crate::run(args).success();
        assert_eq!(stdout(&assert), "");
        assert_eq!(stderr(&assert), "note: ignores `optimizer` (29 tensors)\n");
        let length = std::fs::metadata(&output).unwrap().len();
        assert!(
            (bytes * 9 / 10..bytes * 12 / 10).contains(&length),
            "{name}: {length}"
        );
    }
    let converted = folder.path().join("b.safetensors");
    let text = stdout(&crate::run(["inspect", converted.to_str().unwrap()]).success());
    assert!(
        text.contains("cifar_resnet8_b") && text.contains("bfloat16"),
        "{text}"
    );

    let output = folder.path().join("d.txt");
    for (input, output, dtype, word) in [
        (
            input.as_str(),
            output.to_str().unwrap(),
            "f32",
            "ends in `.safetensors` or `.bpk`",
        ),
        (
            converted.to_str().unwrap(),
            converted.to_str().unwrap(),
            "f32",
            "an output other than the input",
        ),
        (
            &checkpoint("bad/not_a_checkpoint.pth"),
            converted.to_str().unwrap(),
            "f32",
            "cannot be read",
        ),
        (
            input.as_str(),
            converted.to_str().unwrap(),
            "f8",
            "expected `f32`, `f16` or `bf16`",
        ),
    ] {
        let error =
            stderr(&crate::run(["weights", "convert", input, output, "--dtype", dtype]).code(2));
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn an_onnx_file_is_a_checkpoint() {
    let onnx = |name: &str| {
        let path = crate::fixture("weights/tests/fixtures/onnx/good").join(name);
        path.to_str().unwrap().to_string()
    };
    let text = stdout(&crate::run(["inspect", &onnx("cifar.script.onnx")]).success());
    assert!(text.contains("ONNX graph"), "{text}");
    let photo = image("cat_451x300.png");
    let classify = |file: &str| {
        let args = [
            "classify",
            &photo,
            "--weights",
            file,
            "--csv",
            "--crop",
            "64",
            "--resize",
            "64",
        ];
        let text = stdout(&crate::run(args).success());
        let mut rows = csv::Reader::from_reader(text.as_bytes());
        let rows = rows.records().map(|row| {
            let row = row.unwrap();
            (row[2].to_string(), row[4].parse::<f64>().unwrap())
        });
        rows.collect::<Vec<_>>()
    };
    let folder = cache();
    let converted = folder.path().join("converted.safetensors");
    let converted = converted.to_str().unwrap();
    let assert = crate::run(["weights", "convert", &onnx("deep.script.onnx"), converted]).success();
    assert_eq!(stderr(&assert), "");
    for (a, b) in pairs(classify(&onnx("deep.script.onnx")), classify(converted)) {
        assert_eq!(a.0, b.0);
        assert!((a.1 - b.1).abs() < 1e-5, "{a:?} {b:?}");
    }
    let bad = crate::fixture("weights/tests/fixtures/onnx/bad/vgg.onnx");
    let error = stderr(&crate::run(["inspect", bad.to_str().unwrap()]).code(2));
    assert!(
        error.contains("holds no residual network of this zoo"),
        "{error}"
    );
}

#[test]
fn the_list_shows_every_set_and_the_book_has_it() {
    let text = stdout(&crate::run(["weights", "list"]).success());
    let dense = DenseWeights::all().len() + EmbeddedDense::all().len();
    let rows = Weights::all().len() + dense;
    // Two titles and a blank line.
    assert_eq!(text.lines().count(), 3 + rows);
    let page = std::fs::read_to_string(crate::fixture("docs/src/catalog.md")).unwrap();
    let (_, table) = page.split_once("```text\n").unwrap();
    let (table, _) = table.split_once("```").unwrap();
    assert_eq!(
        table, text,
        "put the output of `weights list` into docs/src/catalog.md"
    );

    let json = stdout(&crate::run(["weights", "list", "resnet50d.*", "--json"]).success());
    let rows: Vec<Weights> = serde_json::from_str(&json).unwrap();
    assert_eq!(rows.len(), 6);
    assert_eq!(&rows[0], Weights::named("resnet50d").unwrap());
    let error = stderr(&crate::run(["weights", "list", "vgg*"]).code(2));
    assert!(error.contains("found no match"), "{error}");
}
