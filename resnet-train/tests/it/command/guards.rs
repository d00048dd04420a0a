//! Guards: folder locks, temporary files of killed runs, and limits on flags and configs.

use super::*;

#[cfg(unix)]
#[test]
fn a_run_locks_its_folder_until_it_ends_or_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut args = SHORT.to_vec();
    args[5] = "200";
    let mut first = command(folder.path(), &args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let checkpoint = folder.path().join("run/last.checkpoint");
    while !checkpoint.exists() {
        assert!(first.try_wait().unwrap().is_none());
        sleep(Duration::from_millis(5));
    }
    for more in [&["--resume"][..], &[]] {
        let message = refused(folder.path(), &[&args[..], more].concat());
        assert!(
            message.contains("`run`: expected no other run in the folder, found a running one"),
            "{message}"
        );
    }
    first.kill().unwrap();
    first.wait().unwrap();
    // A temporary file of a killed write, and files with similar names that are not ours.
    let left = folder.path().join("run/.writing-a1B2c3");
    fs::write(&left, vec![0; 1000]).unwrap();
    let others = [
        "run/.writing-a1B2c",
        "run/.writing-a1B2c3.txt",
        "run/.writing-a1_2c3",
        "run/writing-a1B2c3",
    ];
    for other in others {
        fs::write(folder.path().join(other), b"mine").unwrap();
    }
    fs::create_dir(folder.path().join("run/.writing-folder")).unwrap();
    let mut second = command(folder.path(), &[&args[..], &["--resume"]].concat())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while left.exists() {
        assert!(start.elapsed() < Duration::from_secs(60));
        sleep(Duration::from_millis(5));
    }
    second.kill().unwrap();
    second.wait().unwrap();
    for other in others {
        assert!(folder.path().join(other).exists(), "{other}");
    }
    assert!(folder.path().join("run/.writing-folder").exists());
}

#[cfg(unix)]
#[test]
fn a_lock_that_is_not_a_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("run/run.lock")).unwrap();
    let message = refused(folder.path(), &SHORT);
    assert!(
        message.contains("`run/run.lock`: expected a regular file to lock"),
        "{message}"
    );
}

/// clap's message names the flag and its range.
#[test]
fn flags_out_of_range_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let huge = u64::MAX.to_string();
    for (flag, most) in [
        ("--workers", "1..=256"),
        ("--epochs", "1..=1000000"),
        ("--head-epochs", "0..=1000000"),
        ("--batch-size", "1..=65536"),
        ("--accumulate", "1..=65536"),
        ("--size", "8..=4096"),
        ("--seed", "0..=9223372036854775807"),
        ("--save-every", "1..=1000000000"),
        ("--images-per-class", "1..=100000000"),
        ("--patience", "1..=86400"),
        ("--ranks", "2..=1024"),
        ("--rank", "0..1024"),
    ] {
        for value in [&huge, "18446744073709551616", "-1", "x", "1.5"] {
            let value = format!("{flag}={value}");
            let message = refused_last(folder.path(), &["train", "shapes", &value]);
            assert!(
                message.starts_with("error: invalid value") && message.contains(flag),
                "{message}"
            );
        }
        let message = refused_last(
            folder.path(),
            &["train", "shapes", &format!("{flag}={huge}")],
        );
        assert!(message.contains(most), "{flag}: {message}");
    }
    for (flag, least) in [
        ("--workers", "0"),
        ("--epochs", "0"),
        ("--batch-size", "0"),
        ("--ranks", "1"),
    ] {
        let message = refused_last(folder.path(), &["train", "shapes", flag, least]);
        assert!(message.contains(" is not in "), "{message}");
    }
    for args in [
        ["preview", "shapes", "--output=x.png", "--count=99999999"],
        ["preview", "shapes", "--output=x.png", "--columns=0"],
        ["find-rate", "shapes", "--steps=99999999", "--backend=cpu"],
        ["bench", "step", "resnet18", "--size=99999999"],
        ["bench", "data", "shapes", "--workers=100000"],
    ] {
        let message = refused_last(folder.path(), &args);
        assert!(message.contains(" is not in 1..="), "{message}");
    }
    assert!(!folder.path().join("run").exists());
}

/// Configs have the same limits, and limits for fields without a flag.
#[test]
fn configs_out_of_range_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (text, field, expected) in [
        ("epochs = 1000001", "epochs", "from 1 to 1,000,000"),
        ("batch-size = 65537", "batch-size", "from 1 to 65,536"),
        ("batch-size = 0", "batch-size", "from 1 to 65,536"),
        ("accumulate = 65537", "accumulate", "from 1 to 65,536"),
        ("size = 4097", "size", "from 8 to 4096"),
        ("train-size = 7", "train-size", "from 8 to 4096"),
        ("learning-rate = nan", "learning-rate", "above 0"),
        ("learning-rate = inf", "learning-rate", "above 0"),
        ("clip = 0.0", "clip", "above 0"),
        (
            "head = { epochs = 2000000, learning-rate = 0.1 }",
            "head.epochs",
            "1,000,000",
        ),
        (
            "sampling = { repeated = { times = 0 } }",
            "sampling.repeated.times",
            "65,536",
        ),
        (
            "schedule.decay = { plateau = { patience = 2000000, factor = 0.1 } }",
            "schedule.decay.plateau.patience",
            "1,000,000",
        ),
        (
            "schedule.decay = { plateau = { patience = 2, factor = 1.5 } }",
            "schedule.decay.plateau.factor",
            "0 to 1",
        ),
        (
            "schedule.decay = { steps = { epochs = [nan], factor = 0.1 } }",
            "schedule.decay.steps.epochs",
            "0 to 1,000,000",
        ),
        (
            "optimizer = { name = 'sgd', momentum = 1.0, nesterov = true, weight-decay = 0.0 }",
            "optimizer.momentum",
            "below 1",
        ),
        (
            "optimizer = { name = 'sgd', momentum = 0.9, nesterov = true, weight-decay = -1.0 }",
            "optimizer.weight-decay",
            "0 to 1000",
        ),
        (
            "optimizer = { name = 'adamw', betas = [0.9, 1.0], weight-decay = 0.0 }",
            "optimizer.betas",
            "below 1",
        ),
        (
            "optimizer = { name = 'lamb', epsilon = nan, weight-decay = 0.0 }",
            "optimizer.epsilon",
            "0 to 1",
        ),
    ] {
        fs::write(folder.path().join("odd.toml"), format!("{text}\n")).unwrap();
        let message = refused(folder.path(), &["train", "shapes", "--recipe", "odd.toml"]);
        assert!(
            message.contains(&format!("`{field}`: expected")) && message.contains(expected),
            "{text}: {message}"
        );
    }
    for text in [
        "epochs = -1",
        "seed = -1",
        "workers = 3",
        "epochs = 99999999999999999999",
    ] {
        fs::write(folder.path().join("odd.toml"), text).unwrap();
        refused_last(folder.path(), &["train", "shapes", "--recipe", "odd.toml"]);
    }
}

/// If the system cannot start the threads, the command reports an error and does not panic.
#[cfg(target_os = "linux")]
#[test]
fn failing_to_start_threads_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    // The address space suffices for a few threads, not for 256.
    let script = format!(
        "ulimit -s 8192; RUST_MIN_STACK=4000000000 exec '{PROGRAM}' bench data shapes --images-per-class 4 --workers 256"
    );
    let output = Command::new("bash")
        .args(["-c", &format!("ulimit -v 60000000; {script}")])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(
        message.contains("expected 256 threads to prepare images, found")
            && message.contains("use fewer --workers"),
        "{message}"
    );
}

#[test]
fn threads_to_compute_have_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(folder.path(), &SHORT);
    let output = command.env("RAYON_NUM_THREADS", "100000").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let message = text(&output.stderr);
    assert!(
        message
            .starts_with("error: RAYON_NUM_THREADS: expected a number of threads from 1 to 1024"),
        "{message}"
    );
}

#[test]
fn a_batch_of_one_image_trains_where_pytorch_does() {
    let folder = tempfile::tempdir().unwrap();
    pictures(&folder.path().join("pictures"), 2);
    for name in ["cross", "ring", "star", "triangle"] {
        fs::remove_dir_all(folder.path().join("pictures").join(name)).unwrap();
    }
    let args = |arch: &'static str, size: &'static str, output: &'static str| {
        [
            "train",
            "pictures",
            "--arch",
            arch,
            "--size",
            size,
            "--batch-size",
            "1",
            "--epochs",
            "1",
            "--split",
            "0.5",
            "--backend",
            "cpu",
            "--output",
            output,
        ]
    };
    // The last feature maps have 8x8 pixels: 64 values per channel.
    expect(folder.path(), &args("cifar_resnet8_b", "32", "small"), 0);
    // The last feature maps have one pixel.
    let message = refused(folder.path(), &args("resnet18", "32", "large"));
    assert!(
        message.contains(
            "expected 2 images or more in a batch, found 1: the last maps of 32x32 pixels are 1x1"
        ) && message.contains("use a larger --batch-size, larger images (--size)"),
        "{message}"
    );
    assert!(!folder.path().join("large").exists());
    // With running statistics, one value per channel is enough.
    fs::write(
        folder.path().join("eval.toml"),
        "arch = 'resnet18'\nsize = 32\nbatch-size = 1\nepochs = 1\nsplit = 0.5\nnorms = 'eval'\nlearning-rate = 1e-4\n",
    )
    .unwrap();
    let args = [
        "train",
        "pictures",
        "--recipe",
        "eval.toml",
        "--backend",
        "cpu",
        "--output",
        "eval",
    ];
    expect(folder.path(), &args, 0);
}

#[test]
fn an_address_that_others_can_reach_needs_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let args = [
        &SHORT[..],
        &[
            "--ranks",
            "2",
            "--rank",
            "0",
            "--meet",
            "0.0.0.0:0",
            "--patience",
            "1",
        ],
    ]
    .concat();
    let refused = |secret: Option<&str>| {
        let mut command = command(folder.path(), &args);
        command.env_remove("RESNET_MEET_SECRET");
        command.envs(secret.map(|secret| ("RESNET_MEET_SECRET", secret)));
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        text(&output.stderr)
    };
    let message = refused(None);
    assert!(
        message.contains("`0.0.0.0:0`: expected an address of this machine alone"),
        "{message}"
    );
    let message = refused(Some("short"));
    assert!(
        message.contains("expected 16 bytes or more, found 5"),
        "{message}"
    );
    let message = refused(Some("a secret of enough bytes"));
    assert!(
        message.contains("expected 2 processes within 1 s, found 1"),
        "{message}"
    );
}
