//! The sizes of channel attention.

use crate::AttentionKind;

impl AttentionKind {
    /// Returns the size of the attention in a block with `channels` channels.
    ///
    /// The size is the number of squeezed channels for squeeze-and-excitation, the kernel size for
    /// efficient channel attention, and 0 for none.
    ///
    /// # Examples
    ///
    /// ```
    /// use resnet_core::AttentionKind;
    ///
    /// assert_eq!(AttentionKind::SqueezeExcite { ratio: 1.0 / 16.0 }.width(2048), 128);
    /// assert_eq!(AttentionKind::EfficientChannel.width(2048), 7);
    /// ```
    pub fn width(self, channels: usize) -> usize {
        match self {
            Self::None => 0,
            Self::SqueezeExcite { ratio } => squeezed_channels(channels, ratio),
            Self::EfficientChannel => eca_kernel(channels.max(1)),
        }
    }
}

/// Returns `ratio * channels`, rounded to the nearest multiple of 8, at least 8.
fn squeezed_channels(channels: usize, ratio: f64) -> usize {
    let nearest = (channels as f64 * ratio + 4.0) as usize / 8 * 8;
    nearest.max(8)
}

/// Returns the kernel size `t = (log2(channels) + 1) / 2`, truncated, rounded up to an odd number
/// of at least 3.
fn eca_kernel(channels: usize) -> usize {
    let t = (channels.ilog2() as usize).div_ceil(2);
    (t + 1 - t % 2).max(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squeeze_and_kernel_sizes_match_timm() {
        assert_eq!(squeezed_channels(64, 1.0 / 16.0), 8);
        assert_eq!(squeezed_channels(2048, 1.0 / 16.0), 128);
        assert_eq!(squeezed_channels(256, 0.25), 64);
        // log2: 6, 8, 9, 10, 11 -> t: 3, 4, 5, 5, 6
        assert_eq!([64, 256, 512, 1024, 2048].map(eca_kernel), [3, 5, 5, 5, 7]);
    }
}
