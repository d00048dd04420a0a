//! Opens arbitrary bytes as a PyTorch file, reads all tensors and infers the architecture.

#![no_main]

use libfuzzer_sys::fuzz_target;
use resnet_weights::{Checkpoint, Container};

fuzz_target!(|bytes: &[u8]| {
    let Ok(checkpoint) = Checkpoint::from_bytes("fuzz.pth", bytes.to_vec()) else {
        return;
    };
    if checkpoint.container() == Container::Safetensors {
        return;
    }
    for entry in checkpoint.entries() {
        let _ = checkpoint.read(entry.key());
    }
    if let Ok(inferred) = checkpoint.infer() {
        inferred.config.features();
    }
});
