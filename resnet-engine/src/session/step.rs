//! Runs the steps of a plan.

use core::ops::Range;

use resnet_core::GlobalPool;
use resnet_kernels::conv::{Conv, Residual};
use resnet_kernels::layout::Map;
use resnet_kernels::pool::{self, Divisor, Window};
use resnet_kernels::sizes::Dims;
use resnet_kernels::{elementwise, linear};

use crate::graph::{INPUT, Op, Pool, Value};
use crate::layers::{ConvLayer, Layer};
use crate::plan::{Plan, Step};
use crate::{Batch, Engine};

/// Runs all steps. The values of the batch are the input. Calls `done` after each step.
pub(super) fn run(
    engine: &Engine,
    plan: &Plan,
    batch: Batch<'_>,
    arena: &mut [f32],
    mut done: impl FnMut(),
) {
    for step in &plan.steps {
        let node = &engine.graph().nodes[step.node];
        let layers = engine.layers();
        let run = Run {
            plan,
            step,
            input: node.input,
            output: node.output,
        };
        match &node.op {
            Op::Conv { layer, residual } => {
                let (Layer::Conv(layer), Some(conv)) = (&layers[*layer], &step.conv) else {
                    unreachable!("the plan has a convolution for this layer");
                };
                run.conv(layer, conv, *residual, batch, arena);
            }
            Op::Linear { layer, relu } => {
                let Layer::Linear { weight, bias } = &layers[*layer] else {
                    unreachable!("the layer is linear");
                };
                let [x, out] = run.split(arena);
                linear(x, weight, bias, out);
                if *relu {
                    // Keeps NaN.
                    let relu = |x: &mut f32| *x = if *x < 0.0 { 0.0 } else { *x };
                    out.iter_mut().for_each(relu);
                }
            }
            Op::Norm {
                layer,
                residual,
                relu,
            } => run.norm(&layers[*layer], *residual, *relu, arena),
            Op::Silu => run.silu(arena),
            Op::Gate {
                gate,
                residual,
                relu,
            } => run.gate(*gate, *residual, *relu, arena),
            Op::ChannelConv { layer } => {
                let Layer::ChannelConv(kernel) = &layers[*layer] else {
                    unreachable!("the layer is a convolution of channels");
                };
                let [x, out] = run.split(arena);
                elementwise::channel_conv(x, run.dims()[1], kernel, out);
            }
            Op::Pool(kind) => run.pool(*kind, arena),
            Op::ZeroPad { stride } => run.zero_pad(*stride, arena),
            Op::GlobalPool(kind) => run.global_pool(*kind, arena),
        }
        done();
    }
}

/// One step with its values.
struct Run<'a> {
    plan: &'a Plan,
    step: &'a Step,
    input: Value,
    output: Value,
}

impl Run<'_> {
    fn place(&self, value: Value) -> Range<usize> {
        self.plan.places[value].clone()
    }

    fn dims(&self) -> Dims {
        self.plan.dims[self.input]
    }

    fn size(&self) -> [usize; 2] {
        let [_, _, height, width] = self.plan.dims[self.output];
        [height, width]
    }

    /// Returns the input and the output.
    fn split<'m>(&self, arena: &'m mut [f32]) -> [&'m mut [f32]; 2] {
        disjoint(arena, [self.place(self.input), self.place(self.output)])
    }

    fn conv(
        &self,
        layer: &ConvLayer,
        conv: &Conv,
        residual: Option<Value>,
        batch: Batch<'_>,
        arena: &mut [f32],
    ) {
        let added = match residual {
            Some(value) if !self.step.in_place => self.place(value),
            _ => 0..0,
        };
        // The input of the network is not in the arena.
        let of_arena = match self.input {
            INPUT => 0..0,
            value => self.place(value),
        };
        let places = [
            of_arena,
            self.place(self.output),
            self.step.scratch.clone(),
            added,
        ];
        let [x, out, scratch, added] = disjoint(arena, places);
        let x = match self.input {
            INPUT => batch.values,
            _ => Map::ChannelsLast(x),
        };
        let residual = match residual {
            None => Residual::None,
            Some(_) if self.step.in_place => Residual::Output,
            Some(_) => Residual::Of(added),
        };
        if self.step.clears_border {
            conv.clear_border(out);
        }
        let (weights, epilogue) = (&layer.weights, &layer.epilogue);
        match scratch.is_empty() {
            true => conv.run_into(x.values(), weights, epilogue, residual, out),
            false => {
                conv.pad_into(x, scratch);
                conv.run_into(scratch, weights, epilogue, residual, out);
            }
        }
    }

    fn norm(&self, layer: &Layer, residual: Option<Value>, relu: bool, arena: &mut [f32]) {
        let added = residual.map_or(0..0, |value| self.place(value));
        let [x, out, added] = disjoint(
            arena,
            [self.place(self.input), self.place(self.output), added],
        );
        let residual = residual.is_some().then_some(&*added);
        let [n, c, h, w] = self.dims();
        match layer {
            Layer::Affine(affine) => affine.run(x, residual, relu, out),
            Layer::Group(norm) => norm.run(x, [n, c, h, w], residual, relu, out),
            // The statistics of all images.
            Layer::BatchStats(norm) => norm.run(x, [1, c, n * h, w], residual, relu, out),
            _ => unreachable!("the layer is a norm"),
        }
    }

    fn silu(&self, arena: &mut [f32]) {
        if !self.step.in_place {
            let [x, out] = self.split(arena);
            out.copy_from_slice(x);
        }
        elementwise::silu(&mut arena[self.place(self.output)]);
    }

    fn gate(&self, gate: Value, residual: Option<Value>, relu: bool, arena: &mut [f32]) {
        let added = residual.map_or(0..0, |value| self.place(value));
        let places = [
            self.place(self.input),
            self.place(self.output),
            self.place(gate),
            added,
        ];
        let [x, out, gate, added] = disjoint(arena, places);
        let residual = residual.is_some().then_some(&*added);
        elementwise::gate(x, self.dims(), gate, residual, relu, out);
    }

    fn pool(&self, kind: Pool, arena: &mut [f32]) {
        let (dims, size) = (self.dims(), self.size());
        let [x, out] = self.split(arena);
        match kind {
            Pool::Max { stride } => {
                let window = Window {
                    padding: [1, 1],
                    ..Window::square(3, stride)
                };
                pool::max(x, dims, window, size, out);
            }
            Pool::Average { stride } => {
                let window = Window::square(stride, stride);
                pool::average(x, dims, window, Divisor::Taps, size, out);
            }
            Pool::Shortcut { stride } => {
                let window = Window::square(2, stride);
                pool::average(x, dims, window, Divisor::Inside, size, out);
            }
            Pool::Same => {
                let window = Window::square(2, 1);
                pool::average(x, dims, window, Divisor::Taps, size, out);
            }
            Pool::Blur { stride } => pool::blur(x, dims, stride, out),
        }
    }

    fn zero_pad(&self, stride: usize, arena: &mut [f32]) {
        let (dims, [_, channels, ..]) = (self.dims(), self.plan.dims[self.output]);
        let before = (channels - dims[1]) / 2;
        let [x, out] = self.split(arena);
        elementwise::subsample(x, dims, stride, [before, channels], out);
    }

    fn global_pool(&self, kind: GlobalPool, arena: &mut [f32]) {
        let dims = self.dims();
        let [_, c, h, w] = dims;
        let places = [
            self.place(self.input),
            self.place(self.output),
            self.step.scratch.clone(),
        ];
        let [x, out, scratch] = disjoint(arena, places);
        match kind {
            GlobalPool::Avg => pool::global(x, dims, Some(out), None),
            GlobalPool::Max => pool::global(x, dims, None, Some(out)),
            GlobalPool::AvgMax => {
                pool::global(x, dims, Some(out), Some(scratch));
                let pairs = out.iter_mut().zip(scratch);
                pairs.for_each(|(mean, maximum)| *mean = (*mean + *maximum) * 0.5);
            }
            GlobalPool::CatAvgMax | GlobalPool::CatMaxAvg => {
                let images = x.chunks_exact(c * h * w).zip(out.chunks_exact_mut(2 * c));
                for (x, out) in images {
                    let (first, second) = out.split_at_mut(c);
                    let (mean, maximum) = match kind {
                        GlobalPool::CatAvgMax => (first, second),
                        _ => (second, first),
                    };
                    pool::global(x, [1, c, h, w], Some(mean), Some(maximum));
                }
            }
        }
    }
}

/// Returns slices of the arena that do not overlap.
fn disjoint<const N: usize>(arena: &mut [f32], places: [Range<usize>; N]) -> [&mut [f32]; N] {
    arena
        .get_disjoint_mut(places)
        .expect("the plan separates the values of a step")
}
