//! What a network costs, by arithmetic from its config.

use crate::layers::{eca_kernel, squeezed_channels};
use crate::plan::BlockPlan;
use crate::{AntiAlias, AttentionKind, ResNetConfig, ShortcutKind, StemKind, StemPool};

/// The size of a network and the work of one image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Parameters: all that PyTorch's `model.parameters()` holds, without running statistics.
    pub parameters: u64,
    /// Multiply-accumulate operations of convolutions and classifier.
    pub macs: u64,
}

impl Cost {
    /// A convolution without bias whose output has `pixels`.
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

    fn norm(&mut self, channels: usize) {
        self.parameters += 2 * channels as u64;
    }

    fn attention(&mut self, kind: AttentionKind, channels: usize) {
        match kind {
            AttentionKind::None => {}
            AttentionKind::SqueezeExcite { ratio } => {
                let squeezed = squeezed_channels(channels, ratio);
                self.conv([channels, squeezed], 1, 1, 1);
                self.conv([squeezed, channels], 1, 1, 1);
                self.parameters += (channels + squeezed) as u64;
            }
            AttentionKind::EfficientChannel => {
                let kernel = eca_kernel(channels) as u64;
                self.parameters += kernel;
                self.macs += kernel * channels as u64;
            }
        }
    }
}

impl ResNetConfig {
    /// Parameters, and multiply-accumulate operations for one image of `height` by `width` pixels.
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
        let [first, second, third] = self.stem_channels();
        *size = size.map(|side| side.div_ceil(self.stem.stride()));
        match self.stem {
            StemKind::Conv7x7 { .. } => cost.conv([self.in_channels, third], 7, 1, pixels(*size)),
            StemKind::Conv3x3 { .. } => cost.conv([self.in_channels, third], 3, 1, pixels(*size)),
            StemKind::Deep { .. } | StemKind::Tiered { .. } => {
                cost.conv([self.in_channels, first], 3, 1, pixels(*size));
                cost.conv([first, second], 3, 1, pixels(*size));
                cost.conv([second, third], 3, 1, pixels(*size));
                cost.norm(first);
                cost.norm(second);
            }
        }
        if !self.is_pre_activation() {
            cost.norm(third);
        }
        if self.stem_pool != StemPool::None {
            *size = size.map(|side| self.halved(side));
        }
        if self.stem_pool == StemPool::Conv {
            cost.conv([third, third], 3, 1, pixels(*size));
            cost.norm(third);
        }
    }

    fn block_cost(&self, cost: &mut Cost, size: &mut [usize; 2], block: &BlockPlan) {
        let &BlockPlan {
            in_channels,
            width,
            out_channels,
            stride,
            ..
        } = block;
        let full = pixels(*size);
        if stride > 1 {
            *size = size.map(|side| self.halved(side));
        }
        let small = pixels(*size);
        // An anti-aliased convolution sees the whole map, and is made smaller afterwards.
        let strided = if self.anti_alias == AntiAlias::None {
            small
        } else {
            full
        };
        if block.kind.is_bottleneck() {
            let first_strided = self.stride_placement == crate::StridePlacement::Conv1x1;
            cost.conv(
                [in_channels, width],
                1,
                1,
                if first_strided { strided } else { full },
            );
            cost.conv([width, width], 3, self.cardinality, strided);
            cost.conv([width, out_channels], 1, 1, small);
            cost.norm(width);
        } else {
            cost.conv([in_channels, width], 3, 1, strided);
            cost.conv([width, out_channels], 3, 1, small);
        }
        cost.norm(width);
        cost.norm(if block.kind.is_pre_activation() {
            in_channels
        } else {
            out_channels
        });
        cost.attention(self.attention, out_channels);
        if block.changes_shape() && self.shortcut != ShortcutKind::ZeroPad {
            cost.conv([in_channels, out_channels], 1, 1, small);
            if !block.kind.is_pre_activation() {
                cost.norm(out_channels);
            }
        }
    }
}

fn pixels([height, width]: [usize; 2]) -> usize {
    height.saturating_mul(width)
}
