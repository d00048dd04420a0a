//! Tests of quantized convolutions and maps against plain loops.

use resnet_kernels::conv::{ConvOptions, Geometry, Residual};
use resnet_kernels::int8::{
    Dequantize, Instructions, Int8Conv, Int8Output, Quantization, Requantize, add_relu, dequantize,
    global_average, global_mean, max_pool, quantize,
};
use resnet_kernels::layout::Map;
use resnet_kernels::pool::Window;

use crate::values;

/// A quantized convolution with its values.
struct Case {
    x: [usize; 4],
    weight: [usize; 4],
    options: ConvOptions,
    zero_point: u8,
    inputs: Vec<u8>,
    weights: Vec<i8>,
    bias: Vec<f32>,
    multiplier: Vec<f32>,
    /// Zero point, and the least output.
    output: [u8; 2],
    /// Zero point, ratio and values of the residual.
    residual: Option<(u8, f32, Vec<u8>)>,
}

impl Case {
    /// Returns batch, height, width and channels of the output.
    fn size(&self) -> [usize; 4] {
        let options = self.options;
        let side = |axis: usize, side: usize, kernel: usize| {
            let [padding, dilation] = [options.padding, options.dilation].map(|sides| sides[axis]);
            (side + 2 * padding - dilation * (kernel - 1) - 1) / options.stride[axis] + 1
        };
        let [n, _, h, w] = self.x;
        let [outputs, _, rows, columns] = self.weight;
        [n, side(0, h, rows), side(1, w, columns), outputs]
    }

    /// Returns each output's sum of `(x - zero_point) * w`.
    fn sums(&self) -> Vec<i64> {
        let [n, c, h, w] = self.x;
        let [outputs, inputs, rows, columns] = self.weight;
        let [_, height, width, _] = self.size();
        let sum = |index: usize| {
            let (output, pixel) = (index % outputs, index / outputs);
            let place = [pixel / width % height, pixel % width];
            let image = pixel / width / height;
            let first = output / (outputs / self.options.groups) * inputs;
            let mut sum = 0;
            for tap in 0..rows * columns {
                let at = |axis: usize, tap: usize| {
                    let at = place[axis] * self.options.stride[axis];
                    (at + tap * self.options.dilation[axis])
                        .checked_sub(self.options.padding[axis])
                        .filter(|at| *at < [h, w][axis])
                };
                let (Some(row), Some(column)) = (at(0, tap / columns), at(1, tap % columns)) else {
                    continue;
                };
                for input in 0..inputs {
                    let x = self.inputs[((image * h + row) * w + column) * c + first + input];
                    let weight = self.weights[(output * inputs + input) * rows * columns + tap];
                    sum += (i64::from(x) - i64::from(self.zero_point)) * i64::from(weight);
                }
            }
            sum
        };
        (0..n * height * width * outputs).map(sum).collect()
    }

    /// Returns `round((sum + bias) * multiplier + residual) + zero_point`, from `low` to 255.
    fn expected(&self) -> Vec<u8> {
        let [zero, low] = self.output;
        let requantized = |(index, sum): (usize, i64)| {
            let channel = index % self.weight[0];
            let mut number = (sum as f32 + self.bias[channel]) * self.multiplier[channel];
            if let Some((zero, ratio, residual)) = &self.residual {
                number += (f32::from(residual[index]) - f32::from(*zero)) * ratio;
            }
            let number = number.round_ties_even() + f32::from(zero);
            number.clamp(low.into(), 255.0) as u8
        };
        self.sums()
            .into_iter()
            .enumerate()
            .map(requantized)
            .collect()
    }
}

/// Returns pseudorandom bytes.
fn bytes(count: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..count).map(next).collect()
}

impl Case {
    fn new(x: [usize; 4], weight: [usize; 4], options: ConvOptions, seed: u64) -> Self {
        let count = |sizes: [usize; 4]| sizes.iter().product::<usize>();
        let outputs = weight[0];
        let depth = (count(weight) / outputs) as f32;
        let zero = bytes(1, seed + 4)[0];
        let mut case = Self {
            x,
            weight,
            options,
            zero_point: bytes(1, seed + 3)[0],
            inputs: bytes(count(x), seed),
            weights: bytes(count(weight), seed + 1)
                .into_iter()
                .map(|byte| byte as i8)
                .collect(),
            bias: values(outputs, 1).iter().map(|bias| bias * 1e4).collect(),
            multiplier: values(outputs, 2)
                .iter()
                .map(|m| (m.abs() + 0.1) / 80.0 / depth.sqrt())
                .collect(),
            output: [zero, if seed.is_multiple_of(2) { zero } else { 0 }],
            residual: None,
        };
        if seed.is_multiple_of(3) {
            case.residual = Some((
                bytes(1, seed + 5)[0],
                0.37,
                bytes(count(case.size()), seed + 6),
            ));
        }
        case
    }

    fn requantize(&self) -> Requantize {
        let [zero, low] = self.output;
        let requantize = Requantize::new(&self.bias, &self.multiplier, zero, low);
        match &self.residual {
            Some((zero, ratio, _)) => requantize.with_residual(*zero, *ratio),
            None => requantize,
        }
    }

    fn conv(&self, instructions: Instructions) -> Int8Conv {
        let geometry = Geometry::of_conv(self.x, self.weight, self.options).unwrap();
        Int8Conv::with_instructions(geometry, instructions).unwrap()
    }

    /// Checks the outputs for all instructions of the processor.
    fn check(&self) {
        let expected = self.expected();
        for instructions in Instructions::available() {
            let conv = self.conv(instructions);
            let weights = conv.pack(&self.weights, self.zero_point);
            let mut padded = vec![99; conv.input_len()];
            conv.pad_into(&self.inputs, self.zero_point, &mut padded);
            let requantize = &self.requantize();
            let mut out = vec![0; expected.len()];
            let residual = match &self.residual {
                Some((_, _, values)) => Residual::Of(values),
                None => Residual::None,
            };
            conv.run_into(
                &padded,
                &weights,
                Int8Output::Bytes {
                    requantize,
                    residual,
                    out: &mut out,
                },
            );
            let name = format!(
                "{instructions:?} {:?} {:?} {:?}",
                self.x, self.weight, self.options
            );
            assert!(out == expected, "{name}");
            if let Some((_, _, values)) = &self.residual {
                let (residual, mut out) = (Residual::Output, values.clone());
                conv.run_into(
                    &padded,
                    &weights,
                    Int8Output::Bytes {
                        requantize,
                        residual,
                        out: &mut out,
                    },
                );
                assert!(out == expected, "{name}, in place");
            }
        }
    }
}

fn options(stride: usize, padding: usize, dilation: usize, groups: usize) -> ConvOptions {
    ConvOptions {
        stride: [stride; 2],
        padding: [padding; 2],
        dilation: [dilation; 2],
        groups,
    }
}

#[test]
fn all_instructions_give_the_integers_of_plain_loops() {
    let cases = [
        // The stem: 21 bytes per row of the kernel.
        ([1, 3, 13, 15], [24, 3, 7, 7], options(2, 3, 1, 1)),
        ([2, 8, 5, 6], [16, 8, 3, 3], options(1, 1, 1, 1)),
        ([2, 5, 4, 4], [19, 5, 3, 3], options(1, 2, 2, 1)),
        ([3, 16, 3, 3], [70, 16, 1, 1], options(1, 0, 1, 1)),
        ([1, 12, 7, 5], [40, 12, 1, 1], options(2, 0, 1, 1)),
        ([1, 6, 4, 4], [9, 2, 3, 3], options(1, 1, 1, 3)),
        // A vector of outputs spans several groups.
        ([2, 32, 5, 4], [32, 4, 3, 3], options(1, 1, 1, 8)),
        ([1, 16, 5, 4], [16, 4, 3, 3], options(2, 1, 1, 4)),
        ([1, 32, 4, 5], [32, 8, 3, 3], options(1, 1, 1, 4)),
        ([1, 16, 4, 5], [16, 4, 3, 3], options(1, 2, 2, 4)),
        ([1, 48, 4, 4], [48, 16, 3, 3], options(1, 1, 1, 3)),
        ([1, 20, 1, 1], [37, 20, 1, 1], options(1, 0, 1, 1)),
    ];
    for (number, (x, weight, options)) in cases.into_iter().enumerate() {
        for seed in 0..3 {
            Case::new(x, weight, options, 100 * number as u64 + seed).check();
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn any_sizes_give_the_integers_of_plain_loops() {
    for seed in 0..300 {
        let random = bytes(16, seed + 1000);
        let pick = |index: usize, most: usize| usize::from(random[index]) % most + 1;
        let groups = [1, 1, 2, 4, 8][pick(0, 5) - 1];
        let inputs = match random[1] % 2 {
            0 => pick(2, 12),
            _ => 4 * pick(2, 4),
        };
        let outputs = match random[3] % 4 {
            0 | 2 => inputs,
            1 => pick(4, 40),
            // At least one panel is full with all instructions.
            _ => [64, 96, 130][pick(4, 3) - 1],
        };
        let (kernel, dilation) = ([pick(5, 3), pick(6, 3)], pick(7, 2));
        let padding = pick(8, 3) - 1;
        let least = |axis: usize| dilation * (kernel[axis] - 1) + 1;
        let x = [
            pick(9, 2),
            groups * inputs,
            least(0) + pick(10, 6),
            least(1) + pick(11, 6),
        ];
        let weight = [groups * outputs, inputs, kernel[0], kernel[1]];
        let options = options(pick(12, 2), padding, dilation, groups);
        Case::new(x, weight, options, seed).check();
    }
}

#[test]
fn extreme_values_do_not_saturate() {
    let depth = 300;
    for (input, zero_point, weight) in [(255, 0, -128), (0, 255, -128), (255, 0, 127)] {
        let mut case = Case::new([1, depth, 1, 2], [16, depth, 1, 1], options(1, 0, 1, 1), 1);
        case.inputs.fill(input);
        case.weights.fill(weight);
        case.zero_point = zero_point;
        case.multiplier.fill(1e-5);
        case.check();
    }
}

#[test]
fn sums_out_of_range_become_the_limits() {
    // One output of each, in a panel that is full with all instructions and one that is not.
    let sums = [
        f32::NAN,
        f32::INFINITY,
        1e30,
        3e9,
        2e5,
        0.0,
        -2e5,
        -3e9,
        -1e30,
        f32::NEG_INFINITY,
    ];
    for (outputs, low) in [(64, 0), (64, 100), (10, 0), (10, 100)] {
        let mut case = Case::new([1, 4, 1, 7], [outputs, 4, 1, 1], options(1, 0, 1, 1), 1);
        case.weights.fill(0);
        case.bias = sums.iter().copied().cycle().take(outputs).collect();
        case.multiplier.fill(1.0);
        case.output = [100, low];
        let limits = [low, 255, 255, 255, 255, 100, low, low, low, low];
        for instructions in Instructions::available() {
            let conv = case.conv(instructions);
            let weights = conv.pack(&case.weights, case.zero_point);
            let mut out = vec![0; 7 * outputs];
            let output = Int8Output::Bytes {
                requantize: &case.requantize(),
                residual: Residual::None,
                out: &mut out,
            };
            let mut padded = vec![0; conv.input_len()];
            conv.pad_into(&case.inputs, case.zero_point, &mut padded);
            conv.run_into(&padded, &weights, output);
            for pixel in out.chunks(outputs) {
                let expected: Vec<u8> = limits.iter().copied().cycle().take(outputs).collect();
                assert_eq!(pixel, expected, "{instructions:?}");
            }
        }
    }
}

#[test]
fn half_rounds_to_even() {
    let mut case = Case::new([1, 1, 1, 6], [1, 1, 1, 1], options(1, 0, 1, 1), 1);
    case.zero_point = 10;
    case.inputs = vec![11, 12, 13, 9, 8, 7];
    case.weights = vec![1];
    case.bias = vec![0.0];
    case.multiplier = vec![0.5];
    case.output = [100, 0];
    assert_eq!(case.expected(), [100, 101, 102, 100, 99, 98]);
    case.check();
}

#[test]
fn borders_replace_the_padding() {
    let case = Case::new([2, 4, 5, 6], [8, 4, 3, 3], options(1, 1, 1, 1), 1);
    for instructions in Instructions::available() {
        let conv = case.conv(instructions);
        let weights = conv.pack(&case.weights, case.zero_point);
        let (inner, outer) = ([[2, 1], [1, 3]], [[1, 0], [0, 2]]);
        let framed = conv.with_borders(inner, outer).unwrap();
        let numbers: Vec<f32> = case.inputs.iter().map(|q| f32::from(*q)).collect();
        let unit = Quantization {
            scale: 1.0,
            zero_point: 0,
        };
        let mut x = vec![0; framed.input_len()];
        quantize(Map::ChannelsLast(&numbers), case.x, inner, unit, &mut x);
        // The border has the zero point of the input.
        let mut border = vec![case.zero_point; x.len()];
        for (image, row) in (0..2).flat_map(|image| (0..5).map(move |row| (image, row))) {
            let first = ((image * 8 + 2 + row) * 10 + 1) * 4;
            border[first..first + 24].copy_from_slice(&x[first..first + 24]);
        }
        let requantize = &case.requantize();
        let mut out = vec![0; 2 * 6 * 8 * 8];
        framed.clear_border(77, &mut out);
        framed.run_into(
            &border,
            &weights,
            Int8Output::Bytes {
                requantize,
                residual: Residual::None,
                out: &mut out,
            },
        );
        let expected = case.expected();
        for (place, pixel) in out.chunks(8).enumerate() {
            let (image, y, x) = (place / 48, place / 8 % 6, place % 8);
            match y >= 1 && x < 6 {
                true => assert_eq!(pixel, &expected[((image * 5 + y - 1) * 6 + x) * 8..][..8]),
                false => assert_eq!(pixel, [77; 8]),
            }
        }
    }
}

#[test]
fn floats_are_the_scaled_sums() {
    let case = Case::new([1, 8, 3, 3], [20, 8, 3, 3], options(1, 1, 1, 1), 1);
    let residual = values(9 * 20, 4);
    let expected: Vec<f32> = case
        .sums()
        .into_iter()
        .zip(&residual)
        .enumerate()
        .map(|(index, (sum, residual))| {
            let channel = index % 20;
            ((sum as f32 + case.bias[channel]) * case.multiplier[channel] + residual).max(0.0)
        })
        .collect();
    for instructions in Instructions::available() {
        let conv = case.conv(instructions);
        let weights = conv.pack(&case.weights, case.zero_point);
        let mut padded = vec![0; conv.input_len()];
        conv.pad_into(&case.inputs, case.zero_point, &mut padded);
        let dequantize = &Dequantize::new(&case.bias, &case.multiplier, true);
        let mut out = vec![f32::NAN; expected.len()];
        conv.run_into(
            &padded,
            &weights,
            Int8Output::Floats {
                dequantize,
                residual: Residual::Of(&residual),
                out: &mut out,
            },
        );
        assert_eq!(out, expected);
        // A NaN of the residual stays.
        let nan = vec![f32::NAN; residual.len()];
        let output = Int8Output::Floats {
            dequantize,
            residual: Residual::Of(&nan),
            out: &mut out,
        };
        conv.run_into(&padded, &weights, output);
        assert!(out.iter().all(|x| x.is_nan()), "{instructions:?}");
    }
}

#[test]
fn maps_keep_the_numbers_of_integers() {
    let quantization = Quantization {
        scale: 0.5,
        zero_point: 3,
    };
    let x = [0.25, 0.75, -1.5, -9.0, 500.0, f32::NAN, 1.26, f32::INFINITY];
    let mut q = [9; 8];
    quantize(
        Map::ChannelsFirst(&x),
        [1, 2, 2, 2],
        Default::default(),
        quantization,
        &mut q,
    );
    // Channels-last, so the halves alternate.
    assert_eq!(q, [3, 255, 5, 0, 0, 6, 0, 255]);
    let mut numbers = [0.0; 8];
    dequantize(&q, quantization, &mut numbers);
    assert_eq!(numbers, [0.0, 126.0, 1.0, -1.5, -1.5, 1.5, -1.5, 126.0]);

    let mut mean = [0.0; 2];
    global_mean(&q, [1, 2, 2, 2], quantization, &mut mean);
    assert_eq!(mean, [-0.5, 63.0]);
    let mut average = [0; 2];
    global_average(&q, [1, 2, 2, 2], 3, &mut average);
    assert_eq!(average, [2, 129]);

    let window = Window {
        padding: [1, 1],
        ..Window::square(3, 2)
    };
    let mut most = [0; 2];
    max_pool(&q, [1, 2, 2, 2], window, [1, 1], &mut most);
    assert_eq!(most, [5, 255]);

    let other = Quantization {
        scale: 0.25,
        zero_point: 4,
    };
    let output = Quantization {
        scale: 1.0,
        zero_point: 1,
    };
    let mut sum = [0; 8];
    add_relu(
        (&q, quantization),
        (&[4, 8, 6, 12, 4, 4, 14, 255], other),
        output,
        &mut sum,
    );
    // 0, 127, 1.5, 0.5, -1.5, 1.5, 1, 188.75
    assert_eq!(sum, [1, 128, 3, 1, 1, 3, 2, 190]);
}

#[test]
fn max_pools_of_any_sizes_take_the_largest() {
    // Channels in blocks of registers, and more; windows of few and of many taps.
    for (channels, kernel) in [(1, 3), (64, 3), (70, 3), (130, 2), (66, 4)] {
        let window = Window {
            padding: [1, 1],
            ..Window::square(kernel, 2)
        };
        let (batch, height, width) = (2, 7, 6);
        let x = bytes(batch * height * width * channels, channels as u64);
        let size = [height, width].map(|side| (side + 2 - kernel) / 2 + 1);
        let mut found = vec![0; batch * size[0] * size[1] * channels];
        let dims = [batch, channels, height, width];
        max_pool(&x, dims, window, size, &mut found);
        for (index, found) in found.into_iter().enumerate() {
            let (channel, pixel) = (index % channels, index / channels);
            let (image, y, x_out) = (
                pixel / (size[0] * size[1]),
                pixel / size[1] % size[0],
                pixel % size[1],
            );
            let taps = (0..kernel * kernel).filter_map(|tap| {
                let row = (y * 2 + tap / kernel)
                    .checked_sub(1)
                    .filter(|row| *row < height)?;
                let column = (x_out * 2 + tap % kernel)
                    .checked_sub(1)
                    .filter(|column| *column < width)?;
                Some(x[((image * height + row) * width + column) * channels + channel])
            });
            assert_eq!(
                Some(found),
                taps.max(),
                "{channels} channels, {kernel}x{kernel}"
            );
        }
    }
}
