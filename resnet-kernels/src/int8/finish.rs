//! The conversion of a tile's sums to outputs.

use core::array;

use super::dot::{Dot, Floats, Sums};
use super::kernel::Tile;
use super::lanes::Lanes;
use super::output::{Place, Target, read, write};
use super::requantize::{Dequantize, MOST, Requantize};

impl Tile<'_> {
    /// Converts the sums and writes them.
    #[inline(always)]
    pub(super) fn finish<D: Dot, const VECTORS: usize, const PIXELS: usize>(
        &self,
        dot: D,
        sums: &[[Sums<D>; VECTORS]; PIXELS],
    ) {
        // SAFETY: `Target::new` has checked the sizes of the output. Its channels belong to this
        // part, and no other thread accesses them.
        unsafe {
            match self.part.target {
                Target::Bytes(requantize, place) => {
                    let residual = place.residual.zip(requantize.residual);
                    let is_full = self.panel.outputs.len() == VECTORS * D::LANES;
                    match (is_full, residual) {
                        (true, None) => self.bytes(dot, sums, requantize, None, place.out),
                        (true, residual) => self.bytes(dot, sums, requantize, residual, place.out),
                        (false, _) => self.bytes_of_part(dot, sums, requantize, place),
                    }
                }
                Target::Floats(dequantize, place) => self.floats(dot, sums, dequantize, place),
            }
        }
    }

    /// Writes whole vectors. `residual` is a constant `None` or `Some`.
    ///
    /// # Safety
    ///
    /// All outputs of the tile are inside the map, and no other thread accesses them.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "unrolled")]
    unsafe fn bytes<D: Dot, const VECTORS: usize, const PIXELS: usize>(
        &self,
        dot: D,
        sums: &[[Sums<D>; VECTORS]; PIXELS],
        requantize: &Requantize,
        residual: Option<(*const u8, (i32, f32))>,
        out: *mut u8,
    ) {
        let lanes = dot.lanes();
        let bias = self.channels::<D, VECTORS>(dot, &requantize.bias);
        let multiplier = self.channels::<D, VECTORS>(dot, &requantize.multiplier);
        let round = requantize.round;
        for pixel in 0..PIXELS {
            let at = self.outputs[pixel] + self.panel.outputs.start;
            let mut floats = bias;
            for vector in 0..VECTORS {
                let of_sums = lanes.floats(sums[pixel][vector], bias[vector], multiplier[vector]);
                floats[vector] = match residual {
                    None => of_sums,
                    // SAFETY: guaranteed by the caller.
                    Some((residual, (zero, ratio))) => unsafe {
                        let bytes = residual.add(at + vector * D::LANES);
                        lanes.add_bytes(of_sums, bytes, zero, ratio)
                    },
                };
            }
            // SAFETY: see above.
            unsafe { lanes.store_all(floats, round, out.add(at)) };
        }
    }

    /// Writes vectors of which the last is partly filled.
    ///
    /// # Safety
    ///
    /// See [`bytes`](Self::bytes).
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "unrolled")]
    unsafe fn bytes_of_part<D: Dot, const VECTORS: usize, const PIXELS: usize>(
        &self,
        dot: D,
        sums: &[[Sums<D>; VECTORS]; PIXELS],
        requantize: &Requantize,
        place: &Place<u8>,
    ) {
        let lanes = dot.lanes();
        let bias = self.channels::<D, VECTORS>(dot, &requantize.bias);
        let multiplier = self.channels::<D, VECTORS>(dot, &requantize.multiplier);
        let residual = place.residual.zip(requantize.residual);
        for vector in 0..VECTORS {
            let count = self.count::<D>(vector);
            for pixel in 0..PIXELS {
                let at = self.outputs[pixel] + self.panel.outputs.start + vector * D::LANES;
                let mut floats =
                    lanes.floats(sums[pixel][vector], bias[vector], multiplier[vector]);
                // SAFETY: guaranteed by the caller.
                unsafe {
                    if let Some((residual, (zero, ratio))) = residual {
                        floats = read::<D, _, _>(residual.add(at), count, |bytes| {
                            lanes.add_bytes(floats, bytes, zero, ratio)
                        });
                    }
                    write::<D, _>(place.out.add(at), count, |to| {
                        lanes.store_bytes(floats, requantize.round, to);
                    });
                }
            }
        }
    }

    /// # Safety
    ///
    /// See [`bytes`](Self::bytes).
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "unrolled")]
    unsafe fn floats<D: Dot, const VECTORS: usize, const PIXELS: usize>(
        &self,
        dot: D,
        sums: &[[Sums<D>; VECTORS]; PIXELS],
        dequantize: &Dequantize,
        place: &Place<f32>,
    ) {
        let lanes = dot.lanes();
        let bias = self.channels::<D, VECTORS>(dot, &dequantize.bias);
        let multiplier = self.channels::<D, VECTORS>(dot, &dequantize.multiplier);
        let least = if dequantize.relu {
            0.0
        } else {
            f32::NEG_INFINITY
        };
        for vector in 0..VECTORS {
            let count = self.count::<D>(vector);
            for pixel in 0..PIXELS {
                let at = self.outputs[pixel] + self.panel.outputs.start + vector * D::LANES;
                let mut floats =
                    lanes.floats(sums[pixel][vector], bias[vector], multiplier[vector]);
                // SAFETY: guaranteed by the caller.
                unsafe {
                    if let Some(residual) = place.residual {
                        floats = read::<D, _, _>(residual.add(at), count, |others| {
                            lanes.add(floats, lanes.load_floats(others))
                        });
                    }
                    write::<D, _>(place.out.add(at), count, |to| {
                        lanes.store(floats, least, to);
                    });
                }
            }
        }
    }

    /// Loads a value of each channel.
    #[inline(always)]
    fn channels<D: Dot, const VECTORS: usize>(
        &self,
        dot: D,
        values: &[f32],
    ) -> [Floats<D>; VECTORS] {
        let values = &values[self.panel.outputs.start..][..MOST];
        // SAFETY: the list has four vectors of 16 lanes.
        array::from_fn(|vector| unsafe {
            dot.lanes()
                .load_floats(values.as_ptr().add(vector * D::LANES))
        })
    }

    /// Returns the number of channels of a vector. The last may be partly filled.
    #[inline(always)]
    fn count<D: Dot>(&self, vector: usize) -> usize {
        (self.panel.outputs.len() - vector * D::LANES).min(D::LANES)
    }
}
