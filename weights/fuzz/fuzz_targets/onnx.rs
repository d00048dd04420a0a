//! Opens arbitrary bytes as an ONNX file and reads all tensors.

#![no_main]

use libfuzzer_sys::fuzz_target;
use resnet_weights::{Checkpoint, Container};

fuzz_target!(|bytes: &[u8]| {
    // The other formats have their own targets.
    if bytes.first() != Some(&0x08) || bytes.get(8) == Some(&b'{') {
        return;
    }
    let Ok(checkpoint) = Checkpoint::from_bytes("fuzz.onnx", bytes.to_vec()) else {
        return;
    };
    if checkpoint.container() != Container::Onnx {
        return;
    }
    for entry in checkpoint.entries() {
        let data = checkpoint
            .read(entry.key())
            .expect("the tensors were checked when opening");
        assert_eq!(data.bytes.len(), entry.size_bytes());
        assert_eq!(data.shape.as_slice(), entry.shape());
    }
    let inferred = checkpoint.infer().expect("a graph shows its network");
    inferred.config.validate().expect("checked when opening");
    inferred.config.features();
});
