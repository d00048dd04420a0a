//! Writes residual blocks into the state dict.

use resnet_core::{AntiAlias, AttentionKind, BlockPlan};

use super::expect::{expect_act, expect_conv, floor_average, is_equivalent};
use super::writer::Writer;
use crate::graph::Node;
use crate::recognize::{Block, Gate, Pool, Step};

impl Writer<'_> {
    pub(super) fn block(
        &mut self,
        key: &str,
        block: Block<'_>,
        plan: &BlockPlan,
    ) -> Result<(), String> {
        let Block {
            norm,
            main,
            shortcut,
            add,
        } = block;
        if plan.kind.is_pre_activation() != norm.is_some() {
            return Err(add.fault("expected blocks of one kind"));
        }
        if let (Some(norm), Some(first)) = (&norm, plan.convs().first()) {
            if norm.channels != first.norm_channels {
                return Err(add.expected("channels", first.norm_channels, norm.channels));
            }
            self.norm(&format!("{key}.{}", first.norm), norm)?;
        }
        let gate = self.branch(key, main, plan, add)?;
        self.gate(key, gate, plan)
            .map_err(|error| add.fault(&error))?;
        self.shortcut(key, shortcut, plan)
            .map_err(|error| add.fault(&error))
    }

    /// Writes the convolutions of the residual branch, which ends in the sum `add`. Returns the
    /// gate after them.
    fn branch<'g>(
        &mut self,
        key: &str,
        steps: Vec<Step<'g>>,
        plan: &BlockPlan,
        add: &Node,
    ) -> Result<Option<Gate<'g>>, String> {
        let convs = plan.convs();
        let mut rest = &convs[..];
        let (mut gate, mut awaits_pool) = (None, false);
        for step in steps {
            match step {
                Step::Unit(unit) => {
                    let Some((conv, after)) = rest.split_first() else {
                        return Err(unit.conv.node.fault("is an extra convolution"));
                    };
                    expect_conv(&unit.conv, conv.conv)?;
                    expect_act(&unit, !after.is_empty())?;
                    if awaits_pool {
                        return Err(unit.conv.node.fault("expected anti-aliasing before it"));
                    }
                    // After a pre-activation convolution comes the norm of the next convolution.
                    let norm = match plan.kind.is_pre_activation() {
                        false => Some(conv.norm),
                        true => after.first().map(|next| next.norm),
                    };
                    let norm = norm.map(|norm| format!("{key}.{norm}"));
                    self.unit(unit, &format!("{key}.{}", conv.name), norm.as_deref())?;
                    (rest, awaits_pool) = (after, conv.aliased);
                }
                Step::Pool(node, pool) => {
                    if !awaits_pool || !is_equivalent(pool, anti_alias(plan)) {
                        return Err(
                            node.fault(&format!("is not expected in this block, found {pool:?}"))
                        );
                    }
                    awaits_pool = false;
                }
                Step::Gate(found) => gate = Some(found),
            }
        }
        match rest {
            [] => Ok(gate),
            _ => Err(add.fault("joins a branch with too few convolutions")),
        }
    }

    fn gate(&mut self, key: &str, gate: Option<Gate<'_>>, plan: &BlockPlan) -> Result<(), String> {
        let expected = plan.attention.width(plan.out_channels);
        match (plan.attention, gate) {
            (AttentionKind::None, None) => Ok(()),
            (AttentionKind::SqueezeExcite { .. }, Some(Gate::SqueezeExcite { fc1, fc2 })) => {
                let found = fc1.weight.shape[0];
                if expected != found {
                    return Err(fc1.node.expected("squeezed channels", expected, found));
                }
                self.state.dense(&format!("{key}.se.fc1"), &fc1, 2);
                self.state.dense(&format!("{key}.se.fc2"), &fc2, 2);
                Ok(())
            }
            (AttentionKind::EfficientChannel, Some(Gate::EfficientChannel { node, kernel })) => {
                let found = kernel.elements();
                if expected != found {
                    return Err(node.expected("a kernel across channels of", expected, found));
                }
                self.state.kernel(&format!("{key}.se.conv.weight"), kernel);
                Ok(())
            }
            _ => Err("expected the same channel attention in every block".into()),
        }
    }
}

/// Returns the pool that replaces the stride of a block.
fn anti_alias(plan: &BlockPlan) -> Pool {
    match plan.anti_alias {
        AntiAlias::Blur => Pool::Blur {
            stride: plan.stride,
        },
        AntiAlias::AvgPool | AntiAlias::None => floor_average(plan.stride),
    }
}
