//! Recognizes batch norms, and group norms in both forms that exporters write.

use super::layout::Layout;
use crate::graph::{Constant, Graph, Node};

pub(crate) enum Norm<'g> {
    Batch(BatchNorm<'g>),
    Group {
        groups: usize,
        scale: &'g Constant,
        bias: &'g Constant,
    },
}

pub(crate) struct BatchNorm<'g> {
    pub(crate) scale: &'g Constant,
    pub(crate) bias: &'g Constant,
    pub(crate) mean: &'g Constant,
    pub(crate) variance: &'g Constant,
    pub(crate) epsilon: f64,
}

/// A norm, or the bias that remains after the exporter folded a norm into the convolution. It has
/// both if a norm follows a convolution with a bias.
pub(crate) struct Normed<'g> {
    pub(crate) node: &'g Node,
    pub(crate) bias: Option<&'g Constant>,
    pub(crate) norm: Option<Norm<'g>>,
    pub(crate) channels: usize,
}

impl Graph {
    /// Returns the norm that is the only reader of `value`, and the value after it.
    pub(super) fn norm<'g>(
        &'g self,
        value: &str,
        channels: usize,
    ) -> Result<Option<(Norm<'g>, &'g str)>, String> {
        let Some(node) = self.reader(value) else {
            return Ok(None);
        };
        match node.op.as_str() {
            "BatchNormalization" => self.batch_norm(node, channels).map(Some),
            "GroupNormalization" => self.group_norm(node, channels).map(Some),
            // Exporters write a group norm as an instance norm over groups.
            "Reshape" => match self.reader(node.output()?) {
                Some(inner) if inner.op == "InstanceNormalization" => self
                    .grouped_instance_norm(value, node, inner, channels)
                    .map(Some),
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }

    pub(super) fn batch_norm<'g>(
        &'g self,
        node: &'g Node,
        channels: usize,
    ) -> Result<(Norm<'g>, &'g str), String> {
        node.only(&["epsilon", "momentum", "spatial", "training_mode"])?;
        node.is("spatial", 1, 1)?;
        node.is("training_mode", 0, 0)?;
        let vector = |index| self.vector(node, index, channels);
        let norm = BatchNorm {
            scale: vector(1)?,
            bias: vector(2)?,
            mean: vector(3)?,
            variance: vector(4)?,
            epsilon: decimal(node.float("epsilon", 1e-5)?),
        };
        Ok((Norm::Batch(norm), node.output()?))
    }

    fn group_norm<'g>(
        &'g self,
        node: &'g Node,
        channels: usize,
    ) -> Result<(Norm<'g>, &'g str), String> {
        node.only(&["epsilon", "num_groups", "stash_type"])?;
        let groups = node.int("num_groups", 0)?;
        expect_epsilon(node)?;
        let norm = Norm::Group {
            groups: usize::try_from(groups).unwrap_or(0),
            scale: self.vector(node, 1, channels)?,
            bias: self.vector(node, 2, channels)?,
        };
        Ok((norm, node.output()?))
    }

    /// Recognizes a group norm as `Reshape` to `[n, groups, -1]`, `InstanceNormalization` without
    /// scale and shift, `Reshape` back, and `Mul` and `Add` per channel.
    fn grouped_instance_norm<'g>(
        &'g self,
        value: &str,
        reshape: &'g Node,
        node: &'g Node,
        channels: usize,
    ) -> Result<(Norm<'g>, &'g str), String> {
        let fault = |node: &Node| node.fault("is not part of a group norm as exporters write it");
        let to = self.extents(reshape.input(1)?).unwrap_or_default();
        let groups = match Layout::grouped(&to, self.input_shape[0]) {
            Some(groups) if channels.is_multiple_of(groups) => groups,
            _ => return Err(fault(reshape)),
        };
        node.only(&["epsilon"])?;
        expect_epsilon(node)?;
        for (index, expected) in [(1, 1.0), (2, 0.0)] {
            let vector = self.vector(node, index, groups)?;
            if vector.floats().iter().any(|value| *value != expected) {
                return Err(fault(node));
            }
        }
        let next = |node: &'g Node, op: &str| {
            let reader = self.reader(node.output()?).filter(|reader| reader.op == op);
            reader.ok_or_else(|| fault(node))
        };
        let back = next(node, "Reshape")?;
        let shape_of_input = self.producer(back.input(1)?).is_some_and(|node| {
            node.op == "Shape"
                && !node.has_attributes()
                && node.inputs.first().is_some_and(|input| input == value)
        });
        let known = self
            .ints(back.input(1)?)
            .is_some_and(|to| to.len() == 4 && to[1] == channels as i64);
        if !shape_of_input && !known {
            return Err(fault(back));
        }
        let scaled = next(back, "Mul")?;
        let scale = self.by_channel(scaled, back.output()?, channels)?;
        let shifted = next(scaled, "Add")?;
        let bias = self.by_channel(shifted, scaled.output()?, channels)?;
        Ok((
            Norm::Group {
                groups,
                scale,
                bias,
            },
            shifted.output()?,
        ))
    }

    /// Returns the constant of shape `[channels, 1, 1]` that `node` combines with `value`.
    fn by_channel(&self, node: &Node, value: &str, channels: usize) -> Result<&Constant, String> {
        let index = usize::from(node.input(0)? == value);
        let constant = self.weights(node, index)?;
        match constant.shape[..] {
            [found, 1, 1] | [1, found, 1, 1] if found == channels => Ok(constant),
            _ => Err(node.expected("a constant of the shape", [channels, 1, 1], &constant.shape)),
        }
    }
}

/// Returns the decimal number that an `f32` stands for: 1e-5, not 9.9999997e-6.
fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(value.into())
}

fn expect_epsilon(node: &Node) -> Result<(), String> {
    match node.float("epsilon", 1e-5)? {
        1e-5 => Ok(()),
        found => Err(node.expected("`epsilon`", 1e-5, found)),
    }
}
