//! Without the feature `onnx`, an ONNX file is recognized but not read.

use resnet_weights::Checkpoint;

use crate::fixture;

#[test]
fn without_onnx_the_error_names_the_feature() {
    let error = Checkpoint::open(fixture("onnx/good/deep.script.onnx")).unwrap_err();
    let expected = "deep.script.onnx`: is an ONNX file, and this program was built without the feature `onnx`; build it \
                    with `--features onnx`";
    assert!(error.to_string().ends_with(expected), "{error}");
}
