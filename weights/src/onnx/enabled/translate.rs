//! From the parts of a network to its config and its state dict, every step checked against the config.

use std::mem;

use resnet_core::{AntiAlias, NormKind, ResNetConfig, StemKind, StemPool};

use super::conv::{Geometry, Unit};
use super::expect::{PLAIN, does, expect_act, expect_conv, floor_average};
use super::network::{Network, Step};
use super::options;
use super::pool::Pool;
use super::tensors::StateDict;

pub(super) fn translate(mut network: Network<'_>) -> Result<(ResNetConfig, StateDict), String> {
    let config = options::config(&network)?;
    config.validate().map_err(|error| error.to_string())?;
    let groups = match config.norm {
        NormKind::Group { groups } => Some(groups),
        // `options::config` gives no other kind.
        NormKind::Batch | NormKind::Instance | NormKind::BatchStats => None,
    };
    let stem = mem::take(&mut network.stem);
    let blocks = mem::take(&mut network.blocks);
    let mut writer = Writer {
        config: &config,
        groups,
        state: StateDict::default(),
    };

    writer.stem(stem, network.pre_activation)?;
    let mut blocks = blocks.into_iter();
    for (stage, plans) in config.plan().iter().enumerate() {
        for (index, plan) in plans.iter().enumerate() {
            let block = blocks.next().ok_or("a block is missing")?;
            writer.block(&format!("layer{}.{index}", stage + 1), block, plan)?;
        }
    }
    if let Some(norm) = &network.norm {
        writer.state.norm("bn1", norm, groups)?;
    }
    if let Some(classifier) = &network.classifier {
        writer.state.dense("fc", classifier, 0);
    }
    let state = writer.state;
    Ok((config, state))
}

pub(super) struct Writer<'c> {
    pub(super) config: &'c ResNetConfig,
    pub(super) groups: Option<usize>,
    pub(super) state: StateDict,
}

impl Writer<'_> {
    fn stem(&mut self, steps: Vec<Step<'_>>, pre_activation: bool) -> Result<(), String> {
        let config = self.config;
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
        let expected = match (config.stem_pool, config.anti_alias) {
            (StemPool::None | StemPool::Conv, _) => vec![],
            (StemPool::Max, AntiAlias::None) => vec![Pool::Max { stride: 2 }],
            (StemPool::Max, AntiAlias::Blur) => {
                vec![Pool::Max { stride: 1 }, Pool::Blur { stride: 2 }]
            }
            (StemPool::Max, AntiAlias::AvgPool) => vec![floor_average(2)],
        };
        let found: Vec<_> = pools.iter().map(|(_, pool)| *pool).collect();
        if found.len() != expected.len() || !found.iter().zip(&expected).all(|(a, b)| does(*a, *b))
        {
            let what = format!("expected {expected:?} behind the stem, found {found:?}");
            return Err(pools
                .first()
                .map_or(what.clone(), |(node, _)| node.fault(&what)));
        }

        let pool = if config.stem_pool == StemPool::Conv {
            units.pop()
        } else {
            None
        };
        let three = |stride| Geometry {
            kernel: 3,
            stride,
            ..PLAIN
        };
        let (geometries, channels) = match config.stem {
            StemKind::Conv7x7 { channels } => (
                vec![Geometry {
                    kernel: 7,
                    stride: 2,
                    ..PLAIN
                }],
                vec![channels],
            ),
            StemKind::Conv3x3 { channels } => (vec![three(1)], vec![channels]),
            StemKind::Deep { width } => (
                vec![three(2), three(1), three(1)],
                vec![width, width, 2 * width],
            ),
            StemKind::Tiered { width } => (
                vec![three(2), three(1), three(1)],
                vec![width / 4 * 3, width, 2 * width],
            ),
        };
        let single = geometries.len() == 1;
        let last = geometries.len() - 1;
        let mut input = config.in_channels;
        for (i, (unit, (geometry, output))) in units
            .into_iter()
            .zip(geometries.into_iter().zip(channels))
            .enumerate()
        {
            expect_conv(&unit.conv, [input, output], geometry)?;
            input = output;
            let bare = pre_activation && i == last;
            expect_act(&unit, !bare)?;
            let conv_key = if single {
                "conv1".to_string()
            } else {
                format!("conv1.{}", 3 * i)
            };
            let norm_key = if i == last {
                "bn1".to_string()
            } else {
                format!("conv1.{}", 3 * i + 1)
            };
            self.unit(unit, &conv_key, (!bare).then_some(norm_key))?;
        }
        if let Some(unit) = pool {
            expect_conv(&unit.conv, [input; 2], three(2))?;
            expect_act(&unit, true)?;
            self.unit(unit, "maxpool.0", Some("maxpool.1".into()))?;
        }
        Ok(())
    }

    /// A convolution and its norm; without a norm it must do without a bias as well.
    pub(super) fn unit(
        &mut self,
        unit: Unit<'_>,
        conv_key: &str,
        norm_key: Option<String>,
    ) -> Result<(), String> {
        match norm_key {
            Some(norm_key) => {
                let (conv, normed) = unit.normed();
                self.state.conv(conv_key, &conv);
                self.state.norm(&norm_key, &normed, self.groups)
            }
            None if unit.norm.is_some() => Err(unit.conv.node.fault("expected no norm behind it")),
            None => self.state.bare_conv(conv_key, &unit.conv),
        }
    }
}
