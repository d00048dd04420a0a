//! `forward` and `preprocess`: the tools for comparing with PyTorch.

use resnet_weights::Checkpoint;
use safetensors::tensor::{Dtype, TensorView};

use crate::{checkpoint, fixture, image, run, stderr};

/// The keyed input of case `cifar_resnet8_b`; see `keyed.py` beside the checkpoints.
fn keyed_input() -> Vec<u8> {
    let hash = "7:input"
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325_u64, |h, byte| {
            (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
        });
    let values = (1..=2 * 3 * 32 * 32_u64).map(|i| {
        let z = hash.wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let u = ((z ^ (z >> 31)) >> 40) as f64 / 16_777_216.0 * 2.0 - 1.0;
        (3.0_f64.sqrt() * u) as f32
    });
    values.flat_map(f32::to_le_bytes).collect()
}

fn save_input(path: &std::path::Path, shape: &[usize], bytes: &[u8]) {
    let view = TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap();
    std::fs::write(
        path,
        safetensors::serialize([("input", view)], None).unwrap(),
    )
    .unwrap();
}

#[test]
fn forward_gives_the_numbers_of_pytorch() {
    let folder = tempfile::tempdir().unwrap();
    let [input, output] =
        ["in.safetensors", "out.safetensors"].map(|name| folder.path().join(name));
    save_input(&input, &[2, 3, 32, 32], &keyed_input());
    let [input, output] = [&input, &output].map(|path| path.to_str().unwrap());
    let expected = Checkpoint::open(fixture(
        "resnet-core/tests/fixtures/parity/expected.safetensors",
    ))
    .unwrap();
    for flags in [
        &["--fuse"][..],
        &["--backend", "ndarray"],
        &["--arch", "cifar_resnet8_b"],
    ] {
        let weights = checkpoint("good/legacy.pth");
        let args = [
            "forward",
            "--weights",
            &weights,
            "--input",
            input,
            "--output",
            output,
        ];
        run(args.iter().chain(flags)).success();
        let found = Checkpoint::open(output).unwrap();
        let keys: Vec<_> = found
            .entries()
            .map(|entry| entry.key().to_string())
            .collect();
        assert_eq!(keys, ["c1", "c2", "c3", "c4", "embedding", "logits"]);
        assert_eq!(found.get("c4").unwrap().shape(), [2, 64, 8, 8]);
        for key in ["logits", "embedding"] {
            let numbers =
                |file: &Checkpoint, key: &str| file.read(key).unwrap().to_vec::<f32>().unwrap();
            let expected = numbers(&expected, &format!("cifar_resnet8_b/{key}"));
            let largest = expected
                .iter()
                .fold(0.0_f32, |max, value| max.max(value.abs()));
            for (a, b) in numbers(&found, key).iter().zip(&expected) {
                assert!(
                    (a - b).abs() <= 1e-4 * largest,
                    "{flags:?} {key}: expected {b}, found {a}"
                );
            }
        }
    }
}

#[test]
fn inputs_that_cannot_pass_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.safetensors");
    let output = folder.path().join("out.safetensors");
    let run_forward = |flags: &[&str]| {
        let weights = checkpoint("good/zip.pth");
        let [input, output] = [&input, &output].map(|path| path.to_str().unwrap());
        let args = [
            "forward",
            "--weights",
            &weights,
            "--input",
            input,
            "--output",
            output,
        ];
        stderr(&run(args.iter().chain(flags)).code(2))
    };
    save_input(&input, &[1, 1, 2, 2], &[0; 16]);
    assert!(
        run_forward(&[])
            .contains("`input`: expected [1 or more, 3, height, width], found [1, 1, 2, 2]")
    );
    save_input(&input, &[12], &[0; 48]);
    assert!(run_forward(&[]).contains("`input`: expected [batch, 3, height, width], found [12]"));
    save_input(&input, &[0, 3, 2, 2], &[]);
    assert!(run_forward(&[]).contains("found [0, 3, 2, 2]"));
    save_input(&input, &[1, 3, 0, 2], &[]);
    assert!(run_forward(&[]).contains("expected 1 pixel or more, found 0"));
    save_input(&input, &[1, 3, 2, 2], &[0; 48]);
    assert!(
        run_forward(&["--output-stride", "7"])
            .contains("`output_stride`: expected 8, 16 or 32, found 7")
    );
    std::fs::copy(checkpoint("good/f32.safetensors"), &input).unwrap();
    assert!(run_forward(&[]).contains("expected a tensor `input`, found bn1.bias"));
    assert!(!output.exists());
}

#[test]
fn preprocess_saves_the_pixels_of_torchvision() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("crop.png");
    let path = output.to_str().unwrap();
    let recipes: [(&[&str], &str); 2] = [
        (&[], "tv_256_224"),
        (&["--resize", "235", "--filter", "bicubic"], "timm_224_0.95"),
    ];
    for (flags, recipe) in recipes {
        run(
            ["preprocess", &image("coffee_513x387.png"), "--output", path]
                .iter()
                .chain(flags),
        )
        .success();
        let expected =
            format!("resnet-image/tests/fixtures/preprocess/expected/{recipe}/coffee_513x387.png");
        let expected = resnet_image::open(fixture(&expected)).unwrap();
        assert_eq!(resnet_image::open(&output).unwrap(), expected, "{recipe}");
    }
    std::fs::remove_file(&output).unwrap();
    let assert = run([
        "preprocess",
        &checkpoint("bad/web_page.pth"),
        "--output",
        path,
    ])
    .code(2);
    assert!(stderr(&assert).contains("web_page.pth"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
