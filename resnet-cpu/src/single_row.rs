//! The product of a single row and a matrix, `y[j] = Σ_k x[k] W[k, j]`, such as the classifier of one
//! image.
//!
//! Flex sums it in another order than several rows, with three times the rounding error. Here the
//! sums of blocks of `k` are added, so the error is as small as for several rows.

use burn_backend::{Bytes, DType, Shape};
use burn_flex::{FlexTensor, Layout};

use crate::parallel;

/// Rows of the matrix per partial sum.
const BLOCK: usize = 64;

/// Columns per part. Their sums stay in the first-level cache.
const COLUMNS: usize = 256;

/// Returns `None` unless `x` is one row, and both are contiguous `f32`. Flex computes these cases.
pub(crate) fn product(x: &FlexTensor, matrix: &FlexTensor) -> Option<FlexTensor> {
    let ([1, inner], row) = values(x)? else {
        return None;
    };
    let ([height, width], matrix) = values(matrix)?;
    if height != inner {
        return None;
    }
    let mut y = vec![0.0; width];
    let parts = y.chunks_mut(COLUMNS).enumerate().collect();
    parallel::each(parts, |(part, y): (usize, &mut [f32])| {
        multiply(row, &matrix[part * COLUMNS..], width, y);
    });
    let layout = Layout::contiguous(Shape::from([1, width].to_vec()));
    Some(FlexTensor::new(Bytes::from_elems(y), layout, DType::F32))
}

/// Adds the products with some columns of a matrix of rows of `width` values.
fn multiply(row: &[f32], columns: &[f32], width: usize, y: &mut [f32]) {
    let mut partial = [0.0; COLUMNS];
    let partial = &mut partial[..y.len()];
    for (xs, rows) in row.chunks(BLOCK).zip(columns.chunks(BLOCK * width)) {
        partial.fill(0.0);
        for (&x, weights) in xs.iter().zip(rows.chunks(width)) {
            for (sum, &w) in partial.iter_mut().zip(weights) {
                *sum += x * w;
            }
        }
        for (y, &sum) in y.iter_mut().zip(&*partial) {
            *y += sum;
        }
    }
}

fn values(x: &FlexTensor) -> Option<([usize; 2], &[f32])> {
    let layout = x.layout();
    if x.dtype() != DType::F32 || layout.num_dims() != 2 || !x.is_contiguous() {
        return None;
    }
    let dims = [layout.shape()[0], layout.shape()[1]];
    let from = x.storage::<f32>().get(layout.start_offset()..)?;
    let values = from.get(..dims[0].checked_mul(dims[1])?)?;
    (!values.is_empty()).then_some((dims, values))
}
