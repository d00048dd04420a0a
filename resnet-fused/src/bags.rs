//! Weighted sums of rows.

use alloc::vec;
use alloc::vec::Vec;

use burn_tensor::backend::Backend;
use burn_tensor::{DType, Tensor};

/// A fused embedding bag that a backend registers, PyTorch's `embedding_bag` with weights:
/// `out[i] = sum_j weights[j] * rows[indices[j]]` over the entries `j` of bag `i`.
///
/// RoIAlign is an embedding bag: rows are pixels, and a bag has the corners of the samples of a bin.
#[derive(Clone, Debug)]
pub struct EmbeddingBag<B: Backend> {
    /// Returns whether `forward` supports this float type.
    pub supports: fn(DType) -> bool,
    /// Computes the sums. `rows` gets a gradient; the weights are constants.
    ///
    /// # Shapes
    /// - `rows`: `[rows, features]`
    /// - output: `[bags, features]`
    pub forward: fn(rows: Tensor<B, 2>, bags: Bags) -> Tensor<B, 2>,
}

/// Lists of weighted rows, one after the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bags {
    /// End of each bag in `indices` and `weights`.
    pub ends: Vec<usize>,
    /// The row of each entry.
    pub indices: Vec<u32>,
    /// The weight of each entry.
    pub weights: Vec<f32>,
}

impl Bags {
    /// Returns the number of bags.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns whether there are no bags.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Returns the rows and weights of a bag.
    ///
    /// # Panics
    ///
    /// Panics if there is no bag with this index.
    pub fn entries(&self, bag: usize) -> impl ExactSizeIterator<Item = (usize, f32)> {
        let start = bag.checked_sub(1).map_or(0, |before| self.ends[before]);
        let entries = start..self.ends[bag];
        let weights = self.weights[entries.clone()].iter();
        let indices = self.indices[entries].iter();
        indices
            .zip(weights)
            .map(|(row, weight)| (*row as usize, *weight))
    }

    /// Returns the transposed lists: for each row, the bags that have it. They compute the gradient
    /// of the rows from the gradient of the sums.
    ///
    /// # Panics
    ///
    /// Panics if an entry is not below `rows`.
    pub fn transpose(&self, rows: usize) -> Self {
        let mut ends = vec![0; rows];
        for row in &self.indices {
            ends[*row as usize] += 1;
        }
        let mut total = 0;
        for end in &mut ends {
            total += *end;
            *end = total;
        }
        // The place of the next entry of each row. Filling backwards keeps the order of the bags.
        let mut next = ends.clone();
        let mut indices = vec![0; total];
        let mut weights = vec![0.0; total];
        for bag in (0..self.len()).rev() {
            let mut entries: Vec<_> = self.entries(bag).collect();
            while let Some((row, weight)) = entries.pop() {
                next[row] -= 1;
                (indices[next[row]], weights[next[row]]) = (bag as u32, weight);
            }
        }
        Self {
            ends,
            indices,
            weights,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposing_twice_sorts_the_entries() {
        let bags = Bags {
            ends: vec![2, 2, 5],
            indices: vec![3, 0, 1, 0, 3],
            weights: vec![1.0, 2.0, 3.0, 4.0, 5.0],
        };
        let transposed = bags.transpose(4);
        assert_eq!(transposed.ends, [2, 3, 3, 5]);
        assert_eq!(transposed.indices, [0, 2, 2, 0, 2]);
        assert_eq!(transposed.weights, [2.0, 4.0, 3.0, 1.0, 5.0]);
        let sorted = transposed.transpose(3);
        assert_eq!(sorted.ends, bags.ends);
        let entries: Vec<_> = sorted.entries(2).collect();
        assert_eq!(entries, [(0, 4.0), (1, 3.0), (3, 5.0)]);
    }
}
