//! The parts that a residual network consists of.

use resnet_core::{Activation, GlobalPool};

use super::conv::Unit;
use super::gate::Gate;
use super::linear::Dense;
use super::norm::Normed;
use super::pool::Pool;
use crate::graph::Node;

/// One step of a branch.
pub(crate) enum Step<'g> {
    Unit(Unit<'g>),
    Pool(&'g Node, Pool),
    Gate(Gate<'g>),
}

/// `main(x) + shortcut(x)`, between activations or, pre-activation, after norm and activation.
pub(crate) struct Block<'g> {
    /// The norm before the block, in a pre-activation network.
    pub(crate) norm: Option<Normed<'g>>,
    pub(crate) main: Vec<Step<'g>>,
    /// Nothing for the identity.
    pub(crate) shortcut: Vec<Step<'g>>,
    pub(crate) add: &'g Node,
}

/// What a graph computes.
pub(crate) struct Network<'g> {
    pub(crate) stem: Vec<Step<'g>>,
    pub(crate) blocks: Vec<Block<'g>>,
    pub(crate) pre_activation: bool,
    /// The norm after the last block of a pre-activation network.
    pub(crate) norm: Option<Normed<'g>>,
    pub(crate) activation: Activation,
    pub(crate) global_pool: GlobalPool,
    pub(crate) classifier: Option<Dense<'g>>,
}

impl<'g> Block<'g> {
    pub(super) fn with_identity(main: Vec<Step<'g>>, add: &'g Node) -> Self {
        Self {
            norm: None,
            main,
            shortcut: Vec::new(),
            add,
        }
    }

    /// Channels that the main branch gives.
    pub(crate) fn out_channels(&self) -> Option<usize> {
        let last = units(&self.main).last();
        last.map(|unit| unit.conv.out_channels())
    }
}

/// The convolutions among some steps.
pub(crate) fn units<'n, 'g>(steps: &'n [Step<'g>]) -> impl Iterator<Item = &'n Unit<'g>> {
    steps.iter().filter_map(|step| match step {
        Step::Unit(unit) => Some(unit),
        _ => None,
    })
}

/// The pools among some steps.
pub(crate) fn pools<'n>(steps: &'n [Step<'_>]) -> impl Iterator<Item = Pool> + 'n {
    steps.iter().filter_map(|step| match step {
        Step::Pool(_, pool) => Some(*pool),
        _ => None,
    })
}

/// Pixels of the input for one of the output, each way.
pub(crate) fn stride(step: &Step<'_>) -> usize {
    match step {
        Step::Unit(unit) => unit.conv.plan.stride,
        Step::Pool(_, pool) => pool.stride(),
        Step::Gate(_) => 1,
    }
}
