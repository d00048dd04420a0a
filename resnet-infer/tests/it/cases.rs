//! Checkpoints from users' reports, through the command.

use serde_json::Value;

use crate::{fixture, image, run, stderr, stdout};

fn case(name: &str) -> String {
    let path = fixture("weights/tests/fixtures/cases").join(name);
    path.to_str().unwrap().to_string()
}

/// Runs `classify` on a small image with a checkpoint of the cases and more flags.
fn classify(name: &str, flags: &[&str]) -> assert_cmd::assert::Assert {
    let (file, image) = (case(name), image("tiny_33x20.png"));
    let args = ["classify", &image, "--weights", &file, "--backend", "cpu"];
    run(args.iter().chain(flags))
}

fn line(name: &str, flags: &[&str]) -> Value {
    let flags = [&["--json"], flags].concat();
    let text = stdout(&classify(name, &flags).success());
    serde_json::from_str(&text).unwrap()
}

fn logits(name: &str, flags: &[&str]) -> Vec<f32> {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.safetensors");
    let (file, input) = (case(name), case("input.safetensors"));
    let output = output.to_str().unwrap();
    let args = [
        "forward",
        "--weights",
        &file,
        "--input",
        &input,
        "--output",
        output,
    ];
    run(args.iter().chain(flags)).success();
    let data = resnet_weights::Checkpoint::open(output)
        .unwrap()
        .read("logits")
        .unwrap();
    data.iter().collect()
}

#[test]
fn a_single_logit_gives_two_outcomes() {
    // PyTorch's logits are -8.618734 and -9.069915.
    let found = logits("binary.pth", &[]);
    assert!(
        (found[0] + 8.618734).abs() < 1e-3 && (found[1] + 9.069915).abs() < 1e-3,
        "{found:?}"
    );

    let line = line("binary.pth", &[]);
    assert_eq!(line["activation"], "sigmoid");
    let outcome = |i: usize| &line["predictions"][i];
    let probability = |i: usize| outcome(i)["probability"].as_f64().unwrap();
    assert_eq!(line["predictions"].as_array().unwrap().len(), 2);
    assert!((probability(0) + probability(1) - 1.0).abs() < 1e-6);
    assert_eq!(outcome(0)["class"], 0);
    assert!(probability(1) < 0.01, "{line}");
    let text = stderr(&classify("binary.pth", &[]));
    assert!(
        text.contains("its sigmoid is the probability of class 1"),
        "{text}"
    );
}

#[test]
fn classes_without_names_have_numbers() {
    let line = line("ten_flowers.pth", &["--top-k", "1"]);
    let prediction = &line["predictions"][0];
    assert_eq!(
        prediction["label"],
        format!("class {}", prediction["class"])
    );
    let assert = classify("ten_flowers.pth", &["--labels", "cifar10", "--top-k", "1"]);
    assert!(
        stdout(&assert).contains("deer") || stdout(&assert).contains("ship"),
        "{}",
        stdout(&assert)
    );
    assert!(
        !stderr(&assert).contains("names the classes"),
        "{}",
        stderr(&assert)
    );
}

#[test]
fn an_activation_can_be_chosen_and_a_threshold_set() {
    let flags = ["--activation", "sigmoid", "--threshold", "0.5"];
    let several = line("ten_flowers.pth", &flags);
    let softmax = line("ten_flowers.pth", &["--top-k", "10"]);
    let scores = several["predictions"].as_array().unwrap();
    let likely = |score: &Value| score["probability"].as_f64().unwrap() >= 0.5;
    assert!(scores.len() > 1 && scores.iter().all(likely), "{several}");
    let sum: f64 = softmax["predictions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["probability"].as_f64().unwrap())
        .sum();
    assert!((sum - 1.0).abs() < 1e-5);

    let none = classify("ten_flowers.pth", &["--threshold", "1"]);
    let nothing = stdout(&none).contains("none above the threshold");
    assert!(
        nothing || stdout(&none).contains("100.0 %"),
        "{}",
        stdout(&none)
    );
    let wrong = classify("ten_flowers.pth", &["--threshold", "1.5"]).code(2);
    assert!(
        stderr(&wrong).contains("expected a probability"),
        "{}",
        stderr(&wrong)
    );
}

#[test]
fn options_of_the_network_are_set_by_flags() {
    let plain = logits("stride_in_the_1x1.safetensors", &[]);
    let set = logits(
        "stride_in_the_1x1.safetensors",
        &["--set", "stride_placement=conv1x1"],
    );
    assert!(
        (set[0] + 23.4667).abs() < 1e-2 && (set[1] - 16.059145).abs() < 1e-2,
        "{set:?}"
    );
    assert!(plain != set);
    let norm = logits("group_norm_of_2_groups.safetensors", &["--norm", "group:2"]);
    assert!((norm[0] - 5.116085).abs() < 1e-3, "{norm:?}");
    let wrong = classify("ten_flowers.pth", &["--set", "stride=1"]).code(2);
    assert!(
        stderr(&wrong).contains("one of stages,"),
        "{}",
        stderr(&wrong)
    );
    let wrong = classify("ten_flowers.pth", &["--norm", "layer"]).code(2);
    assert!(
        stderr(&wrong).contains("group:GROUPS"),
        "{}",
        stderr(&wrong)
    );
}

#[test]
fn inspect_lists_assumptions() {
    let text = stdout(&run(["inspect", &case("stride_in_the_1x1.safetensors")]).success());
    for option in [
        "stride_placement=conv3x3",
        "norm_eps=1e-5",
        "softmax of the logits",
        "no class names",
    ] {
        assert!(text.contains(option), "{option} in {text}");
    }
    let text = stdout(&run(["inspect", &case("contrastive.pth.tar")]).success());
    assert!(
        text.contains("networks") && text.contains("encoder_q") && text.contains("encoder_k"),
        "{text}"
    );
    let args = [
        "inspect",
        &case("contrastive.pth.tar"),
        "--state",
        "encoder_q",
        "--json",
    ];
    let value: Value = serde_json::from_str(&stdout(&run(args).success())).unwrap();
    assert!(
        value["state"].as_str().unwrap().ends_with("encoder_q"),
        "{value}"
    );
}

#[test]
fn feature_maps_beyond_the_memory_limit_are_an_error() {
    let text = stderr(&classify("large_maps.safetensors", &[]).code(2));
    for part in ["large_maps.safetensors", "4096x4096", "--memory-limit"] {
        assert!(text.contains(part), "{text}");
    }
    classify(
        "large_maps.safetensors",
        &["--resize", "32", "--crop", "32"],
    )
    .success();
    let flags = ["--resize", "32", "--crop", "32", "--memory-limit", "64KiB"];
    let text = stderr(&classify("large_maps.safetensors", &flags).code(2));
    assert!(text.contains("32x32"), "{text}");
}

#[test]
fn names_of_classes_are_escaped() {
    for flags in [&[][..], &["--csv"]] {
        let text = stdout(&classify("labels_with_escapes.safetensors", flags).success());
        assert!(
            !text.contains('\u{1b}') && !text.contains('\u{7}'),
            "{text:?}"
        );
        assert!(text.contains("\\u{1b}]0;title"), "{text:?}");
    }
    let line = line("labels_with_escapes.safetensors", &[]);
    let labels = line["predictions"].to_string();
    assert!(labels.contains("cat"), "{labels}");
    let folder = tempfile::tempdir().unwrap();
    let labels = folder.path().join("labels.txt");
    std::fs::write(&labels, "\u{feff}=1+1\n@SUM(A1)\n").unwrap();
    let flags = ["--csv", "--labels", labels.to_str().unwrap()];
    let text = stdout(&classify("labels_with_escapes.safetensors", &flags).success());
    assert!(
        text.contains(",'=1+1,") && text.contains(",'@SUM(A1),"),
        "{text}"
    );
}
