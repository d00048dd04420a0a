//! Recognizes channel attention: a gate per channel, computed from the mean of the feature map.

use super::conv::check_attributes;
use super::layout::Layout;
use super::linear::Dense;
use crate::graph::{Constant, Graph, Node};

pub(crate) enum Gate<'g> {
    SqueezeExcite {
        fc1: Dense<'g>,
        fc2: Dense<'g>,
    },
    EfficientChannel {
        node: &'g Node,
        kernel: &'g Constant,
    },
}

impl Graph {
    /// Returns the gate that is applied to `value`, and the gated value.
    pub(super) fn gate<'g>(
        &'g self,
        value: &str,
        channels: usize,
    ) -> Result<Option<(Gate<'g>, &'g str)>, String> {
        let (pool, product) = match self.readers(value)[..] {
            [a, b] if b.op == "Mul" && a.op != "Mul" => (a, b),
            [a, b] if a.op == "Mul" && b.op != "Mul" => (b, a),
            _ => return Ok(None),
        };
        let Some((resnet_core::GlobalPool::Avg, layout)) = self.global_pool(pool, None)? else {
            return Ok(None);
        };
        let mut at = At {
            graph: self,
            value: pool.output()?,
            layout,
            channels,
        };

        let gate = at.layers()?;
        at.expect("Sigmoid")?;
        let last = at.next()?;
        let last = match last.op.as_str() {
            "Expand" => {
                at.value = last.output()?;
                at.next()?
            }
            _ => last,
        };
        let fits = std::ptr::eq(last, product)
            && at.layout == Layout::map()
            && at.channels == channels
            && product.combines([value, at.value]);
        match fits {
            true => Ok(Some((gate, product.output()?))),
            false => Err(product.fault("is not a gate for the channels that it reads")),
        }
    }
}

/// A position in the computation of a gate.
struct At<'g> {
    graph: &'g Graph,
    value: &'g str,
    layout: Layout,
    channels: usize,
}

impl<'g> At<'g> {
    /// Recognizes the layers from the mean of the map to the sigmoid.
    fn layers(&mut self) -> Result<Gate<'g>, String> {
        let first = self.next()?;
        if first.op == "Conv" && self.layout == Layout::sequence() {
            let kernel = self.convolve(first)?;
            return Ok(Gate::EfficientChannel {
                node: first,
                kernel,
            });
        }
        let fc1 = self.dense(first)?;
        self.expect("Relu")?;
        let second = self.next()?;
        let fc2 = self.dense(second)?;
        Ok(Gate::SqueezeExcite { fc1, fc2 })
    }

    /// Returns the next computing node, and skips nodes that only move axes.
    fn next(&mut self) -> Result<&'g Node, String> {
        loop {
            let node = self.graph.reader(self.value);
            let node = node.ok_or_else(|| {
                format!(
                    "`{}` belongs to a gate, but is not read by exactly one node",
                    self.value
                )
            })?;
            match self.layout.after(self.graph, node, self.channels)? {
                Some(layout) => (self.layout, self.value) = (layout, node.output()?),
                None => return Ok(node),
            }
        }
    }

    fn expect(&mut self, op: &str) -> Result<(), String> {
        let node = self.next()?;
        if node.op != op {
            return Err(node.fault(&format!("expected {op} in the gate of a channel")));
        }
        self.value = node.output()?;
        Ok(())
    }

    /// Recognizes a 1x1 convolution of a map, or a matrix product with rows.
    fn dense(&mut self, node: &'g Node) -> Result<Dense<'g>, String> {
        let unexpected = || node.fault("is not a layer of a squeeze-and-excitation gate");
        let dense = if self.layout == Layout::map() && node.op == "Conv" {
            let conv = self.graph.conv(node)?;
            if [conv.plan.kernel, conv.plan.stride, conv.plan.groups] != [1; 3]
                || node.same("pads", 4, 0)? != 0
            {
                return Err(unexpected());
            }
            self.value = node.output()?;
            Dense {
                node,
                weight: conv.weight.clone(),
                bias: conv.bias,
            }
        } else if self.layout == Layout::rows() {
            let (dense, value) = self
                .graph
                .linear(node, self.value)?
                .ok_or_else(unexpected)?;
            self.value = value;
            dense
        } else {
            return Err(unexpected());
        };
        if dense.weight.shape[1] != self.channels {
            return Err(node.expected("input channels", self.channels, dense.weight.shape[1]));
        }
        self.channels = dense.weight.shape[0];
        Ok(dense)
    }

    /// Recognizes a convolution across neighboring channels.
    fn convolve(&mut self, node: &'g Node) -> Result<&'g Constant, String> {
        check_attributes(node)?;
        node.is("group", 1, 1)?;
        let kernel = self.graph.weights(node, 1)?;
        let &[1, 1, width] = &kernel.shape[..] else {
            return Err(node.expected("a kernel of the shape", "[1, 1, k]", &kernel.shape));
        };
        let found = [
            node.same("kernel_shape", 1, width)?,
            node.same("strides", 1, 1)?,
            node.same("dilations", 1, 1)?,
        ];
        let pads = node.same("pads", 2, 0)?;
        if found != [width, 1, 1] || width % 2 == 0 || pads != width / 2 || node.has_input(2) {
            return Err(
                node.fault("expected a convolution across channels that keeps their number")
            );
        }
        self.value = node.output()?;
        Ok(kernel)
    }
}
