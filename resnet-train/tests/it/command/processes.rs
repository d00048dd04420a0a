//! Two processes that train one network.

use resnet_testing::pairs;

use super::*;

/// A recipe without batch statistics, so that the shares of a batch do not affect each other.
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

/// Returns a free local address.
pub(super) fn address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

pub(super) fn rank(folder: &Path, args: &[&str], rank: &str, meet: &str) -> Child {
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

pub(super) fn ended(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    (output.status.code(), text(&output.stderr))
}

#[test]
fn two_processes_with_half_a_batch_each_match_one_with_the_whole_batch() {
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
    for ((key, one), (_, two)) in pairs(&one, &two) {
        let largest = one.iter().fold(0.0_f32, |max, value| max.max(value.abs()));
        for (a, b) in pairs(one, two) {
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
    for (a, b) in pairs(losses("one"), losses("run")) {
        assert!((a - b).abs() < 1e-4 * a, "{a} and {b}");
    }
}

#[test]
fn foreign_connections_do_not_end_a_run() {
    use std::io::Write;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("frozen.toml"), FROZEN).unwrap();
    let port = address().rsplit_once(':').unwrap().1.to_string();
    // Other machines can reach this address, so it needs a secret.
    let start = |place: &str, host: &str| {
        let meet = format!("{host}:{port}");
        let more = [
            "--epochs", "1", "--ranks", "2", "--rank", place, "--meet", &meet,
        ];
        let mut command = command(folder.path(), &[&FROZEN_RUN[..], &more].concat());
        command
            .env("RESNET_MEET_SECRET", "of sixteen bytes or more")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let first = start("0", "0.0.0.0");
    let here = format!("127.0.0.1:{port}");
    let connect = || loop {
        match std::net::TcpStream::connect(&here) {
            Ok(link) => break link,
            Err(_) => sleep(Duration::from_millis(5)),
        }
    };
    let silent = connect();
    let mut earlier = connect();
    earlier.write_all(b"\x09\0\0\0\0\0\0\x001 2 hello").unwrap();
    let mut garbage = connect();
    let _ = garbage.write_all(&[b'x'; 100_000]);
    let second = start("1", "127.0.0.1");
    for ended in [first, second].map(ended) {
        assert_eq!(ended.0, Some(0), "{}", ended.1);
    }
    drop((silent, earlier, garbage));
}

/// Returns the training loss of each epoch.
fn losses(folder: &TempDir) -> Vec<f64> {
    let rows = figures(folder).into_iter().skip(1);
    rows.map(|row| row.split(',').nth(3).unwrap().parse().unwrap())
        .collect()
}

#[test]
fn if_a_process_dies_the_others_save_a_training_state_to_resume_from() {
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
    // A process that resumes and one that starts a new run refuse each other.
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
    assert_eq!(figures(&folder).len(), 3);
    for (cut, whole) in pairs(losses(&folder), losses(&whole)) {
        assert!((cut - whole).abs() < 1e-6, "{cut} and {whole}");
    }
}
