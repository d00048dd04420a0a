//! Without the feature an ONNX file is known, and not read.

use resnet_weights::Checkpoint;

use crate::fixture;

#[test]
fn without_onnx_the_feature_is_named() {
    let error = Checkpoint::open(fixture("onnx/good/deep.script.onnx")).unwrap_err();
    let expected = "deep.script.onnx`: is an ONNX file, and this program was built without the feature `onnx`; build it \
                    with `--features onnx`";
    assert!(error.to_string().ends_with(expected), "{error}");
}
