//! Parameter and operation counts of a network, computed from its config.

use crate::plan::{BlockPlan, ConvPlan, NamedConv};
use crate::{AttentionKind, ResNetConfig, StemPool};

/// The number of parameters of a network, and its operations per image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Number of learnable parameters: weights and biases of convolutions, norms, attention and
    /// classifier, without running statistics.
    ///
    /// It equals [`Network::num_parameters`](crate::Network::num_parameters) and the number of
    /// elements in PyTorch's `model.parameters()`.
    pub parameters: u64,
    /// Multiply-accumulate operations of the convolutions and the classifier.
    pub macs: u64,
}

impl Cost {
    /// Adds a convolution without bias, whose output has `pixels` pixels per channel.
    fn conv(&mut self, [input, output]: [usize; 2], kernel: usize, groups: usize, pixels: usize) {
        let sizes = [input / groups.max(1), output, kernel, kernel];
        let weights = sizes
            .into_iter()
            .fold(1, |n: u64, size| n.saturating_mul(size as u64));
        self.parameters = self.parameters.saturating_add(weights);
        self.macs = self
            .macs
            .saturating_add(weights.saturating_mul(pixels as u64));
    }

    fn conv_plan(&mut self, conv: ConvPlan, pixels: usize) {
        self.conv(conv.channels, conv.kernel, conv.groups, pixels);
    }

    fn named_conv(&mut self, conv: NamedConv, pixels: usize) {
        self.conv_plan(conv.conv, pixels);
        if conv.norm.is_some() {
            self.norm(conv.conv.channels[1]);
        }
    }

    fn norm(&mut self, channels: usize) {
        self.parameters += 2 * channels as u64;
    }

    fn attention(&mut self, kind: AttentionKind, channels: usize) {
        match kind {
            AttentionKind::None => {}
            AttentionKind::SqueezeExcite { .. } => {
                let squeezed = kind.width(channels);
                self.conv([channels, squeezed], 1, 1, 1);
                self.conv([squeezed, channels], 1, 1, 1);
                self.parameters += (channels + squeezed) as u64;
            }
            AttentionKind::EfficientChannel => {
                let kernel = kind.width(channels) as u64;
                self.parameters += kernel;
                self.macs += kernel * channels as u64;
            }
        }
    }
}

impl ResNetConfig {
    /// Counts the parameters, and the multiply-accumulate operations for one image of `height` by
    /// `width` pixels.
    ///
    /// ```
    /// let cost = resnet_core::Arch::ResNet50.config().cost([224, 224]);
    /// assert_eq!(cost.parameters, 25_557_032);
    /// assert_eq!(cost.macs, 4_089_184_256);
    /// ```
    pub fn cost(&self, [height, width]: [usize; 2]) -> Cost {
        let mut cost = Cost::default();
        let mut size = [height, width];
        self.stem_cost(&mut cost, &mut size);
        for block in self.plan().iter().flatten() {
            self.block_cost(&mut cost, &mut size, block);
        }
        if self.is_pre_activation() {
            cost.norm(self.last_channels());
        }
        if self.num_classes > 0 {
            cost.conv([self.num_features(), self.num_classes], 1, 1, 1);
            cost.parameters += self.num_classes as u64;
        }
        cost
    }

    fn stem_cost(&self, cost: &mut Cost, size: &mut [usize; 2]) {
        for conv in self.stem_convs() {
            *size = size.map(|side| side.div_ceil(conv.conv.stride));
            cost.named_conv(conv, pixels(*size));
        }
        if self.stem_pool != StemPool::None {
            *size = size.map(|side| self.halved(side));
        }
        if let Some(conv) = self.stem_pool_conv() {
            cost.named_conv(conv, pixels(*size));
        }
    }

    fn block_cost(&self, cost: &mut Cost, size: &mut [usize; 2], block: &BlockPlan) {
        for step in block.convs() {
            *size = size.map(|side| side.div_ceil(step.conv.stride));
            cost.conv_plan(step.conv, pixels(*size));
            cost.norm(step.norm_channels);
            if step.aliased && block.stride > 1 {
                *size = size.map(|side| self.halved(side));
            }
        }
        cost.attention(block.attention, block.out_channels);
        if let Some(conv) = block.shortcut().and_then(|shortcut| shortcut.conv()) {
            cost.named_conv(conv, pixels(*size));
        }
    }
}

fn pixels([height, width]: [usize; 2]) -> usize {
    height.saturating_mul(width)
}
