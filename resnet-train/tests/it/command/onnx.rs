//! ONNX files as initial weights.

use super::*;

#[test]
fn a_probe_keeps_the_backbone_of_an_onnx_file() {
    let folder = tempfile::tempdir().unwrap();
    let good = "../weights/tests/fixtures/onnx/good/cifar.script.onnx";
    let onnx = Path::new(env!("CARGO_MANIFEST_DIR")).join(good);
    fs::copy(&onnx, folder.path().join("cifar.onnx")).unwrap();
    let probe = "probe shapes --weights cifar.onnx --images-per-class 8 --output probe.safetensors --backend cpu";
    expect(folder.path(), &probe.split(' ').collect::<Vec<_>>(), 0);
    let probed = values(&folder.path().join("probe.safetensors"));
    let graph = values(&onnx);
    assert_eq!(probed.len(), graph.len());
    for (key, expected) in graph {
        let found = probed.iter().find(|(name, _)| *name == key);
        let (_, found) = found.unwrap_or_else(|| panic!("{key}"));
        match key.as_str() {
            // Six shape classes replace ten classes.
            "fc.weight" => assert_eq!(found.len(), 6 * expected.len() / 10),
            "fc.bias" => assert_eq!(found.len(), 6),
            _ => assert_eq!(*found, expected, "{key}"),
        }
    }
}
