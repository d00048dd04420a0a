//! Runs that `--resume --epochs` extends.

use super::*;

fn epochs(count: &str) -> Vec<&str> {
    let mut args = SHORT.to_vec();
    args[5] = count;
    args
}

fn rows(folder: &TempDir) -> Vec<(u64, f64)> {
    let rows = figures(folder).into_iter().skip(1);
    rows.map(|row| {
        let cells: Vec<&str> = row.split(',').collect();
        (cells[1].parse().unwrap(), cells[2].parse().unwrap())
    })
    .collect()
}

#[test]
fn a_finished_run_resumes_with_more_epochs_and_their_schedule() {
    let folder = tempfile::tempdir().unwrap();
    expect(folder.path(), &epochs("2"), 0);
    assert_eq!(rows(&folder).len(), 2);
    let best = file(&folder, "scores.json");

    // The run is refused without the flag, with other changed settings, and with fewer epochs than
    // are finished.
    let resume = |count: &'static str| [&epochs(count)[..], &["--resume"]].concat();
    let mut without = resume("2");
    without.drain(4..6);
    let message = refused(folder.path(), &without);
    assert!(
        message.contains("`epochs = 2` there, `epochs = 10` here")
            && message.contains("--epochs N"),
        "{message}"
    );
    let message = refused(
        folder.path(),
        &[&resume("3")[..], &["--learning-rate", "0.2"]].concat(),
    );
    assert!(message.contains("`learning-rate = 0.1` there"), "{message}");
    let message = refused_last(folder.path(), &resume("1"));
    assert!(
        message.contains("run/last.checkpoint`: expected at most 1 epochs in the training state, found 2; set `--epochs` to 2 or more"),
        "{message}"
    );
    let config = |folder: &TempDir| text(&file(folder, "config.toml"));
    assert!(config(&folder).contains("\nepochs = 2\n"));
    // With the same number of epochs, the result is unchanged.
    expect(folder.path(), &resume("2"), 0);
    assert_eq!(file(&folder, "scores.json"), best);

    let output = run(folder.path(), &resume("4"));
    let notes = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{notes}");
    assert!(
        notes.contains("note: 4 epochs instead of 2: from here on, the learning rate follows the schedule of 4 epochs"),
        "{notes}"
    );
    assert!(config(&folder).contains("\nepochs = 4\n"));
    let rows = rows(&folder);
    assert_eq!(
        rows.iter().map(|row| row.0).collect::<Vec<_>>(),
        [1, 2, 3, 4]
    );
    // The one-cycle schedule of 2 epochs ends near 0; the schedule of 4 is at its middle there.
    assert!(
        rows[1].1 < 1e-3 && rows[2].1 > 1e-2 && rows[3].1 < 1e-3,
        "{rows:?}"
    );

    // A kill during the extension does not change the result.
    let checkpoint = folder.path().join("run/last.checkpoint");
    let other = tempfile::tempdir().unwrap();
    fs::create_dir(other.path().join("run")).unwrap();
    for entry in fs::read_dir(folder.path().join("run")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(
            &path,
            other.path().join("run").join(path.file_name().unwrap()),
        )
        .unwrap();
    }
    expect(other.path(), &resume("6"), 0);
    let mut child = command(folder.path(), &resume("6"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    killed(&mut child, &checkpoint, Duration::ZERO);
    expect(folder.path(), &resume("6"), 0);
    for name in [
        "last.safetensors",
        "best.safetensors",
        "last.checkpoint",
        "config.toml",
    ] {
        assert!(file(&folder, name) == file(&other, name), "{name}");
    }
}
