//! The keys and shapes of a state dict.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::{BlockPlan, ConvPlan, NamedConv};
use crate::{AttentionKind, NormKind, ResNetConfig};

impl ResNetConfig {
    /// Returns the key and shape of every entry of the network's state dict, in PyTorch's order.
    ///
    /// ```
    /// let shapes = resnet_core::Arch::ResNet18.config().state_shapes();
    /// assert_eq!(shapes[0], ("conv1.weight".into(), vec![64, 3, 7, 7]));
    /// assert_eq!(shapes[3], ("bn1.running_mean".into(), vec![64]));
    /// assert_eq!(shapes.last().unwrap().0, "fc.bias");
    /// ```
    pub fn state_shapes(&self) -> Vec<(String, Vec<usize>)> {
        let mut state = StateShapes {
            norm: self.norm,
            entries: Vec::new(),
        };
        for conv in self.stem_convs() {
            state.named_conv("", &conv);
        }
        if self.is_pre_activation() {
            state.norm("bn1", self.last_channels());
        }
        if let Some(conv) = self.stem_pool_conv() {
            state.named_conv("", &conv);
        }
        for (stage, blocks) in self.plan().iter().enumerate() {
            for (index, block) in blocks.iter().enumerate() {
                state.block(&format!("layer{}.{index}.", stage + 1), block);
            }
        }
        if self.num_classes > 0 {
            state.push("fc.weight", &[self.num_classes, self.num_features()]);
            state.push("fc.bias", &[self.num_classes]);
        }
        state.entries
    }
}

/// The entries of a state dict.
struct StateShapes {
    norm: NormKind,
    entries: Vec<(String, Vec<usize>)>,
}

impl StateShapes {
    fn push(&mut self, key: &str, shape: &[usize]) {
        self.entries.push((String::from(key), shape.to_vec()));
    }

    fn conv(&mut self, key: &str, conv: ConvPlan) {
        let [inputs, outputs] = conv.channels;
        let shape = [outputs, inputs / conv.groups, conv.kernel, conv.kernel];
        self.push(&format!("{key}.weight"), &shape);
    }

    fn norm(&mut self, key: &str, channels: usize) {
        let names = match self.norm {
            NormKind::Batch | NormKind::Frozen => {
                vec!["weight", "bias", "running_mean", "running_var"]
            }
            NormKind::Group { .. } | NormKind::Instance | NormKind::BatchStats => {
                vec!["weight", "bias"]
            }
        };
        for name in names {
            self.push(&format!("{key}.{name}"), &[channels]);
        }
    }

    fn named_conv(&mut self, block: &str, named: &NamedConv) {
        self.conv(&format!("{block}{}", named.name), named.conv);
        if let Some(norm) = named.norm {
            self.norm(&format!("{block}{norm}"), named.conv.channels[1]);
        }
    }

    fn block(&mut self, key: &str, block: &BlockPlan) {
        for step in block.convs() {
            let (name, norm) = (format!("{key}{}", step.name), format!("{key}{}", step.norm));
            if block.kind.is_pre_activation() {
                self.norm(&norm, step.norm_channels);
                self.conv(&name, step.conv);
            } else {
                self.conv(&name, step.conv);
                self.norm(&norm, step.norm_channels);
            }
        }
        let (channels, width) = (
            block.out_channels,
            block.attention.width(block.out_channels),
        );
        match block.attention {
            AttentionKind::None => {}
            AttentionKind::SqueezeExcite { .. } => {
                for (name, [outputs, inputs]) in
                    [("fc1", [width, channels]), ("fc2", [channels, width])]
                {
                    self.push(&format!("{key}se.{name}.weight"), &[outputs, inputs, 1, 1]);
                    self.push(&format!("{key}se.{name}.bias"), &[outputs]);
                }
            }
            AttentionKind::EfficientChannel => {
                self.push(&format!("{key}se.conv.weight"), &[1, 1, width]);
            }
        }
        if let Some(conv) = block.shortcut().and_then(|shortcut| shortcut.conv()) {
            self.named_conv(key, &conv);
        }
    }
}
