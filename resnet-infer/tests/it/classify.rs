//! The command `classify`.

use std::path::PathBuf;

use resnet_testing::{data, pairs};
use serde_json::Value;

use crate::{BACKENDS, checkpoint, fixture, image, run, stderr, stdout};

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Third-party CIFAR-10 networks classify 20 images correctly, ResNet-32 at least 19 of them.
#[test]
#[ignore = "needs RESNET_TEST_DATA"]
fn trained_networks_classify_real_images() {
    let mut images: Vec<PathBuf> = std::fs::read_dir(data("photos"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("cifar10_")
        })
        .collect();
    images.sort();
    assert_eq!(images.len(), 20);
    let networks = [
        ("resnet20-12fca82f.th", 20),
        ("resnet32-d509ac18.th", 19),
        ("resnet44-014dd654.th", 20),
        ("resnet56-4bfd9763.th", 20),
    ];
    for (file, at_least) in networks {
        for &backend in BACKENDS {
            let weights = data(&format!("cifar10-resnet/{file}"));
            let mut args: Vec<PathBuf> = vec!["classify".into(), "--json".into()];
            args.extend([
                "--backend".into(),
                backend.into(),
                "--weights".into(),
                weights,
            ]);
            args.extend(images.iter().cloned());
            let assert = run(args).success();
            let right = lines(&stdout(&assert))
                .iter()
                .filter(|line| is_right(line))
                .count();
            println!("{file} on {backend}: {right} of 20");
            assert!(right >= at_least, "{file} on {backend}: {right} of 20");
        }
    }
}

/// Returns whether the top prediction is the true class, which ends the file name.
fn is_right(line: &Value) -> bool {
    let path = line["path"].as_str().unwrap();
    let class = path.trim_end_matches(".png").rsplit('_').next().unwrap();
    line["predictions"][0]["class"].as_u64() == class.parse().ok()
}

#[test]
fn json_has_the_documented_form() {
    let weights = checkpoint("good/zip.pth");
    let path = image("tiny_33x20.png");
    let assert = run([
        "classify",
        &path,
        "--weights",
        &weights,
        "--json",
        "--top-k",
        "3",
    ])
    .success();
    let line = &lines(&stdout(&assert))[0];
    assert_eq!(line["path"], path.as_str());
    assert_eq!(line["model"], "cifar_resnet8_b");
    let predictions = line["predictions"].as_array().unwrap();
    assert_eq!(predictions.len(), 3);
    let probability = |i: usize| predictions[i]["probability"].as_f64().unwrap();
    assert!(probability(0) >= probability(1) && probability(0) <= 1.0);
    let class = predictions[0]["class"].as_u64().unwrap() as usize;
    let cifar = "airplane automobile bird cat deer dog frog horse ship truck";
    assert_eq!(
        predictions[0]["label"],
        cifar.split(' ').nth(class).unwrap()
    );
    assert_eq!(line["activation"], "softmax");
    assert_eq!(line.as_object().unwrap().len(), 4);
    assert_eq!(stderr(&assert), "");
}

#[test]
fn a_bad_image_does_not_stop_the_others() {
    let weights = checkpoint("good/zip.pth");
    let [good, bad] = [image("tiny_33x20.png"), checkpoint("bad/web_page.pth")];
    let args = [
        "classify",
        &good,
        &bad,
        "no-such.png",
        &good,
        "--weights",
        &weights,
    ];
    let assert = run(args.into_iter().chain(["--json"])).code(1);
    let lines = lines(&stdout(&assert));
    assert_eq!(lines.len(), 4);
    assert!(lines[1]["error"].as_str().unwrap().contains("web_page.pth"));
    assert!(lines[2]["error"].as_str().unwrap().contains("no-such.png"));
    assert_eq!(lines[1].as_object().unwrap().len(), 2);
    assert_eq!(lines[0]["predictions"], lines[3]["predictions"]);

    let assert = run(args.into_iter().chain(["--csv", "--top-k", "1"])).code(1);
    let mut reader = csv::Reader::from_reader(assert.get_output().stdout.as_slice());
    assert_eq!(
        reader.headers().unwrap(),
        ["path", "rank", "class", "label", "probability", "error"].as_slice()
    );
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 4);
    assert_eq!((&rows[0][1], &rows[0][5]), ("1", ""));
    assert!(rows[2][5].contains("no-such.png"));
}

#[test]
fn folders_and_standard_input_hold_images() {
    let folder = fixture("resnet-image/tests/fixtures/preprocess/images");
    let folder = folder.to_str().unwrap();
    let weights = checkpoint("good/f32.safetensors");
    let args = [
        "classify",
        folder,
        "--weights",
        &weights,
        "--resize",
        "40",
        "--crop",
        "32",
    ];
    let assert = run(args.into_iter().chain(["--json", "--batch-size", "5"])).success();
    let found = lines(&stdout(&assert));
    let images = std::fs::read_dir(folder).unwrap().count();
    assert_eq!(found.len(), images);
    let names: Vec<_> = found
        .iter()
        .map(|line| line["path"].as_str().unwrap())
        .collect();
    assert!(names.is_sorted());

    let cat = found
        .iter()
        .find(|line| line["path"].as_str().unwrap().contains("cat_"))
        .unwrap();
    let one = |input: &str| {
        let mut command = assert_cmd::Command::cargo_bin("resnet-infer").unwrap();
        command.args(["classify", input, "--weights", &weights, "--json"]);
        command.args(["--resize", "40", "--crop", "32"]);
        let photo = std::fs::read(image("cat_451x300.png")).unwrap();
        let assert = command.write_stdin(photo).assert().success();
        lines(&stdout(&assert)).remove(0)
    };
    let (stdin, file) = (one("-"), one(&image("cat_451x300.png")));
    assert_eq!(stdin["path"], "-");
    assert_eq!(stdin["predictions"], file["predictions"]);
    // The last bits of the probabilities depend on the batch size.
    let values = |line: &Value, key: &str| -> Vec<f64> {
        let predictions = line["predictions"].as_array().unwrap();
        predictions
            .iter()
            .map(|p| p[key].as_f64().unwrap())
            .collect()
    };
    assert_eq!(values(cat, "class"), values(&file, "class"));
    for (a, b) in pairs(values(cat, "probability"), values(&file, "probability")) {
        assert!((a - b).abs() <= 2e-6 * b, "{a} {b}");
    }
}

#[test]
fn the_table_is_aligned() {
    let weights = checkpoint("good/zip.pth");
    let assert = run([
        "classify",
        &image("tiny_33x20.png"),
        "--weights",
        &weights,
        "--top-k",
        "2",
    ])
    .success();
    let text = stdout(&assert);
    let columns: Vec<_> = text.lines().map(|line| line.find('%').unwrap()).collect();
    assert_eq!(columns.len(), 2);
    assert_eq!(columns[0], columns[1], "{text}");
}

#[test]
fn custom_labels_are_used_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let labels = folder.path().join("labels.txt");
    let weights = checkpoint("good/zip.pth");
    let path = image("tiny_33x20.png");
    let args = [
        "classify",
        &path,
        "--weights",
        &weights,
        "--labels",
        labels.to_str().unwrap(),
    ];
    std::fs::write(&labels, "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n").unwrap();
    let assert = run(args.into_iter().chain(["--json"])).success();
    assert_eq!(
        lines(&stdout(&assert))[0]["predictions"][0]["label"]
            .as_str()
            .unwrap()
            .len(),
        1
    );
    std::fs::write(&labels, "a\nb\n").unwrap();
    let assert = run(args).code(2);
    assert!(
        stderr(&assert).contains(
            "labels.txt`: expected 10 labels, one for each class of the network, found 2"
        )
    );
}

#[test]
fn a_fatal_error_is_one_line_and_status_2() {
    let path = image("tiny_33x20.png");
    let good = checkpoint("good/zip.pth");
    let cases: [(&[&str], &str); 9] = [
        (
            &["--weights", &good, "--arch", "resnet18"],
            "the file may be of another architecture: `resnet-infer inspect` guesses it",
        ),
        (
            &["--weights", "none.pth"],
            "error: `none.pth`: cannot be read",
        ),
        (
            &["--weights", &good, "--arch", "resnet5"],
            "error: unknown architecture `resnet5`; nearest: resnet50",
        ),
        (
            &["--weights", &good, "--arch", "resnet18"],
            "does not fit the network: missing `layer1.1.conv1.weight`",
        ),
        (
            &["--weights", &checkpoint("bad/malicious.pth")],
            "nothing was run",
        ),
        (
            &["--weights", &checkpoint("bad/nan.pth")],
            "negative variance `fc.bias`",
        ),
        (
            &["--weights", &good, "--std", "0,1,1"],
            "'--std <R,G,B>': expected numbers above 0",
        ),
        (
            &["--weights", &good, "--batch-size", "0"],
            "expected a whole number above 0",
        ),
        (
            &["--weights", &good, "--backend", "gpu"],
            "unknown backend `gpu`: expected one of `cuda`, ",
        ),
    ];
    for (args, expected) in cases {
        let assert = run(["classify", &path].iter().chain(args)).code(2);
        let text = stderr(&assert);
        assert!(text.contains(expected), "{args:?}: {text}");
        assert!(!text.contains("panicked"), "{text}");
        assert_eq!(stdout(&assert), "");
    }
    let empty = tempfile::tempdir().unwrap();
    let assert = run([
        "classify",
        empty.path().to_str().unwrap(),
        "--weights",
        &good,
    ])
    .code(2);
    assert!(
        stderr(&assert).contains("found none in the folder"),
        "{}",
        stderr(&assert)
    );
}

#[test]
fn a_named_network_has_its_own_classes_unless_labels_say_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let labels = folder.path().join("labels.txt");
    let names: Vec<_> = (0..100).map(|i| format!("kind {i}")).collect();
    std::fs::write(&labels, names.join("\n")).unwrap();
    let weights = checkpoint("bad/wrong_classes.pth");
    let path = image("tiny_33x20.png");
    let args = [
        "classify",
        &path,
        "--weights",
        &weights,
        "--arch",
        "cifar_resnet8_b",
    ];
    let text = stderr(&run(args).code(2));
    assert!(
        text.contains("`fc.weight` (expected [10, 64], found [100, 64])"),
        "{text}"
    );
    let assert = run(args
        .into_iter()
        .chain(["--labels", labels.to_str().unwrap(), "--json"]))
    .success();
    let label = lines(&stdout(&assert))[0]["predictions"][0]["label"].to_string();
    assert!(label.starts_with("\"kind "), "{label}");
}

#[test]
fn an_ambiguous_architecture_is_noted() {
    let folder = tempfile::tempdir().unwrap();
    let weights = folder.path().join("aa.safetensors");
    let model: resnet_core::ResNet<burn::backend::Flex> = resnet_core::Arch::ResNetAa50
        .config()
        .with_num_classes(3)
        .init(&Default::default());
    resnet_weights::save(&model, &weights).unwrap();
    let path = image("tiny_33x20.png");
    let args = [
        "classify",
        &path,
        "--weights",
        weights.to_str().unwrap(),
        "--resize",
        "64",
        "--crop",
        "64",
    ];
    // A file of this crate's `save` contains its architecture, but no class names here.
    let indices = "note: the weights do not name the classes: predictions show class indices; pass --labels FILE to name \
                   them\n";
    assert_eq!(stderr(&run(args).success()), indices);
    let mut bytes = std::fs::read(&weights).unwrap();
    let key = b"resnet_config";
    let at = bytes.windows(key.len()).position(|window| window == key);
    bytes[at.unwrap()] = b'R';
    std::fs::write(&weights, bytes).unwrap();
    let text = stderr(&run(args).success());
    let note = "note: resnet50: assumes stride_placement=conv3x3 (else `--set \
                stride_placement=conv1x1` (v1, as in Caffe and detection code)), anti_alias=none (else `--arch \
                resnetaa50` or `--arch resnetblur50`), which the keys do not show\n";
    assert_eq!(text, format!("{note}{indices}"));
}

#[cfg(unix)]
#[test]
fn links_in_folders_are_images_too() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(image("tiny_33x20.png"), folder.path().join("link.png")).unwrap();
    let weights = checkpoint("good/zip.pth");
    let args = [
        "classify",
        folder.path().to_str().unwrap(),
        "--weights",
        &weights,
        "--json",
    ];
    assert!(lines(&stdout(&run(args).success()))[0]["predictions"].is_array());
}

#[cfg(unix)]
#[test]
fn folders_are_searched_as_for_training() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["a.png", ".hidden.png", "z.PNG"] {
        std::fs::copy(image("tiny_33x20.png"), path(name)).unwrap();
    }
    std::fs::create_dir(path(".thumbnails")).unwrap();
    std::fs::copy(image("tiny_33x20.png"), path(".thumbnails/a.png")).unwrap();
    std::fs::write(path("notes.txt"), "no image").unwrap();
    std::fs::write(path("photo.avif"), "no image").unwrap();
    std::os::unix::fs::symlink("gone.png", path("dead.png")).unwrap();
    std::os::unix::fs::symlink("..", path("up")).unwrap();
    let pipe = std::process::Command::new("mkfifo")
        .arg(path("pipe.png"))
        .status();
    assert!(pipe.unwrap().success());
    let weights = checkpoint("good/zip.pth");
    let folder = folder.path().to_str().unwrap();
    let args = ["classify", folder, "--weights", &weights, "--json"];
    let assert = run(args).code(1);
    let lines = lines(&stdout(&assert));
    let names: Vec<&str> = lines
        .iter()
        .map(|line| line["path"].as_str().unwrap().rsplit('/').next().unwrap())
        .collect();
    assert_eq!(names, ["a.png", "dead.png", "pipe.png", "up", "z.PNG"]);
    let error = |line: usize| lines[line]["error"].as_str().unwrap();
    assert!(
        error(1).contains("found a link to `gone.png`"),
        "{}",
        error(1)
    );
    assert!(error(2).contains("found a named pipe"), "{}", error(2));
    assert!(error(3).contains("which holds the link"), "{}", error(3));
    assert_eq!(lines[0]["predictions"], lines[4]["predictions"]);
    assert_eq!(
        stderr(&assert),
        "note: 2 files skipped: 1 .avif, 1 .txt (AVIF images are not supported; convert them to PNG or JPEG)\n"
    );
    // A named pipe as an argument is an error too, but an open stream is read.
    let pipe = format!("{folder}/pipe.png");
    let args = ["classify", &pipe, "--weights", &weights, "--json"];
    let text = stdout(&run(args).code(1));
    assert!(text.contains("found a named pipe"), "{text}");
    let args = ["classify", "/dev/stdin", "--weights", &weights, "--json"];
    let mut command = assert_cmd::Command::cargo_bin("resnet-infer").unwrap();
    let bytes = std::fs::read(image("tiny_33x20.png")).unwrap();
    let assert = command.args(args).write_stdin(bytes).assert().success();
    let alone = &self::lines(&stdout(&assert))[0]["predictions"][0];
    assert_eq!(alone["class"], lines[0]["predictions"][0]["class"]);
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    use std::io::Read;
    use std::process::{Command, Stdio};

    let mut child = Command::new(assert_cmd::cargo::cargo_bin("resnet-infer"))
        .args(["models", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 1];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn absurd_sizes_fail_for_the_image_not_the_program() {
    let weights = checkpoint("good/zip.pth");
    let args = ["classify", &image("tiny_33x20.png"), "--weights", &weights];
    let flags = ["--resize", "4294967295"];
    let assert = run(args.iter().chain(&flags)).code(1);
    assert!(stdout(&assert).contains("failed: `"), "{}", stdout(&assert));
    for crop in ["4000000", "13000"] {
        let assert = run(args.iter().chain(&["--crop", crop])).code(2);
        let text = stderr(&assert);
        assert!(
            text.contains("zip.pth") && text.contains("--memory-limit"),
            "{text}"
        );
    }
}
