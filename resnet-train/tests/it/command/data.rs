//! Datasets of every kind, and their sheets and figures.

use resnet_testing::pairs;
use resnet_weights::{Checkpoint, OutputActivation};

use super::*;

fn activation(file: &Path) -> Option<OutputActivation> {
    Checkpoint::open(file).unwrap().output_activation()
}

#[test]
fn finetune_trains_on_own_images_and_reports_unreadable_ones() {
    let folder = tempfile::tempdir().unwrap();
    expect(folder.path(), &SHORT, 0);
    pictures(&folder.path().join("pictures"), 6);
    // Keeps two classes; one image is not 32x32.
    for name in ["cross", "ring", "star", "triangle"] {
        fs::remove_dir_all(folder.path().join("pictures").join(name)).unwrap();
    }
    RgbImage::from_pixel(70, 50, Rgb([9, 200, 30]))
        .save(folder.path().join("pictures/circle/large.png"))
        .unwrap();
    fs::write(
        folder.path().join("pictures/square/broken.gif"),
        b"GIF89a and no more",
    )
    .unwrap();
    let args = [
        "finetune",
        "pictures",
        "--weights",
        "run/best.safetensors",
        "--epochs",
        "1",
        "--head-epochs",
        "1",
        "--split",
        "0.3",
        "--batch-size",
        "4",
        "--backend",
        "cpu",
    ];
    let tuned = [&args[..], &["--output", "tuned"]].concat();
    let [_, notes] = outputs(folder.path(), &tuned, 1);
    assert!(
        notes.contains("images of 2 classes")
            && notes.contains("\nhead   1/1")
            && notes.contains("\nall   1/1"),
        "{notes}"
    );
    assert!(
        notes.contains("randomly initialized: fc.weight, fc.bias"),
        "{notes}"
    );
    let broken = notes
        .lines()
        .filter(|line| line.contains("broken.gif`: left out"));
    assert_eq!(broken.count(), 1, "{notes}");
    let checkpoint =
        resnet_weights::Checkpoint::open(folder.path().join("tuned/best.safetensors")).unwrap();
    assert_eq!(checkpoint.infer().unwrap().config.num_classes, 2);

    let message = refused_last(
        folder.path(),
        &[&args[..], &["--output", "strict", "--bad", "fail"]].concat(),
    );
    assert!(
        message.contains("broken.gif`") && message.contains("--bad skip"),
        "{message}"
    );

    let probe = expect(
        folder.path(),
        &[
            "probe",
            "pictures",
            "--weights",
            "run/best.safetensors",
            "--output",
            "probe.safetensors",
            "--split",
            "0.3",
            "--backend",
            "cpu",
        ],
        1,
    );
    assert!(
        probe.contains("images, ") && probe.contains("top-1 "),
        "{probe}"
    );
    let table = expect(
        folder.path(),
        &[
            "evaluate",
            "pictures",
            "--weights",
            "probe.safetensors",
            "--backend",
            "cpu",
        ],
        1,
    );
    assert!(
        table.contains("images                    13") && table.contains("square"),
        "{table}"
    );
}

#[test]
fn a_table_with_several_labels_per_image_trains_a_sigmoid() {
    let folder = tempfile::tempdir().unwrap();
    pictures(folder.path(), 4);
    let mut table = String::from("path,label\n");
    for (number, labels) in ["a", "a;b", "", "b", "a", "b", "a;b", "a"]
        .iter()
        .enumerate()
    {
        let class = ["circle", "ring", "square", "triangle", "cross", "star"][number % 6];
        table += &format!("{class}/{number}.png,{labels}\n");
    }
    fs::write(folder.path().join("table.csv"), table).unwrap();
    let args = [
        "train",
        "table.csv",
        "--arch",
        "cifar_resnet8_b",
        "--epochs",
        "1",
        "--batch-size",
        "4",
        "--split",
        "0.4",
        "--backend",
        "cpu",
    ];
    expect(folder.path(), &args, 0);
    assert!(!folder.path().join("run/confusion.svg").exists());
    for name in ["best.safetensors", "last.safetensors"] {
        let file = folder.path().join("run").join(name);
        assert_eq!(activation(&file), Some(OutputActivation::Sigmoid));
    }
    // One class per image: a note reports that the output activation changes.
    fs::create_dir(folder.path().join("one")).unwrap();
    for class in ["circle", "ring"] {
        let path = folder.path().join(class);
        fs::rename(path, folder.path().join("one").join(class)).unwrap();
    }
    let one = [
        "train",
        "one",
        "--weights",
        "run/best.safetensors",
        "--epochs",
        "1",
        "--backend",
        "cpu",
        "--output",
        "softmax",
    ];
    let output = run(folder.path(), &one);
    let notes = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{notes}");
    assert!(
        notes.contains("the initial weights have the output activation sigmoid; trained on these images, the network has softmax"),
        "{notes}"
    );
    let file = folder.path().join("softmax/best.safetensors");
    assert_eq!(activation(&file), Some(OutputActivation::Softmax));
    for class in ["circle", "ring"] {
        let path = folder.path().join("one").join(class);
        fs::rename(path, folder.path().join(class)).unwrap();
    }
    let message = refused(
        folder.path(),
        &[&args[..], &["--class-weights", "--output", "weights"]].concat(),
    );
    assert!(
        message.contains("`class-weights`: expected one class per image")
            && message.contains("leave them out"),
        "{message}"
    );
}

#[test]
fn network_options_are_set_by_flags_and_saved() {
    let folder = tempfile::tempdir().unwrap();
    let args = [
        &SHORT[..4],
        &["--set", "norm_eps=1e-3", "--set", "activation=silu"],
        &["--epochs", "1", "--backend", "cpu", "--output", "run"],
    ]
    .concat();
    expect(folder.path(), &args, 0);
    let best = folder.path().join("run/best.safetensors");
    let config = Checkpoint::open(best).unwrap().infer().unwrap().config;
    assert_eq!(config.norm_eps, 1e-3);
    assert_eq!(config.activation, resnet_core::Activation::Silu);
    let text = text(&file(&folder, "config.toml"));
    assert!(
        text.contains("\nset = [\"norm_eps=1e-3\", \"activation=silu\"]\n"),
        "{text}"
    );
    let message = refused(
        folder.path(),
        &[
            &SHORT[..4],
            &["--resume", "--output", "run", "--epochs", "1"],
        ]
        .concat(),
    );
    assert!(message.contains("`set = ["), "{message}");
    fs::write(
        folder.path().join("odd.toml"),
        "arch = 'resnet18'\nset = ['epsilon=1']\n",
    )
    .unwrap();
    let message = refused(folder.path(), &["train", "shapes", "--recipe", "odd.toml"]);
    assert!(message.contains("epsilon"), "{message}");
}

#[test]
fn weights_that_ask_for_huge_images_are_refused_before_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let weights = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/large_maps.safetensors"
    );
    let args = ["train", "shapes", "--weights", weights, "--backend", "cpu"];
    let message = refused_last(folder.path(), &args);
    assert!(
        message.contains("large_maps.safetensors`: 4096x4096 pixels at batch size 16 take about")
            && message
                .contains("use smaller images (--size), a smaller batch, or raise --memory-limit"),
        "{message}"
    );
}

#[test]
fn a_network_with_one_input_channel_trains_on_gray_images() {
    let folder = tempfile::tempdir().unwrap();
    let config = "arch = 'cifar_resnet8'\nset = ['in_channels=1']\nepochs = 1\nbatch-size = 16\n";
    fs::write(folder.path().join("gray.toml"), config).unwrap();
    let args = [
        "train",
        "shapes",
        "--images-per-class",
        "16",
        "--recipe",
        "gray.toml",
        "--backend",
        "cpu",
    ];
    let message = refused_last(folder.path(), &args);
    assert!(
        message.contains("expected 1 of each") && message.contains("`input` of the config"),
        "{message}"
    );
    let input = "input = { resize = 32, crop = 32, mean = [0.5], std = [0.25] }\n";
    fs::write(folder.path().join("gray.toml"), format!("{config}{input}")).unwrap();
    expect(folder.path(), &args, 0);
    let best = Checkpoint::open(folder.path().join("run/best.safetensors")).unwrap();
    let preprocessing = best.preprocessing().unwrap();
    assert_eq!(
        (preprocessing.mean, best.infer().unwrap().config.in_channels),
        ([0.5].into(), 1)
    );
}

#[test]
fn preview_writes_a_sheet_of_augmented_images() {
    let folder = tempfile::tempdir().unwrap();
    let args = [
        "preview",
        "shapes",
        "--output",
        "sheet.png",
        "--count",
        "6",
        "--columns",
        "3",
    ];
    expect(folder.path(), &args, 0);
    let sheet = image::open(folder.path().join("sheet.png")).unwrap();
    assert_eq!((sheet.width(), sheet.height()), (8 + 3 * 168, 8 + 2 * 186));
    expect(
        folder.path(),
        &[&args[..], &["--recipe", "torchvision-v2", "--size", "64"]].concat(),
        0,
    );
    // Reading the preprocessing of published weights needs no download.
    expect(
        folder.path(),
        &[
            "preview",
            "shapes",
            "--recipe",
            "finetune",
            "--offline",
            "--output",
            "tuned.png",
        ],
        0,
    );
    // Captions of mixed images have two lines.
    let sheet = image::open(folder.path().join("sheet.png")).unwrap();
    assert_eq!(sheet.height(), 8 + 2 * 204);
}

#[test]
fn find_rate_prints_a_learning_rate() {
    let folder = tempfile::tempdir().unwrap();
    let args = [
        "find-rate",
        "shapes",
        "--steps",
        "40",
        "--backend",
        "cpu",
        "--output",
        "rate.svg",
    ];
    let rate: f64 = expect(folder.path(), &args, 0).trim().parse().unwrap();
    assert!((1e-5..5.0).contains(&rate), "{rate}");
    let svg = fs::read_to_string(folder.path().join("rate.svg")).unwrap();
    assert!(svg.contains("suggested: "), "{svg}");
    let message = refused(
        folder.path(),
        &["find-rate", "shapes", "--from", "1", "--to", "0.1"],
    );
    assert!(
        message.contains("expected rates from above 0 up"),
        "{message}"
    );
}

#[test]
fn every_recipe_is_a_config() {
    let folder = tempfile::tempdir().unwrap();
    let list = expect(folder.path(), &["recipes"], 0);
    for (name, recipe) in resnet_train::Config::recipes() {
        assert!(list.contains(name));
        let config =
            resnet_train::Config::open(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(
            recipe.contains("resnet-train "),
            "{name}: its header shows a command"
        );
        assert_eq!(expect(folder.path(), &["recipes", name], 0), recipe);
        // The config that a run writes is the same config.
        let path = folder.path().join("config.toml");
        fs::write(&path, toml::to_string(&config).unwrap()).unwrap();
        assert_eq!(
            resnet_train::Config::open(path.to_str().unwrap()).unwrap(),
            config,
            "{name}"
        );
    }
}

#[test]
fn the_head_phase_trains_only_the_classifier() {
    let folder = tempfile::tempdir().unwrap();
    expect(folder.path(), &SHORT, 0);
    let start = folder.path().join("run/best.safetensors");
    // The learning rate of the second phase changes nothing.
    let args = [
        "finetune",
        "shapes",
        "--images-per-class",
        "16",
        "--weights",
        "run/best.safetensors",
        "--head-epochs",
        "1",
        "--epochs",
        "1",
        "--learning-rate",
        "1e-30",
        "--backend",
        "cpu",
        "--output",
        "tuned",
    ];
    expect(folder.path(), &args, 0);
    let tuned = folder.path().join("tuned/last.safetensors");
    let [start, tuned] = [start, tuned].map(|path| values(&path));
    for ((key, start), (_, tuned)) in pairs(&start, &tuned) {
        assert_eq!(start != tuned, key.starts_with("fc."), "{key}");
    }

    let args = [
        "train",
        "shapes",
        "--images-per-class",
        "16",
        "--weights",
        "run/best.safetensors",
        "--freeze-to",
        "layer3",
        "--epochs",
        "1",
        "--backend",
        "cpu",
        "--output",
        "late",
    ];
    expect(folder.path(), &args, 0);
    let late = values(&folder.path().join("late/last.safetensors"));
    for ((key, start), (_, late)) in pairs(&start, &late) {
        if !key.contains("running_") {
            let learns = key.starts_with("layer3.") || key.starts_with("fc.");
            assert_eq!(start != late, learns, "{key}");
        }
    }
    let metrics = fs::read_to_string(folder.path().join("tuned/metrics.csv")).unwrap();
    let phases: Vec<&str> = metrics
        .lines()
        .skip(1)
        .map(|line| line.split(',').next().unwrap())
        .collect();
    assert_eq!(phases, ["head", "all"]);
}

#[test]
fn a_probe_beats_chance_and_prints_its_accuracy() {
    let folder = tempfile::tempdir().unwrap();
    let args = [
        "probe",
        "shapes",
        "--images-per-class",
        "60",
        "--model",
        "cifar_resnet20",
        "--output",
        "probe.safetensors",
        "--backend",
        "cpu",
    ];
    let line = expect(folder.path(), &args, 0);
    assert!(
        line.starts_with("360 training images, 300 validation images: top-1 "),
        "{line}"
    );
    let args = [
        "evaluate",
        "shapes",
        "--weights",
        "probe.safetensors",
        "--backend",
        "cpu",
        "--json",
    ];
    let report: serde_json::Value = serde_json::from_str(&expect(folder.path(), &args, 0)).unwrap();
    let top1 = report["top1"].as_f64().unwrap();
    // Chance is 1/6.
    assert!(top1 > 0.5, "{top1}");
    assert!(
        line.contains(&format!("top-1 {:.2} %", 100.0 * top1)),
        "{line}"
    );
}
