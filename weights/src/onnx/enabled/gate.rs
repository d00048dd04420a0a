//! Channel attention: a gate for every channel, computed from the mean of the map.

use super::constant::Constant;
use super::conv::is_of;
use super::graph::Graph;
use super::layout::Layout;
use super::node::Node;

/// A layer from channels to channels.
pub(super) struct Dense<'g> {
    pub(super) node: &'g Node,
    /// Of shape `[out, in]`, with as many axes of 1 behind as the file has.
    pub(super) weight: Constant,
    pub(super) bias: Option<&'g Constant>,
}

pub(super) enum Gate<'g> {
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
    /// The gate that `value` goes through, and the gated value.
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

        let first = at.next()?;
        let gate = if first.op == "Conv" && at.layout == Layout::sequence() {
            let kernel = at.convolve(first)?;
            Gate::EfficientChannel {
                node: first,
                kernel,
            }
        } else {
            let fc1 = at.dense(first)?;
            at.expect("Relu")?;
            let second = at.next()?;
            Gate::SqueezeExcite {
                fc1,
                fc2: at.dense(second)?,
            }
        };
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
            && is_of(product, [value, at.value]);
        match fits {
            true => Ok(Some((gate, product.output()?))),
            false => Err(product.fault("is no gate of the channels it reads")),
        }
    }

    /// The fully connected layer that begins with `node`, which reads `value` in rows, and the value after it.
    pub(super) fn linear<'g>(
        &'g self,
        node: &'g Node,
        value: &str,
    ) -> Result<Option<(Dense<'g>, &'g str)>, String> {
        let first_input = |node: &Node| match node.inputs.first() {
            Some(input) if input == value => Ok(()),
            _ => Err(node.fault("expected the map as its first input")),
        };
        match node.op.as_str() {
            "Gemm" => {
                node.only(&["alpha", "beta", "transA", "transB", "broadcast"])?;
                first_input(node)?;
                node.is("transA", 0, 0)?;
                for key in ["alpha", "beta"] {
                    if node.float(key, 1.0)? != 1.0 {
                        return Err(node.expected(&format!("`{key}`"), 1.0, node.float(key, 1.0)?));
                    }
                }
                let stored = self.matrix(node)?;
                let weight = match node.int("transB", 0)? {
                    0 => stored.transpose().unwrap_or(stored),
                    _ => stored,
                };
                let bias = node
                    .has_input(2)
                    .then(|| self.row(node, 2, weight.shape[0]))
                    .transpose()?;
                Ok(Some((Dense { node, weight, bias }, node.output()?)))
            }
            "MatMul" => {
                first_input(node)?;
                let stored = self.matrix(node)?;
                let weight = stored.transpose().unwrap_or(stored);
                let product = node.output()?;
                match self.reader(product).filter(|reader| reader.op == "Add") {
                    Some(add) => {
                        let index = usize::from(add.input(0)? == product);
                        let bias = Some(self.row(add, index, weight.shape[0])?);
                        Ok(Some((Dense { node, weight, bias }, add.output()?)))
                    }
                    None => Ok(Some((
                        Dense {
                            node,
                            weight,
                            bias: None,
                        },
                        product,
                    ))),
                }
            }
            _ => Ok(None),
        }
    }

    fn matrix(&self, node: &Node) -> Result<Constant, String> {
        let weight = self.weights(node, 1)?;
        match weight.shape[..] {
            [a, b] if a > 0 && b > 0 => Ok(weight.clone()),
            _ => Err(node.expected("a matrix of weights,", "[in, out]", &weight.shape)),
        }
    }

    fn row(&self, node: &Node, index: usize, length: usize) -> Result<&Constant, String> {
        let bias = self.weights(node, index)?;
        match bias.shape[..] {
            [found] | [1, found] if found == length => Ok(bias),
            _ => Err(node.expected("a bias of the shape", [length], &bias.shape)),
        }
    }
}

/// A place in the computation of a gate.
struct At<'g> {
    graph: &'g Graph,
    value: &'g str,
    layout: Layout,
    channels: usize,
}

impl<'g> At<'g> {
    /// The next node that computes, after those that only move the axes.
    fn next(&mut self) -> Result<&'g Node, String> {
        loop {
            let node = self.graph.reader(self.value);
            let node = node.ok_or_else(|| {
                format!(
                    "`{}` is computed for a gate and read by more than it",
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

    /// A 1x1 convolution of a map, or a matrix times rows.
    fn dense(&mut self, node: &'g Node) -> Result<Dense<'g>, String> {
        let unexpected = || node.fault("is no layer of a squeeze-and-excitation gate");
        let dense = if self.layout == Layout::map() && node.op == "Conv" {
            let conv = self.graph.conv(node)?;
            let geometry = conv.geometry;
            if [geometry.kernel, geometry.stride, geometry.groups] != [1; 3]
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

    /// A convolution across neighbouring channels.
    fn convolve(&mut self, node: &'g Node) -> Result<&'g Constant, String> {
        node.only(&[
            "kernel_shape",
            "strides",
            "pads",
            "dilations",
            "group",
            "auto_pad",
        ])?;
        node.explicit_padding()?;
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
