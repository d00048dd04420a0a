//! Memory estimates of a network, computed from its config.

use core::fmt;

use crate::{ResNetConfig, StemPool};

/// A number of bytes with a human-readable `Display`.
///
/// ```
/// use resnet_core::ByteSize;
///
/// assert_eq!(ByteSize(3 << 29).to_string(), "1.5 GiB");
/// assert_eq!(ByteSize(100 << 20).to_string(), "100.0 MiB");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 as f64 / f64::from(1 << 30) {
            gib if gib >= 1e6 => f.write_str("over 1000000 GiB"),
            gib if gib >= 0.1 => write!(f, "{gib:.1} GiB"),
            gib => write!(f, "{:.1} MiB", gib * 1024.0),
        }
    }
}

/// The number of elements in the feature maps of one image.
#[derive(Clone, Copy, Debug, Default)]
struct Maps {
    /// Maximum over all steps: input, output and shortcut of one step.
    largest: u64,
    /// Sum of all outputs. Training keeps them for the backward pass.
    total: u64,
}

impl Maps {
    fn step(&mut self, input: u64, output: u64, beside: u64) {
        let now = input.saturating_add(output).saturating_add(beside);
        self.largest = self.largest.max(now);
        self.total = self.total.saturating_add(output);
    }
}

impl ResNetConfig {
    /// Estimates the peak memory of inference in `f32`, in bytes, for a batch of images of `height`
    /// by `width` pixels.
    ///
    /// The estimate is the sum of the weights and the largest input, output and shortcut that exist
    /// at the same time.
    ///
    /// ```
    /// let config = resnet_core::Arch::ResNet50.config();
    /// let one = config.inference_bytes(1, [224, 224]);
    /// assert!((100 << 20..150 << 20).contains(&one), "{one}");
    /// assert!(config.inference_bytes(64, [4096, 4096]) > 100 << 30);
    /// ```
    pub fn inference_bytes(&self, batch: usize, size: [usize; 2]) -> u64 {
        let maps = self.maps(size).largest.saturating_mul(batch as u64);
        maps.saturating_add(self.cost([1, 1]).parameters)
            .saturating_mul(4)
    }

    /// Estimates the memory of a training step in `f32`, in bytes.
    ///
    /// The estimate is the sum of the outputs of every convolution and norm, the weights, their
    /// gradients and two optimizer moments.
    pub fn training_bytes(&self, batch: usize, size: [usize; 2]) -> u64 {
        let maps = self.maps(size).total.saturating_mul(2);
        let parameters = self.cost([1, 1]).parameters.saturating_mul(4);
        maps.saturating_mul(batch as u64)
            .saturating_add(parameters)
            .saturating_mul(4)
    }

    fn maps(&self, [height, width]: [usize; 2]) -> Maps {
        let mut maps = Maps::default();
        let mut size = [height, width].map(|side| side.div_ceil(self.stem.stride()));
        let map = |channels: usize, [height, width]: [usize; 2]| {
            let pixels = (height as u64).saturating_mul(width as u64);
            pixels.saturating_mul(channels as u64)
        };
        let input = map(self.in_channels, [height, width]);
        let mut x = map(self.stem.out_channels(), size);
        maps.step(input, x, 0);
        if self.stem_pool != StemPool::None {
            size = size.map(|side| self.halved(side));
            let pooled = map(self.stem.out_channels(), size);
            maps.step(x, pooled, 0);
            x = pooled;
        }
        for block in self.plan().iter().flatten() {
            let convs = block.convs();
            let (input, last) = (x, convs.len().saturating_sub(1));
            for (i, step) in convs.into_iter().enumerate() {
                size = size.map(|side| side.div_ceil(step.conv.stride));
                let output = map(step.conv.channels[1], size);
                // The shortcut's input stays alive during the branch. At the end, both summands are
                // alive.
                let beside = if i == last { output.max(input) } else { input };
                maps.step(x, output, beside);
                x = output;
                if step.aliased && block.stride > 1 {
                    size = size.map(|side| self.halved(side));
                    x = map(step.conv.channels[1], size);
                }
            }
        }
        maps
    }
}

#[cfg(test)]
mod tests {
    use crate::{Arch, ResNetConfig, ShortcutKind};

    #[test]
    fn the_peak_of_resnet18_is_its_stem_pool() {
        let config = Arch::ResNet18.config();
        // The stem pool: 64 channels of 112x112 in, 56x56 out. A step of the first block needs
        // less.
        let stem = 64 * 112 * 112;
        let expected = (stem + 64 * 56 * 56) + config.cost([1, 1]).parameters;
        assert_eq!(config.inference_bytes(1, [224, 224]), 4 * expected);
    }

    #[test]
    fn huge_sizes_saturate() {
        let config = ResNetConfig::cifar(8, ShortcutKind::ZeroPad).unwrap();
        assert_eq!(
            config.inference_bytes(usize::MAX, [usize::MAX; 2]),
            u64::MAX
        );
        assert_eq!(config.training_bytes(usize::MAX, [usize::MAX; 2]), u64::MAX);
    }
}
