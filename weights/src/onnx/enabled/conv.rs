//! Convolutions, the norms behind them and the activations behind those.

use std::fmt;

use resnet_core::Activation;

use super::constant::Constant;
use super::graph::Graph;
use super::node::Node;
use super::norm::{Norm, Normed};

/// What is the same along both sides of a map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Geometry {
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) dilation: usize,
    pub(super) groups: usize,
}

impl fmt::Display for Geometry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kernel,
            stride,
            dilation,
            groups,
        } = self;
        write!(
            f,
            "a {kernel}x{kernel} convolution of stride {stride}, dilation {dilation} and {groups} groups"
        )
    }
}

/// A convolution, as a rule padded so that it keeps the size.
pub(super) struct Conv<'g> {
    pub(super) node: &'g Node,
    pub(super) weight: &'g Constant,
    pub(super) bias: Option<&'g Constant>,
    pub(super) geometry: Geometry,
}

/// Convolution, norm, activation: each but the first may be missing.
pub(super) struct Unit<'g> {
    pub(super) conv: Conv<'g>,
    pub(super) norm: Option<Norm<'g>>,
    pub(super) act: Option<Activation>,
}

impl<'g> Conv<'g> {
    pub(super) fn out_channels(&self) -> usize {
        self.weight.shape[0]
    }

    pub(super) fn in_channels(&self) -> usize {
        self.weight.shape[1].saturating_mul(self.geometry.groups)
    }
}

impl<'g> Unit<'g> {
    pub(super) fn normed(self) -> (Conv<'g>, Normed<'g>) {
        let Self { conv, norm, .. } = self;
        let (node, bias, channels) = (conv.node, conv.bias, conv.out_channels());
        (
            conv,
            Normed {
                node,
                bias,
                norm,
                channels,
            },
        )
    }
}

impl Graph {
    /// The unit that begins with the convolution `node`, and the value after it.
    pub(super) fn unit<'g>(&'g self, node: &'g Node) -> Result<(Unit<'g>, &'g str), String> {
        let conv = self.conv(node)?;
        let geometry = conv.geometry;
        let expected = geometry.dilation * (geometry.kernel - 1) / 2;
        let pads = node.same("pads", 4, 0)?;
        if geometry.kernel % 2 == 0 || pads != expected {
            return Err(node.expected("`pads` that keep the size,", expected, pads));
        }
        let value = node.output()?;
        let (norm, value) = match self.norm(value, conv.out_channels())? {
            Some((norm, value)) => (Some(norm), value),
            None => (None, value),
        };
        let (act, value) = match self.activation(value)? {
            Some((act, value)) => (Some(act), value),
            None => (None, value),
        };
        Ok((Unit { conv, norm, act }, value))
    }

    /// A convolution of any padding.
    pub(super) fn conv<'g>(&'g self, node: &'g Node) -> Result<Conv<'g>, String> {
        node.only(&[
            "kernel_shape",
            "strides",
            "pads",
            "dilations",
            "group",
            "auto_pad",
        ])?;
        node.explicit_padding()?;
        let weight = self.weights(node, 1)?;
        let &[output, input, kernel, width] = &weight.shape[..] else {
            return Err(node.expected(
                "weights of four extents,",
                "[out, in, height, width]",
                &weight.shape,
            ));
        };
        if kernel != width || weight.elements() == 0 {
            return Err(node.expected("a square kernel,", "[out, in, k, k]", &weight.shape));
        }
        let geometry = Geometry {
            kernel: node.same("kernel_shape", 2, kernel)?,
            stride: node.same("strides", 2, 1)?,
            dilation: node.same("dilations", 2, 1)?,
            groups: usize::try_from(node.int("group", 1)?).unwrap_or(0),
        };
        // Far above every network, far below what overflows.
        let plausible = |n: usize| (1..=1024).contains(&n);
        if geometry.kernel != kernel
            || ![kernel, geometry.stride, geometry.dilation]
                .into_iter()
                .all(plausible)
        {
            return Err(node.expected(
                "strides and dilations from 1 to 1024 and the kernel of the weights,",
                kernel,
                geometry,
            ));
        }
        if geometry.groups == 0 || output % geometry.groups != 0 || input == 0 {
            return Err(node.expected(
                "a divisor of the channels as `group`,",
                output,
                geometry.groups,
            ));
        }
        let bias = node
            .has_input(2)
            .then(|| self.vector(node, 2, output))
            .transpose()?;
        Ok(Conv {
            node,
            weight,
            bias,
            geometry,
        })
    }

    /// The `channels` floats that `node` reads as its input `index`.
    pub(super) fn vector(
        &self,
        node: &Node,
        index: usize,
        channels: usize,
    ) -> Result<&Constant, String> {
        let vector = self.weights(node, index)?;
        match vector.shape[..] {
            [found] if found == channels => Ok(vector),
            _ => Err(node.expected(
                &format!("input {index} of the shape"),
                [channels],
                &vector.shape,
            )),
        }
    }

    /// The activation that reads `value`, and the value after it.
    pub(super) fn activation<'g>(
        &'g self,
        value: &str,
    ) -> Result<Option<(Activation, &'g str)>, String> {
        match self.readers(value)[..] {
            [node] if value != self.output && node.op == "Relu" => {
                Ok(Some((Activation::Relu, node.output()?)))
            }
            [node] if value != self.output && node.op == "Swish" => {
                if node.float("alpha", 1.0)? != 1.0 {
                    return Err(node.expected("`alpha`", 1.0, node.float("alpha", 1.0)?));
                }
                Ok(Some((Activation::Silu, node.output()?)))
            }
            // x * sigmoid(x)
            [a, b] => {
                let (sigmoid, product) = if a.op == "Sigmoid" { (a, b) } else { (b, a) };
                let silu = sigmoid.op == "Sigmoid"
                    && product.op == "Mul"
                    && is_of(product, [value, sigmoid.output()?]);
                if silu && self.reader(sigmoid.output()?).is_some() {
                    return Ok(Some((Activation::Silu, product.output()?)));
                }
                Ok(None)
            }
            _ => Ok(None),
        }
    }
}

/// Whether a node combines these two values and nothing else.
pub(super) fn is_of(node: &Node, [a, b]: [&str; 2]) -> bool {
    matches!(&node.inputs[..], [x, y] if (x == a && y == b) || (x == b && y == a))
}
