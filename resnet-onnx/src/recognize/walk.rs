//! Follows steps, branches and sums from one value of a graph to the next.

use resnet_core::Activation;

use super::norm::Normed;
use super::parts::{Block, Step, stride};
use super::pool::{Pool, average_pool, max_pool};
use crate::graph::{Graph, Node};

/// Height and width of a map; `None` if dynamic.
pub(super) type Size = Option<[usize; 2]>;

/// A walk over the graph.
pub(super) struct Walk<'g> {
    pub(super) graph: &'g Graph,
    pub(super) activation: Option<Activation>,
}

/// A branch that ends in a sum.
pub(super) struct Branch<'g> {
    pub(super) steps: Vec<Step<'g>>,
    end: &'g str,
}

impl<'g> Walk<'g> {
    /// Returns the step that begins with `node`, and the value after it.
    pub(super) fn step(
        &mut self,
        node: &'g Node,
        size: &mut Size,
    ) -> Result<(Step<'g>, &'g str), String> {
        let (step, value) = if node.op == "Conv" {
            let (unit, value) = self.graph.unit(node)?;
            if let Some(act) = unit.act {
                self.agree(act, node)?;
            }
            (Step::Unit(unit), value)
        } else {
            let (pool, value) = self.pool(node, *size)?;
            (Step::Pool(node, pool), value)
        };
        *size = strided(*size, stride(&step));
        Ok((step, value))
    }

    /// Returns the pool or similar operation that begins with `node`, and the value after it.
    fn pool(&self, node: &'g Node, size: Size) -> Result<(Pool, &'g str), String> {
        match node.op.as_str() {
            "MaxPool" => Ok((max_pool(node)?, node.output()?)),
            "AveragePool" => Ok((average_pool(node, size)?, node.output()?)),
            "Slice" => self.graph.strided(node),
            "Pad" => self.graph.padded(node),
            op if op.contains("Quantize") || op.starts_with("QLinear") => {
                Err(node.fault("belongs to a quantized network"))
            }
            _ => Err(node.fault("is not part of a supported residual network")),
        }
    }

    fn agree(&mut self, act: Activation, node: &Node) -> Result<(), String> {
        match *self.activation.get_or_insert(act) {
            expected if expected == act => Ok(()),
            expected => Err(node.expected("the activation", expected, act)),
        }
    }

    /// Returns the value after the activation that follows `node`, if there is one.
    pub(super) fn activate(
        &mut self,
        value: &'g str,
        node: &Node,
    ) -> Result<Option<&'g str>, String> {
        let Some((act, after)) = self.graph.activation(value)? else {
            return Ok(None);
        };
        self.agree(act, node)?;
        Ok(Some(after))
    }

    /// Recognizes norm and activation before a block or the head. Returns the norm and the value
    /// after the activation.
    pub(super) fn pre_norm(&mut self, node: &'g Node) -> Result<(Normed<'g>, &'g str), String> {
        let channels = self.graph.weights(node, 1)?.elements();
        let (norm, value) = self.graph.batch_norm(node, channels)?;
        let after = self.activate(value, node)?;
        let after = after.ok_or_else(|| node.fault("expected an activation after it"))?;
        Ok((
            Normed {
                node,
                bias: None,
                norm: Some(norm),
                channels,
            },
            after,
        ))
    }

    /// Follows a branch from the convolution or pool `node` to the sum at its end.
    pub(super) fn branch(
        &mut self,
        mut node: &'g Node,
        mut size: Size,
    ) -> Result<(Branch<'g>, &'g Node), String> {
        let mut steps = Vec::new();
        loop {
            let (step, mut end) = self.step(node, &mut size)?;
            let channels = match &step {
                Step::Unit(unit) => unit.conv.out_channels(),
                _ => 0,
            };
            steps.push(step);
            if let Some((gate, after)) = self.graph.gate(end, channels)? {
                steps.push(Step::Gate(gate));
                end = after;
            }
            node = match self.graph.reader(end) {
                Some(node) if is_sum(node) => return Ok((Branch { steps, end }, node)),
                Some(node) => node,
                None => {
                    return Err(
                        node.fault("expected one node after it, in a branch that ends in a sum")
                    );
                }
            };
        }
    }

    /// Recognizes a block whose two branches begin at `value`.
    pub(super) fn fork(&mut self, value: &str, size: Size) -> Result<Block<'g>, String> {
        let readers = self.graph.readers(value);
        let [a, b] = readers[..] else {
            let ops: Vec<_> = readers.iter().map(|node| node.op.as_str()).collect();
            return Err(format!(
                "`{value}` is read by {ops:?}, expected the two branches of a residual block"
            ));
        };
        for (identity, start) in [(a, b), (b, a)] {
            if is_sum(identity) && !is_sum(start) {
                let (main, add) = self.branch(start, size)?;
                self.expect_sum(add, value, &main, value)?;
                return Ok(Block::with_identity(main.steps, add));
            }
        }
        let ((a, add), (b, other)) = (self.branch(a, size)?, self.branch(b, size)?);
        if !std::ptr::eq(add, other) || !add.combines([a.end, b.end]) {
            return Err(add.fault(&format!("does not join the two branches from `{value}`")));
        }
        let (main, shortcut) = match [is_main(&a.steps), is_main(&b.steps)] {
            [true, false] => (a.steps, b.steps),
            [false, true] => (b.steps, a.steps),
            _ => {
                let fault = "expected one branch of several convolutions and one shortcut";
                return Err(add.fault(fault));
            }
        };
        Ok(Block {
            shortcut,
            ..Block::with_identity(main, add)
        })
    }

    pub(super) fn expect_sum(
        &self,
        add: &Node,
        identity: &str,
        main: &Branch<'_>,
        from: &str,
    ) -> Result<(), String> {
        match add.combines([identity, main.end]) {
            true => Ok(()),
            false => Err(add.fault(&format!(
                "does not add the branch from `{from}` to `{identity}`"
            ))),
        }
    }

    /// Returns an error message about the nodes found instead of an expected part.
    pub(super) fn unexpected(&self, value: &str, expected: &str) -> String {
        match self.graph.readers(value)[..] {
            [] => format!("expected {expected} after `{value}`, found the end"),
            [node, ..] => node.fault(&format!("expected {expected}")),
        }
    }
}

pub(super) fn is_pre_norm(node: &Node) -> bool {
    node.op == "BatchNormalization"
}

pub(super) fn strided(size: Size, stride: usize) -> Size {
    size.map(|size| size.map(|side| side.div_ceil(stride.max(1))))
}

fn is_sum(node: &Node) -> bool {
    matches!(node.op.as_str(), "Add" | "Sum")
}

fn is_main(steps: &[Step<'_>]) -> bool {
    let activated = |step: &Step<'_>| matches!(step, Step::Unit(unit) if unit.act.is_some());
    steps.len() > 1 && steps.iter().any(activated)
}
