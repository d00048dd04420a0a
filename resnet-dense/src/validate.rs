//! Checks of configs.

use resnet_core::{ConfigError, NormKind};

use crate::ops::anchors::AnchorSpec;

/// The error for an invalid option of a detector or segmentation network.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DenseConfigError {
    /// The residual network is invalid.
    #[error("backbone: {0}")]
    Backbone(#[from] ConfigError),
    /// An option has an invalid value.
    #[error("`{option}`: expected {expected}, found {found}")]
    Option {
        /// The option.
        option: &'static str,
        /// The valid values.
        expected: String,
        /// The value.
        found: String,
    },
}

pub(crate) fn invalid(
    option: &'static str,
    expected: impl Into<String>,
    found: impl ToString,
) -> DenseConfigError {
    DenseConfigError::Option {
        option,
        expected: expected.into(),
        found: found.to_string(),
    }
}

pub(crate) fn at_least(
    option: &'static str,
    found: usize,
    least: usize,
) -> Result<(), DenseConfigError> {
    match found >= least {
        true => Ok(()),
        false => Err(invalid(option, format!("{least} or more"), found)),
    }
}

pub(crate) fn share(option: &'static str, found: f64) -> Result<(), DenseConfigError> {
    match (0.0..=1.0).contains(&found) {
        true => Ok(()),
        false => Err(invalid(option, "a number from 0 to 1", found)),
    }
}

/// Checks that the groups of a norm divide the channels.
pub(crate) fn norm(
    option: &'static str,
    norm: Option<NormKind>,
    channels: &[usize],
) -> Result<(), DenseConfigError> {
    let Some(NormKind::Group { groups }) = norm else {
        return Ok(());
    };
    let fits = |channels: &&usize| groups > 0 && channels.is_multiple_of(groups);
    match channels.iter().find(|channels| !fits(channels)) {
        None => Ok(()),
        Some(channels) => {
            let expected = format!("groups that divide {channels} channels");
            Err(invalid(option, expected, groups))
        }
    }
}

/// Checks that each level of the pyramid has anchors, with the same number per cell.
pub(crate) fn anchors(anchors: &[AnchorSpec], levels: usize) -> Result<(), DenseConfigError> {
    if anchors.len() != levels {
        let expected = format!("one entry for each of the {levels} levels");
        return Err(invalid("anchors", expected, anchors.len()));
    }
    let per_cell = anchors.first().map_or(0, AnchorSpec::per_cell);
    at_least("anchors per cell", per_cell, 1)?;
    for spec in anchors {
        if spec.per_cell() != per_cell {
            let expected = format!("{per_cell} per cell on every level");
            return Err(invalid("anchors", expected, spec.per_cell()));
        }
        let positive = |ratio: &f32| ratio.is_finite() && *ratio > 0.0;
        if let Some(ratio) = spec.aspect_ratios.iter().find(|ratio| !positive(ratio)) {
            return Err(invalid("aspect_ratios", "positive numbers", ratio));
        }
    }
    Ok(())
}
