//! `forward` and `preprocess`: the tools for comparing with PyTorch.

use burn::backend::Flex;
use resnet_core::{Arch, ResNet};
use resnet_testing::{assert_close, keyed, suite};
use resnet_weights::Checkpoint;
use safetensors::tensor::{Dtype, TensorView};

use crate::{checkpoint, fixture, image, run, stderr};

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
    let images = keyed::images::<Flex>(7, [2, 3, 32, 32], &Default::default()).into_data();
    save_input(&input, &images.shape, images.as_bytes());
    let [input, output] = [&input, &output].map(|path| path.to_str().unwrap());
    let expected = suite::expected("cifar_resnet8_b");
    for flags in [
        &["--fuse"][..],
        &["--backend", "flex"],
        #[cfg(feature = "ndarray")]
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
            let numbers: Vec<f32> = found.read(key).unwrap().to_vec().unwrap();
            assert_close(&format!("{flags:?} {key}"), &numbers, &expected[key], 1e-4);
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
    let nan = [f32::NAN.to_le_bytes(); 12].concat();
    save_input(&input, &[1, 3, 2, 2], &nan);
    assert!(run_forward(&[]).contains("`input`: expected finite numbers, found infinities or NaN"));
    std::fs::copy(checkpoint("good/f32.safetensors"), &input).unwrap();
    assert!(run_forward(&[]).contains("expected a tensor `input`, found bn1.bias"));
    assert!(!output.exists());
}

#[test]
fn forward_takes_an_output_stride() {
    let folder = tempfile::tempdir().unwrap();
    let [weights, input, output] =
        ["w.safetensors", "in.safetensors", "out.safetensors"].map(|name| folder.path().join(name));
    let model: ResNet<Flex> = Arch::TestResNet.config().init(&Default::default());
    let model = keyed::fill(model, 7);
    resnet_weights::save(&model, &weights).unwrap();
    let images = keyed::images::<Flex>(7, [1, 3, 64, 64], &Default::default());
    save_input(
        &input,
        &[1, 3, 64, 64],
        images.clone().into_data().as_bytes(),
    );
    let [weights, input, output] = [&weights, &input, &output].map(|path| path.to_str().unwrap());
    let args = [
        "forward",
        "--weights",
        weights,
        "--input",
        input,
        "--output",
        output,
    ];
    for (stride, side) in [("8", 8), ("16", 4), ("32", 2)] {
        run(args.iter().chain(&["--output-stride", stride])).success();
        let found = Checkpoint::open(output).unwrap();
        assert_eq!(
            found.get("c5").unwrap().shape(),
            [1, 96, side, side],
            "{stride}"
        );
    }
    let found = Checkpoint::open(output).unwrap();
    let maps = model.forward_pyramid(images).into_maps();
    for (i, map) in maps.into_iter().enumerate() {
        let found = found.read(&format!("c{}", i + 1)).unwrap();
        found.assert_approx_eq::<f32>(&map.into_data(), burn::tensor::Tolerance::default());
    }
    for read in [weights, input] {
        let before = std::fs::read(read).unwrap();
        let args = [
            "forward",
            "--weights",
            weights,
            "--input",
            input,
            "--output",
            read,
        ];
        assert!(
            stderr(&run(args).code(2))
                .contains("expected an output other than the input, found the same file")
        );
        assert!(std::fs::read(read).unwrap() == before);
    }
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
    for (flags, preprocessing) in recipes {
        run(
            ["preprocess", &image("coffee_513x387.png"), "--output", path]
                .iter()
                .chain(flags),
        )
        .success();
        let expected = format!(
            "resnet-image/tests/fixtures/preprocess/expected/{preprocessing}/coffee_513x387.png"
        );
        let expected = resnet_image::open(fixture(&expected)).unwrap();
        assert_eq!(
            resnet_image::open(&output).unwrap(),
            expected,
            "{preprocessing}"
        );
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
    let assert = run([
        "preprocess",
        folder.path().to_str().unwrap(),
        "--output",
        path,
    ])
    .code(2);
    assert!(stderr(&assert).contains("expected an image, found a folder"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
