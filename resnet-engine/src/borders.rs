//! The zeros around feature maps, so that convolutions need no padded copy of their input.

use alloc::vec;
use alloc::vec::Vec;

use resnet_kernels::layout::Border;

use crate::graph::{Graph, INPUT, Op, Value};
use crate::plan::StepConv;

/// Returns the border of each value. `convs` has the convolution of each of the `nodes`.
///
/// A value has a border if a convolution or a conversion to integers computes it, and only
/// convolutions read it, of which one pads. A residual has the border of the sum, which may overwrite it.
pub(crate) fn borders(
    graph: &Graph,
    nodes: &[usize],
    convs: &[Option<StepConv>],
    requested: &[Value],
) -> Vec<Border> {
    let mut classes = Classes::new(graph.channels.len());
    for node in nodes {
        let node = &graph.nodes[*node];
        if let Op::Conv {
            residual: Some(residual),
            ..
        } = node.op
        {
            classes.join(residual, node.output);
        }
    }
    let mut wanted = vec![Border::default(); graph.channels.len()];
    let mut refused = vec![false; graph.channels.len()];
    refused[classes.of(INPUT)] = true;
    requested
        .iter()
        .for_each(|value| refused[classes.of(*value)] = true);
    for (node, conv) in nodes.iter().zip(convs) {
        let node = &graph.nodes[*node];
        match conv {
            Some(conv) => {
                let wanted = &mut wanted[classes.of(node.input)];
                let pairs = wanted.iter_mut().flatten();
                let pairs = pairs.zip(conv.padding().into_iter().flatten());
                pairs.for_each(|(wanted, padding)| *wanted = (*wanted).max(padding));
            }
            None => {
                let output = match node.op {
                    Op::Quantize => None,
                    _ => Some(node.output),
                };
                let values = node.op.inputs(node.input).chain(output);
                values.for_each(|value| refused[classes.of(value)] = true);
            }
        }
    }
    let border = |value: Value| match classes.of(value) {
        class if refused[class] => Border::default(),
        class => wanted[class],
    };
    (0..graph.channels.len()).map(border).collect()
}

/// Sets of values with the same border, as a union-find forest: the parent of each value.
struct Classes(Vec<Value>);

impl Classes {
    fn new(values: usize) -> Self {
        Self((0..values).collect())
    }

    /// Returns the representative of the value's set.
    fn of(&self, value: Value) -> Value {
        match self.0[value] {
            parent if parent == value => value,
            parent => self.of(parent),
        }
    }

    fn join(&mut self, a: Value, b: Value) {
        let (a, b) = (self.of(a), self.of(b));
        self.0[a.max(b)] = a.min(b);
    }
}
