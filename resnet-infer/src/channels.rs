//! Networks and the channels of their images.

use resnet_core::ResNetConfig;
use resnet_image::{Channels, Recipe};

/// The network takes images with other channels than its preprocessing makes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the network takes {network} input channel{}, its preprocessing has {recipe} mean{}: {}", plural(*.network), plural(*.recipe), advice(*.network))]
pub struct ChannelMismatch {
    /// Input channels of the network.
    pub network: usize,
    /// Means of the preprocessing.
    pub recipe: usize,
}

/// Checks that the preprocessing has as many means as the network has input channels: one for gray images, three for
/// RGB, four for RGBA.
///
/// # Errors
///
/// Returns an error if it has not.
pub fn check_channels(network: &ResNetConfig, recipe: &Recipe) -> Result<(), ChannelMismatch> {
    match (network.in_channels, recipe.channels().count()) {
        (network, recipe) if network == recipe => Ok(()),
        (network, recipe) => Err(ChannelMismatch { network, recipe }),
    }
}

fn plural(count: usize) -> &'static str {
    match count {
        1 => "",
        _ => "s",
    }
}

fn advice(network: usize) -> String {
    match Channels::try_from(network) {
        Ok(_) => format!(
            "expected {network} of each; pass --mean and --std with {network} number{} each (in training, `input` of the config)",
            plural(network)
        ),
        Err(_) => "expected 1 channel (gray), 3 (RGB) or 4 (RGBA), as images have".into(),
    }
}
