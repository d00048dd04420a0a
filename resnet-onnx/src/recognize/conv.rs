//! Recognizes convolutions, and the norms and activations after them.

use resnet_core::Activation;
use resnet_core::layers::ConvPlan;

use super::norm::{Norm, Normed};
use crate::graph::{Constant, Graph, Node};

/// A convolution, usually with padding that keeps the size.
pub(crate) struct Conv<'g> {
    pub(crate) node: &'g Node,
    pub(crate) weight: &'g Constant,
    pub(crate) bias: Option<&'g Constant>,
    pub(crate) plan: ConvPlan,
}

/// A convolution with an optional norm and an optional activation.
pub(crate) struct Unit<'g> {
    pub(crate) conv: Conv<'g>,
    pub(crate) norm: Option<Norm<'g>>,
    pub(crate) act: Option<Activation>,
}

impl Conv<'_> {
    pub(crate) fn out_channels(&self) -> usize {
        self.plan.channels[1]
    }
}

impl<'g> Unit<'g> {
    pub(crate) fn normed(self) -> (Conv<'g>, Normed<'g>) {
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
    /// Returns the unit that begins with the convolution `node`, and the value after it.
    pub(super) fn unit<'g>(&'g self, node: &'g Node) -> Result<(Unit<'g>, &'g str), String> {
        let conv = self.conv(node)?;
        let expected = conv.plan.dilation * (conv.plan.kernel - 1) / 2;
        let pads = node.same("pads", 4, 0)?;
        if conv.plan.kernel % 2 == 0 || pads != expected {
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

    /// Returns a convolution with any padding.
    pub(super) fn conv<'g>(&'g self, node: &'g Node) -> Result<Conv<'g>, String> {
        check_attributes(node)?;
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
        let groups = usize::try_from(node.int("group", 1)?).unwrap_or(0);
        let plan = ConvPlan {
            channels: [input.saturating_mul(groups), output],
            kernel: node.same("kernel_shape", 2, kernel)?,
            stride: node.same("strides", 2, 1)?,
            dilation: node.same("dilations", 2, 1)?,
            groups,
        };
        // Far above all known networks, and far below an overflow.
        let plausible = |n: usize| (1..=1024).contains(&n);
        if plan.kernel != kernel
            || ![kernel, plan.stride, plan.dilation]
                .into_iter()
                .all(plausible)
        {
            return Err(node.fault(&format!(
                "expected strides and dilations from 1 to 1024 and the kernel of the weights, {kernel}, found {}",
                describe(plan)
            )));
        }
        if groups == 0 || output % groups != 0 || input == 0 {
            return Err(node.expected("a divisor of the channels as `group`,", output, groups));
        }
        let bias = node
            .has_input(2)
            .then(|| self.vector(node, 2, output))
            .transpose()?;
        Ok(Conv {
            node,
            weight,
            bias,
            plan,
        })
    }

    /// Returns the activation that reads `value`, and the value after it.
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
                    && product.combines([value, sigmoid.output()?]);
                if silu && self.reader(sigmoid.output()?).is_some() {
                    return Ok(Some((Activation::Silu, product.output()?)));
                }
                Ok(None)
            }
            _ => Ok(None),
        }
    }
}

/// Returns an error if a convolution has unsupported attributes.
pub(super) fn check_attributes(node: &Node) -> Result<(), String> {
    node.only(&[
        "kernel_shape",
        "strides",
        "pads",
        "dilations",
        "group",
        "auto_pad",
    ])?;
    node.explicit_padding()
}

/// Describes a convolution for error messages.
pub(crate) fn describe(plan: ConvPlan) -> String {
    let ConvPlan {
        kernel,
        stride,
        dilation,
        groups,
        ..
    } = plan;
    format!(
        "a {kernel}x{kernel} convolution of stride {stride}, dilation {dilation} and {groups} groups"
    )
}
