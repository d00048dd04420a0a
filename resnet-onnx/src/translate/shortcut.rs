//! Writes shortcuts into the state dict.

use resnet_core::{BlockPlan, ShortcutPlan, ShortcutPool};

use super::expect::{expect_act, expect_conv, is_equivalent};
use super::writer::Writer;
use crate::recognize::{Pool, Step};

impl Writer<'_> {
    pub(super) fn shortcut(
        &mut self,
        key: &str,
        steps: Vec<Step<'_>>,
        plan: &BlockPlan,
    ) -> Result<(), String> {
        let shortcut = plan.shortcut();
        let mut steps = steps.into_iter();
        if let Some(expected) = shortcut.and_then(|shortcut| pool(shortcut, plan)) {
            match steps.next() {
                Some(Step::Pool(_, found)) if is_equivalent(found, expected) => {}
                Some(Step::Pool(node, found)) => {
                    return Err(node.expected("in the shortcut", expected, found));
                }
                _ => return Err(format!("joins a shortcut without {expected:?}")),
            }
        }
        if let Some(conv) = shortcut.and_then(|shortcut| shortcut.conv()) {
            let Some(Step::Unit(unit)) = steps.next() else {
                return Err(
                    "joins a shortcut without the 1x1 convolution that changes its shape".into(),
                );
            };
            expect_conv(&unit.conv, conv.conv)?;
            expect_act(&unit, false)?;
            let norm = conv.norm.map(|norm| format!("{key}.{norm}"));
            self.unit(unit, &format!("{key}.{}", conv.name), norm.as_deref())?;
        }
        match steps.next() {
            None => Ok(()),
            Some(_) => Err("joins a shortcut with more steps than expected".into()),
        }
    }
}

/// Returns the operation of a shortcut without weights.
fn pool(shortcut: ShortcutPlan, plan: &BlockPlan) -> Option<Pool> {
    match shortcut {
        ShortcutPlan::PooledProjection { pool, .. } => match pool {
            ShortcutPool::None => None,
            ShortcutPool::Avg { stride } => Some(Pool::Average {
                stride,
                ceil: true,
                divides: false,
            }),
            ShortcutPool::AvgSame => Some(Pool::AverageSame),
        },
        ShortcutPlan::ZeroPad => {
            let added = plan.out_channels - plan.in_channels;
            let before = added / 2;
            Some(Pool::ZeroPad {
                stride: plan.stride,
                before,
                after: added - before,
            })
        }
        _ => None,
    }
}
