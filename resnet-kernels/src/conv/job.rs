//! The interface of the convolution kernels: the output memory and the epilogue.

use core::mem::MaybeUninit;

use pulp::Simd;

use super::geometry::Geometry;
use super::{Epilogue, Residual};

/// Pointers to the output and the residual, which may share memory. Every thread writes its own
/// part of the output.
#[derive(Clone, Copy)]
pub(super) struct Place {
    to: *mut f32,
    residual: Option<*const f32>,
}

// SAFETY: in a `Job`, only one thread accesses each value.
unsafe impl Send for Place {}
// SAFETY: see above.
unsafe impl Sync for Place {}

/// A convolution with its input and packed weights.
///
/// # Safety
///
/// `write` writes every output exactly once. Only the thread that writes an output reads the
/// residual at its index, and it does so before the write.
pub(super) unsafe trait Job {
    fn geometry(&self) -> &Geometry;

    fn write(&self, place: Place);
}

impl Place {
    /// Checks the lengths of output and residual. The caller keeps both alive while a job writes.
    ///
    /// With [`Residual::Output`], the output must be initialized.
    pub(super) fn new(
        out: &mut [MaybeUninit<f32>],
        residual: Residual<'_>,
        geometry: &Geometry,
    ) -> Self {
        let length = geometry.outputs();
        assert_eq!(out.len(), length, "values of the output");
        let to = out.as_mut_ptr().cast::<f32>();
        let residual = match residual {
            Residual::None => None,
            Residual::Of(values) => {
                assert_eq!(values.len(), length, "values of the residual");
                Some(values.as_ptr())
            }
            Residual::Output => Some(to.cast_const()),
        };
        Self { to, residual }
    }

    /// Applies the epilogue to a vector of sums and writes the outputs.
    ///
    /// `at` is the index of the first output. If `count` is less than a vector, only `count` outputs
    /// are written.
    ///
    /// # Safety
    ///
    /// The outputs belong to the caller's part.
    #[inline(always)]
    pub(super) unsafe fn store<S: Simd>(
        self,
        simd: S,
        channels: Channels<S>,
        sum: S::f32s,
        at: usize,
        count: usize,
    ) {
        let Channels {
            scale,
            bias,
            lowest,
        } = channels;
        let mut sum = simd.mul_add_e_f32s(sum, scale, bias);
        // SAFETY: guaranteed by the caller.
        unsafe {
            let to = self.to.add(at);
            let residual = self.residual.map(|residual| residual.add(at));
            if count >= S::F32_LANES {
                if let Some(residual) = residual {
                    let residual = residual.cast::<S::f32s>().read_unaligned();
                    sum = simd.add_f32s(sum, residual);
                }
                // Keeps NaN, because the comparison is false for NaN.
                let low = simd.splat_f32s(lowest);
                sum = simd.select_f32s(simd.less_than_f32s(sum, low), low, sum);
                return to.cast::<S::f32s>().write_unaligned(sum);
            }
            let sum = (&raw const sum).cast::<f32>();
            for index in 0..count {
                let added = residual.map_or(0.0, |residual| *residual.add(index));
                let sum = *sum.add(index) + added;
                to.add(index).write(if sum < lowest { lowest } else { sum });
            }
        }
    }
}

/// The epilogue of a vector of channels.
#[derive(Clone, Copy)]
pub(super) struct Channels<S: Simd> {
    scale: S::f32s,
    bias: S::f32s,
    lowest: f32,
}

impl Epilogue {
    /// Returns the epilogue of the channels from `first` on.
    ///
    /// # Safety
    ///
    /// The epilogue has been [checked](Epilogue::check) for more than `first` channels.
    #[inline(always)]
    pub(super) unsafe fn channels<S: Simd>(&self, first: usize) -> Channels<S> {
        // SAFETY: guaranteed by the caller; both have a vector more.
        let [scale, bias] = [&self.scale, &self.bias].map(|values| unsafe {
            values
                .as_ptr()
                .add(first)
                .cast::<S::f32s>()
                .read_unaligned()
        });
        Channels {
            scale,
            bias,
            lowest: match self.relu {
                true => 0.0,
                false => f32::NEG_INFINITY,
            },
        }
    }
}
