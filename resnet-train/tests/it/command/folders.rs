//! Common layouts of folders and tables.

use super::*;

/// Returns the arguments of a run of one epoch.
fn train<'a>(data: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let args = [
        "train",
        data,
        "--arch",
        "cifar_resnet8_b",
        "--epochs",
        "1",
        "--backend",
        "cpu",
    ];
    [&args[..], more].concat()
}

#[test]
fn parts_are_found_in_any_spelling_and_a_folder_above_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    pictures(&folder.path().join("above/data/Training"), 3);
    pictures(&folder.path().join("above/data/Testing"), 1);
    let [_, progress] = outputs(folder.path(), &train("above/data", &[]), 0);
    assert!(
        progress.contains("18 training images of 6 classes, 6 validation images"),
        "{progress}"
    );
    // Every command that reads images refuses the parent folder.
    let weights = ["--weights", "run/best.safetensors"];
    for args in [
        train("above", &["--output", "none"]),
        [&["finetune", "above", "--output", "none"][..], &weights].concat(),
        [&["probe", "above", "--output", "none"][..], &weights].concat(),
        [&["evaluate", "above"][..], &weights].concat(),
        vec!["find-rate", "above", "--arch", "cifar_resnet8_b"],
        vec!["preview", "above", "--output", "none"],
        vec!["bench", "data", "above"],
    ] {
        let message = refused(folder.path(), &args);
        assert!(
            message.contains("found folders of folders in `data`: "),
            "{args:?}: {message}"
        );
        assert!(
            message.contains("`Training/` (6 folders)") && message.contains("pass `above/data`"),
            "{message}"
        );
        assert!(!folder.path().join("none").exists());
    }
    let message = refused(
        folder.path(),
        &train("above/data/Training/ring", &["--output", "none"]),
    );
    assert!(
        message.contains("found no folder inside, but 3 images; pass `above/data/Training`"),
        "{message}"
    );
    // `--layout classes` takes them as classes.
    let [_, progress] = outputs(
        folder.path(),
        &train("above/data", &["--layout", "classes", "--output", "layout"]),
        0,
    );
    assert!(progress.contains("images of 2 classes"), "{progress}");
}

#[test]
fn the_order_of_numbered_folders_is_kept_with_the_weights() {
    let folder = tempfile::tempdir().unwrap();
    let shapes = Dataset::shapes_with_seed(36, 3);
    for (number, sample) in shapes.samples().iter().enumerate() {
        let class = folder
            .path()
            .join("pictures")
            .join((number % 12).to_string());
        fs::create_dir_all(&class).unwrap();
        sample
            .rgb()
            .unwrap()
            .save(class.join(format!("{number}.png")))
            .unwrap();
    }
    expect(folder.path(), &train("pictures", &[]), 0);
    let path = folder.path().join("run/best.safetensors");
    let checkpoint = resnet_weights::Checkpoint::open(path).unwrap();
    let labels = checkpoint.labels().unwrap();
    let labels: Vec<&str> = (0..12).map(|class| labels.get(class)).collect();
    assert_eq!(
        labels,
        ["0", "1", "10", "11", "2", "3", "4", "5", "6", "7", "8", "9"]
    );
    let args = [
        "evaluate",
        "pictures",
        "--weights",
        "run/best.safetensors",
        "--backend",
        "cpu",
        "--json",
    ];
    let report: serde_json::Value = serde_json::from_str(&expect(folder.path(), &args, 0)).unwrap();
    assert_eq!(report["classes"][2]["name"], "10");
}

#[cfg(unix)]
#[test]
fn links_to_nothing_and_pipes_are_bad_images() {
    let folder = tempfile::tempdir().unwrap();
    let class = folder.path().join("pictures/circle");
    pictures(&folder.path().join("pictures"), 3);
    std::os::unix::fs::symlink("../moved/away.png", class.join("away.png")).unwrap();
    std::os::unix::fs::symlink("..", class.join("circle")).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(class.join("pipe.png"))
            .status()
            .unwrap()
            .success()
    );
    fs::write(class.join("notes.txt"), "no image").unwrap();
    fs::write(class.join("photo.heic"), "no image").unwrap();
    let told = |args: &[&str], status: i32| {
        let output = run(folder.path(), args);
        let notes = text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{args:?}: {notes}");
        notes
    };
    let left_out = |notes: &str| {
        for part in [
            "note: 2 files skipped: 1 .heic, 1 .txt (HEIC images are not supported; convert them to PNG or JPEG)\n",
            "away.png`: left out: expected an image, found a link to `../moved/away.png`",
            "circle`: left out: expected a folder, found a link to ",
            "pipe.png`: left out: expected a file, found a named pipe",
        ] {
            assert_eq!(notes.matches(part).count(), 1, "{part}: {notes}");
        }
    };
    // Each is reported once, although every epoch reads it.
    let args = "train pictures --arch cifar_resnet8_b --epochs 2 --backend cpu";
    left_out(&told(&args.split(' ').collect::<Vec<_>>(), 1));
    let weights = ["--weights", "run/best.safetensors", "--backend", "cpu"];
    left_out(&told(
        &[&["evaluate", "pictures"][..], &weights].concat(),
        1,
    ));
    left_out(&told(
        &[
            &["probe", "pictures", "--output", "probe.safetensors"][..],
            &weights,
        ]
        .concat(),
        1,
    ));
    left_out(&told(&["preview", "pictures", "--output", "sheet.png"], 1));
    let message = told(
        &train("pictures", &["--output", "strict", "--bad", "fail"]),
        2,
    );
    assert!(message.contains("skip it with --bad skip"), "{message}");
}

#[test]
fn tables_of_other_forms_are_read_or_explained() {
    let folder = tempfile::tempdir().unwrap();
    pictures(&folder.path().join("pictures"), 2);
    let classes = Dataset::shapes(6).classes().to_vec();
    let rows = |form: &dyn Fn(usize, &str) -> String| -> String {
        let row = |number: usize| form(number, &classes[number % 6]);
        (0..12).map(row).collect()
    };
    let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
    let plain = rows(&|number, class| format!("pictures/{class}/{number}.png,{class}\n"));
    write("table.csv", format!("filename,label\n{plain}"));
    let output = run(folder.path(), &train("table.csv", &[]));
    let notes = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{notes}");
    assert!(
        notes.starts_with(
            "note: `table.csv`: paths from column `filename`, labels from column `label`\n"
        ) && notes.matches("note: ").count() == 1,
        "{notes}"
    );
    let more = rows(&|number, class| {
        format!(
            "{number};pictures/{class}/{number}.png;{class};{}\n",
            number % 2
        )
    });
    write("more.csv", format!("id;file;form;odd\n{more}"));
    let message = refused(folder.path(), &train("more.csv", &["--output", "more"]));
    assert!(
        message
            .contains("found the columns `id`, `file`, `form`, `odd`; pass `--path-column NAME --label-column NAME`"),
        "{message}"
    );
    let flags = ["--label-column", "form", "--output", "more"];
    let [_, progress] = outputs(folder.path(), &train("more.csv", &flags), 0);
    assert!(
        progress.contains("6 training images of 6 classes, 6 validation images"),
        "{progress}"
    );
    let args = [
        "evaluate",
        "more.csv",
        "--label-column",
        "form",
        "--path-column",
        "file",
    ];
    let weights = ["--weights", "more/best.safetensors", "--backend", "cpu"];
    expect(folder.path(), &[&args[..], &weights].concat(), 0);
    // A row without a label.
    write("gap.csv", plain.replacen(",star\n", ",\n", 1));
    let message = refused(folder.path(), &train("gap.csv", &["--output", "gap"]));
    assert!(
        message.contains("gap.csv`: expected a label in line 6"),
        "{message}"
    );
}
