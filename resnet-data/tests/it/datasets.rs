//! Opening and splitting of datasets.

use std::fs;
use std::path::Path;

use resnet_data::{Dataset, SplitOptions};

use crate::{files, halves, save, share};

#[test]
fn a_folder_lists_classes_and_images_sorted_by_name() {
    let folder = tempfile::tempdir().unwrap();
    for (path, gray) in [
        ("dog/b.png", 2),
        ("dog/a.PNG", 1),
        ("cat/deep/er/c.png", 3),
        ("cat/.hidden.png", 4),
        (".git/x.png", 5),
    ] {
        save(&folder.path().join(path), gray);
    }
    fs::write(folder.path().join("dog/notes.txt"), "no image").unwrap();
    fs::write(folder.path().join("labels.txt"), "no class").unwrap();
    let data = Dataset::folder(folder.path()).unwrap();
    assert_eq!(data.classes(), ["cat", "dog"]);
    let grays: Vec<(usize, u8)> = data
        .samples()
        .iter()
        .map(|sample| {
            (
                sample.labels()[0],
                sample.rgb().unwrap().get_pixel(0, 0).0[0],
            )
        })
        .collect();
    assert_eq!(grays, [(0, 3), (1, 1), (1, 2)]);
    assert_eq!(data.counts(), [1, 2]);
    // 3 images, 2 classes: 3 / (2 * 1) and 3 / (2 * 2).
    assert_eq!(data.class_weights(), [1.5, 0.75]);
}

#[test]
fn errors_name_folders_without_classes_or_images() {
    let folder = tempfile::tempdir().unwrap();
    let message = |path: &Path| Dataset::folder(path).unwrap_err().to_string();
    assert!(
        message(folder.path())
            .ends_with("expected one folder of images per class, found no folder inside")
    );
    fs::create_dir(folder.path().join("empty")).unwrap();
    let text = message(folder.path());
    assert!(
        text.contains("empty`: expected images of the class"),
        "{text}"
    );
    let text = message(&folder.path().join("nowhere"));
    assert!(
        text.contains("nowhere`: expected a folder that can be searched"),
        "{text}"
    );
}

/// Creates a record: labels, then planes of red, green and blue.
fn record(labels: &[u8], red: u8) -> Vec<u8> {
    let planes = [red, red + 1, red + 2]
        .map(|value| vec![value; 1024])
        .concat();
    [labels, &planes].concat()
}

#[test]
fn cifar_binary_files_are_read_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    let names: String = (0..10).map(|class| format!("class{class}\n")).collect();
    write("batches.meta.txt", format!("{names}\n").as_bytes());
    for batch in 1..=5 {
        let bytes = [record(&[batch], 10 * batch), record(&[0], 100)].concat();
        write(&format!("data_batch_{batch}.bin"), &bytes);
    }
    write("test_batch.bin", &record(&[9], 50));
    let [train, test] = Dataset::cifar(folder.path()).unwrap();
    assert_eq!((train.len(), test.len()), (10, 1));
    assert_eq!(train.classes()[9], "class9");
    assert_eq!(test.samples()[0].labels(), [9]);
    assert_eq!(
        train.samples()[2].rgb().unwrap().get_pixel(31, 31).0,
        [20, 21, 22]
    );
    assert!(train.samples()[3].name().ends_with("data_batch_2.bin#1"));

    let refused = |name: &str, bytes: &[u8], end: &str| {
        let before = fs::read(folder.path().join(name)).unwrap();
        write(name, bytes);
        let error = Dataset::cifar(folder.path()).unwrap_err().to_string();
        assert!(error.contains(name) && error.ends_with(end), "{error}");
        write(name, &before);
    };
    refused(
        "data_batch_3.bin",
        &[0; 3072],
        "expected records of 3073 bytes, found 3072 bytes",
    );
    refused("test_batch.bin", &[], "found 0 bytes");
    refused(
        "test_batch.bin",
        &record(&[10], 1),
        "expected labels below 10, found 10 at record 0",
    );
    refused(
        "batches.meta.txt",
        b"cat\n",
        "expected the names of 10 classes, one per line, found 1 lines",
    );

    // CIFAR-100: a coarse label, then the fine label.
    let names: String = (0..100).map(|class| format!("fine{class}\n")).collect();
    write("fine_label_names.txt", names.as_bytes());
    write("train.bin", &record(&[3, 77], 8));
    write("test.bin", &record(&[3, 78], 8));
    let [train, _] = Dataset::cifar(folder.path()).unwrap();
    assert_eq!(train.classes()[train.samples()[0].labels()[0]], "fine77");
}

#[test]
fn splits_are_stratified_and_depend_on_the_seed() {
    let data = Dataset::shapes(600);
    let [train, valid] = data
        .split(SplitOptions {
            share: 0.2,
            seed: 7,
        })
        .unwrap();
    assert_eq!((train.counts(), valid.counts()), (vec![80; 6], vec![20; 6]));
    let names = |data: &Dataset| -> Vec<String> {
        data.samples()
            .iter()
            .map(|sample| sample.name().into_owned())
            .collect()
    };
    let mut all = [names(&train), names(&valid)].concat();
    all.sort();
    let mut expected = names(&data);
    expected.sort();
    assert_eq!(all, expected);
    let again = data
        .split(SplitOptions {
            share: 0.2,
            seed: 7,
        })
        .unwrap();
    assert_eq!(names(&again[1]), names(&valid));
    assert_ne!(
        names(
            &data
                .split(SplitOptions {
                    share: 0.2,
                    seed: 8
                })
                .unwrap()[1]
        ),
        names(&valid)
    );
    assert_eq!(data.take_per_class(3).counts(), [3; 6]);
    // Even with an extreme share, both parts have every class.
    for (share, train, valid) in [(1e-9, 99, 1), (1.0 - 1e-9, 1, 99)] {
        let [a, b] = data.split(SplitOptions { share, seed: 7 }).unwrap();
        assert_eq!((a.counts(), b.counts()), (vec![train; 6], vec![valid; 6]));
    }

    let error = Dataset::shapes(7)
        .split(share(0.5))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("expected 2 images or more of `ring` to split it, found 1"),
        "{error}"
    );
    assert!(data.split(share(1.0)).is_err() && data.split(share(f64::NAN)).is_err());
}

#[test]
fn open_detects_the_format_of_a_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let open = |path: &Path| halves().open(path);
    // One folder per class: split at random.
    files(
        path,
        &[
            "plain/a/1.png",
            "plain/a/2.png",
            "plain/b/1.png",
            "plain/b/2.png",
        ],
    );
    let [train, valid] = open(&path.join("plain")).unwrap();
    assert_eq!((train.counts(), valid.counts()), (vec![1, 1], vec![1, 1]));
    assert_eq!(Dataset::open_held_out(path.join("plain")).unwrap().len(), 4);
    // A separate validation split lacks one class: the classes match by name.
    files(
        path,
        &[
            "parts/train/a/1.png",
            "parts/train/b/1.png",
            "parts/val/b/1.png",
        ],
    );
    let [train, valid] = open(&path.join("parts")).unwrap();
    assert_eq!((train.counts(), valid.counts()), (vec![1, 1], vec![0, 1]));
    assert_eq!(
        Dataset::open_held_out(path.join("parts")).unwrap().counts(),
        [1]
    );
    // No separate validation split.
    files(
        path,
        &[
            "one/train/a/1.png",
            "one/train/a/2.png",
            "one/train/b/1.png",
            "one/train/b/2.png",
        ],
    );
    assert_eq!(
        open(&path.join("one")).unwrap().map(|part| part.len()),
        [2, 2]
    );
    // A validation class without training images.
    files(path, &["parts/val/c/1.png"]);
    let error = open(&path.join("parts")).unwrap_err().to_string();
    assert!(
        error.ends_with("parts/val`: expected classes among `a`, `b`, found `c`"),
        "{error}"
    );
    fs::write(
        path.join("table.csv"),
        "plain/a/1.png,x\nplain/a/2.png,x\nplain/b/1.png,y\nplain/b/2.png,y\n",
    )
    .unwrap();
    let [train, _] = open(&path.join("table.csv")).unwrap();
    assert_eq!(train.classes(), ["x", "y"]);
    assert_eq!(
        open(Path::new("shapes")).unwrap().map(|part| part.len()),
        [1920, 300]
    );
    assert!(
        open(&path.join("nothing"))
            .unwrap_err()
            .to_string()
            .contains("nothing`")
    );
}
