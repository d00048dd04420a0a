//! Steps of integers.

use resnet_kernels::conv::Residual;
use resnet_kernels::int8::{self, Int8Conv, Int8Output, Quantization};
use resnet_kernels::layout::Map;
use resnet_kernels::pool::Window;

use super::step::{Run, disjoint_bytes};
use crate::Batch;
use crate::graph::{INPUT, Value, ValueType};
use crate::layers::{Finish, Int8Layer};

impl Run<'_> {
    /// Returns the number of elements of a value with its border.
    fn count(&self, value: Value) -> usize {
        let [n, c, h, w] = self.plan.dims[value];
        let [rows, columns] = self.plan.borders[value].map(|[before, after]| before + after);
        n * c * (h + rows) * (w + columns)
    }

    /// Returns the quantization of a value of integers.
    fn quantization(&self, value: Value) -> Quantization {
        match self.types[value] {
            ValueType::U8(quantization) => quantization,
            ValueType::F32 => unreachable!("the step is one of integers"),
        }
    }

    /// Returns the integers of the input and of the output.
    pub(super) fn int8_split<'m>(&self, arena: &'m mut [u8]) -> [&'m mut [u8]; 2] {
        let values = [self.input, self.output];
        let mut places = disjoint_bytes(arena, values.map(|value| self.place(value))).into_iter();
        values.map(|value| {
            let place = places.next().expect("one place for each value");
            &mut place[..self.count(value)]
        })
    }

    pub(super) fn int8_conv(
        &self,
        layer: &Int8Layer,
        conv: &Int8Conv,
        residual: Option<Value>,
        arena: &mut [u8],
    ) {
        let added = match residual {
            Some(value) if !self.step.in_place => self.place(value),
            _ => 0..0,
        };
        let places = [
            self.place(self.input),
            self.place(self.output),
            self.step.scratch.clone(),
            added,
        ];
        let [x, out, scratch, added] = disjoint_bytes(arena, places);
        let x = match scratch.is_empty() {
            true => &x[..conv.input_len()],
            false => {
                let zero_point = self.quantization(self.input).zero_point;
                conv.pad_into(&x[..self.count(self.input)], zero_point, scratch);
                scratch
            }
        };
        match &layer.finish {
            Finish::Bytes(requantize) => {
                let out = &mut out[..self.count(self.output)];
                if self.step.clears_border {
                    conv.clear_border(self.quantization(self.output).zero_point, out);
                }
                let residual = match residual {
                    None => Residual::None,
                    Some(_) if self.step.in_place => Residual::Output,
                    Some(_) => Residual::Of(&added[..out.len()]),
                };
                let output = Int8Output::Bytes {
                    requantize,
                    residual,
                    out,
                };
                conv.run_into(x, &layer.weights, output);
            }
            Finish::Floats(dequantize) => {
                let residual = match residual {
                    None => Residual::None,
                    Some(_) if self.step.in_place => Residual::Output,
                    Some(_) => Residual::Of(bytemuck::cast_slice(added)),
                };
                let out = bytemuck::cast_slice_mut(out);
                if self.step.clears_border {
                    conv.clear_border(0.0, out);
                }
                let output = Int8Output::Floats {
                    dequantize,
                    residual,
                    out,
                };
                conv.run_into(x, &layer.weights, output);
            }
        }
    }

    pub(super) fn quantize(&self, batch: Batch<'_>, arena: &mut [u8]) {
        let (border, quantization) = (
            self.plan.borders[self.output],
            self.quantization(self.output),
        );
        let count = self.count(self.output);
        if self.input == INPUT {
            let out = &mut arena[self.place(self.output)][..count];
            return int8::quantize(batch.values, self.dims(), border, quantization, out);
        }
        let places = [self.place(self.input), self.place(self.output)];
        let [x, out] = disjoint_bytes(arena, places);
        let x = Map::ChannelsLast(bytemuck::cast_slice(x));
        int8::quantize(x, self.dims(), border, quantization, &mut out[..count]);
    }

    pub(super) fn dequantize(&self, arena: &mut [u8]) {
        let places = [self.place(self.input), self.place(self.output)];
        let [x, out] = disjoint_bytes(arena, places);
        let quantization = self.quantization(self.input);
        int8::dequantize(
            &x[..self.count(self.input)],
            quantization,
            bytemuck::cast_slice_mut(out),
        );
    }

    pub(super) fn add_relu(&self, other: Value, arena: &mut [u8]) {
        let count = self.count(self.output);
        let places = [self.input, other, self.output].map(|value| self.place(value));
        let [x, y, out] = disjoint_bytes(arena, places).map(|place| &mut place[..count]);
        let [of_x, of_y] = [self.input, other].map(|value| self.quantization(value));
        int8::add_relu((x, of_x), (y, of_y), self.quantization(self.output), out);
    }

    pub(super) fn int8_max_pool(&self, window: Window, arena: &mut [u8]) {
        let [x, out] = self.int8_split(arena);
        int8::max_pool(x, self.dims(), window, self.size(), out);
    }

    pub(super) fn int8_global_pool(&self, quantization: Quantization, arena: &mut [u8]) {
        match self.types[self.output] {
            ValueType::U8(_) => {
                let [x, out] = self.int8_split(arena);
                int8::global_average(x, self.dims(), quantization.zero_point, out);
            }
            ValueType::F32 => {
                let places = [self.place(self.input), self.place(self.output)];
                let [x, out] = disjoint_bytes(arena, places);
                let x = &x[..self.count(self.input)];
                let out = bytemuck::cast_slice_mut(out);
                int8::global_mean(x, self.dims(), quantization, out);
            }
        }
    }
}
