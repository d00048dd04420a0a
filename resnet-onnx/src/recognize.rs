//! Recognizes the parts of a residual network, from the input of the graph to its output.

mod conv;
mod gate;
mod head;
mod layout;
mod linear;
mod norm;
mod pad;
mod parts;
mod pool;
mod walk;

use resnet_core::Activation;

pub(crate) use self::conv::{Conv, Unit, describe};
pub(crate) use self::gate::Gate;
pub(crate) use self::linear::Dense;
pub(crate) use self::norm::{BatchNorm, Norm, Normed};
pub(crate) use self::parts::{Block, Network, Step, pools, stride, units};
pub(crate) use self::pool::Pool;
use self::walk::{Size, Walk, is_pre_norm, strided};
use crate::graph::{Graph, Node};

/// Finds the parts of the network that a graph computes.
pub(crate) fn network(graph: &Graph) -> Result<Network<'_>, String> {
    let mut trail = Trail::new(graph);
    trail.stem()?;
    while let Some(block) = trail.block()? {
        trail.pass(block)?;
    }
    trail.norms()?;
    trail.finish()
}

/// The current position in a graph, and the parts found so far.
struct Trail<'g> {
    walk: Walk<'g>,
    value: &'g str,
    size: Size,
    stem: Vec<Step<'g>>,
    blocks: Vec<Block<'g>>,
    pre_activation: bool,
    /// The norm after the last block of a pre-activation network.
    norm: Option<Normed<'g>>,
}

impl<'g> Trail<'g> {
    fn new(graph: &'g Graph) -> Self {
        let [_, _, height, width] = graph.input_shape;
        Self {
            walk: Walk {
                graph,
                activation: None,
            },
            value: &graph.input,
            size: height.zip(width).map(|(height, width)| [height, width]),
            stem: Vec::new(),
            blocks: Vec::new(),
            pre_activation: false,
            norm: None,
        }
    }

    /// Follows the only reader of each value, up to the first fork or norm.
    fn stem(&mut self) -> Result<(), String> {
        while let Some(node) = self.walk.graph.reader(self.value)
            && !is_pre_norm(node)
        {
            let (step, after) = self.walk.step(node, &mut self.size)?;
            self.stem.push(step);
            self.value = after;
        }
        Ok(())
    }

    /// Returns the block that begins here, if there is one.
    fn block(&mut self) -> Result<Option<Block<'g>>, String> {
        let readers = self.walk.graph.readers(self.value);
        let norm = readers.iter().find(|node| is_pre_norm(node));
        match norm {
            Some(node) => self.pre_activation_block(node, readers.len() == 1),
            None if readers.len() > 1 && (self.blocks.is_empty() || !self.pre_activation) => {
                self.walk.fork(self.value, self.size).map(Some)
            }
            None => Ok(None),
        }
    }

    /// Returns the block that begins with the norm `node`. Returns `None` for the norm after the
    /// last block.
    ///
    /// If the norm is the only reader of the value, both branches begin after it. Otherwise the
    /// shortcut is the identity.
    fn pre_activation_block(
        &mut self,
        node: &'g Node,
        alone: bool,
    ) -> Result<Option<Block<'g>>, String> {
        let (norm, after) = self.walk.pre_norm(node)?;
        let reader = self.walk.graph.reader(after);
        let block = match (alone, reader) {
            (true, Some(_)) => {
                self.norm = Some(norm);
                return Ok(None);
            }
            (true, None) => self.walk.fork(after, self.size)?,
            (false, Some(first)) => {
                let (main, add) = self.walk.branch(first, self.size)?;
                self.walk.expect_sum(add, self.value, &main, after)?;
                Block::with_identity(main.steps, add)
            }
            (false, None) => return Err(node.fault("expected one convolution after it")),
        };
        if !self.blocks.is_empty() && !self.pre_activation {
            return Err(node.fault("is a pre-activation block after other blocks"));
        }
        self.pre_activation = true;
        Ok(Some(Block {
            norm: Some(norm),
            ..block
        }))
    }

    /// Continues after a block and its activation.
    fn pass(&mut self, block: Block<'g>) -> Result<(), String> {
        let [main, shortcut] = [&block.main, &block.shortcut]
            .map(|steps| steps.iter().map(stride).fold(1, usize::saturating_mul));
        if main != shortcut {
            return Err(block.add.fault(&format!(
                "joins branches of different strides, {main} and {shortcut}"
            )));
        }
        self.size = strided(self.size, main);
        self.value = block.add.output()?;
        match self.walk.activate(self.value, block.add)? {
            Some(_) if self.pre_activation => {
                return Err(block.add.fault(
                    "is followed by an activation, unlike the pre-activation blocks before",
                ));
            }
            Some(after) => self.value = after,
            // A first block without an activation is a pre-activation block. Its norm comes after
            // the stem.
            None if self.blocks.is_empty() => self.pre_activation = true,
            None if self.pre_activation => {}
            None => return Err(block.add.fault("expected an activation after it")),
        }
        self.blocks.push(block);
        Ok(())
    }

    /// Finds the first and the last norm of a pre-activation network.
    fn norms(&mut self) -> Result<(), String> {
        let Some(first) = self.blocks.first_mut() else {
            return Err(self.walk.unexpected(self.value, "a residual block"));
        };
        if self.pre_activation && first.norm.is_none() {
            first.norm = Some(split_norm(&mut self.stem, first.add)?);
        }
        if self.pre_activation != self.norm.is_some() {
            let expected = "the norm after the last pre-activation block";
            return Err(self.walk.unexpected(self.value, expected));
        }
        if let Some(norm) = &self.norm
            && let Some(after) = self.walk.activate(norm.node.output()?, norm.node)?
        {
            self.value = after;
        }
        Ok(())
    }

    /// Recognizes the pool and the classifier, up to the output.
    fn finish(self) -> Result<Network<'g>, String> {
        let last = self.blocks.last();
        let channels = last.and_then(Block::out_channels).unwrap_or(0);
        let (global_pool, classifier) = self.walk.head(self.value, self.size, channels)?;
        Ok(Network {
            stem: self.stem,
            blocks: self.blocks,
            pre_activation: self.pre_activation,
            norm: self.norm,
            activation: self.walk.activation.unwrap_or(Activation::Relu),
            global_pool,
            classifier,
        })
    }
}

/// Moves the norm of the first pre-activation block out of the stem, where it was attributed to the
/// convolution.
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
        _ => Err(add.fault("expected an activation after it")),
    }
}
