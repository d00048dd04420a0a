//! The gradient of a convolution's input: a convolution of the output's gradient with the flipped
//! weights.
//!
//! With stride `s`, input rows `r, r + s, r + 2 s, ...` use only every `s`-th row of weights. The
//! same holds for columns. So the gradient consists of `s * s` convolutions of stride 1 with
//! interleaved outputs. Each uses a part of the weights.

use alloc::vec;
use alloc::vec::Vec;

use super::geometry::{Geometry, Sizes};
use super::packed::{Packed, Weights};
use super::{Conv, Epilogue, Kind, PackedWeights};
use crate::layout::Map;
use crate::parallel;

/// Computes the gradient of a convolution's input, `[batch, height, width, channels]`, from the
/// weights, `[out, in / groups, height, width]`, and the gradient of the output.
///
/// Returns `None` for a stride together with a dilation, for more padding than the kernel spans, and
/// for buffers that do not fit into memory.
///
/// # Panics
///
/// Panics if the number of weights or gradients is wrong.
pub fn gradient(forward: &Geometry, weight: &[f32], grad: Map<'_>) -> Option<Vec<f32>> {
    let weights = forward.out[0] * forward.inputs_of_group() * forward.taps();
    assert_eq!(weight.len(), weights, "weights");
    assert_eq!(grad.values().len(), forward.outputs(), "gradients");
    // Phases that start beyond the input are empty.
    let steps = [0, 1].map(|axis| forward.stride[axis].min(forward.input[1 + axis]));
    let sides = [0, 1].map(|axis| {
        let phases = (0..steps[axis]).map(|phase| Phase::new(forward, axis, phase));
        phases.collect::<Option<Vec<_>>>()
    });
    let [down, right] = steps;
    let [rows, columns] = sides;
    let (rows, columns) = (rows?, columns?);
    let run = |row: &Phase, column: &Phase| match row.taps * column.taps * row.size * column.size {
        0 => Some(None),
        _ => of_phase(forward, weight, grad, [row, column]).map(Some),
    };
    let pairs = rows
        .iter()
        .flat_map(|row| columns.iter().map(move |column| (row, column)));
    let parts = pairs
        .map(|(row, column)| run(row, column))
        .collect::<Option<Vec<_>>>()?;
    if let [Some(_)] = parts.as_slice() {
        return parts.into_iter().flatten().next();
    }
    let ([c, height, width], n) = (forward.input, forward.batch);
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
    Some(values)
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
    grad: Map<'_>,
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
    let conv = Conv::direct(geometry);
    let weights = Packed::new(&turned, &conv.geometry, conv.panels.clone());
    let weights = PackedWeights {
        shape: conv.geometry.shape(),
        kind: Kind::Direct(weights),
    };
    let nothing = Epilogue::new(None, None, false, conv.geometry.out[0]);
    Some(conv.run(&conv.padded(grad), &weights, &nothing, None))
}
