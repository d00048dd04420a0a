//! Other float types and other formats.

use burn::backend::Flex;
use burn_store::{BurnpackStore, ModuleSnapshot};
use resnet_core::{Arch, ResNet};
use resnet_weights::{Checkpoint, Dtype, FloatType, Load, Save, SaveError};

use crate::keyed;

fn fresh(arch: Arch) -> ResNet<Flex> {
    arch.config().init(&Default::default())
}

fn logits(model: &ResNet<Flex>) -> Vec<f32> {
    let images = keyed::images(7, [1, 3, 64, 64]);
    model.forward(images).into_data().to_vec().unwrap()
}

fn assert_close(a: &[f32], b: &[f32], tolerance: f32) {
    let largest = b.iter().fold(0.0_f32, |max, v| max.max(v.abs()));
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() <= tolerance * largest, "{a} {b}");
    }
}

#[test]
fn half_the_bytes_keep_the_keys_and_nearly_the_logits() {
    let model = keyed::fill(fresh(Arch::TestResNet), 7);
    let expected = logits(&model);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("half.safetensors");
    let types = [
        (FloatType::F16, Dtype::F16, 0.01),
        (FloatType::Bf16, Dtype::BF16, 0.08),
        (FloatType::F32, Dtype::F32, 0.0),
    ];
    for (dtype, expected_dtype, tolerance) in types {
        let save = Save::default().with_dtype(dtype);
        save.safetensors(&model, &path).unwrap();
        let checkpoint = Checkpoint::open(&path).unwrap();
        assert!(checkpoint.entries().all(|entry| {
            entry.dtype() == expected_dtype || entry.key().ends_with("num_batches_tracked")
        }));
        let (loaded, _) = Load::default()
            .apply(fresh(Arch::TestResNet), &checkpoint)
            .unwrap();
        assert_close(&logits(&loaded), &expected, tolerance);
        assert_eq!(dtype.to_string().parse(), Ok(dtype));
    }
    assert!("f8".parse::<FloatType>().is_err());
}

#[test]
fn a_value_beyond_the_type_is_an_error_and_leaves_nothing_behind() {
    let model = fresh(Arch::TestResNet);
    let model = model
        .load_state(|key, shape| {
            let mut data = keyed::parameter(7, key, shape);
            if key == "layer1.0.bn1.running_var" {
                data.as_mut_slice::<f32>().unwrap()[3] = 65520.0;
            }
            Ok::<_, ()>(Some(data))
        })
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let save = Save::default().with_dtype(FloatType::F16);
    let errors = [
        save.safetensors(&model, folder.path().join("a.safetensors")),
        save.burnpack(&model, folder.path().join("a.bpk")),
    ];
    for error in errors {
        let error = error.unwrap_err();
        assert!(matches!(error, SaveError::Range { .. }));
        let error = error.to_string();
        assert!(
            error.contains("`layer1.0.bn1.running_var` holds 65520, beyond the range of f16"),
            "{error}"
        );
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let save = Save::default().with_dtype(FloatType::Bf16);
    save.safetensors(&model, folder.path().join("a.safetensors"))
        .unwrap();
}

/// Every kind of module: deep stem, pool by convolution, squeeze-and-excitation, group norm.
#[test]
fn burnpack_goes_out_and_in_through_burn_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.bpk");
    for arch in [Arch::TestResNet, Arch::ResNetRs50, Arch::ResNet50Gn] {
        let model = keyed::fill(fresh(arch), 7);
        Save::default().burnpack(&model, &path).unwrap();
        let mut loaded = fresh(arch);
        let result = loaded
            .load_from(&mut BurnpackStore::from_file(&path))
            .unwrap();
        assert!(result.is_success() && result.missing.is_empty() && result.unused.is_empty());
        assert_close(&logits(&loaded), &logits(&model), 1e-5);
    }
    let model = keyed::fill(fresh(Arch::TestResNet), 7);
    let full = logits(&model);
    let save = Save::default().with_dtype(FloatType::F16);
    save.burnpack(&model, &path).unwrap();
    assert!(std::fs::metadata(&path).unwrap().len() < 1_100_000);
    let mut store = BurnpackStore::from_file(&path).with_from_adapter(FloatType::F32);
    let mut loaded = fresh(Arch::TestResNet);
    loaded.load_from(&mut store).unwrap();
    assert_close(&logits(&loaded), &full, 0.01);
}
