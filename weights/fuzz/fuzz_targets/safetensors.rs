//! Opens arbitrary bytes as a safetensors file, reads all tensors and infers the architecture.

#![no_main]

use libfuzzer_sys::fuzz_target;
use resnet_weights::{Checkpoint, Container};

fuzz_target!(|bytes: &[u8]| {
    // The other formats need a temporary file, which would slow this target down.
    if bytes.get(8) != Some(&b'{') {
        return;
    }
    let Ok(checkpoint) = Checkpoint::from_bytes("fuzz.safetensors", bytes.to_vec()) else {
        return;
    };
    assert_eq!(checkpoint.container(), Container::Safetensors);
    for entry in checkpoint.entries() {
        let data = checkpoint
            .read(entry.key())
            .expect("the header was checked when opening");
        assert_eq!(data.bytes.len(), entry.size_bytes());
    }
    if let Ok(inferred) = checkpoint.infer() {
        inferred.config.features();
    }
});
