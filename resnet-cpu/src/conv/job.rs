//! The interface of the convolution kernels: the output memory and the epilogue.

use pulp::Simd;

use super::geometry::Geometry;

/// The epilogue in the layout of the kernels: `relu(scale * sum + bias + residual)`. The residual
/// is in [`Place`].
pub(super) struct After {
    /// Scale of each output channel, padded to whole vectors.
    pub(super) scale: Vec<f32>,
    /// Bias of each output channel, padded to whole vectors.
    pub(super) bias: Vec<f32>,
    pub(super) relu: bool,
}

impl After {
    /// Returns an epilogue that leaves the sums unchanged.
    pub(super) fn nothing(channels: usize, lanes: usize) -> Self {
        let channels = channels.next_multiple_of(lanes);
        Self {
            scale: vec![1.0; channels],
            bias: vec![0.0; channels],
            relu: false,
        }
    }
}

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

    /// Returns the output, `[batch, height, width, channels]`. The residual has the same layout.
    fn run(&self, residual: Option<&[f32]>) -> Vec<f32> {
        let length = self.geometry().outputs();
        assert!(residual.is_none_or(|residual| residual.len() == length));
        let mut output = Vec::with_capacity(length);
        self.write(Place {
            to: output.as_mut_ptr(),
            residual: residual.map(<[f32]>::as_ptr),
        });
        // SAFETY: the capacity is `length`, and `write` has written every value.
        unsafe { output.set_len(length) };
        output
    }

    /// Overwrites the residual with the output.
    fn run_over(&self, residual: &mut [f32]) {
        assert_eq!(residual.len(), self.geometry().outputs());
        let to = residual.as_mut_ptr();
        self.write(Place {
            to,
            residual: Some(to),
        });
    }
}

impl Place {
    /// Applies the epilogue to a vector of sums and writes the outputs.
    ///
    /// `at` is the index of the first output and `channel` its channel. If `count` is less than a
    /// vector, only `count` outputs are written.
    ///
    /// # Safety
    ///
    /// The outputs belong to the caller's part, and `after` has scale and bias for a whole vector
    /// from `channel`.
    #[inline(always)]
    pub(super) unsafe fn store<S: Simd>(
        self,
        simd: S,
        after: &After,
        sum: S::f32s,
        at: usize,
        channel: usize,
        count: usize,
    ) {
        let lowest = if after.relu { 0.0 } else { f32::NEG_INFINITY };
        // SAFETY: guaranteed by the caller.
        unsafe {
            let scale = after.scale.as_ptr().add(channel).cast::<S::f32s>();
            let bias = after.bias.as_ptr().add(channel).cast::<S::f32s>();
            let mut sum = simd.mul_add_e_f32s(sum, scale.read_unaligned(), bias.read_unaligned());
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
