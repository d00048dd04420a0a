//! Computes the logits of an image in a WebAssembly module.

use std::slice;

use resnet_infer::Classifier;

/// Computes the logits of an encoded image with the embedded network.
fn logits(image: &[u8]) -> Result<Vec<f32>, Box<dyn std::error::Error>> {
    let name = "cifar_resnet20.resnet_zoo_c10";
    let classifier = Classifier::pretrained(name)?;
    Ok(classifier.logits([image])?.concat())
}

/// Allocates memory for JavaScript to fill.
#[unsafe(no_mangle)]
pub extern "C" fn allocate(bytes: usize) -> *mut u8 {
    vec![0; bytes].leak().as_mut_ptr()
}

/// Writes the logits of an image to `output` and returns their number, or 0 after an error.
///
/// # Safety
///
/// `image` must point to `bytes` bytes, and `output` to memory for 10 values of 4 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn classify(image: *const u8, bytes: usize, output: *mut u8) -> usize {
    let image = unsafe { slice::from_raw_parts(image, bytes) };
    let values = logits(image).unwrap_or_default();
    let written: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    unsafe { slice::from_raw_parts_mut(output, written.len()) }.copy_from_slice(&written);
    values.len()
}
