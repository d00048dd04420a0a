//! The command `resnet-train`, run as a process.

mod class_weights;
mod configs;
mod data;
#[cfg(feature = "dense")]
mod dense;
mod extend;
mod folders;
mod guards;
mod heads;
mod mistakes;
mod names;
#[cfg(feature = "onnx")]
mod onnx;
mod processes;
mod resumed;
mod runs;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use image::{Rgb, RgbImage};
use resnet_data::Dataset;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_resnet-train");

/// A run of three epochs with six steps each; the first epoch is the best.
const SHORT: [&str; 16] = [
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
    "--seed",
    "2",
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

/// Runs a command and asserts its exit status. Returns its standard output and standard error.
fn outputs(folder: &Path, args: &[&str], status: i32) -> [String; 2] {
    let output = run(folder, args);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{args:?}: {message}");
    [text(&output.stdout), message]
}

/// Runs a command and asserts its exit status. Returns its standard output.
fn expect(folder: &Path, args: &[&str], status: i32) -> String {
    let [stdout, _] = outputs(folder, args, status);
    stdout
}

/// Runs a command that must fail and print nothing but its error. Returns the error line.
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

/// Returns the rows of `metrics.csv` without the columns that depend on time.
fn figures(folder: &TempDir) -> Vec<String> {
    let text = text(&file(folder, "metrics.csv"));
    let untimed = |line: &str| line.rsplitn(3, ',').nth(2).map(String::from);
    text.lines().filter_map(untimed).collect()
}

/// Asserts that no temporary file is left.
fn tidy(folder: &TempDir) {
    for entry in fs::read_dir(folder.path().join("run")).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(!name.to_string_lossy().starts_with(".writing"), "{name:?}");
    }
}

/// Writes `each` images per shape class to class folders.
fn pictures(folder: &Path, each: usize) {
    let shapes = Dataset::shapes_with_seed(6 * each, 3);
    for (number, sample) in shapes.samples().iter().enumerate() {
        let class = folder.join(&shapes.classes()[sample.labels()[0]]);
        fs::create_dir_all(&class).unwrap();
        sample
            .rgb()
            .unwrap()
            .save(class.join(format!("{number}.png")))
            .unwrap();
    }
}

/// Kills the process `delay` after it writes a checkpoint. Returns whether it was still running.
fn killed(child: &mut Child, checkpoint: &Path, delay: Duration) -> bool {
    let modified = || {
        fs::metadata(checkpoint)
            .and_then(|file| file.modified())
            .unwrap_or(SystemTime::UNIX_EPOCH)
    };
    let (before, start) = (modified(), Instant::now());
    while modified() == before && child.try_wait().unwrap().is_none() {
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "no training state"
        );
        sleep(Duration::from_millis(2));
    }
    sleep(delay);
    let running = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    running
}

/// As [`refused`], but notes and progress lines may precede the error.
fn refused_last(folder: &Path, args: &[&str]) -> String {
    let output = run(folder, args);
    assert_eq!(output.status.code(), Some(2), "{args:?}");
    text(&output.stderr)
}

/// Returns the tensors of a file except `num_batches_tracked`.
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
