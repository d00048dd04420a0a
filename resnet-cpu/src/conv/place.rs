//! What a convolution writes, and what follows it on the way there.

use pulp::Simd;

use super::geometry::Geometry;

/// `relu(scale * sum + bias)`, before the residual is added.
pub(super) struct After {
    /// Of each output channel, to the end of the last vector, as is the bias.
    pub(super) scale: Vec<f32>,
    pub(super) bias: Vec<f32>,
    pub(super) relu: bool,
}

impl After {
    /// The sums themselves.
    pub(super) fn nothing(channels: usize, lanes: usize) -> Self {
        let channels = channels.next_multiple_of(lanes);
        Self {
            scale: vec![1.0; channels],
            bias: vec![0.0; channels],
            relu: false,
        }
    }
}

/// The output, of which every core writes its own part, and what is added to it, which may be the same memory.
#[derive(Clone, Copy)]
pub(super) struct Place {
    to: *mut f32,
    residual: Option<*const f32>,
}

// SAFETY: a job has each value read and written by one thread.
unsafe impl Send for Place {}
// SAFETY: as above.
unsafe impl Sync for Place {}

/// A convolution, ready to run.
///
/// # Safety
///
/// `write` writes every output, each from one thread, after it has read the residual there, and no other of the residual.
pub(super) unsafe trait Job {
    fn geometry(&self) -> &Geometry;

    fn write(&self, place: Place);

    /// The output as `[batch, height, width, channels]`, after `residual` of the same form was added.
    fn run(&self, residual: Option<&[f32]>) -> Vec<f32> {
        let length = self.geometry().outputs();
        assert!(residual.is_none_or(|residual| residual.len() == length));
        let mut output = Vec::with_capacity(length);
        self.write(Place {
            to: output.as_mut_ptr(),
            residual: residual.map(<[f32]>::as_ptr),
        });
        // SAFETY: there is room for all values, and every one is written.
        unsafe { output.set_len(length) };
        output
    }

    /// The same in the place of `residual`.
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
    /// Makes outputs of a vector of sums. `at` is the place of the first, `channel` its channel, and there are `count` of them or a
    /// whole vector.
    ///
    /// # Safety
    ///
    /// The places are of the caller's part, and `after` has scale and bias for a vector from `channel`.
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
        // SAFETY: as the caller promises.
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
                // What is not a number stays: where the comparison is false, the sum is kept.
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
