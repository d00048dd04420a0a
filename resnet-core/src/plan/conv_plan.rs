//! Convolutions without bias, with size-preserving padding.

/// A square convolution without bias, padded by `dilation * (kernel - 1) / 2` on each side.
///
/// ```
/// use burn::backend::Flex;
/// use resnet_core::layers::ConvPlan;
///
/// let conv = ConvPlan::new(64, 128, 3).stride(2).init::<Flex>(&Default::default());
/// assert_eq!(conv.weight.dims(), [128, 64, 3, 3]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvPlan {
    /// Input and output channels.
    pub channels: [usize; 2],
    /// Height and width of the kernel.
    pub kernel: usize,
    /// Stride in both directions.
    pub stride: usize,
    /// Dilation in both directions.
    pub dilation: usize,
    /// Number of channel groups.
    pub groups: usize,
}

impl ConvPlan {
    /// Creates a plan with stride 1, dilation 1 and one group.
    pub const fn new(in_channels: usize, out_channels: usize, kernel: usize) -> Self {
        Self {
            channels: [in_channels, out_channels],
            kernel,
            stride: 1,
            dilation: 1,
            groups: 1,
        }
    }

    /// Sets the stride.
    pub const fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// Sets the dilation.
    pub const fn dilation(self, dilation: usize) -> Self {
        Self { dilation, ..self }
    }

    /// Sets the groups.
    pub const fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// Returns the padding on each side.
    ///
    /// ```
    /// assert_eq!(resnet_core::ConvPlan::new(64, 64, 3).dilation(2).padding(), 2);
    /// ```
    pub const fn padding(self) -> usize {
        self.dilation * (self.kernel - 1) / 2
    }
}
