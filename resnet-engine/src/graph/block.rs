//! The steps of residual blocks.

use alloc::format;

use resnet_core::{AttentionKind, BlockPlan, GlobalPool, ShortcutPlan, ShortcutPool};

use super::builder::{Builder, Finish};
use super::{LayerSpec, Op, Pool, Value};

impl Builder<'_> {
    /// Appends a block. Returns its output.
    pub(super) fn block(&mut self, key: &str, plan: &BlockPlan, x: Value) -> Value {
        match plan.kind.is_pre_activation() {
            false => self.post_activation(key, plan, x),
            true => self.pre_activation(key, plan, x),
        }
    }

    /// Appends `act(F(x) + S(x))` with `F = se ∘ norm ∘ conv ∘ … ∘ act ∘ norm ∘ conv`.
    fn post_activation(&mut self, key: &str, plan: &BlockPlan, x: Value) -> Value {
        let shortcut = self.shortcut(key, plan, x);
        let convs = plan.convs();
        let mut y = x;
        for (index, step) in convs.iter().enumerate() {
            let norm = Self::key(key, step.norm);
            let last = index + 1 == convs.len();
            let ends = last && plan.attention == AttentionKind::None;
            let finish = Finish {
                norm: Some(&norm),
                residual: ends.then_some(shortcut),
                act: ends || !last,
            };
            y = self.conv(Self::key(key, step.name), step.conv, y, finish);
            if step.aliased {
                y = self.anti_alias(plan.anti_alias, y, plan.stride);
            }
        }
        match self.gate(key, plan, y) {
            None => y,
            Some(gate) => {
                let op = Op::Gate {
                    gate,
                    residual: Some(shortcut),
                    relu: self.has_relu(),
                };
                let y = self.push(op, y, plan.out_channels);
                self.silu(y, true)
            }
        }
    }

    /// Appends `F(a) + S(a)` with `a = act(norm(x))` and `F = conv ∘ … ∘ act ∘ norm ∘ conv`. If the
    /// block keeps the shape, the shortcut is `x` itself.
    fn pre_activation(&mut self, key: &str, plan: &BlockPlan, x: Value) -> Value {
        let convs = plan.convs();
        let a = self.norm_act(&Self::key(key, convs[0].norm), x);
        let shortcut = match plan.shortcut() {
            Some(_) => self.shortcut(key, plan, a),
            None => x,
        };
        let mut y = a;
        for (index, step) in convs.iter().enumerate() {
            // After a convolution comes the norm of the next one.
            let norm = convs.get(index + 1).map(|next| Self::key(key, next.norm));
            let finish = Finish {
                norm: norm.as_deref(),
                residual: norm.is_none().then_some(shortcut),
                act: norm.is_some(),
            };
            y = self.conv(Self::key(key, step.name), step.conv, y, finish);
        }
        y
    }

    fn shortcut(&mut self, key: &str, plan: &BlockPlan, x: Value) -> Value {
        let Some(shortcut) = plan.shortcut() else {
            return x;
        };
        let x = match shortcut {
            ShortcutPlan::PooledProjection { pool, .. } => self.shortcut_pool(pool, x),
            ShortcutPlan::ZeroPad => {
                let op = Op::ZeroPad {
                    stride: plan.stride,
                };
                return self.push(op, x, plan.out_channels);
            }
            _ => x,
        };
        let Some(named) = shortcut.conv() else {
            return x;
        };
        let norm = named.norm.map(|norm| Self::key(key, norm));
        let finish = Finish {
            norm: norm.as_deref(),
            ..Finish::default()
        };
        self.conv(Self::key(key, named.name), named.conv, x, finish)
    }

    fn shortcut_pool(&mut self, pool: ShortcutPool, x: Value) -> Value {
        let pool = match pool {
            ShortcutPool::None => return x,
            ShortcutPool::Avg { stride } => Pool::Shortcut { stride },
            ShortcutPool::AvgSame => Pool::Same,
        };
        self.push(Op::Pool(pool), x, self.channels(x))
    }

    /// Appends channel attention up to its sigmoid. Returns `None` if the block has no attention.
    fn gate(&mut self, key: &str, plan: &BlockPlan, x: Value) -> Option<Value> {
        let channels = plan.out_channels;
        let width = plan.attention.width(channels);
        let mean = Op::GlobalPool(GlobalPool::Avg);
        Some(match plan.attention {
            AttentionKind::None => return None,
            AttentionKind::SqueezeExcite { .. } => {
                let x = self.push(mean, x, channels);
                let x = self.dense(format!("{key}.se.fc1"), width, x, true);
                self.dense(format!("{key}.se.fc2"), channels, x, false)
            }
            AttentionKind::EfficientChannel => {
                let x = self.push(mean, x, channels);
                let layer = self.layer(LayerSpec::ChannelConv {
                    key: format!("{key}.se.conv"),
                    length: width,
                });
                self.push(Op::ChannelConv { layer }, x, channels)
            }
        })
    }
}
