//! The commands `models` and `inspect`.

use serde_json::Value;

use crate::{checkpoint, run, stderr, stdout};

#[test]
fn models_lists_every_architecture_in_aligned_columns() {
    let text = stdout(&run(["models"]).success());
    let (text, dense) = text.split_once("\n\n").unwrap();
    assert_eq!(text.lines().count(), 1 + resnet_core::Arch::ALL.len());
    assert_eq!(
        dense.lines().count(),
        1 + resnet_dense::DenseArch::ALL.len()
    );
    let row = text
        .lines()
        .find(|line| line.starts_with("resnext50_32x4d "))
        .unwrap();
    let fields: Vec<_> = row.split_whitespace().collect();
    assert_eq!(
        fields,
        [
            "resnext50_32x4d",
            "25028904",
            "4.230",
            "7x7",
            "64",
            "bottleneck",
            "32x4d",
            "projection"
        ]
    );
    let column = text.lines().next().unwrap().find("shortcut").unwrap();
    for line in text.lines().skip(1) {
        assert_eq!(&line[column - 1..column], " ", "{line}");
        assert_ne!(&line[column..=column], " ", "{line}");
    }
}

#[test]
fn models_takes_a_pattern_and_gives_json() {
    let text = stdout(&run(["models", "wide_resnet*", "--json"]).success());
    let rows: Value = serde_json::from_str(&text).unwrap();
    let names: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["wide_resnet50_2", "wide_resnet101_2"]);
    assert_eq!(rows[0]["parameters"], 68_883_240);
    assert!((rows[0]["gmacs"].as_f64().unwrap() - 11.398).abs() < 1e-3);
    let error = stderr(&run(["models", "resnet5"]).code(2));
    assert!(
        error.contains("unknown architecture `resnet5`; nearest: resnet50"),
        "{error}"
    );
    assert!(stderr(&run(["models", "[a"]).code(2)).contains("`[a`"));
}

#[test]
fn inspect_shows_format_tensors_and_architecture() {
    let text = stdout(
        &run([
            "inspect",
            &checkpoint("good/training_checkpoint_legacy.pth"),
        ])
        .success(),
    );
    for expected in [
        "PyTorch legacy",
        "state         state_dict.module",
        "47 tensors, 78714 elements",
        "architecture  cifar_resnet8_b",
        "classes       10",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let text = stdout(&run(["inspect", "--json", &checkpoint("good/f16.safetensors")]).success());
    let summary: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(summary["architecture"], "cifar_resnet8_b");
    assert_eq!(summary["classes"], 10);
    assert_eq!(summary["tensors"].as_array().unwrap().len(), 56);
}

#[test]
fn inspect_explains_unusable_files() {
    let error = stderr(&run(["inspect", &checkpoint("bad/web_page.pth")]).code(2));
    assert!(error.contains("is a web page, not a checkpoint"), "{error}");
    let expected = crate::fixture("resnet-core/tests/fixtures/parity/expected.safetensors");
    let text = stdout(&run(["inspect", expected.to_str().unwrap()]).success());
    assert!(
        text.contains(
            "architecture  unknown: not a residual network of this zoo: no `conv1.weight`"
        ),
        "{text}"
    );
}

#[test]
fn the_book_shows_the_table_that_the_command_prints() {
    let page = std::fs::read_to_string(crate::fixture("docs/src/models.md")).unwrap();
    let table = page
        .split("```text\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    assert_eq!(
        table,
        stdout(&run(["models"]).success()),
        "put the output into docs/src/models.md"
    );
}
