//! What the maps of a network take, by arithmetic from its config.

use crate::{AntiAlias, ResNetConfig, StemPool};

/// Values of one image in the maps of a network.
#[derive(Clone, Copy, Debug, Default)]
struct Maps {
    /// The most that one step needs at once: its input, its output, the shortcut beside them.
    largest: u64,
    /// All outputs together, which training keeps for the gradients.
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
    /// Estimates the bytes that inference in `f32` takes at its peak: the weights, and the largest
    /// input, output and shortcut that are there at once for a batch of images of `height` by
    /// `width` pixels.
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

    /// Estimates the bytes that a training step in `f32` takes: the output of every convolution
    /// and of every norm, the weights, their gradients and two moments.
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
            let full = size;
            if block.stride > 1 {
                size = size.map(|side| self.halved(side));
            }
            // An anti-aliased convolution sees the whole map, and is made smaller afterwards.
            let strided = match self.anti_alias {
                AntiAlias::None => size,
                _ => full,
            };
            let out = map(block.out_channels, size);
            let mut inner = x;
            if block.kind.is_bottleneck() {
                let reduced = map(block.width, full);
                maps.step(inner, reduced, x);
                inner = reduced;
            }
            let width = map(block.width, strided);
            maps.step(inner, width, x);
            maps.step(width, out, out.max(x));
            x = out;
        }
        maps
    }
}

#[cfg(test)]
mod tests {
    use crate::{Arch, ResNetConfig, ShortcutKind};

    #[test]
    fn the_largest_step_of_resnet18_is_its_first_pool() {
        let config = Arch::ResNet18.config();
        // 64 maps of 112 x 112 and of 56 x 56 beside two of the latter in the first block.
        let stem = 64 * 112 * 112;
        let expected = (stem + 64 * 56 * 56) + config.cost([1, 1]).parameters;
        assert_eq!(config.inference_bytes(1, [224, 224]), 4 * expected);
    }

    #[test]
    fn absurd_sizes_saturate() {
        let config = ResNetConfig::cifar(8, ShortcutKind::ZeroPad).unwrap();
        assert_eq!(
            config.inference_bytes(usize::MAX, [usize::MAX; 2]),
            u64::MAX
        );
        assert_eq!(config.training_bytes(usize::MAX, [usize::MAX; 2]), u64::MAX);
    }
}
