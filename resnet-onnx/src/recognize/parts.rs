//! The parts of a residual network.

use resnet_core::{Activation, GlobalPool};

use super::conv::Unit;
use super::gate::Gate;
use super::linear::Dense;
use super::norm::Normed;
use super::pool::Pool;
use crate::graph::Node;

/// A step of a branch.
pub(crate) enum Step<'g> {
    Unit(Unit<'g>),
    Pool(&'g Node, Pool),
    Gate(Gate<'g>),
}

/// `main(x) + shortcut(x)`, followed by an activation. In pre-activation networks, norm and
/// activation precede it instead.
pub(crate) struct Block<'g> {
    /// The norm before the block, in pre-activation networks.
    pub(crate) norm: Option<Normed<'g>>,
    pub(crate) main: Vec<Step<'g>>,
    /// Empty for the identity.
    pub(crate) shortcut: Vec<Step<'g>>,
    pub(crate) add: &'g Node,
}

/// The parts of a whole network.
pub(crate) struct Network<'g> {
    pub(crate) stem: Vec<Step<'g>>,
    pub(crate) blocks: Vec<Block<'g>>,
    pub(crate) pre_activation: bool,
    /// The norm after the last block, in pre-activation networks.
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

    /// Returns the output channels of the main branch.
    pub(crate) fn out_channels(&self) -> Option<usize> {
        let last = units(&self.main).last();
        last.map(|unit| unit.conv.out_channels())
    }
}

/// Returns the convolutions in some steps.
pub(crate) fn units<'n, 'g>(steps: &'n [Step<'g>]) -> impl Iterator<Item = &'n Unit<'g>> {
    steps.iter().filter_map(|step| match step {
        Step::Unit(unit) => Some(unit),
        _ => None,
    })
}

/// Returns the pools in some steps.
pub(crate) fn pools<'n>(steps: &'n [Step<'_>]) -> impl Iterator<Item = Pool> + 'n {
    steps.iter().filter_map(|step| match step {
        Step::Pool(_, pool) => Some(*pool),
        _ => None,
    })
}

/// Returns the stride of a step.
pub(crate) fn stride(step: &Step<'_>) -> usize {
    match step {
        Step::Unit(unit) => unit.conv.plan.stride,
        Step::Pool(_, pool) => pool.stride(),
        Step::Gate(_) => 1,
    }
}
