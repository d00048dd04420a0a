//! Residual blocks into the state dict.

use resnet_core::{AntiAlias, AttentionKind, BlockPlan, ShortcutKind, StridePlacement};

use super::conv::Geometry;
use super::expect::{PLAIN, does, expect_act, expect_conv, floor_average};
use super::gate::Gate;
use super::network::{Block, Step};
use super::node::Node;
use super::norm::Normed;
use super::pool::Pool;
use super::translate::Writer;

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
        let pre = plan.kind.is_pre_activation();
        if pre != norm.is_some() {
            return Err(add.fault("expected blocks of one kind"));
        }
        if let Some(norm) = &norm {
            self.pre_norm(&format!("{key}.bn1"), norm, plan, add)?;
        }
        let aliased = self.config.anti_alias != AntiAlias::None
            && (plan.stride > 1 || plan.first_dilation != plan.dilation);
        let stride = if aliased { 1 } else { plan.stride };
        let layers = self.layers(plan, stride);
        let count = layers.len();
        let mut layers = layers.into_iter().enumerate();
        let (mut gate, mut blurred) = (None, !aliased);
        for step in main {
            match step {
                Step::Unit(unit) => {
                    let (i, (channels, geometry)) = layers
                        .next()
                        .ok_or_else(|| unit.conv.node.fault("is one convolution too many"))?;
                    expect_conv(&unit.conv, channels, geometry)?;
                    expect_act(&unit, i + 1 < count)?;
                    if i + 1 == count && !blurred {
                        return Err(unit.conv.node.fault("expected anti-aliasing before it"));
                    }
                    let norm_key = match pre {
                        false => Some(format!("{key}.bn{}", i + 1)),
                        true => (i + 1 < count).then(|| format!("{key}.bn{}", i + 2)),
                    };
                    self.unit(unit, &format!("{key}.conv{}", i + 1), norm_key)?;
                }
                Step::Pool(node, pool) => {
                    let expected = match self.config.anti_alias {
                        AntiAlias::Blur => Pool::Blur {
                            stride: plan.stride,
                        },
                        _ => floor_average(plan.stride),
                    };
                    let before_last = layers.len() == 1;
                    if blurred || !before_last || !does(pool, expected) {
                        return Err(
                            node.fault(&format!("is not expected in this block, found {pool:?}"))
                        );
                    }
                    blurred = true;
                }
                Step::Gate(found) => gate = Some(found),
            }
        }
        if layers.len() > 0 {
            return Err(add.fault("joins a branch with too few convolutions"));
        }
        self.gate(key, gate, plan.out_channels)
            .map_err(|error| add.fault(&error))?;
        self.shortcut(key, shortcut, plan)
            .map_err(|error| add.fault(&error))
    }

    fn pre_norm(
        &mut self,
        key: &str,
        norm: &Normed<'_>,
        plan: &BlockPlan,
        add: &Node,
    ) -> Result<(), String> {
        match norm.channels == plan.in_channels {
            true => self.state.norm(key, norm, self.groups),
            false => Err(add.expected("channels", plan.in_channels, norm.channels)),
        }
    }

    /// Channels and geometry of the convolutions of the main branch.
    fn layers(&self, plan: &BlockPlan, stride: usize) -> Vec<([usize; 2], Geometry)> {
        let &BlockPlan {
            in_channels,
            width,
            out_channels,
            first_dilation,
            dilation,
            ..
        } = plan;
        let three = |stride, dilation, groups| Geometry {
            kernel: 3,
            stride,
            dilation,
            groups,
        };
        if !plan.kind.is_bottleneck() {
            return vec![
                ([in_channels, width], three(stride, first_dilation, 1)),
                ([width, out_channels], three(1, dilation, 1)),
            ];
        }
        let (first, second) = match self.config.stride_placement {
            StridePlacement::Conv1x1 => (stride, 1),
            StridePlacement::Conv3x3 => (1, stride),
        };
        vec![
            (
                [in_channels, width],
                Geometry {
                    stride: first,
                    ..PLAIN
                },
            ),
            (
                [width, width],
                three(second, first_dilation, self.config.cardinality),
            ),
            ([width, out_channels], PLAIN),
        ]
    }

    fn gate(&mut self, key: &str, gate: Option<Gate<'_>>, channels: usize) -> Result<(), String> {
        let expected = self.config.attention.width(channels);
        match (self.config.attention, gate) {
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

    fn shortcut(
        &mut self,
        key: &str,
        steps: Vec<Step<'_>>,
        plan: &BlockPlan,
    ) -> Result<(), String> {
        let &BlockPlan {
            in_channels,
            out_channels,
            stride,
            dilation,
            ..
        } = plan;
        let pre = plan.kind.is_pre_activation();
        let (pool, conv_stride) = match self.config.shortcut {
            _ if !plan.changes_shape() => (None, None),
            ShortcutKind::Projection => (None, Some(stride)),
            ShortcutKind::AvgPoolProjection => {
                let pool = match (dilation, stride) {
                    (1, 1) => None,
                    (1, stride) => Some(Pool::Average {
                        stride,
                        ceil: true,
                        divides: false,
                    }),
                    _ => Some(Pool::AverageSame),
                };
                (pool, Some(1))
            }
            ShortcutKind::ZeroPad => {
                let before = (out_channels - in_channels) / 2;
                (
                    Some(Pool::ZeroPad {
                        stride,
                        before,
                        after: out_channels - in_channels - before,
                    }),
                    None,
                )
            }
        };
        let mut steps = steps.into_iter().peekable();
        if let Some(expected) = pool {
            match steps.next() {
                Some(Step::Pool(_, found)) if does(found, expected) => {}
                Some(Step::Pool(node, found)) => {
                    return Err(node.expected("in the shortcut", expected, found));
                }
                _ => return Err(format!("joins a shortcut without {expected:?}")),
            }
        }
        if let Some(stride) = conv_stride {
            let (index, norm) = if self.config.shortcut == ShortcutKind::AvgPoolProjection {
                (1, 2)
            } else {
                (0, 1)
            };
            let Some(Step::Unit(unit)) = steps.next() else {
                return Err(
                    "joins a shortcut without the 1x1 convolution that changes its shape".into(),
                );
            };
            expect_conv(
                &unit.conv,
                [in_channels, out_channels],
                Geometry { stride, ..PLAIN },
            )?;
            expect_act(&unit, false)?;
            match pre {
                true => self.unit(unit, &format!("{key}.downsample"), None)?,
                false => self.unit(
                    unit,
                    &format!("{key}.downsample.{index}"),
                    Some(format!("{key}.downsample.{norm}")),
                )?,
            }
        }
        match steps.next() {
            None => Ok(()),
            Some(_) => Err("joins a shortcut with more steps than expected".into()),
        }
    }
}
