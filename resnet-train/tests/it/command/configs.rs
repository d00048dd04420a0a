//! Configs with missing fields and invalid configs.

use super::*;

/// Runs with a config that must be refused. Returns the error.
fn message(folder: &Path, config: &str) -> String {
    fs::write(folder.join("my.toml"), config).unwrap();
    refused(folder, &["train", "shapes", "--recipe", "my.toml"])
}

#[test]
fn config_errors_are_one_line_with_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    for (config, expected) in [
        (
            "epochs = 1\nepoch = 1",
            "error: `my.toml`: line 2, column 1: unknown field `epoch`, expected one of `task`",
        ),
        (
            "epochs = 1\n[optimizer]\nname = 'adam'",
            "unknown variant `adam`, expected one of `sgd`, `adamw`, `lamb`",
        ),
        (
            "[optimizer]\nmomentum = 0.5",
            "error: `my.toml`: line 1, column 1: missing field `name`",
        ),
        ("epochs = ", "error: `my.toml`: line 1, column "),
        ("epochs = 'é' 3", "error: `my.toml`: line 1, column 14: "),
        (
            "seed = 1\ninput = {}",
            "error: `my.toml`: line 2, column 9: `input`: missing field `mean`; it replaces all of the weights' preprocessing: write `mean` and `std`",
        ),
        (
            "learning-rate = inf",
            "error: `my.toml`: `learning-rate`: expected a number above 0 and up to 1,000,000, found inf",
        ),
    ] {
        let message = message(folder.path(), config);
        assert!(message.contains(expected), "{config:?}: {message}");
        assert!(message.starts_with("error: `my.toml`: "), "{message}");
        assert!(
            !message.contains("\\n") && !message.contains("TOML parse"),
            "{message}"
        );
        assert_eq!(
            message.matches("column").count(),
            usize::from(message.contains("line ")),
            "{message}"
        );
    }
    let rate = ["train", "shapes", "--learning-rate", "18446744073709551615"];
    let message = refused(folder.path(), &rate);
    assert!(
        message.contains("above 0 and up to 1,000,000, found 1844"),
        "{message}"
    );
}

#[test]
fn an_optimizer_needs_only_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let config =
        "arch = 'cifar_resnet8_b'\nepochs = 1\nbatch-size = 16\n[optimizer]\nname = 'adamw'\n";
    fs::write(folder.path().join("my.toml"), config).unwrap();
    let args = "train shapes --recipe my.toml --images-per-class 4 --backend cpu";
    expect(folder.path(), &args.split(' ').collect::<Vec<_>>(), 0);
    let written = fs::read_to_string(folder.path().join("run/config.toml")).unwrap();
    for line in [
        "betas = [0.9, 0.999]",
        "epsilon = 0.00000001",
        "weight-decay = 0.01",
    ] {
        assert!(written.contains(line), "{written}");
    }
}
