//! The command, as a user runs it.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use image::{Rgb, RgbImage};
use resnet_data::Dataset;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_resnet-train");

/// A run of three epochs of six steps.
const SHORT: [&str; 14] = [
    "train",
    "shapes",
    "--images-per-class",
    "16",
    "--epochs",
    "3",
    "--save-every",
    "2",
    "--workers",
    "2",
    "--backend",
    "cpu",
    "--output",
    "run",
];

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .args(args)
        .current_dir(folder)
        .env_remove("RESNET_BACKEND");
    command
}

fn run(folder: &Path, args: &[&str]) -> Output {
    command(folder, args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Standard output of a command that must end with this status.
fn expect(folder: &Path, args: &[&str], status: i32) -> String {
    let output = run(folder, args);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{args:?}: {message}");
    text(&output.stdout)
}

/// The message of a command that cannot run.
fn refused(folder: &Path, args: &[&str]) -> String {
    let output = run(folder, args);
    assert_eq!(output.status.code(), Some(2), "{args:?}");
    let message = text(&output.stderr);
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}

fn file(folder: &TempDir, name: &str) -> Vec<u8> {
    let path = folder.path().join("run").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All figures of a run that do not depend on the time it took.
fn figures(folder: &TempDir) -> Vec<String> {
    let text = text(&file(folder, "metrics.csv"));
    let untimed = |line: &str| line.rsplitn(3, ',').nth(2).map(String::from);
    text.lines().filter_map(untimed).collect()
}

/// Nothing half-written is left.
fn tidy(folder: &TempDir) {
    for entry in fs::read_dir(folder.path().join("run")).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(!name.to_string_lossy().starts_with(".writing"), "{name:?}");
    }
}

/// Folders with a picture or more for each of the shapes.
fn pictures(folder: &Path, each: usize) {
    let shapes = Dataset::shapes(6 * each, 3);
    for (number, sample) in shapes.samples().iter().enumerate() {
        let class = folder.join(&shapes.classes()[sample.labels()[0]]);
        fs::create_dir_all(&class).unwrap();
        sample
            .image()
            .unwrap()
            .save(class.join(format!("{number}.png")))
            .unwrap();
    }
}

#[test]
fn a_run_leaves_a_network_that_classifies_and_all_about_it() {
    let folder = tempfile::tempdir().unwrap();
    let lines = expect(folder.path(), &SHORT, 0);
    assert!(
        lines.starts_with(
            "cifar_resnet8_b from nothing, 96 images of 6 classes, 300 to validate with\n"
        ),
        "{lines}"
    );
    assert_eq!(
        lines
            .lines()
            .filter(|line| line.starts_with("all   "))
            .count(),
        3,
        "{lines}"
    );
    for name in [
        "best.safetensors",
        "last.safetensors",
        "last.checkpoint",
        "mistakes.png",
        "metrics.jsonl",
    ] {
        assert!(!file(&folder, name).is_empty());
    }
    for name in ["curves.svg", "confusion.svg"] {
        let svg = text(&file(&folder, name));
        assert!(
            svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"),
            "{svg}"
        );
    }
    assert!(text(&file(&folder, "confusion.svg")).contains("triangle"));
    let header = "phase,epoch,learning_rate,train_loss,valid_loss,top1,top5,calibration_error,images_per_second,seconds";
    assert_eq!(
        text(&file(&folder, "metrics.csv")).lines().next(),
        Some(header)
    );
    assert!(text(&file(&folder, "README.md")).contains("77782 parameters and 6 classes"));
    let config = resnet_train::Config::from_toml(&text(&file(&folder, "config.toml"))).unwrap();
    assert_eq!((config.epochs, config.batch_size), (3, 16));
    let scores: serde_json::Value = serde_json::from_slice(&file(&folder, "scores.json")).unwrap();
    assert_eq!(scores["images"], 300);

    // The file knows its classes and its preprocessing, and gives the scores of the run.
    let best = folder.path().join("run/best.safetensors");
    let checkpoint = resnet_weights::Checkpoint::open(&best).unwrap();
    assert_eq!(checkpoint.labels().unwrap().get(3), "triangle");
    assert_eq!(checkpoint.recipe().unwrap().crop, Some(32));
    let table = expect(
        folder.path(),
        &[
            "evaluate",
            "shapes",
            "--weights",
            "run/best.safetensors",
            "--backend",
            "cpu",
            "--json",
        ],
        0,
    );
    let evaluated: serde_json::Value = serde_json::from_str(&table).unwrap();
    for key in ["top1", "loss"] {
        let [a, b] = [&scores, &evaluated].map(|scores| scores[key].as_f64().unwrap());
        assert!((a - b).abs() < 1e-6, "{key}: {a} and {b}");
    }

    let again = refused(folder.path(), &SHORT);
    assert!(
        again.contains("expected a new folder, found a run in it"),
        "{again}"
    );
    tidy(&folder);
}

/// The process, until it has written a checkpoint and some time has passed; whether it was killed.
fn killed(child: &mut Child, checkpoint: &Path, delay: Duration) -> bool {
    let modified = || {
        fs::metadata(checkpoint)
            .and_then(|file| file.modified())
            .unwrap_or(SystemTime::UNIX_EPOCH)
    };
    let (before, start) = (modified(), Instant::now());
    while modified() == before && child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < Duration::from_secs(120), "no checkpoint");
        sleep(Duration::from_millis(2));
    }
    sleep(delay);
    let running = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    running
}

#[test]
fn a_run_that_is_killed_again_and_again_ends_as_one_that_is_not() {
    let whole = tempfile::tempdir().unwrap();
    expect(whole.path(), &SHORT, 0);
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("run/last.checkpoint");
    let mut kills = 0;
    for delay in [0, 30, 90, 200, 400] {
        let mut args = SHORT.to_vec();
        if checkpoint.exists() {
            args.push("--resume");
        }
        let mut child = command(folder.path(), &args)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        kills += usize::from(killed(
            &mut child,
            &checkpoint,
            Duration::from_millis(delay),
        ));
    }
    assert!(kills >= 3, "{kills}");
    // What a kill in the middle of writing leaves is of no consequence, and no one takes it for the file.
    expect(folder.path(), &[&SHORT[..], &["--resume"]].concat(), 0);
    assert_eq!(figures(&folder), figures(&whole));
    assert!(file(&folder, "last.safetensors") == file(&whole, "last.safetensors"));
    assert!(file(&folder, "best.safetensors") == file(&whole, "best.safetensors"));
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_run_with_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let args = [
        "train",
        "shapes",
        "--epochs",
        "3",
        "--save-every",
        "1",
        "--backend",
        "cpu",
        "--output",
        "run",
    ];
    let child = command(folder.path(), &args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let checkpoint = folder.path().join("run/last.checkpoint");
    while !checkpoint.exists() {
        sleep(Duration::from_millis(5));
    }
    let interrupt = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(interrupt.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    assert!(text(&output.stdout).ends_with("stopped; go on with --resume\n"));
    assert!(text(&output.stderr).contains("stopping after this step, with a checkpoint"));
    let others = refused(
        folder.path(),
        &[&args[..], &["--resume", "--seed", "9"]].concat(),
    );
    assert!(
        others.contains("`seed = 1` there, `seed = 9` here"),
        "{others}"
    );
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_the_last_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let mut args = SHORT.to_vec();
    args[5] = "2";
    expect(folder.path(), &args, 0);
    let before = file(&folder, "last.checkpoint");
    // As if the run had not come so far: its checkpoint is of one epoch less.
    let first = tempfile::tempdir().unwrap();
    let mut child = command(first.path(), &args)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    assert!(killed(
        &mut child,
        &first.path().join("run/last.checkpoint"),
        Duration::ZERO
    ));
    let kept = file(&first, "last.checkpoint");
    // No file may grow beyond 400 blocks of 1024 bytes: the network fits, the checkpoint does not.
    let script = format!(
        "trap '' XFSZ; ulimit -f 400; exec '{PROGRAM}' {} --resume",
        args.join(" ")
    );
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(first.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    let message = text(&output.stderr);
    assert!(
        message.contains("run/last.checkpoint`: the checkpoint cannot be written")
            && message.contains("the space left"),
        "{message}"
    );
    assert!(file(&first, "last.checkpoint") == kept);
    expect(first.path(), &[&args[..], &["--resume"]].concat(), 0);
    assert!(file(&first, "last.safetensors") == file(&folder, "last.safetensors"));
    assert_eq!(file(&first, "last.checkpoint").len(), before.len());
}

#[test]
fn a_loss_that_is_no_number_ends_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let message = refused(
        folder.path(),
        &[&SHORT[..], &["--learning-rate", "1e6"]].concat(),
    );
    assert!(
        message.contains("expected a finite number; lower the learning rate")
            || message.contains("infinities or NaN"),
        "{message}"
    );
    assert!(
        !folder.path().join("run/best.safetensors").exists()
            || folder.path().join("run/last.checkpoint").exists()
    );
    tidy(&folder);
}

#[test]
fn pictures_of_ones_own_are_learned_from_weights_and_bad_ones_are_told() {
    let folder = tempfile::tempdir().unwrap();
    expect(folder.path(), &SHORT, 0);
    pictures(&folder.path().join("pictures"), 6);
    // Two classes of another form than 32x32.
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
    let output = run(folder.path(), &[&args[..], &["--output", "tuned"]].concat());
    let (lines, notes) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{notes}");
    assert!(
        lines.contains("images of 2 classes")
            && lines.contains("\nhead   1/1")
            && lines.contains("\nall   1/1"),
        "{lines}"
    );
    assert!(notes.contains("fresh: fc.weight, fc.bias"), "{notes}");
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

/// As [`refused`], where notes may come first.
fn refused_last(folder: &Path, args: &[&str]) -> String {
    let output = run(folder, args);
    assert_eq!(output.status.code(), Some(2), "{args:?}");
    text(&output.stderr)
}

#[test]
fn several_classes_an_image_are_learned_from_a_table() {
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
    let message = refused(
        folder.path(),
        &[&args[..], &["--class-weights", "--output", "weights"]].concat(),
    );
    assert!(
        message.contains("`class-weights`: expected one class an image"),
        "{message}"
    );
}

#[test]
fn a_sheet_shows_what_the_network_will_see() {
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
    // Two classes under a mixed picture.
    let sheet = image::open(folder.path().join("sheet.png")).unwrap();
    assert_eq!(sheet.height(), 8 + 2 * 204);
}

#[test]
fn a_rate_is_found_where_the_loss_falls() {
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
            "{name}: a command in its head"
        );
        assert_eq!(expect(folder.path(), &["recipes", name], 0), recipe);
        // What a run writes down is the same config.
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
fn mistakes_of_the_user_are_told_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("odd.toml"), "epochs = 0").unwrap();
    fs::write(folder.path().join("typo.toml"), "epoch = 1").unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    fs::write(folder.path().join("no.pth"), "text").unwrap();
    let cases: [(&[&str], &str); 12] = [
        (&["train", "nowhere", "--arch", "resnet18"], "`nowhere`"),
        (
            &["train", "empty", "--arch", "resnet18"],
            "expected one folder of images a class",
        ),
        (
            &["train", "shapes", "--recipe", "cifer"],
            "`cifer`: expected a recipe (cifar, finetune",
        ),
        (
            &["train", "shapes", "--recipe", "none.toml"],
            "`none.toml`: expected a config in TOML",
        ),
        (
            &["train", "shapes", "--recipe", "odd.toml"],
            "`epochs`: expected a whole number from 1",
        ),
        (&["train", "shapes", "--arch", "resnet19"], "resnet19"),
        (
            &["train", "shapes", "--resume"],
            "expected a run to go on with",
        ),
        (
            &["train", "shapes", "--learning-rate", "-1"],
            "`learning-rate`: expected a number above 0, found -1",
        ),
        (
            &["train", "shapes", "--size", "5"],
            "`size`: expected a whole number from 8",
        ),
        (&["finetune", "shapes", "--weights", "no.pth"], "`no.pth`"),
        (
            &["finetune", "shapes", "--recipe", "cifar"],
            "expected weights to start from",
        ),
        (
            &["evaluate", "empty", "--weights", "no.pth"],
            "expected one folder of images a class",
        ),
    ];
    for (args, expected) in cases {
        let message = refused(folder.path(), args);
        assert!(
            message.starts_with("error: ") && message.contains(expected),
            "{args:?}: {message}"
        );
        assert!(!folder.path().join("run").exists(), "{args:?}");
    }
    let message = refused_last(folder.path(), &["train", "shapes", "--recipe", "typo.toml"]);
    assert!(message.contains("unknown field `epoch`"), "{message}");
}

/// A recipe in which the parts of a batch do not see each other.
const FROZEN: &str = "arch = 'cifar_resnet8_b'\nepochs = 2\nbatch-size = 17\nlearning-rate = 0.01\nnorms = 'eval'\nclip = 5.0\n\
    ema = 0.9\n[augment]\ncrop = { padded = { padding = 4 } }\n";

const FROZEN_RUN: [&str; 10] = [
    "train",
    "shapes",
    "--images-per-class",
    "16",
    "--recipe",
    "frozen.toml",
    "--backend",
    "cpu",
    "--save-every",
    "1",
];

/// An address that nobody listens at now.
fn address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

fn rank(folder: &Path, args: &[&str], rank: &str, meet: &str) -> Child {
    let more = [
        "--output",
        "run",
        "--ranks",
        "2",
        "--rank",
        rank,
        "--meet",
        meet,
        "--patience",
        "60",
    ];
    let mut command = command(folder, &[args, &more].concat());
    command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn ended(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    (output.status.code(), text(&output.stderr))
}

fn values(path: &Path) -> Vec<(String, Vec<f32>)> {
    let checkpoint = resnet_weights::Checkpoint::open(path).unwrap();
    let keys = checkpoint.entries().map(|entry| entry.key().to_string());
    let keys: Vec<String> = keys
        .filter(|key| !key.ends_with("num_batches_tracked"))
        .collect();
    let read = |key: String| (checkpoint.read(&key).unwrap().to_vec().unwrap(), key);
    keys.into_iter()
        .map(read)
        .map(|(values, key)| (key, values))
        .collect()
}

#[test]
fn two_processes_with_half_a_batch_each_are_one_with_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("frozen.toml"), FROZEN).unwrap();
    expect(
        folder.path(),
        &[&FROZEN_RUN[..], &["--output", "one"]].concat(),
        0,
    );
    let meet = address();
    let ranks = ["1", "0"].map(|place| rank(folder.path(), &FROZEN_RUN, place, &meet));
    for ended in ranks.map(ended) {
        assert_eq!(ended.0, Some(0), "{}", ended.1);
    }
    let [one, two] =
        ["one", "run"].map(|run| values(&folder.path().join(run).join("last.safetensors")));
    for ((key, one), (_, two)) in one.iter().zip(&two) {
        let largest = one.iter().fold(0.0_f32, |max, value| max.max(value.abs()));
        for (a, b) in one.iter().zip(two) {
            assert!((a - b).abs() <= 1e-4 * largest, "{key}: {a} and {b}");
        }
    }
    let losses = |run: &str| -> Vec<f64> {
        let text = fs::read_to_string(folder.path().join(run).join("metrics.csv")).unwrap();
        text.lines()
            .skip(1)
            .map(|line| line.split(',').nth(3).unwrap().parse().unwrap())
            .collect()
    };
    for (a, b) in losses("one").into_iter().zip(losses("run")) {
        assert!((a - b).abs() < 1e-4 * a, "{a} and {b}");
    }
}

#[test]
fn a_process_that_dies_ends_the_others_with_a_checkpoint_from_which_all_go_on() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("frozen.toml"), FROZEN).unwrap();
    let meet = address();
    let [first, mut second] =
        ["0", "1"].map(|place| rank(folder.path(), &FROZEN_RUN, place, &meet));
    let checkpoint = folder.path().join("run/last.checkpoint");
    assert!(killed(&mut second, &checkpoint, Duration::ZERO));
    let (status, message) = ended(first);
    assert_eq!(status, Some(2), "{message}");
    assert!(
        message.contains("rank 1 is gone") && message.contains("--resume"),
        "{message}"
    );
    tidy(&folder);
    // Another start does not fit.
    let resume = [&FROZEN_RUN[..], &["--resume"]].concat();
    let meet = address();
    let first = rank(folder.path(), &resume, "0", &meet);
    let second = rank(folder.path(), &FROZEN_RUN, "1", &meet);
    for ended in [first, second].map(ended) {
        assert_eq!(ended.0, Some(2));
        assert!(ended.1.contains("does not fit"), "{}", ended.1);
    }
    let meet = address();
    let ranks = ["0", "1"].map(|place| rank(folder.path(), &resume, place, &meet));
    for ended in ranks.map(ended) {
        assert_eq!(ended.0, Some(0), "{}", ended.1);
    }
    let whole = tempfile::tempdir().unwrap();
    fs::write(whole.path().join("frozen.toml"), FROZEN).unwrap();
    let meet = address();
    let ranks = ["0", "1"].map(|place| rank(whole.path(), &FROZEN_RUN, place, &meet));
    assert_eq!(ranks.map(|child| ended(child).0), [Some(0); 2]);
    assert!(file(&folder, "last.safetensors") == file(&whole, "last.safetensors"));
}

#[test]
fn a_start_that_failed_blocks_no_other_and_other_images_are_no_resume() {
    let folder = tempfile::tempdir().unwrap();
    let short = [
        "train",
        "shapes",
        "--images-per-class",
        "8",
        "--epochs",
        "1",
        "--output",
        "run",
    ];
    let failed = run(
        folder.path(),
        &[&short[..], &["--backend", "rocm"]].concat(),
    );
    assert_eq!(failed.status.code(), Some(2), "{}", text(&failed.stderr));
    expect(
        folder.path(),
        &[&short[..], &["--backend", "cpu"]].concat(),
        0,
    );
    let mut other = [&short[..], &["--backend", "cpu", "--resume"]].concat();
    other[3] = "9";
    let message = refused(folder.path(), &other);
    assert!(
        message.contains("`# 48 images of 6 classes") && message.contains("`# 54 images"),
        "{message}"
    );
}

#[test]
fn a_network_for_grey_images_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = resnet_core::ResNetConfig::named("cifar_resnet8_b")
        .unwrap()
        .with_in_channels(1);
    let grey: resnet_core::ResNet<burn::backend::Flex> = config.init(&Default::default());
    resnet_weights::save(&grey, folder.path().join("grey.safetensors")).unwrap();
    for args in [
        &["finetune", "shapes", "--weights", "grey.safetensors"][..],
        &[
            "probe",
            "shapes",
            "--weights",
            "grey.safetensors",
            "--output",
            "o.safetensors",
            "--backend",
            "cpu",
        ],
        &["evaluate", "shapes", "--weights", "grey.safetensors"],
    ] {
        let message = refused(folder.path(), args);
        assert!(
            message.contains("the network wants 1 input channels: expected 3"),
            "{message}"
        );
    }
    let message = refused(
        folder.path(),
        &[
            "evaluate",
            "shapes",
            "--model",
            "cifar_resnet20",
            "--dtype",
            "f16",
        ],
    );
    assert!(message.contains("--dtype: expected f32"), "{message}");
}
