//! Backends, float types, `bench` and the thread pool.

use burn::backend::Flex;
use resnet_testing::{keyed, relative_error, suite};
use resnet_weights::Checkpoint;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;

use crate::{checkpoint, image, run, stderr, stdout};

#[test]
fn backends_lists_built_in_backends_and_devices() {
    let text = stdout(&run(["backends"]).success());
    // The tests build the program with at least `cpu` and `flex`.
    assert!(
        text.contains("\ncpu          resnet-cpu 0.1.0, burn-flex 0.21.0"),
        "{text}"
    );
    assert!(text.contains("\nflex         burn-flex 0.21.0"), "{text}");
    #[cfg(feature = "ndarray")]
    assert!(
        text.contains("\nndarray      burn-ndarray 0.21.0"),
        "{text}"
    );
    assert_eq!(text.matches(", the default").count(), 1);
    let json: Vec<Value> =
        serde_json::from_str(&stdout(&run(["backends", "--json"]).success())).unwrap();
    let names: Vec<_> = json
        .iter()
        .map(|backend| backend["name"].as_str().unwrap())
        .collect();
    for name in names {
        assert!(
            text.lines()
                .any(|line| line.starts_with(&format!("{name} "))),
            "{name}"
        );
    }
    let cpu = json
        .iter()
        .find(|backend| backend["name"] == "cpu")
        .unwrap();
    assert_eq!(cpu["built"], true);
    assert_eq!(cpu["devices"][0]["selection"], "cpu");
    assert_eq!(cpu["devices"][0]["hardware"], "cpu");
}

#[test]
fn an_unavailable_backend_is_a_one_line_error() {
    let weights = checkpoint("good/legacy.pth");
    let image = image("tiny_33x20.png");
    let cases = [
        (
            "gpu",
            "unknown backend `gpu`: expected one of `cuda`, `rocm`, `metal`, `vulkan`, `webgpu`, `wgpu`, `cpu`, `tch`, `flex`, `ndarray`",
        ),
        (
            "cpu:1",
            "`cpu:1`: expected no device: this backend always uses all CPU cores",
        ),
        (
            "rocm:0",
            "backend `rocm` is not built in: build the program with `--features rocm`",
        ),
    ];
    for (backend, message) in cases {
        let assert = run([
            "classify",
            &image,
            "--weights",
            &weights,
            "--backend",
            backend,
        ])
        .code(2);
        assert!(stderr(&assert).contains(message), "{}", stderr(&assert));
        assert_eq!(stdout(&assert), "");
    }
}

/// Computes the logits of the reference network by `forward` with these flags. Returns the largest
/// difference to PyTorch's logits relative to the largest logit.
fn error_of(flags: &[&str]) -> f32 {
    let folder = tempfile::tempdir().unwrap();
    let [input, output] =
        ["in.safetensors", "out.safetensors"].map(|name| folder.path().join(name));
    let images = keyed::images::<Flex>(7, [2, 3, 32, 32], &Default::default()).into_data();
    let view = TensorView::new(Dtype::F32, images.shape.to_vec(), images.as_bytes()).unwrap();
    std::fs::write(
        &input,
        safetensors::serialize([("input", view)], None).unwrap(),
    )
    .unwrap();
    let [input, output] = [&input, &output].map(|path| path.to_str().unwrap());
    let weights = checkpoint("good/legacy.pth");
    let args = [
        "forward",
        "--weights",
        &weights,
        "--input",
        input,
        "--output",
        output,
    ];
    run(args.iter().chain(flags)).success();
    let output = Checkpoint::open(output).unwrap();
    let found: Vec<f32> = output.read("logits").unwrap().to_vec().unwrap();
    relative_error(&found, &suite::expected("cifar_resnet8_b")["logits"])
}

#[test]
fn half_precision_has_the_expected_error() {
    // f16 has 11 significant bits and bf16 has 8; the network has 9 convolutions.
    for (dtype, least, most) in [
        ("f32", 0.0, 1e-5),
        ("f16", 1e-5, 5e-3),
        ("bf16", 1e-4, 4e-2),
    ] {
        let error = error_of(&["--fuse", "--dtype", dtype]);
        println!("{dtype}: {error:.1e}");
        assert!((least..=most).contains(&error), "{dtype}: {error:.1e}");
    }
}

#[cfg(feature = "ndarray")]
#[test]
fn an_unsupported_float_type_is_an_error() {
    let (weights, image) = (checkpoint("good/legacy.pth"), image("tiny_33x20.png"));
    let args = [
        "classify",
        &image,
        "--weights",
        &weights,
        "--backend",
        "ndarray",
        "--dtype",
        "bf16",
    ];
    let assert = run(args).code(2);
    assert!(
        stderr(&assert).contains("`ndarray` does not compute in BF16 on this device"),
        "{}",
        stderr(&assert)
    );
}

#[test]
fn an_unknown_float_type_is_an_error() {
    let (weights, image) = (checkpoint("good/legacy.pth"), image("tiny_33x20.png"));
    let args = ["classify", &image, "--weights", &weights, "--dtype", "f8"];
    assert!(stderr(&run(args).code(2)).contains("`f8`: expected `f32`, `f16` or `bf16`"));
}

#[test]
fn the_memory_mode_is_refused_on_backends_that_compile_nothing() {
    let (weights, image) = (checkpoint("good/legacy.pth"), image("tiny_33x20.png"));
    let low = ["--weights", &weights, "--memory", "low", "--backend"];
    for command in [["classify", &image], ["evaluate", "shapes"]] {
        let message = stderr(&run([&command[..], &low, &["flex"]].concat()).code(2));
        let expected =
            "--memory: expected the backend `cpu`, whose networks are compiled, found `flex`";
        assert!(message.contains(expected), "{message}");
    }
    run([&["classify", &image][..], &low, &["cpu"]].concat()).success();
}

/// A network without a classifier has an embedding.
#[test]
fn bench_measures_a_network_without_a_classifier() {
    let set = ["--set", "num_classes=0", "--runs", "1", "--warmup", "0"];
    let bench = ["bench", "cifar_resnet20", "--size", "32", "--fuse"];
    for backend in ["cpu", "flex"] {
        let args = [&bench[..], &set, &["--backend", backend]].concat();
        run(args).success();
    }
}

#[test]
fn bench_measures_every_network_at_every_batch_size() {
    let args = "bench cifar_resnet20 test_resnet --backend cpu --size 32 --batch-size 1,3 --runs 3 --warmup 0 --fuse --json";
    let lines = stdout(&run(args.split(' ')).success());
    let rows: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let cases: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row["model"].as_str().unwrap(),
                row["batch_size"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        cases,
        [
            ("cifar_resnet20", 1),
            ("cifar_resnet20", 3),
            ("test_resnet", 1),
            ("test_resnet", 3)
        ]
    );
    for row in &rows {
        let number = |key: &str| row[key].as_f64().unwrap();
        assert_eq!(row["backend"], "cpu");
        assert_eq!(row["device"], "cpu");
        assert_eq!(number("runs"), 3.0);
        assert!(
            number("min_ms") > 0.0 && number("min_ms") <= number("median_ms"),
            "{row}"
        );
        assert!(
            number("median_ms") <= number("max_ms") && number("first_ms") > 0.0,
            "{row}"
        );
        let per_second = 1e3 * number("batch_size") / number("median_ms");
        assert!(
            (number("images_per_second") / per_second - 1.0).abs() < 1e-9,
            "{row}"
        );
        #[cfg(target_os = "linux")]
        assert!(number("peak_mb") > 1.0, "{row}");
    }
    // ResNet-20 (He et al. 2015) has 40,813,184 multiply-accumulates, counted as torchvision does.
    let of_one = rows[0]["gflop_per_second"].as_f64().unwrap()
        / rows[0]["images_per_second"].as_f64().unwrap();
    assert!((of_one - 0.0816).abs() < 0.001, "{of_one}");
}

#[test]
fn bench_writes_tables() {
    let args = [
        "bench",
        "test_resnet",
        "--size",
        "32",
        "--runs",
        "1",
        "--warmup",
        "0",
        "--backend",
        "cpu",
    ];
    let table = stdout(&run(args).success());
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(
        lines[0].starts_with("model             backend     batch  median ms"),
        "{table}"
    );
    assert!(
        lines[1].starts_with("test_resnet       cpu             1"),
        "{table}"
    );
    let weights = checkpoint("good/legacy.pth");
    let args = [
        "bench",
        "--weights",
        &weights,
        "--size",
        "32",
        "--runs",
        "1",
        "--markdown",
        "--backend",
        "cpu",
    ];
    let table = stdout(&run(args).success());
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(
        lines[1].starts_with("|---|---|---:|")
            && lines[2].starts_with("| cifar_resnet8_b | cpu | 1 | "),
        "{table}"
    );
    let bars = |line: &str| line.matches('|').count();
    assert_eq!(
        (bars(lines[0]), bars(lines[0])),
        (bars(lines[1]), bars(lines[2]))
    );
}

#[test]
fn bench_measures_detectors_and_segmentation_networks() {
    for (model, options) in [
        (
            "fasterrcnn_resnet50_fpn",
            &["--set", "min_size=64", "--fuse"][..],
        ),
        ("fcn_resnet50", &[]),
    ] {
        let args = [
            "bench", model, "--size", "64x96", "--runs", "1", "--warmup", "0",
        ];
        let args = args
            .iter()
            .chain(options)
            .chain(&["--json", "--backend", "cpu"]);
        let row = stdout(&run(args).success());
        let row: Value = serde_json::from_str(&row).unwrap();
        assert_eq!(row["model"], model);
        assert_eq!(row["size"], serde_json::json!([64, 96]));
        assert_eq!(row["gflop_per_second"], Value::Null);
        assert!(row["median_ms"].as_f64().unwrap() > 0.0);
    }
}

#[test]
fn bench_rejects_invalid_arguments() {
    let weights = checkpoint("good/legacy.pth");
    let cases: [(&[&str], &str); 10] = [
        (
            &["resnet18", "--memory", "low"],
            "--memory: expected --fuse as well",
        ),
        (
            &["resnet18", "--memory", "tiny"],
            "expected `fast` or `low`",
        ),
        (&["resnet51"], "unknown architecture `resnet51`; nearest: "),
        (&["resnet18", "--size", "800x"], "such as 224 or 800x1066"),
        (
            &["fcn_resnet50", "--dtype", "f16"],
            "`fcn_resnet50`: expected --dtype f32",
        ),
        (&["resnetblur50", "--size", "1"], "`resnetblur50`: "),
        (
            &["resnet18", "--batch-size", "1,0"],
            "expected a whole number above 0",
        ),
        (
            &["resnet18", "--batch-size", "1000000"],
            "raise --memory-limit",
        ),
        (
            &["resnet18", "resnet34", "--weights", &weights],
            "expected at most one architecture",
        ),
        (&["resnet18", "--weights", "none.pth"], "`none.pth`"),
    ];
    for (args, message) in cases {
        let assert = run(["bench"].iter().chain(args)).code(2);
        assert!(
            stderr(&assert).contains(message),
            "{args:?}: {}",
            stderr(&assert)
        );
        assert_eq!(stdout(&assert), "");
    }
}

/// An error of the thread pool is one line, before any other work.
#[cfg(target_os = "linux")]
#[test]
fn the_number_of_threads_is_limited() {
    let program = assert_cmd::cargo::cargo_bin("resnet-infer");
    let classify = |limit: &str, threads: &str| {
        // The stacks of that many threads exceed the limit of the address space.
        let script = format!("{limit}; exec \"$0\" \"$@\"");
        let mut command = assert_cmd::Command::new("sh");
        command.args(["-c", &script]).arg(&program);
        command.args(["classify", &image("tiny_33x20.png"), "--weights"]);
        command.arg(checkpoint("good/zip.pth"));
        command.env_remove("RESNET_BACKEND");
        command.env("RAYON_NUM_THREADS", threads).assert()
    };
    for threads in ["1000000", "18446744073709551616", "many", "-1"] {
        let assert = classify(":", threads).code(2);
        let expected = format!(
            "error: RAYON_NUM_THREADS: expected a number of threads from 1 to 1024, found `{threads}`\n"
        );
        assert_eq!(stderr(&assert), expected);
        assert_eq!(stdout(&assert), "");
    }
    let assert = classify("ulimit -v 1500000", "1024").code(2);
    let expected = "error: cannot start 1024 threads; set RAYON_NUM_THREADS to fewer: ";
    assert!(stderr(&assert).starts_with(expected), "{}", stderr(&assert));
    assert_eq!(stderr(&assert).lines().count(), 1);
    classify(":", "3").success();
    classify(":", "").success();
}
