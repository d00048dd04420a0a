//! Convolutions with PyTorch's initialization.

use burn::module::Initializer;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::backend::Backend;

use super::ConvPlan;

impl ConvPlan {
    /// Creates the convolution with weights from `N(0, 2 / (out_channels * kernel^2))`.
    ///
    /// This is PyTorch's `kaiming_normal_(mode="fan_out")`. Burn's initializer divides `fan_out` by
    /// the groups; PyTorch does not.
    pub fn init<B: Backend>(self, device: &B::Device) -> Conv2d<B> {
        let padding = self.padding();
        let fan_out = self.channels[1] * self.kernel * self.kernel;
        let std = sqrt(2.0 / fan_out as f64);
        Conv2dConfig::new(self.channels, [self.kernel; 2])
            .with_stride([self.stride; 2])
            .with_dilation([self.dilation; 2])
            .with_groups(self.groups)
            .with_padding(PaddingConfig2d::Explicit(
                padding, padding, padding, padding,
            ))
            .with_bias(false)
            .with_initializer(Initializer::Normal { mean: 0.0, std })
            .init(device)
    }
}

/// Creates a 1x1 convolution with bias for channel attention: Kaiming weight, PyTorch's default
/// bias.
pub(crate) fn conv1x1<B: Backend>(
    in_channels: usize,
    out_channels: usize,
    device: &B::Device,
) -> Conv2d<B> {
    let mut conv = ConvPlan::new(in_channels, out_channels, 1).init(device);
    let bound = sqrt(1.0 / in_channels as f64);
    let bias = Initializer::Uniform {
        min: -bound,
        max: bound,
    };
    conv.bias = Some(bias.init([out_channels], device));
    conv
}

/// Returns the square root by Newton's method, because `core` has no `f64::sqrt`.
fn sqrt(x: f64) -> f64 {
    let mut root = if x < 1.0 { 1.0 } else { x };
    loop {
        let next = 0.5 * (root + x / root);
        if next >= root {
            return root;
        }
        root = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Flex;

    #[test]
    fn sqrt_matches_std() {
        for x in [1e-9, 2.0 / 576.0, 0.5, 1.0, 2.0, 1e6] {
            assert!((sqrt(x) - x.sqrt()).abs() <= 1e-15 * x.sqrt());
        }
    }

    #[test]
    fn grouped_weights_use_the_undivided_fan_out() {
        // sqrt(2 / (256 * 9)) = 0.02946. Divided by 32 groups, fan_out would give 0.1667.
        let conv = ConvPlan::new(256, 256, 3)
            .groups(32)
            .init::<Flex>(&Default::default());
        let (var, mean) = conv.weight.val().reshape([-1]).var_mean(0);
        let (std, mean) = (var.sqrt().into_scalar(), mean.into_scalar());
        assert!((std - 0.02946).abs() < 0.001, "{std}");
        assert!(mean.abs() < 0.001, "{mean}");
    }
}
