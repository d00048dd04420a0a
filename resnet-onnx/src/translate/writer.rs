//! The writer that stem, blocks and shortcuts share.

use resnet_core::{NormKind, ResNetConfig};

use super::state_dict::StateDict;
use crate::recognize::{Normed, Unit};

/// A writer of network parts into a state dict.
pub(super) struct Writer<'c> {
    pub(super) config: &'c ResNetConfig,
    /// The number of groups of every norm, or `None` for batch norms.
    groups: Option<usize>,
    pub(super) state: StateDict,
}

impl<'c> Writer<'c> {
    pub(super) fn new(config: &'c ResNetConfig) -> Self {
        let groups = match config.norm {
            NormKind::Group { groups } => Some(groups),
            // `options::config` returns no other kind.
            NormKind::Batch | NormKind::Instance | NormKind::BatchStats | NormKind::Frozen => None,
        };
        Self {
            config,
            groups,
            state: StateDict::default(),
        }
    }

    /// Writes a convolution and its norm. Without a norm, the convolution must not have a bias.
    pub(super) fn unit(
        &mut self,
        unit: Unit<'_>,
        conv_key: &str,
        norm_key: Option<&str>,
    ) -> Result<(), String> {
        match norm_key {
            Some(norm_key) => {
                let (conv, normed) = unit.normed();
                self.state.conv(conv_key, &conv);
                self.norm(norm_key, &normed)
            }
            None if unit.norm.is_some() => Err(unit.conv.node.fault("expected no norm after it")),
            None => self.state.bare_conv(conv_key, &unit.conv),
        }
    }

    pub(super) fn norm(&mut self, key: &str, norm: &Normed<'_>) -> Result<(), String> {
        self.state.norm(key, norm, self.groups)
    }
}
