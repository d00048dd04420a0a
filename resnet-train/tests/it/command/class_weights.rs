//! Class weights with label smoothing give PyTorch's losses: 26 images of three classes (20, 4 and
//! 2), one step.

use super::processes::{address, ended, rank};
use super::*;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/class_weights");

/// The number of images per class, in the training set and in the validation set.
const COUNTS: [(&str, [(&str, u32); 3]); 2] = [
    ("train", [("a", 20), ("b", 4), ("c", 2)]),
    ("val", [("a", 2), ("b", 2), ("c", 2)]),
];

fn prepare(folder: &Path) {
    let mut sheet = image::open(format!("{FOLDER}/pictures.png")).unwrap();
    let mut place = 0;
    for (part, classes) in COUNTS {
        for (class, count) in classes {
            let class = folder.join("pictures").join(part).join(class);
            fs::create_dir_all(&class).unwrap();
            for number in 0..count {
                let picture = sheet.crop(0, 32 * place, 32, 32);
                picture
                    .save(class.join(format!("{number:02}.png")))
                    .unwrap();
                place += 1;
            }
        }
    }
    fs::copy(format!("{FOLDER}/start.pth"), folder.join("start.pth")).unwrap();
    let recipe = fs::read_to_string(format!("{FOLDER}/recipe.toml")).unwrap();
    fs::write(folder.join("smooth.toml"), &recipe).unwrap();
    let plain = recipe.replace("smoothing = 0.1", "smoothing = 0.0");
    assert_ne!(plain, recipe);
    fs::write(folder.join("plain.toml"), plain).unwrap();
}

fn train_loss(folder: &Path, output: &str) -> f64 {
    let metrics = fs::read_to_string(folder.join(output).join("metrics.csv")).unwrap();
    let row = metrics.lines().nth(1).unwrap();
    row.split(',').nth(3).unwrap().parse().unwrap()
}

#[test]
fn class_weights_and_smoothing_give_the_losses_of_pytorch() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    prepare(folder);
    let expected = fs::read_to_string(format!("{FOLDER}/expected.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
    let expected = |smoothing: &str, weights: &str| {
        let case = format!("smoothing {smoothing}, class weights {weights}");
        expected["train_loss of the first step"][case]
            .as_f64()
            .unwrap()
    };
    let cases = [
        (
            "plain.toml",
            expected("0.0", "False"),
            expected("0.0", "True"),
        ),
        (
            "smooth.toml",
            expected("0.1", "False"),
            expected("0.1", "True"),
        ),
    ];
    for (recipe, alike, weighted) in cases {
        for parts in ["1", "2", "5"] {
            for (weights, expected) in [(None, alike), (Some("--class-weights"), weighted)] {
                let output = format!("{recipe}-{parts}-{}", weights.is_some());
                let mut args = vec![
                    "train",
                    "pictures",
                    "--recipe",
                    recipe,
                    "--accumulate",
                    parts,
                    "--backend",
                    "cpu",
                    "--output",
                    &output,
                ];
                args.extend(weights);
                expect(folder, &args, 0);
                let found = train_loss(folder, &output);
                assert!((found - expected).abs() < 2e-5, "{output}: {found}");
            }
        }
    }

    // Two processes with half of the batch each; the classes of the halves differ.
    let args = [
        "train",
        "pictures",
        "--recipe",
        "smooth.toml",
        "--class-weights",
        "--backend",
        "cpu",
    ];
    let meet = address();
    let ranks = ["1", "0"].map(|place| rank(folder, &args, place, &meet));
    for ended in ranks.map(ended) {
        assert_eq!(ended.0, Some(0), "{}", ended.1);
    }
    let found = train_loss(folder, "run");
    assert!((found - cases[1].2).abs() < 2e-5, "{found}");
}
