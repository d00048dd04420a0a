//! Writes the stem and its pool into the state dict.

use resnet_core::{AntiAlias, StemPool};

use super::expect::{expect_act, expect_conv, floor_average, is_equivalent};
use super::writer::Writer;
use crate::graph::Node;
use crate::recognize::{Pool, Step, Unit};

impl Writer<'_> {
    pub(super) fn stem(&mut self, steps: Vec<Step<'_>>) -> Result<(), String> {
        let (mut units, mut pools) = (Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Unit(unit) if pools.is_empty() => units.push(unit),
                Step::Pool(node, pool) => pools.push((node, pool)),
                Step::Unit(Unit { conv, .. }) => {
                    return Err(conv.node.fault("expected the first residual block"));
                }
                Step::Gate(_) => return Err("a gate before the first residual block".into()),
            }
        }
        self.expect_pools(&pools)?;
        let convs = self.config.stem_convs().into_iter();
        let convs = convs.chain(self.config.stem_pool_conv());
        for (unit, conv) in units.into_iter().zip(convs) {
            expect_conv(&unit.conv, conv.conv)?;
            expect_act(&unit, conv.norm.is_some())?;
            self.unit(unit, conv.name, conv.norm)?;
        }
        Ok(())
    }

    fn expect_pools(&self, pools: &[(&Node, Pool)]) -> Result<(), String> {
        let expected = match (self.config.stem_pool, self.config.anti_alias) {
            (StemPool::None | StemPool::Conv, _) => vec![],
            (StemPool::Max, AntiAlias::None) => vec![Pool::Max { stride: 2 }],
            (StemPool::Max, AntiAlias::Blur) => {
                vec![Pool::Max { stride: 1 }, Pool::Blur { stride: 2 }]
            }
            (StemPool::Max, AntiAlias::AvgPool) => vec![floor_average(2)],
        };
        let found: Vec<_> = pools.iter().map(|(_, pool)| *pool).collect();
        let fits = found.len() == expected.len()
            && found
                .iter()
                .zip(&expected)
                .all(|(a, b)| is_equivalent(*a, *b));
        if fits {
            return Ok(());
        }
        let what = format!("expected {expected:?} after the stem, found {found:?}");
        Err(match pools.first() {
            Some((node, _)) => node.fault(&what),
            None => what,
        })
    }
}
