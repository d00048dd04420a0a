//! Checkpoints whose head has several linear layers.

use safetensors::tensor::{Dtype, TensorView};

use super::*;

/// Writes a network whose classifier is replaced by a head of two linear layers.
fn with_layered_head(path: &Path) {
    let config = resnet_core::ResNetConfig::named("cifar_resnet8_b").unwrap();
    let model: resnet_core::ResNet<resnet_cpu::Cpu> = config.init(&Default::default());
    resnet_weights::save(&model, path).unwrap();
    let bytes = fs::read(path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let tensors = file.tensors().into_iter();
    let mut tensors: Vec<(String, TensorView)> =
        tensors.filter(|(key, _)| !key.starts_with("fc.")).collect();
    let zeros = [0; 4 * 64 * 64];
    for (key, shape) in [
        ("fc.0.weight", vec![64, 64]),
        ("fc.0.bias", vec![64]),
        ("fc.2.weight", vec![10, 64]),
        ("fc.2.bias", vec![10]),
    ] {
        let size = 4 * shape.iter().product::<usize>();
        let view = TensorView::new(Dtype::F32, shape, &zeros[..size]).unwrap();
        tensors.push((key.into(), view));
    }
    fs::write(path, safetensors::serialize(tensors, None).unwrap()).unwrap();
}

#[test]
fn a_probe_replaces_a_head_of_several_layers() {
    let folder = tempfile::tempdir().unwrap();
    with_layered_head(&folder.path().join("two.safetensors"));
    let probe = "probe shapes --weights two.safetensors --images-per-class 8 --output probe.safetensors --backend cpu";
    expect(folder.path(), &probe.split(' ').collect::<Vec<_>>(), 0);
    let evaluate = "evaluate shapes --weights probe.safetensors --backend cpu";
    let table = expect(folder.path(), &evaluate.split(' ').collect::<Vec<_>>(), 0);
    assert!(table.contains("top-1"), "{table}");
    // `evaluate` refuses the original head.
    let evaluate = "evaluate shapes --weights two.safetensors --backend cpu";
    let message = refused_last(folder.path(), &evaluate.split(' ').collect::<Vec<_>>());
    assert!(
        message.contains("more than one linear layer after its backbone"),
        "{message}"
    );
}
