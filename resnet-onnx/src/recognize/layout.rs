//! The positions of batch and channels in a pooled map: `[n, c, 1, 1]`, `[n, c]`, `[n, 1, c]`, ….

use crate::graph::{Extent, Graph, Node};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Axis {
    Batch,
    Channels,
    One,
}

/// The axes of a value with one number per image and channel.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Layout(Vec<Axis>);

impl Layout {
    /// `[n, c, 1, 1]`
    pub(super) fn map() -> Self {
        Self(vec![Axis::Batch, Axis::Channels, Axis::One, Axis::One])
    }

    /// `[n, c]`
    pub(super) fn rows() -> Self {
        Self(vec![Axis::Batch, Axis::Channels])
    }

    /// `[n, 1, c]`
    pub(super) fn sequence() -> Self {
        Self(vec![Axis::Batch, Axis::One, Axis::Channels])
    }

    /// Returns the number of groups in a shape `[n, groups, -1]`.
    pub(super) fn grouped(to: &[Extent], batch: Option<usize>) -> Option<usize> {
        match to {
            [first, Extent::Int(groups), Extent::Int(-1)] => {
                let first = match first {
                    Extent::Batch | Extent::Int(0) => true,
                    Extent::Int(n) => batch.is_some_and(|batch| batch as i64 == *n),
                    Extent::Unknown => false,
                };
                usize::try_from(*groups)
                    .ok()
                    .filter(|groups| first && *groups > 0)
            }
            _ => None,
        }
    }

    /// Returns the layout after a node that keeps the order of the values, or `None` for any other
    /// node.
    pub(super) fn after(
        &self,
        graph: &Graph,
        node: &Node,
        channels: usize,
    ) -> Result<Option<Self>, String> {
        let after = match node.op.as_str() {
            "Flatten" => {
                node.is("axis", 1, 1)?;
                Self::rows()
            }
            "Reshape" => {
                let to = graph.extents(node.input(1)?);
                let to = to.and_then(|to| {
                    self.reshaped(
                        &to,
                        graph.input_shape[0],
                        channels,
                        node.int("allowzero", 0).ok()? == 0,
                    )
                });
                to.ok_or_else(|| node.fault("changes more than the number of axes"))?
            }
            "Squeeze" => self.squeezed(graph, node)?,
            "Unsqueeze" => self.unsqueezed(graph, node)?,
            "Transpose" => self.transposed(node)?,
            _ => return Ok(None),
        };
        Ok(Some(after))
    }

    fn squeezed(&self, graph: &Graph, node: &Node) -> Result<Self, String> {
        let removed = self.axes(graph, node, self.0.len())?;
        if removed.iter().any(|&axis| self.0[axis] != Axis::One) {
            return Err(node.fault("removes axes of more than one element"));
        }
        let axes = self.0.iter().enumerate();
        let axes = axes.filter(|(axis, _)| !removed.contains(axis));
        Ok(Self(axes.map(|(_, axis)| *axis).collect()))
    }

    fn unsqueezed(&self, graph: &Graph, node: &Node) -> Result<Self, String> {
        let rank = self.0.len() + axes_of(graph, node)?.len();
        let added = self.axes(graph, node, rank)?;
        let mut rest = self.0.iter().copied();
        let axes = (0..rank).map(|axis| match added.contains(&axis) {
            true => Axis::One,
            false => rest.next().unwrap_or(Axis::One),
        });
        Ok(Self(axes.collect()))
    }

    fn transposed(&self, node: &Node) -> Result<Self, String> {
        let perm = node.ints("perm")?.unwrap_or_default().iter();
        let axes = perm.map(|&axis| self.0.get(usize::try_from(axis).ok()?).copied());
        let axes = axes.collect::<Option<Vec<_>>>();
        let axes = axes.filter(|axes| axes.first() == Some(&Axis::Batch));
        Ok(Self(
            axes.ok_or_else(|| node.fault("moves the batch axis"))?,
        ))
    }

    /// Returns the layout after a reshape to `to`: batch first, channels once, 1 everywhere else.
    fn reshaped(
        &self,
        to: &[Extent],
        batch: Option<usize>,
        channels: usize,
        zero_copies: bool,
    ) -> Option<Self> {
        let rest_is_explicit = to
            .iter()
            .skip(1)
            .any(|extent| *extent == Extent::Int(channels as i64));
        let mut after = Vec::new();
        for (index, extent) in to.iter().enumerate() {
            let axis = match *extent {
                Extent::Int(0) if zero_copies => *self.0.get(index)?,
                Extent::Batch => Axis::Batch,
                Extent::Int(-1) if index == 0 && rest_is_explicit => Axis::Batch,
                Extent::Int(n) if index == 0 && batch? as i64 == n => Axis::Batch,
                Extent::Int(n)
                    if index > 0
                        && (n == -1 || n == channels as i64)
                        && !after.contains(&Axis::Channels) =>
                {
                    Axis::Channels
                }
                Extent::Int(1) => Axis::One,
                _ => return None,
            };
            after.push(axis);
        }
        let others = after.iter().skip(1).filter(|axis| **axis != Axis::One);
        (after.first() == Some(&Axis::Batch) && others.eq([&Axis::Channels])).then_some(Self(after))
    }

    fn axes(&self, graph: &Graph, node: &Node, rank: usize) -> Result<Vec<usize>, String> {
        let axes = axes_of(graph, node)?;
        let axes = axes.iter().map(|&axis| {
            if axis < 0 {
                axis.saturating_add(rank as i64)
            } else {
                axis
            }
        });
        let axes: Option<Vec<usize>> = axes
            .map(|axis| usize::try_from(axis).ok().filter(|axis| *axis < rank))
            .collect();
        axes.ok_or_else(|| node.fault(&format!("has an axis beyond {rank}")))
    }
}

/// Returns the axes of a node: an attribute up to opset 12 (or 17), an input in later opsets.
pub(super) fn axes_of(graph: &Graph, node: &Node) -> Result<Vec<i64>, String> {
    if let Some(axes) = node.ints("axes")? {
        return Ok(axes.to_vec());
    }
    let axes = node
        .has_input(1)
        .then(|| graph.ints(node.inputs[1].as_str()))
        .flatten();
    axes.filter(|axes| axes.len() <= 4)
        .ok_or_else(|| node.fault("has no axes"))
}
