//! Weighted sums of rows.

use std::ops::Range;

use burn::tensor::{Int, Tensor, TensorData, backend::Backend};
use resnet_fused::{Bags, EmbeddingBag};

/// Largest number of values that one gather produces.
const MAX_GATHERED: usize = 1 << 24;

/// Returns the weighted sum of the rows of each bag: fused if the backend can, else as a gather and
/// a matrix product.
///
/// # Shapes
/// - `rows`: `[rows, features]`
/// - output: `[bags, features]`
pub(super) fn embedding_bag<B: Backend>(rows: Tensor<B, 2>, bags: Bags) -> Tensor<B, 2> {
    match EmbeddingBag::<B>::registered() {
        Some(fused) if (fused.supports)(rows.dtype()) => (fused.forward)(rows, bags),
        _ => {
            let [_, features] = rows.dims();
            let chunks = chunks(&bags, MAX_GATHERED / features.max(1));
            let sums = chunks.into_iter().map(|chunk| gather(&rows, &bags, chunk));
            Tensor::cat(sums.collect(), 0)
        }
    }
}

/// Several bags, and the number of entries of the largest one.
type Chunk = (Range<usize>, usize);

/// Splits bags into chunks of at most `limit` entries; a larger bag is a chunk of its own. Every bag
/// of a chunk counts as many entries as the largest one, because smaller bags are padded.
fn chunks(bags: &Bags, limit: usize) -> Vec<Chunk> {
    let mut chunks: Vec<Chunk> = Vec::new();
    for bag in 0..bags.len() {
        let width = bags.entries(bag).len().max(1);
        match chunks.last_mut() {
            Some((range, widest)) if width.max(*widest) * (range.len() + 1) <= limit => {
                range.end = bag + 1;
                *widest = width.max(*widest);
            }
            _ => chunks.push((bag..bag + 1, width)),
        }
    }
    chunks
}

/// Returns the sums of a chunk, `[bags, features]`. Smaller bags are filled up with weights of 0.
fn gather<B: Backend>(rows: &Tensor<B, 2>, bags: &Bags, (range, width): Chunk) -> Tensor<B, 2> {
    let device = rows.device();
    let [_, features] = rows.dims();
    let count = range.len();
    let mut indices = vec![0_i64; count * width];
    let mut weights = vec![0.0_f32; count * width];
    for (place, bag) in range.enumerate() {
        for (i, (row, weight)) in bags.entries(bag).enumerate() {
            indices[place * width + i] = row as i64;
            weights[place * width + i] = weight;
        }
    }
    let indices = TensorData::new(indices, [count * width]);
    let indices = Tensor::<B, 1, Int>::from_data(indices, &device);
    let weights = TensorData::new(weights, [count, 1, width]);
    let weights = Tensor::<B, 3>::from_data(weights, &device);
    let found = rows.clone().select(0, indices);
    weights
        .matmul(found.reshape([count, width, features]))
        .reshape([count, features])
}
