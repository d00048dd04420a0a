//! Recognizes slices and pads: shortcuts without weights, blurs, and the padding of average pools.

use super::pool::{Pool, average_kernel};
use crate::graph::{Graph, Node};

impl Graph {
    /// Recognizes `x[:, :, ::stride, ::stride]`, with or without padding.
    pub(super) fn strided<'g>(&'g self, first: &'g Node) -> Result<(Pool, &'g str), String> {
        let mut strides = [1_usize; 2];
        let mut node = first;
        loop {
            for (axis, step) in self.steps(node)? {
                let stride = strides
                    .get_mut(axis.wrapping_sub(2))
                    .filter(|stride| **stride == 1);
                *stride.ok_or_else(|| {
                    node.fault("is not a slice with strides along height and width")
                })? = step;
            }
            match self.reader(node.output()?) {
                Some(next) if next.op == "Slice" => node = next,
                _ => break,
            }
        }
        if strides[0] != strides[1] {
            return Err(node.expected("equal strides,", [strides[0]; 2], strides));
        }
        let stride = strides[0];
        match self.reader(node.output()?) {
            Some(pad) if pad.op == "Pad" => match self.pads(pad)? {
                ([0, before, 0, 0], [0, after, 0, 0]) if constant_mode(self, pad)? => Ok((
                    Pool::ZeroPad {
                        stride,
                        before,
                        after,
                    },
                    pad.output()?,
                )),
                _ => Err(pad.fault("pads more than channels with zeros")),
            },
            _ => Ok((
                Pool::ZeroPad {
                    stride,
                    before: 0,
                    after: 0,
                },
                node.output()?,
            )),
        }
    }

    /// Returns the strided axes of a slice and their steps.
    fn steps(&self, node: &Node) -> Result<Vec<(usize, usize)>, String> {
        let fault = || node.fault("is not a slice with strides along height and width");
        let ints = |index: usize| {
            node.has_input(index)
                .then(|| self.ints(&node.inputs[index]))
                .flatten()
        };
        let (Some(starts), Some(ends), Some(axes)) = (ints(1), ints(2), ints(3)) else {
            return Err(fault());
        };
        let steps = ints(4).unwrap_or_else(|| vec![1; axes.len()]);
        let lengths = [starts.len(), ends.len(), steps.len()];
        if lengths != [axes.len(); 3] {
            return Err(fault());
        }
        let mut strided = Vec::new();
        for (((start, end), axis), step) in starts.iter().zip(&ends).zip(&axes).zip(&steps) {
            if *start != 0
                || *end < i64::from(i32::MAX)
                || !(0..4).contains(axis)
                || !(1..=1024).contains(step)
            {
                return Err(fault());
            }
            if *step != 1 {
                strided.push((*axis as usize, *step as usize));
            }
        }
        Ok(strided)
    }

    /// Recognizes a blur, the padding of an average pool, or zero padding of channels.
    pub(super) fn padded<'g>(&'g self, node: &'g Node) -> Result<(Pool, &'g str), String> {
        let pads = self.pads(node)?;
        let next = self.reader(node.output()?);
        let fault = || node.fault("is not part of a blur, an average pool or a shortcut");
        if node.text("mode", "constant")? == "reflect" {
            let blur = next
                .filter(|next| next.op == "Conv" && pads == ([0, 0, 1, 1], [0, 0, 1, 1]))
                .ok_or_else(fault)?;
            return Ok((
                Pool::Blur {
                    stride: self.blur(blur)?,
                },
                blur.output()?,
            ));
        }
        if !constant_mode(self, node)? {
            return Err(fault());
        }
        match pads {
            ([0, before, 0, 0], [0, after, 0, 0]) => Ok((
                Pool::ZeroPad {
                    stride: 1,
                    before,
                    after,
                },
                node.output()?,
            )),
            ([0, 0, 0, 0], [0, 0, 1, 1]) => {
                let average = next
                    .filter(|next| next.op == "AveragePool")
                    .ok_or_else(fault)?;
                let found = [
                    average_kernel(average)?,
                    average.same("strides", 2, 1)?,
                    average.same("pads", 4, 0)?,
                ];
                match found {
                    [2, 1, 0] => Ok((Pool::AverageSame, average.output()?)),
                    found => Err(average.expected("kernel, stride and pads", [2, 1, 0], found)),
                }
            }
            _ => Err(fault()),
        }
    }

    /// Returns the pads before and after each of four axes.
    fn pads(&self, node: &Node) -> Result<([usize; 4], [usize; 4]), String> {
        node.only(&["mode", "pads", "value"])?;
        let fault = || node.fault("expected constant pads of four axes");
        let pads = match node.ints("pads")? {
            Some(pads) => pads.to_vec(),
            None => self.ints(node.input(1)?).ok_or_else(fault)?,
        };
        let axes = match node.has_input(3) {
            true => self.ints(node.input(3)?).ok_or_else(fault)?,
            false => vec![0, 1, 2, 3],
        };
        if pads.len() != 2 * axes.len() {
            return Err(fault());
        }
        let (mut before, mut after) = ([0; 4], [0; 4]);
        for (index, axis) in axes.iter().enumerate() {
            let axis = usize::try_from(if *axis < 0 { axis + 4 } else { *axis })
                .ok()
                .filter(|axis| *axis < 4);
            let pad = |at: usize| usize::try_from(pads[at]).ok().filter(|pad| *pad <= 1 << 20);
            let (Some(axis), Some(first), Some(last)) = (axis, pad(index), pad(axes.len() + index))
            else {
                return Err(fault());
            };
            (before[axis], after[axis]) = (first, last);
        }
        Ok((before, after))
    }

    /// Returns the stride of a depthwise convolution with `[1 2 1]^T [1 2 1] / 16`.
    fn blur(&self, node: &Node) -> Result<usize, String> {
        let conv = self.conv(node)?;
        let plan = conv.plan;
        let plain = node.same("pads", 4, 0)? == 0 && plan.kernel == 3 && plan.dilation == 1;
        let by_channel = conv.weight.shape[1] == 1 && plan.groups == conv.out_channels();
        let taps = [1.0, 2.0, 1.0, 2.0, 4.0, 2.0, 1.0, 2.0, 1.0].map(|tap| tap / 16.0);
        let binomial = || {
            conv.weight
                .floats()
                .chunks(9)
                .all(|kernel| kernel.iter().zip(taps).all(|(a, b)| (a - b).abs() < 1e-6))
        };
        match plain && by_channel && conv.bias.is_none() && binomial() {
            true => Ok(plan.stride),
            false => Err(node.fault("expected the 3x3 binomial blur of each channel")),
        }
    }
}

/// Returns whether a pad adds zeros.
fn constant_mode(graph: &Graph, node: &Node) -> Result<bool, String> {
    let zero = match node.has_input(2) {
        true => graph
            .weights(node, 2)?
            .floats()
            .iter()
            .all(|value| *value == 0.0),
        false => node.float("value", 0.0)? == 0.0,
    };
    Ok(zero && node.text("mode", "constant")? == "constant")
}
