//! Runs the steps of a plan.

use core::ops::Range;

use resnet_core::GlobalPool;
use resnet_kernels::conv::{Conv, Residual};
use resnet_kernels::layout::Map;
use resnet_kernels::pool::{self, Divisor, Window};
use resnet_kernels::sizes::Dims;
use resnet_kernels::{elementwise, linear};

use crate::graph::{INPUT, Op, Pool, Value, ValueType};
use crate::layers::{ConvLayer, Layer};
use crate::plan::{Plan, Step, StepConv};
use crate::{Batch, Engine};

/// Runs all steps. The values of the batch are the input. Calls `done` after each step.
pub(super) fn run(
    engine: &Engine,
    plan: &Plan,
    batch: Batch<'_>,
    arena: &mut [u8],
    mut done: impl FnMut(&Plan, &Step, &[u8]),
) {
    for step in &plan.steps {
        let node = &engine.graph().nodes[step.node];
        let layers = engine.layers();
        let run = Run {
            plan,
            step,
            types: &engine.graph().types,
            input: node.input,
            output: node.output,
        };
        match &node.op {
            Op::Conv { layer, residual } => match (&layers[*layer], &step.conv) {
                (Layer::Conv(layer), Some(StepConv::F32(conv))) => {
                    run.conv(layer, conv, *residual, batch, arena);
                }
                (Layer::Int8(layer), Some(StepConv::Int8(conv))) => {
                    run.int8_conv(layer, conv, *residual, arena);
                }
                _ => unreachable!("the plan has a convolution for this layer"),
            },
            Op::Quantize => run.quantize(batch, arena),
            Op::Dequantize => run.dequantize(arena),
            Op::AddRelu { other } => run.add_relu(*other, arena),
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
        done(plan, step, arena);
    }
}

/// One step with its values.
pub(super) struct Run<'a> {
    pub(super) plan: &'a Plan,
    pub(super) step: &'a Step,
    pub(super) types: &'a [ValueType],
    pub(super) input: Value,
    pub(super) output: Value,
}

impl Run<'_> {
    pub(super) fn place(&self, value: Value) -> Range<usize> {
        self.plan.places[value].clone()
    }

    pub(super) fn dims(&self) -> Dims {
        self.plan.dims[self.input]
    }

    pub(super) fn size(&self) -> [usize; 2] {
        let [_, _, height, width] = self.plan.dims[self.output];
        [height, width]
    }

    /// Returns the input and the output.
    pub(super) fn split<'m>(&self, arena: &'m mut [u8]) -> [&'m mut [f32]; 2] {
        disjoint(arena, [self.place(self.input), self.place(self.output)])
    }

    fn conv(
        &self,
        layer: &ConvLayer,
        conv: &Conv,
        residual: Option<Value>,
        batch: Batch<'_>,
        arena: &mut [u8],
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

    fn norm(&self, layer: &Layer, residual: Option<Value>, relu: bool, arena: &mut [u8]) {
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

    fn silu(&self, arena: &mut [u8]) {
        if !self.step.in_place {
            let [x, out] = self.split(arena);
            out.copy_from_slice(x);
        }
        elementwise::silu(bytemuck::cast_slice_mut(
            &mut arena[self.place(self.output)],
        ));
    }

    fn gate(&self, gate: Value, residual: Option<Value>, relu: bool, arena: &mut [u8]) {
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

    fn pool(&self, kind: Pool, arena: &mut [u8]) {
        let (dims, size) = (self.dims(), self.size());
        if let (Pool::Max { stride }, ValueType::U8(_)) = (kind, self.types[self.input]) {
            return self.int8_max_pool(max_window(stride), arena);
        }
        let [x, out] = self.split(arena);
        match kind {
            Pool::Max { stride } => pool::max(x, dims, max_window(stride), size, out),
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

    fn zero_pad(&self, stride: usize, arena: &mut [u8]) {
        let (dims, [_, channels, ..]) = (self.dims(), self.plan.dims[self.output]);
        let channels = [(channels - dims[1]) / 2, channels];
        match self.types[self.input] {
            ValueType::U8(quantization) => {
                let [x, out] = self.int8_split(arena);
                let zero = quantization.zero_point;
                elementwise::subsample(x, dims, stride, channels, zero, out);
            }
            ValueType::F32 => {
                let [x, out] = self.split(arena);
                elementwise::subsample(x, dims, stride, channels, 0.0, out);
            }
        }
    }

    fn global_pool(&self, kind: GlobalPool, arena: &mut [u8]) {
        if let ValueType::U8(quantization) = self.types[self.input] {
            return self.int8_global_pool(quantization, arena);
        }
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

/// Returns the window of the stem's max pool.
fn max_window(stride: usize) -> Window {
    Window {
        padding: [1, 1],
        ..Window::square(3, stride)
    }
}

/// Returns slices of the arena that do not overlap, as numbers.
fn disjoint<const N: usize>(arena: &mut [u8], places: [Range<usize>; N]) -> [&mut [f32]; N] {
    disjoint_bytes(arena, places).map(bytemuck::cast_slice_mut)
}

/// Returns slices of the arena that do not overlap.
pub(super) fn disjoint_bytes<const N: usize>(
    arena: &mut [u8],
    places: [Range<usize>; N],
) -> [&mut [u8]; N] {
    arena
        .get_disjoint_mut(places)
        .expect("the plan separates the values of a step")
}
