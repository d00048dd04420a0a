//! The layout of folders: classes, splits and errors.

use std::fs;
use std::path::Path;

use resnet_data::{DataOptions, Dataset, Layout};
use tempfile::TempDir;

use crate::{files, halves};

/// Creates a folder with two images for each of these classes.
fn tree(classes: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for class in classes {
        let images = [1, 2].map(|number| format!("{class}/{number}.png"));
        files(folder.path(), &images.each_ref().map(String::as_str));
    }
    folder
}

fn open(folder: &Path) -> Result<[Dataset; 2], String> {
    halves().open(folder).map_err(|error| error.to_string())
}

/// Returns the error of opening the folder for training. `ROOT` replaces the folder's path.
#[track_caller]
fn refused(classes: &[&str]) -> String {
    let folder = tree(classes);
    let message = open(folder.path()).unwrap_err();
    message.replace(folder.path().to_str().unwrap(), "ROOT")
}

#[test]
fn split_names_are_recognized_in_every_spelling() {
    for (train, valid) in [
        ("train", "val"),
        ("Train", "VAL"),
        ("TRAINING", "valid"),
        ("training", "Validation"),
        ("train", "dev"),
        ("Training", "Testing"),
        ("train", "test"),
        ("train", "Eval"),
    ] {
        let names = [train, valid].map(|part| ["a", "b"].map(|class| format!("{part}/{class}")));
        let names: Vec<&str> = names.as_flattened().iter().map(String::as_str).collect();
        let folder = tree(&names);
        // The third image identifies the training split.
        files(&folder.path().join(train), &["a/3.png"]);
        let [a, b] = open(folder.path()).unwrap();
        assert_eq!(
            (a.counts(), b.counts()),
            (vec![3, 2], vec![2, 2]),
            "{train}, {valid}"
        );
        assert_eq!(a.classes(), ["a", "b"]);
        let held_out = Dataset::open_held_out(folder.path()).unwrap();
        assert_eq!(held_out.counts(), [2, 2], "{train}, {valid}");
        assert_eq!(held_out.notes(), [""; 0]);
    }
}

#[test]
fn a_validation_split_takes_priority_over_a_test_split() {
    let folder = tree(&["train/a", "train/b", "dev/a", "test/a", "test/b"]);
    let [_, valid] = open(folder.path()).unwrap();
    assert_eq!(valid.counts(), [2, 0]);
    assert!(
        valid.notes()[0].ends_with("dev`: no images of `b`"),
        "{:?}",
        valid.notes()
    );
    let held_out = Dataset::open_held_out(folder.path()).unwrap();
    assert_eq!(held_out.classes(), ["a"]);
    assert!(held_out.notes()[0].contains("test` for the other images"));
    // Without a separate split, a note says that the training images are evaluated.
    let folder = tree(&["Train/a", "Train/b"]);
    let held_out = Dataset::open_held_out(folder.path()).unwrap();
    assert!(held_out.notes()[0].contains("Train`, as there are no others"));
}

#[test]
fn two_folders_for_one_split_are_an_error() {
    let message = refused(&["train/a", "train/b", "Training/a", "Training/b"]);
    assert!(
        message.starts_with("`ROOT`: expected one folder to train from, found `Training`, `train`: `Training/` (2 folders: "),
        "{message}"
    );
    let message = refused(&["train/a", "train/b", "val/a", "valid/a"]);
    assert!(
        message.contains("expected one folder to validate with, found `val`, `valid`"),
        "{message}"
    );
}

#[test]
fn the_error_for_a_parent_folder_names_the_path_to_pass() {
    let inner = ["train/red", "train/blue", "val/red", "val/blue"];
    let above = |place: &str| inner.map(|class| format!("{place}/{class}"));
    for place in ["data", "some/where/data"] {
        let message = refused(&above(place).each_ref().map(String::as_str));
        assert!(
            message.starts_with(
                "`ROOT`: expected one folder of images for each class, found folders of folders in "
            ),
            "{message}"
        );
        assert!(
            message.contains(&format!("; pass `ROOT/{place}`")),
            "{message}"
        );
    }
    let message = refused(&above("data").each_ref().map(String::as_str));
    assert!(
        message.contains("`data/` (2 folders: `train/` (2 folders), `val/` (2 folders))"),
        "{message}"
    );
    let message = refused(&["images/red", "images/blue"]);
    assert!(
        message.contains(
            "`images/` (2 folders: `blue/` (2 images), `red/` (2 images)); pass `ROOT/images`"
        ),
        "{message}"
    );
    let message = refused(&[
        "train/images/red",
        "train/images/blue",
        "val/red",
        "val/blue",
    ]);
    assert!(
        message.starts_with("`ROOT/train`: ") && message.contains("pass `ROOT/train/images`"),
        "{message}"
    );
    let message = refused(&["2023/red", "2023/blue", "2024/red", "2024/blue"]);
    assert!(
        message.contains("pass one of `ROOT/2023`, `ROOT/2024`, or add `Layout::Classes`"),
        "{message}"
    );
    // One nested class is enough.
    let message = refused(&["cat", "dog/poodle", "dog/husky"]);
    assert!(
        message.contains("found folders of folders in `dog`: "),
        "{message}"
    );
    // The same for evaluation.
    let folder = tree(&above("data").each_ref().map(String::as_str));
    assert!(Dataset::open_held_out(folder.path()).is_err());
}

#[test]
fn classes_named_like_splits_are_an_error() {
    for classes in [
        &["train", "test"][..],
        &["Train", "Val", "Test"],
        &["val", "cat", "dog"],
        &["val/cat", "val/dog", "cat", "dog"],
        &["train_set", "test_set"],
        &["train2017", "val2017"],
        &["bus", "car", "train"],
    ] {
        let message = refused(classes);
        assert!(message.contains("`Layout::Classes` if"), "{message}");
        let folder = tree(classes);
        let options = DataOptions {
            layout: Layout::Classes,
            ..DataOptions::default()
        };
        let [train, _] = options.open(folder.path()).unwrap();
        let first = |class: &&str| class.split('/').next().unwrap().to_string();
        let mut names: Vec<String> = classes.iter().map(first).collect();
        names.sort();
        names.dedup();
        assert_eq!(train.classes(), names);
    }
    // No training split.
    let message = refused(&["val/a", "val/b"]);
    assert!(
        message.contains("expected a folder `train`") && message.contains("pass `ROOT/val`"),
        "{message}"
    );
    let folder = tree(&["val/a", "val/b", "test/a"]);
    assert_eq!(
        Dataset::open_held_out(folder.path()).unwrap().counts(),
        [2, 2]
    );
}

#[test]
fn one_class_is_an_error() {
    for classes in [
        &["cat"][..],
        &["train/cat", "val/cat"],
        &["train/cat", "val/dog"],
    ] {
        let message = refused(classes);
        assert!(
            message.contains("expected two classes or more, found one: `cat/` (2 images)"),
            "{message}"
        );
    }
    // One class is enough for evaluation.
    let folder = tree(&["cat"]);
    assert_eq!(Dataset::open_held_out(folder.path()).unwrap().counts(), [2]);
    // The folder of one class.
    let message = open(&folder.path().join("cat")).unwrap_err();
    let above = folder.path().display();
    assert!(
        message.contains(&format!(
            "found no folder inside, but 2 images; pass `{above}` if"
        )),
        "{message}"
    );
}

#[test]
fn unsorted_images_are_explained() {
    let folder = tree(&["train/a", "train/b"]);
    files(folder.path(), &["test/1.png", "test/2.png"]);
    let [train, valid] = open(folder.path()).unwrap();
    assert_eq!((train.counts(), valid.counts()), (vec![1, 1], vec![1, 1]));
    assert!(
        train.notes()[0].ends_with("test`: left out, as its 2 images are not in class folders")
    );
    // The layout of competitions.
    let folder = tempfile::tempdir().unwrap();
    files(folder.path(), &["train/1.png", "test/2.png"]);
    for table in ["sample.csv", "train.csv"] {
        fs::write(folder.path().join(table), "").unwrap();
    }
    let message = open(folder.path()).unwrap_err();
    assert!(
        message.contains("expected one folder for each class in `train`")
            && message.contains("train.csv`, or "),
        "{message}"
    );
}

#[test]
fn folders_inside_classes_are_searched() {
    let folder = tree(&["cat", "cat/indoors", "dog", "notes of mine"]);
    files(folder.path(), &["beside.png", "__MACOSX/cat/1.png"]);
    for file in [
        "cat/a.txt",
        "cat/indoors/b.TXT",
        "dog/c.heic",
        "dog/.hidden.txt",
        "dog/Makefile",
        "d.csv",
    ] {
        fs::write(folder.path().join(file), "no image").unwrap();
    }
    let [train, valid] = open(folder.path()).unwrap();
    assert_eq!(
        (train.counts(), valid.counts()),
        (vec![2, 1, 1], vec![2, 1, 1])
    );
    assert_eq!(
        train.skipped().to_string(),
        "6 files skipped: 2 .txt, 1 without an extension, 1 .csv, 1 .heic, 1 image beside the class folders \
         (HEIC images are not supported; convert them to PNG or JPEG)"
    );
    assert!(valid.skipped().is_empty());
    // A class that has only skipped files.
    fs::create_dir(folder.path().join("fox")).unwrap();
    fs::write(folder.path().join("fox/1.heic"), "no image").unwrap();
    let message = open(folder.path()).unwrap_err();
    assert!(
        message.contains("fox`: expected images of the class that the folder is named after, found none: 1 file skipped: 1 .heic"),
        "{message}"
    );
}

#[test]
fn images_beside_the_training_folder_are_reported() {
    let folder = tree(&["Train/cat", "Train/dog", "other/cat", "other/dog/indoors"]);
    fs::create_dir(folder.path().join("notes")).unwrap();
    fs::write(folder.path().join("notes/a.txt"), "no image").unwrap();
    let count = |path: &str| Dataset::folder(folder.path().join(path)).unwrap().len();
    let others = count("other");
    let [train, valid] = open(folder.path()).unwrap();
    assert_eq!(train.len() + valid.len(), count("Train"));
    let told = |train: &Dataset, what: &str| {
        let notes = train.notes();
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].ends_with(what), "{notes:?}");
    };
    told(
        &train,
        &format!("`: {others} images in `other` left out, beside `Train`"),
    );
    files(folder.path(), &["stray.png"]);
    let [train, _] = open(folder.path()).unwrap();
    told(
        &train,
        &format!(
            "`: {} images in `other` left out, beside `Train`",
            others + 1
        ),
    );
    fs::remove_dir_all(folder.path().join("other")).unwrap();
    let [train, _] = open(folder.path()).unwrap();
    told(&train, "`: 1 image left out, beside `Train`");
}

#[test]
fn validation_folders_match_regardless_of_case_and_separators() {
    let folder = tree(&["train/Big Cat", "train/Dog", "val/big_cat", "val/dog"]);
    let [train, valid] = open(folder.path()).unwrap();
    assert_eq!(train.classes(), ["Big Cat", "Dog"]);
    assert_eq!((valid.classes(), train.notes().len()), (train.classes(), 0));
    assert!(valid.counts().iter().all(|&count| count > 0));
    assert_eq!(
        valid.notes(),
        ["classes are matched without regard to case, `_` and `-`: `big_cat` to `Big Cat`"]
    );
    // An unknown class, and one class twice.
    for (name, words) in [
        (
            "val/fox",
            "expected classes among `Big Cat`, `Dog`, found `fox`",
        ),
        (
            "val/Dog",
            "expected one folder or label for the class `Dog`, found `Dog` and `dog`",
        ),
    ] {
        let other = folder.path().join(name);
        files(&other, &["1.png"]);
        let message = open(folder.path()).unwrap_err();
        assert!(
            message.contains("val`: ") && message.ends_with(words),
            "{message}"
        );
        fs::remove_dir_all(other).unwrap();
    }
}
