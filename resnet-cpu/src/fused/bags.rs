//! Weighted sums of rows (an embedding bag), such as RoIAlign.

use burn_backend::{Bytes, DType, Shape};
use burn_flex::{FlexTensor, Layout};
use burn_tensor::Tensor;
use resnet_fused::{Bags, EmbeddingBag};
use resnet_kernels::parallel;

use super::{primitive, tensor};
use crate::Cpu;

/// Number of features that are summed in registers.
const BLOCK: usize = 64;

pub(super) fn register() {
    let inference = EmbeddingBag {
        supports: |dtype| dtype == DType::F32,
        forward: |rows: Tensor<Cpu, 2>, bags| tensor(sums(primitive(rows), &bags)),
    };
    inference.register();
}

/// Returns `out[i] = sum_j weights[j] * rows[indices[j]]`, in parallel over the bags.
///
/// # Shapes
/// - `rows`: `[rows, features]`, `f32`
/// - output: `[bags, features]`
///
/// # Panics
///
/// Panics if an entry names a row that does not exist.
pub(super) fn sums(rows: FlexTensor, bags: &Bags) -> FlexTensor {
    let rows = rows.to_contiguous();
    let features = rows.layout().shape()[1];
    let start = rows.layout().start_offset();
    let values = &rows.storage::<f32>()[start..];
    let mut out = vec![0.0; bags.len() * features];
    let all = out.len();
    parallel::chunks(&mut out, all, features.max(1), |_, start, out| {
        let bag = start / features;
        for (block, out) in out.chunks_mut(BLOCK).enumerate() {
            let mut sum = [0.0; BLOCK];
            for (row, weight) in bags.entries(bag) {
                let from = row * features + block * BLOCK;
                let row = &values[from..from + out.len()];
                add(&mut sum, row, weight);
            }
            out.copy_from_slice(&sum[..out.len()]);
        }
    });
    let layout = Layout::contiguous(Shape::from([bags.len(), features].to_vec()));
    FlexTensor::new(Bytes::from_elems(out), layout, DType::F32)
}

fn add(sum: &mut [f32; BLOCK], row: &[f32], weight: f32) {
    // A fixed length lets the compiler keep the sums in registers.
    match <&[f32; BLOCK]>::try_from(row) {
        Ok(row) => {
            for (sum, value) in sum.iter_mut().zip(row) {
                *sum += weight * value;
            }
        }
        Err(_) => {
            for (sum, value) in sum.iter_mut().zip(row) {
                *sum += weight * value;
            }
        }
    }
}
