//! The gradient of a convolution's input: a convolution of the output's gradient with the flipped
//! weights.
//!
//! With stride `s`, input rows `r, r + s, r + 2 s, ...` use only every `s`-th row of weights. The
//! same holds for columns. So the gradient consists of `s * s` convolutions of stride 1 with
//! interleaved outputs. Each uses a part of the weights.

use burn_backend::ops::ConvOptions;
use burn_flex::FlexTensor;

use super::direct::Direct;
use super::geometry::{Geometry, Sizes};
use super::job::{After, Job};
use super::packed::{Packed, Panels, Weights};
use super::padded;
use crate::layout::{self, Dims};
use crate::parallel;
use crate::simd::vectors;

/// Computes the gradient of the input. Returns `None` if no kernel supports it.
pub(super) fn gradient(
    x: Dims,
    weight: &FlexTensor,
    grad: &FlexTensor,
    options: &ConvOptions<2>,
) -> Option<FlexTensor> {
    let forward = Geometry::of_conv(x, layout::dims(weight), options)?;
    if forward.output() != layout::dims(grad) {
        return None;
    }
    // Phases that start beyond the input are empty.
    let steps = [0, 1].map(|axis| forward.stride[axis].min(forward.input[1 + axis]));
    let sides = [0, 1].map(|axis| {
        let phases = (0..steps[axis]).map(|phase| Phase::new(&forward, axis, phase));
        phases.collect::<Option<Vec<_>>>()
    });
    let [down, right] = steps;
    let [rows, columns] = sides;
    let (rows, columns) = (rows?, columns?);
    let weight = weight.to_contiguous();
    let run = |row: &Phase, column: &Phase| match row.taps * column.taps * row.size * column.size {
        0 => Some(None),
        _ => of_phase(&forward, weight.storage(), grad, [row, column]).map(Some),
    };
    let pairs = rows
        .iter()
        .flat_map(|row| columns.iter().map(move |column| (row, column)));
    let parts = pairs
        .map(|(row, column)| run(row, column))
        .collect::<Option<Vec<_>>>()?;
    if let [Some(_)] = parts.as_slice() {
        let whole = parts.into_iter().flatten().next()?;
        return Some(layout::from_channels_last(whole, x));
    }
    let [n, c, height, width] = x;
    let mut values = vec![0.0; n * c * height * width];
    parallel::chunks(
        &mut values,
        height * width * c,
        width * c,
        |image, start, out| {
            let y = start / (width * c);
            for (phase, column) in columns.iter().enumerate() {
                let Some(part) = &parts[y % down * right + phase] else {
                    continue;
                };
                let row = (image * rows[y % down].size + y / down) * column.size * c;
                let from = part[row..][..column.size * c].chunks_exact(c);
                let to = out.chunks_exact_mut(c).skip(phase).step_by(right);
                to.zip(from).for_each(|(to, from)| to.copy_from_slice(from));
            }
        },
    );
    Some(layout::from_channels_last(values, x))
}

/// The input rows (or columns) with the same remainder modulo `stride`.
struct Phase {
    /// Number of these rows.
    size: usize,
    /// First tap that these rows use.
    first: usize,
    /// Number of taps that these rows use. They are `stride` apart.
    taps: usize,
    /// Padding before and after the output's gradient.
    padding: [usize; 2],
}

impl Phase {
    /// Returns `None` for a stride together with a dilation, and for more padding than the kernel
    /// spans.
    fn new(forward: &Geometry, axis: usize, phase: usize) -> Option<Self> {
        let [stride, dilation, kernel] =
            [forward.stride, forward.dilation, forward.kernel].map(|sides| sides[axis]);
        if stride > 1 && dilation > 1 {
            return None;
        }
        let before = forward.padding[axis][0];
        let size = forward.input[1 + axis]
            .saturating_sub(phase)
            .div_ceil(stride);
        let first = (phase + before) % stride;
        let taps = kernel.saturating_sub(first).div_ceil(stride);
        // Input `q` of the phase uses outputs `q + last, q + last - dilation, ...`, one per tap.
        let last = (phase + before - first) / stride;
        let spanned = taps.saturating_sub(1) * dilation;
        let end = size + last;
        Some(Self {
            size,
            first,
            taps,
            padding: [
                spanned.checked_sub(last).or((taps == 0).then_some(0))?,
                end.saturating_sub(forward.out[1 + axis]),
            ],
        })
    }

    /// Returns the taps of this phase, from the last to the first.
    fn taps(&self, stride: usize) -> impl Iterator<Item = usize> {
        (0..self.taps)
            .rev()
            .map(move |tap| self.first + tap * stride)
    }
}

/// Computes the gradient for the inputs of one phase, `[batch, height, width, channels]`.
fn of_phase(
    forward: &Geometry,
    weight: &[f32],
    grad: &FlexTensor,
    [row, column]: [&Phase; 2],
) -> Option<Vec<f32>> {
    let geometry = Geometry::new(Sizes {
        batch: forward.batch,
        input: forward.out,
        out: [forward.input[0], row.size, column.size],
        kernel: [row.taps, column.taps],
        stride: [1, 1],
        padding: [row.padding, column.padding],
        dilation: forward.dilation,
        groups: forward.groups,
    })?;
    let forwards = Weights::new(weight, forward);
    let turned = Weights {
        output: forwards.input,
        input: forwards.output,
        taps: row
            .taps(forward.stride[0])
            .flat_map(|y| {
                let across = column.taps(forward.stride[1]);
                across.map(move |x| y * forward.kernel[1] + x)
            })
            .collect(),
        ..forwards
    };
    let panels = Panels::new(&geometry, vectors())?;
    let padded = padded::for_panels(grad, &geometry, &panels)?;
    let weights = Packed::new(&turned, &geometry, panels);
    let job = Direct {
        x: &padded,
        weights: &weights,
        geometry: &geometry,
        after: After::nothing(geometry.out[0], vectors().lanes),
    };
    Some(job.run(None))
}
