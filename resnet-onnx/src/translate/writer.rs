//! What stem, blocks and shortcuts write with.

use resnet_core::{NormKind, ResNetConfig};

use super::state_dict::StateDict;
use crate::recognize::{Normed, Unit};

/// Writes the parts of a network into a state dict.
pub(super) struct Writer<'c> {
    pub(super) config: &'c ResNetConfig,
    /// Groups of every norm; none for batch norms.
    groups: Option<usize>,
    pub(super) state: StateDict,
}

impl<'c> Writer<'c> {
    pub(super) fn new(config: &'c ResNetConfig) -> Self {
        let groups = match config.norm {
            NormKind::Group { groups } => Some(groups),
            // `options::config` gives no other kind.
            NormKind::Batch | NormKind::Instance | NormKind::BatchStats => None,
        };
        Self {
            config,
            groups,
            state: StateDict::default(),
        }
    }

    /// A convolution and its norm; without a norm it must do without a bias as well.
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
            None if unit.norm.is_some() => Err(unit.conv.node.fault("expected no norm behind it")),
            None => self.state.bare_conv(conv_key, &unit.conv),
        }
    }

    pub(super) fn norm(&mut self, key: &str, norm: &Normed<'_>) -> Result<(), String> {
        self.state.norm(key, norm, self.groups)
    }
}
