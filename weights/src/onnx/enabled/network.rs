//! The parts of a residual network, found by following a graph from its input.

use resnet_core::{Activation, GlobalPool};

use super::conv::Unit;
use super::gate::{Dense, Gate};
use super::graph::Graph;
use super::node::Node;
use super::norm::Normed;
use super::pool::Pool;
use super::walk::{Size, Walk, is_pre_norm, stride, strided};

/// One step of a branch.
pub(super) enum Step<'g> {
    Unit(Unit<'g>),
    Pool(&'g Node, Pool),
    Gate(Gate<'g>),
}

/// `main(x) + shortcut(x)`, between activations or, pre-activation, after norm and activation.
pub(super) struct Block<'g> {
    /// The norm before the block, in a pre-activation network.
    pub(super) norm: Option<Normed<'g>>,
    pub(super) main: Vec<Step<'g>>,
    /// Nothing for the identity.
    pub(super) shortcut: Vec<Step<'g>>,
    pub(super) add: &'g Node,
}

pub(super) struct Network<'g> {
    pub(super) stem: Vec<Step<'g>>,
    pub(super) blocks: Vec<Block<'g>>,
    pub(super) pre_activation: bool,
    /// The norm after the last block of a pre-activation network.
    pub(super) norm: Option<Normed<'g>>,
    pub(super) activation: Activation,
    pub(super) global_pool: GlobalPool,
    pub(super) classifier: Option<Dense<'g>>,
}

pub(super) fn follow(graph: &Graph) -> Result<Network<'_>, String> {
    let mut walk = Walk {
        graph,
        activation: None,
    };
    let size = |at: usize| graph.input_shape[at];
    let mut size: Size = size(2).zip(size(3)).map(|(height, width)| [height, width]);

    let mut value = graph.input.as_str();
    let mut stem = Vec::new();
    while let Some(node) = graph.reader(value).filter(|node| !is_pre_norm(node)) {
        let (step, after) = walk.step(node, &mut size)?;
        stem.push(step);
        value = after;
    }
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let mut pre_activation = false;
    let norm = loop {
        // A pre-activation block of unchanged shape, or one that begins like the end of the network.
        let readers = graph.readers(value);
        let norm = readers.iter().find(|node| is_pre_norm(node));
        if let Some(&node) = norm {
            let (norm, after) = walk.pre_norm(node)?;
            match readers[..] {
                [_] if graph.reader(after).is_some() => break Some(norm),
                [_] => {
                    let (main, shortcut, add) = walk.fork(after, size)?;
                    blocks.push(Block {
                        norm: Some(norm),
                        main,
                        shortcut,
                        add,
                    });
                }
                _ => {
                    let node = graph
                        .reader(after)
                        .ok_or_else(|| node.fault("expected one convolution behind it"))?;
                    let (main, add) = walk.branch(node, size)?;
                    walk.expect_sum(add, value, &main, after)?;
                    blocks.push(Block {
                        norm: Some(norm),
                        main: main.steps,
                        shortcut: Vec::new(),
                        add,
                    });
                }
            }
            if blocks.len() > 1 && !pre_activation {
                return Err(node.fault("found a pre-activation block behind others"));
            }
            pre_activation = true;
        } else if readers.len() > 1 && (blocks.is_empty() || !pre_activation) {
            let (main, shortcut, add) = walk.fork(value, size)?;
            blocks.push(Block {
                norm: None,
                main,
                shortcut,
                add,
            });
        } else {
            break None;
        }
        let Some(block) = blocks.last() else {
            break None;
        };
        let [main, shortcut] = [&block.main, &block.shortcut]
            .map(|steps| steps.iter().map(stride).fold(1, usize::saturating_mul));
        if main != shortcut {
            return Err(block.add.fault(&format!(
                "joins branches of different strides, {main} and {shortcut}"
            )));
        }
        size = strided(size, main);
        value = block.add.output()?;
        // Without an activation the block was a pre-activation one: its norm is behind the stem.
        if let Some(after) = walk.activate(value, block.add)? {
            if pre_activation {
                return Err(block.add.fault(
                    "is followed by an activation, unlike the pre-activation blocks before",
                ));
            }
            value = after;
        } else if blocks.len() == 1 {
            pre_activation = true;
        } else if !pre_activation {
            return Err(block.add.fault("expected an activation behind it"));
        }
    };
    if blocks.is_empty() {
        return Err(walk.lost(value, "a residual block"));
    }
    if pre_activation && blocks[0].norm.is_none() {
        blocks[0].norm = Some(split_norm(&mut stem, blocks[0].add)?);
    }
    if pre_activation != norm.is_some() {
        return Err(walk.lost(value, "the norm behind the last pre-activation block"));
    }
    if let Some(norm) = &norm {
        value = walk
            .activate(norm.node.output()?, norm.node)?
            .unwrap_or(value);
    }
    let channels = blocks.last().and_then(Block::out_channels).unwrap_or(0);
    let (global_pool, classifier) = walk.head(value, size, channels)?;
    let activation = walk.activation.unwrap_or(Activation::Relu);
    Ok(Network {
        stem,
        blocks,
        pre_activation,
        norm,
        activation,
        global_pool,
        classifier,
    })
}

/// Takes the norm of the first pre-activation block off the stem, whose convolution it was taken to belong to.
fn split_norm<'g>(stem: &mut [Step<'g>], add: &Node) -> Result<Normed<'g>, String> {
    match stem {
        [Step::Unit(unit)] if unit.act.is_some() => {
            unit.act = None;
            Ok(Normed {
                node: unit.conv.node,
                bias: unit.conv.bias.take(),
                norm: unit.norm.take(),
                channels: unit.conv.out_channels(),
            })
        }
        _ => Err(add.fault("expected an activation behind it")),
    }
}

impl Block<'_> {
    /// Channels that the main branch gives.
    pub(super) fn out_channels(&self) -> Option<usize> {
        self.main.iter().rev().find_map(|step| match step {
            Step::Unit(unit) => Some(unit.conv.out_channels()),
            _ => None,
        })
    }
}
