//! The convolutions of the stem and of shortcuts, with their state-dict keys.

use alloc::{vec, vec::Vec};

use super::{ConvPlan, ShortcutPlan};
use crate::{ResNetConfig, StemKind, StemPool};

/// A convolution of the stem or of a shortcut, with the norm that follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamedConv {
    /// Key of the convolution, relative to the network or the block.
    pub name: &'static str,
    /// Channels, kernel and stride.
    pub conv: ConvPlan,
    /// Key of the norm, if a norm follows.
    pub norm: Option<&'static str>,
}

impl NamedConv {
    const fn new(name: &'static str, conv: ConvPlan, norm: &'static str) -> Self {
        Self {
            name,
            conv,
            norm: Some(norm),
        }
    }
}

impl ShortcutPlan {
    /// Returns the convolution of the shortcut, if it has one.
    ///
    /// ```
    /// let plan = resnet_core::Arch::ResNet50d.config().plan();
    /// let conv = plan[0][0].shortcut().and_then(|shortcut| shortcut.conv()).unwrap();
    /// assert_eq!((conv.name, conv.norm), ("downsample.1", Some("downsample.2")));
    /// ```
    pub fn conv(&self) -> Option<NamedConv> {
        match *self {
            Self::Projection(conv) => Some(NamedConv::new("downsample.0", conv, "downsample.1")),
            Self::PooledProjection { conv, .. } => {
                Some(NamedConv::new("downsample.1", conv, "downsample.2"))
            }
            Self::Conv(conv) => Some(NamedConv {
                name: "downsample",
                conv,
                norm: None,
            }),
            Self::ZeroPad => None,
        }
    }
}

impl ResNetConfig {
    /// Returns the convolutions of the stem, from input to output.
    ///
    /// An activation follows every norm. In a pre-activation network the last convolution has no
    /// norm, because the first block starts with one.
    ///
    /// ```
    /// let convs = resnet_core::Arch::ResNet50d.config().stem_convs();
    /// let names: Vec<_> = convs.iter().map(|c| (c.name, c.norm.unwrap(), c.conv.stride)).collect();
    /// assert_eq!(names, [("conv1.0", "conv1.1", 2), ("conv1.3", "conv1.4", 1), ("conv1.6", "bn1", 1)]);
    /// ```
    pub fn stem_convs(&self) -> Vec<NamedConv> {
        let [first, second, third] = self.stem_channels();
        let input = self.in_channels;
        let three = |input, output| ConvPlan::new(input, output, 3);
        let mut convs = match self.stem {
            StemKind::Conv7x7 { .. } => {
                let conv = ConvPlan::new(input, third, 7).stride(2);
                vec![NamedConv::new("conv1", conv, "bn1")]
            }
            StemKind::Conv3x3 { .. } => vec![NamedConv::new("conv1", three(input, third), "bn1")],
            StemKind::Deep { .. } | StemKind::Tiered { .. } => vec![
                NamedConv::new("conv1.0", three(input, first).stride(2), "conv1.1"),
                NamedConv::new("conv1.3", three(first, second), "conv1.4"),
                NamedConv::new("conv1.6", three(second, third), "bn1"),
            ],
        };
        if self.is_pre_activation()
            && let Some(last) = convs.last_mut()
        {
            last.norm = None;
        }
        convs
    }

    /// Returns the convolution that replaces the stem's pool, if the config has one (ResNet-RS;
    /// Bello et al. 2021, section 4). Norm and activation follow it.
    pub fn stem_pool_conv(&self) -> Option<NamedConv> {
        let channels = self.stem.out_channels();
        let conv = ConvPlan::new(channels, channels, 3).stride(2);
        (self.stem_pool == StemPool::Conv).then(|| NamedConv::new("maxpool.0", conv, "maxpool.1"))
    }

    /// Returns the output channels of the stem's convolutions. For a single convolution, all three
    /// are equal.
    pub(super) fn stem_channels(&self) -> [usize; 3] {
        use StemKind::{Conv3x3, Conv7x7, Deep, Tiered};
        match self.stem {
            Conv7x7 { channels } | Conv3x3 { channels } => [channels; 3],
            Deep { width } => [width, width, self.stem.out_channels()],
            Tiered { width } => [width / 4 * 3, width, self.stem.out_channels()],
        }
    }
}
