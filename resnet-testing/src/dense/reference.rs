//! The results of torchvision, and the inputs that they belong to.
//!
//! The functions panic if a fixture is missing or has another form.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::OnceLock;

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use resnet_dense::ImageTensor;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

use crate::{keyed, workspace};

/// Returns the path of a fixture of resnet-dense.
pub fn fixture(name: &str) -> PathBuf {
    workspace("resnet-dense/tests/fixtures").join(name)
}

/// Reads a JSON fixture of resnet-dense.
pub fn json(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(fixture(name)).unwrap()).unwrap()
}

/// An array of torchvision.
#[derive(Clone, Debug)]
pub struct Array {
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its values in row-major order.
    pub values: Vec<f64>,
}

impl Array {
    /// Returns the values as float32.
    pub fn floats(&self) -> Vec<f32> {
        self.values.iter().map(|value| *value as f32).collect()
    }

    /// Returns the values as indices.
    pub fn indices(&self) -> Vec<usize> {
        self.values.iter().map(|value| *value as usize).collect()
    }

    /// Returns the values in groups of four.
    pub fn boxes(&self) -> Vec<[f32; 4]> {
        self.floats().as_chunks().0.to_vec()
    }

    /// Returns the values as a tensor.
    pub fn tensor<B: Backend, const D: usize>(&self, device: &B::Device) -> Tensor<B, D> {
        Tensor::from_data(TensorData::new(self.floats(), self.shape.clone()), device)
    }
}

fn arrays() -> &'static HashMap<String, Array> {
    static ARRAYS: OnceLock<HashMap<String, Array>> = OnceLock::new();
    ARRAYS.get_or_init(|| {
        let bytes = std::fs::read(fixture("expected.safetensors")).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let array = |view: &safetensors::tensor::TensorView<'_>| {
            let data = view.data();
            let values = match view.dtype() {
                Dtype::F32 => data
                    .as_chunks()
                    .0
                    .iter()
                    .map(|b| f64::from(f32::from_le_bytes(*b)))
                    .collect(),
                Dtype::F64 => data
                    .as_chunks()
                    .0
                    .iter()
                    .map(|b| f64::from_le_bytes(*b))
                    .collect(),
                Dtype::I32 => data
                    .as_chunks()
                    .0
                    .iter()
                    .map(|b| f64::from(i32::from_le_bytes(*b)))
                    .collect(),
                Dtype::U8 => data.iter().map(|b| f64::from(*b)).collect(),
                other => panic!("unexpected type {other:?}"),
            };
            Array {
                shape: view.shape().to_vec(),
                values,
            }
        };
        tensors
            .iter()
            .map(|(name, view)| (name.to_string(), array(&view)))
            .collect()
    })
}

/// Returns an array, or `None` if torchvision's results lack it.
pub fn find(name: &str) -> Option<Array> {
    arrays().get(name).cloned()
}

/// Returns an array.
pub fn array(name: &str) -> Array {
    find(name).unwrap_or_else(|| panic!("no array {name}"))
}

/// Returns the pixels of `dense.py`'s `scene`, `[3, height, width]` in `0..=255`.
pub fn scene(seed: u64, [height, width]: [usize; 2]) -> Vec<f32> {
    let mut total = vec![0.0_f64; 3 * height * width];
    for (cell, weight) in [(64, 0.375), (16, 0.375), (4, 0.125), (1, 0.125)] {
        let [rows, columns] = [height, width].map(|side: usize| side.div_ceil(cell));
        let values: Vec<f64> =
            keyed::uniform(seed, &format!("scene/{cell}"), 3 * rows * columns).collect();
        for (i, sum) in total.iter_mut().enumerate() {
            let (c, y, x) = (i / (height * width), i / width % height, i % width);
            *sum += weight * values[(c * rows + y / cell) * columns + x / cell];
        }
    }
    total
        .into_iter()
        .map(|sum| ((sum + 1.0) * 128.0).floor() as f32)
        .collect()
}

/// Returns the image of `dense.py` with this seed.
pub fn picture(seed: u64, size: [usize; 2]) -> ImageTensor {
    let pixels = scene(seed, size).into_iter();
    ImageTensor::from_floats(size, pixels.map(|pixel| pixel / 255.0).collect())
}

/// Compares values with an array. The error is the largest absolute difference, divided by the
/// largest expected magnitude.
#[track_caller]
pub fn check(name: &str, found: &[f32], expected: &Array, tolerance: f64) {
    let expected = expected.floats();
    assert_eq!(found.len(), expected.len(), "{name}: number of values");
    if expected.is_empty() {
        return;
    }
    let largest = expected
        .iter()
        .fold(0.0_f32, |most, value| most.max(value.abs()))
        .max(1e-12);
    let differences = found.iter().zip(&expected).map(|(a, b)| (a - b).abs());
    let error = differences.fold(0.0_f32, |most, d| {
        if d.is_nan() {
            f32::INFINITY
        } else {
            most.max(d)
        }
    }) / largest;
    println!("{name}: {error:.1e}");
    assert!(
        f64::from(error) <= tolerance,
        "{name}: relative error {error:.2e} > {tolerance:.0e}"
    );
}
