//! Broken links, link cycles, pipes and deleted files.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use resnet_data::{BadImage, DataLoader, Dataset, ImageFiles};
use resnet_image::Preprocessing;
use resnet_testing::pairs;
use tempfile::TempDir;

use crate::{files, halves};

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Creates two classes; the first one has every kind of unreadable file.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    files(folder.path(), &["a/1.png", "a/2.png", "b/1.png", "b/2.png"]);
    let a = folder.path().join("a");
    symlink("../elsewhere/gone.png", a.join("dead.png")).unwrap();
    symlink("itself.png", a.join("itself.png")).unwrap();
    symlink("gone", a.join("folder")).unwrap();
    symlink("..", a.join("circle")).unwrap();
    symlink("/dev/zero", a.join("zeros.png")).unwrap();
    pipe(&a.join("pipe.png"));
    // Skipped, like regular files with these names.
    symlink("gone.txt", a.join("notes.txt")).unwrap();
    symlink("gone.png", a.join(".hidden.png")).unwrap();
    pipe(&a.join("pipe"));
    folder
}

/// Returns the file name and the reason of each unreadable file.
fn told(bad: &[BadImage]) -> Vec<(String, String)> {
    let name = |image: &BadImage| {
        let name = Path::new(&image.name).file_name().unwrap();
        (name.to_str().unwrap().to_string(), image.reason.clone())
    };
    bad.iter().map(name).collect()
}

#[test]
fn unreadable_files_are_reported_and_left_out() {
    let folder = folder();
    // A link cycle among the classes.
    symlink("..", folder.path().join("above")).unwrap();
    let [train, valid] = halves().open(folder.path()).unwrap();
    assert_eq!((train.counts(), valid.counts()), (vec![1, 1], vec![1, 1]));
    assert!(valid.unreadable().is_empty());
    let told = told(train.unreadable());
    let names: Vec<&str> = told.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "circle",
            "dead.png",
            "folder",
            "itself.png",
            "pipe.png",
            "zeros.png",
            "above"
        ]
    );
    let reasons = [
        "expected a folder, found a link to `/",
        "found a link to `../elsewhere/gone.png`, which cannot be followed: No such file",
        "found a link to `gone`, which cannot be followed",
        "found a link to `itself.png`, which cannot be followed",
        "expected a file, found a named pipe",
        "expected a file, found a device",
        "expected a folder, found a link to `/",
    ];
    for ((name, reason), expected) in pairs(&told, reasons) {
        assert!(reason.contains(expected), "{name}: {reason}");
    }
    assert_eq!(
        train.skipped().to_string(),
        "2 files skipped: 1 without an extension, 1 .txt"
    );
    // The loader reports them once per epoch, with the first batch.
    let loader = DataLoader::new(train, Preprocessing::cifar()).with_batch_size(1);
    for (first, batches) in [(0, 2), (1, 1)] {
        let bad: Vec<usize> = loader
            .epoch_from(0, first)
            .unwrap()
            .map(|batch| batch.bad.len())
            .collect();
        assert_eq!(bad, [7, 0][..batches]);
    }
    assert_eq!(
        loader
            .with_share(1, 2)
            .epoch(0)
            .unwrap()
            .map(|batch| batch.bad.len())
            .sum::<usize>(),
        0
    );
}

#[test]
fn a_class_without_a_readable_image_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    files(folder.path(), &["a/1.png", "a/2.png"]);
    fs::create_dir(folder.path().join("b")).unwrap();
    symlink("gone.png", folder.path().join("b/dead.png")).unwrap();
    let message = halves().open(folder.path()).unwrap_err().to_string();
    assert!(
        message.contains("b`: expected images of the class")
            && message.contains("none that can be read: `"),
        "{message}"
    );
    // For evaluation, the image is only unreadable.
    let data = Dataset::open_held_out(folder.path()).unwrap();
    assert_eq!((data.counts(), data.unreadable().len()), (vec![2, 0], 1));
    let message = Dataset::open_held_out(folder.path().join("b")).unwrap_err();
    assert!(
        message.to_string().contains("no folder inside"),
        "{message}"
    );
    let alone = tempfile::tempdir().unwrap();
    fs::create_dir(alone.path().join("b")).unwrap();
    symlink("gone.png", alone.path().join("b/dead.png")).unwrap();
    let message = Dataset::open_held_out(alone.path())
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("expected images that can be read, found none: `"),
        "{message}"
    );
    // A broken link beside the classes is reported.
    fs::remove_dir_all(folder.path().join("b")).unwrap();
    files(folder.path(), &["b/1.png", "b/2.png"]);
    symlink("gone", folder.path().join("c")).unwrap();
    symlink("gone.png", folder.path().join("beside.png")).unwrap();
    let [train, _] = halves().open(folder.path()).unwrap();
    assert_eq!(told(train.unreadable())[0].0, "c");
    assert_eq!(train.unreadable().len(), 1);
}

#[test]
fn only_regular_files_are_opened() {
    let folder = folder();
    // A pipe in a table is an unreadable image.
    fs::write(
        folder.path().join("table.csv"),
        "a/1.png,x\na/pipe.png,y\na/dead.png,y\nb/1.png,y\n",
    )
    .unwrap();
    let data = Dataset::open_held_out(folder.path().join("table.csv")).unwrap();
    let batch = DataLoader::new(data, Preprocessing::cifar())
        .with_batch_size(4)
        .epoch(0)
        .unwrap()
        .next()
        .unwrap();
    assert_eq!((batch.images.len(), batch.bad.len()), (2, 2));
    assert!(
        batch.bad[0].reason.contains("found a named pipe"),
        "{:?}",
        batch.bad
    );
}

#[test]
fn deleted_files_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    files(folder.path(), &["a/1.png", "b/1.png"]);
    let data = Dataset::open_held_out(folder.path()).unwrap();
    fs::remove_dir_all(folder.path()).unwrap();
    let batch = DataLoader::new(data, Preprocessing::cifar())
        .with_batch_size(2)
        .epoch(0)
        .unwrap()
        .next()
        .unwrap();
    assert_eq!((batch.images.len(), batch.bad.len()), (0, 2));
}

#[test]
fn a_search_sorts_by_name() {
    let folder = folder();
    let files = ImageFiles::below(folder.path());
    let name = |file: &Result<std::path::PathBuf, BadImage>| match file {
        Ok(path) => path.clone(),
        Err(image) => (&image.name).into(),
    };
    let names: Vec<_> = files.found.iter().map(name).collect();
    assert!(names.is_sorted(), "{names:?}");
    assert_eq!(files.found.iter().filter(|file| file.is_ok()).count(), 4);
    // A missing folder.
    let files = ImageFiles::below(folder.path().join("nowhere"));
    assert!(matches!(files.found.as_slice(), [Err(_)]));
}
