//! Memory layouts of feature maps.
//!
//! A channels-last map stores the channels of a pixel contiguously, `[batch, height, width,
//! channels]`. A channels-first map stores the pixels of a channel contiguously, `[batch, channels,
//! height, width]`.

use alloc::vec;
use alloc::vec::Vec;

use crate::parallel;

/// The values of a feature map in one of two layouts.
#[derive(Clone, Copy, Debug)]
pub enum Map<'a> {
    /// `[batch, height, width, channels]`
    ChannelsLast(&'a [f32]),
    /// `[batch, channels, height, width]`
    ChannelsFirst(&'a [f32]),
}

impl<'a> Map<'a> {
    /// Returns the values in their layout.
    pub fn values(self) -> &'a [f32] {
        let (Self::ChannelsLast(values) | Self::ChannelsFirst(values)) = self;
        values
    }
}

/// Transposes `[n, rows, columns]` to `[n, columns, rows]`.
pub fn transpose(values: &[f32], n: usize, rows: usize, columns: usize) -> Vec<f32> {
    let mut transposed = vec![0.0; n * rows * columns];
    transpose_into(values, [rows, columns], &mut transposed);
    transposed
}

/// Transposes matrices of `[rows, columns]` to `[columns, rows]`.
pub fn transpose_into(values: &[f32], [rows, columns]: [usize; 2], out: &mut [f32]) {
    const BLOCK: usize = 16;
    let band = BLOCK * rows;
    parallel::chunks(out, rows * columns, band, |image, start, out| {
        let image = &values[image * rows * columns..][..rows * columns];
        let first = start / rows;
        let width = out.len() / rows;
        for block in (0..rows).step_by(BLOCK) {
            for row in block..rows.min(block + BLOCK) {
                let from = &image[row * columns + first..][..width];
                for (column, value) in from.iter().enumerate() {
                    out[column * rows + row] = *value;
                }
            }
        }
    });
}
