//! The output of a quantized convolution.

use super::dot::Dot;
use super::requantize::MOST;
use super::{Dequantize, Requantize};
use crate::conv::Residual;

/// The output of a quantized convolution, `[batch, height, width, channels]`.
#[derive(Debug)]
pub enum Int8Output<'a> {
    /// Integers. The residual has the same sizes and is a map of integers as well.
    Bytes {
        /// The conversion of the sums.
        requantize: &'a Requantize,
        /// The residual.
        residual: Residual<'a, u8>,
        /// The output.
        out: &'a mut [u8],
    },
    /// Floats. The residual has the same sizes.
    Floats {
        /// The conversion of the sums.
        dequantize: &'a Dequantize,
        /// The residual.
        residual: Residual<'a>,
        /// The output.
        out: &'a mut [f32],
    },
}

/// An output that several threads write.
pub(super) enum Target<'a> {
    Bytes(&'a Requantize, Place<u8>),
    Floats(&'a Dequantize, Place<f32>),
}

// SAFETY: the threads write different pixels or channels, and `new` has checked the sizes.
unsafe impl Sync for Target<'_> {}

impl<'a> Target<'a> {
    /// # Panics
    ///
    /// Panics if a number of channels or values is wrong.
    pub(super) fn new(output: Int8Output<'a>, values: usize, channels: usize) -> Self {
        match output {
            Int8Output::Bytes {
                requantize,
                residual,
                out,
            } => {
                assert_eq!(requantize.channels(), channels, "channels");
                let found = requantize.residual.is_some();
                let expected = !matches!(residual, Residual::None);
                assert_eq!(found, expected, "scale of the residual");
                Self::Bytes(requantize, Place::new(out, residual, values))
            }
            Int8Output::Floats {
                dequantize,
                residual,
                out,
            } => {
                assert_eq!(dequantize.channels(), channels, "channels");
                Self::Floats(dequantize, Place::new(out, residual, values))
            }
        }
    }
}

/// Where the outputs are.
pub(super) struct Place<T> {
    pub(super) out: *mut T,
    pub(super) residual: Option<*const T>,
}

impl<T: Copy + Default> Place<T> {
    fn new(out: &mut [T], residual: Residual<'_, T>, values: usize) -> Self {
        assert_eq!(out.len(), values, "values of the output");
        let out = out.as_mut_ptr();
        let residual = match residual {
            Residual::None => None,
            Residual::Output => Some(out.cast_const()),
            Residual::Of(map) => {
                assert_eq!(map.len(), values, "values of the residual");
                Some(map.as_ptr())
            }
        };
        Self { out, residual }
    }
}

/// Calls `work` with a vector of which `count` values are at `from`, and the others are arbitrary.
///
/// # Safety
///
/// `count` values are readable, at most `LANES`.
#[inline(always)]
pub(super) unsafe fn read<D: Dot, T: Copy + Default, R>(
    from: *const T,
    count: usize,
    work: impl FnOnce(*const T) -> R,
) -> R {
    if count == D::LANES {
        return work(from);
    }
    let mut values = [T::default(); MOST];
    // SAFETY: guaranteed by the caller.
    unsafe { values.as_mut_ptr().copy_from_nonoverlapping(from, count) };
    work(values.as_ptr())
}

/// Calls `work` with room for a vector, whose first `count` values then are at `to`.
///
/// # Safety
///
/// There is room for `count` values, at most `LANES`.
#[inline(always)]
pub(super) unsafe fn write<D: Dot, T: Copy + Default>(
    to: *mut T,
    count: usize,
    work: impl FnOnce(*mut T),
) {
    if count == D::LANES {
        return work(to);
    }
    let mut values = [T::default(); MOST];
    work(values.as_mut_ptr());
    // SAFETY: guaranteed by the caller.
    unsafe { to.copy_from_nonoverlapping(values.as_ptr(), count) };
}
