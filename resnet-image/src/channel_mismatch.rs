//! A check that a network and its preprocessing agree on the channels.

use crate::{Channels, Preprocessing};

/// The error of a network whose input channels differ from the channels of its preprocessing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the network takes {network} input channel{}, its preprocessing has {preprocessing} mean{}: {}", plural(*.network), plural(*.preprocessing), advice(*.network))]
#[non_exhaustive]
pub struct ChannelMismatch {
    /// The number of input channels of the network.
    pub network: usize,
    /// The number of means of the preprocessing.
    pub preprocessing: usize,
}

impl Preprocessing {
    /// Checks that the preprocessing has one mean per input channel of a network: one for gray
    /// images, three for RGB, four for RGBA.
    ///
    /// # Errors
    ///
    /// Returns an error if the numbers differ.
    ///
    /// ```
    /// use resnet_image::Preprocessing;
    ///
    /// assert_eq!(Preprocessing::imagenet().check_channels(3), Ok(()));
    /// let error = Preprocessing::imagenet().check_channels(1).unwrap_err();
    /// assert_eq!((error.network, error.preprocessing), (1, 3));
    /// ```
    pub fn check_channels(&self, network: usize) -> Result<(), ChannelMismatch> {
        match self.channels().count() {
            preprocessing if preprocessing == network => Ok(()),
            preprocessing => Err(ChannelMismatch {
                network,
                preprocessing,
            }),
        }
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
            "expected {network} of each; set `Preprocessing::mean` and `Preprocessing::std` to {network} number{} each (in training, `input` of the config)",
            plural(network)
        ),
        Err(_) => "expected 1 channel (gray), 3 (RGB) or 4 (RGBA), as images have".into(),
    }
}
