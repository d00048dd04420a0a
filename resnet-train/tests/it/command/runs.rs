//! Runs: their output files, and interruptions.

use super::*;

#[test]
fn a_run_writes_a_working_network_and_its_reports() {
    let folder = tempfile::tempdir().unwrap();
    let [result, progress] = outputs(folder.path(), &SHORT, 0);
    assert!(
        progress.starts_with(
            "cifar_resnet8_b from scratch, 96 training images of 6 classes, 300 validation images\n"
        ),
        "{progress}"
    );
    assert_eq!(
        progress
            .lines()
            .filter(|line| line.starts_with("all   "))
            .count(),
        3,
        "{progress}"
    );
    assert!(
        result.starts_with("best: top-1 ")
            && result.ends_with("; saved as `run/best.safetensors`\n")
            && result.lines().count() == 1,
        "{result}"
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
    let metrics = text(&file(&folder, "metrics.csv"));
    let top1 = metrics
        .lines()
        .skip(1)
        .map(|row| row.split(',').nth(5).unwrap());
    let top1: Vec<f64> = top1.map(|share| share.parse().unwrap()).collect();
    assert!(top1[0] > top1[1] && top1[0] > top1[2], "{top1:?}");
    assert_eq!(scores["top1"], top1[0]);

    // The file stores its classes and its preprocessing, and reproduces the scores of the run.
    let best = folder.path().join("run/best.safetensors");
    let checkpoint = resnet_weights::Checkpoint::open(&best).unwrap();
    assert_eq!(checkpoint.labels().unwrap().get(3), "triangle");
    assert_eq!(checkpoint.preprocessing().unwrap().crop, Some(32));
    assert_eq!(
        checkpoint.output_activation(),
        Some(resnet_weights::OutputActivation::Softmax)
    );
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

#[test]
fn a_run_that_is_killed_several_times_ends_like_an_uninterrupted_one() {
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
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        kills += usize::from(killed(
            &mut child,
            &checkpoint,
            Duration::from_millis(delay),
        ));
    }
    assert!(kills >= 3, "{kills}");
    // A kill during a write leaves a temporary file, which the next start ignores.
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
    assert_eq!(text(&output.stdout), "");
    let messages = text(&output.stderr);
    assert!(
        messages.ends_with("stopped; continue with --resume\n"),
        "{messages}"
    );
    assert!(
        messages.contains("stopping after this step, then saving the training state"),
        "{messages}"
    );
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
    // A second folder holds a run that was killed after its first epoch.
    let first = tempfile::tempdir().unwrap();
    let mut child = command(first.path(), &args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert!(killed(
        &mut child,
        &first.path().join("run/last.checkpoint"),
        Duration::ZERO
    ));
    let kept = file(&first, "last.checkpoint");
    // Limits files to 400 blocks of 1024 bytes: the network fits, the training state does not.
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
        message.contains("run/last.checkpoint`: the training state cannot be written")
            && message.contains("the free disk space"),
        "{message}"
    );
    assert!(file(&first, "last.checkpoint") == kept);
    // Metrics of epochs after the last training state are dropped.
    fs::write(
        first.path().join("run/metrics.jsonl"),
        file(&folder, "metrics.jsonl"),
    )
    .unwrap();
    expect(first.path(), &[&args[..], &["--resume"]].concat(), 0);
    assert_eq!(figures(&first), figures(&folder));
    assert!(file(&first, "last.safetensors") == file(&folder, "last.safetensors"));
    assert_eq!(file(&first, "last.checkpoint").len(), before.len());
}

#[test]
fn a_non_finite_loss_ends_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let message = refused_last(
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
