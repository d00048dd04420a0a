//! `evaluate`, and the network that is in the program.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::{fixture, run, stderr, stdout};

/// A folder with the cat in a class of this name.
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
fn classes_are_counted_by_their_names_or_numbers() {
    for class in ["cat", "3"] {
        let folder = tempfile::tempdir().unwrap();
        let data = cat_as(folder.path(), class);
        let report: Value =
            serde_json::from_str(&stdout(&run(evaluate(&data, &["--json"])).success())).unwrap();
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
    }
}

#[test]
fn a_table_has_a_line_a_class_and_bad_images_are_told() {
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
fn a_class_that_the_network_lacks_is_told_with_those_it_has() {
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
fn the_network_in_the_program_needs_no_file() {
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
        message.contains("has no file, as it is in programs"),
        "{message}"
    );
    let list = stdout(&run(["weights", "list", "cifar*"]).success());
    assert!(
        list.contains("cifar_resnet20.resnet_zoo_c10*") && list.contains("MIT OR Apache-2.0"),
        "{list}"
    );
}
