//! The resampling filters of a resize.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A resampling filter for a resize, named as in torchvision and timm.
///
/// ```
/// use resnet_image::Filter;
///
/// assert_eq!("bicubic".parse(), Ok(Filter::Bicubic));
/// assert_eq!(Filter::default().to_string(), "bilinear");
/// ```
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    /// A triangle of radius 1, widened for downscaling (torchvision's weights).
    #[default]
    Bilinear,
    /// Keys' cubic of radius 2 with `a = -0.5`, widened for downscaling (most timm weights).
    Bicubic,
}

impl Filter {
    /// Returns the distance, in source pixels at scale 1, beyond which the weight is zero.
    pub(crate) fn support(self) -> f64 {
        match self {
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
        }
    }

    /// Returns the weight at distance `x`, with the order of operations of Pillow's `Resample.c`.
    pub(crate) fn weight(self, x: f64) -> f64 {
        const A: f64 = -0.5;
        let x = x.abs();
        match self {
            Self::Bilinear if x < 1.0 => 1.0 - x,
            Self::Bicubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            Self::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
            _ => 0.0,
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Bilinear => "bilinear",
            Self::Bicubic => "bicubic",
        })
    }
}

impl FromStr for Filter {
    type Err = ParseFilterError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "bilinear" => Ok(Self::Bilinear),
            "bicubic" => Ok(Self::Bicubic),
            _ => Err(ParseFilterError {
                found: name.to_owned(),
            }),
        }
    }
}

/// The error for a name that is not a [`Filter`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown filter: expected `bilinear` or `bicubic`, found `{found}`")]
#[non_exhaustive]
pub struct ParseFilterError {
    found: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_others_are_an_error() {
        for filter in [Filter::Bilinear, Filter::Bicubic] {
            assert_eq!(filter.to_string().parse(), Ok(filter));
        }
        let error = "lanczos".parse::<Filter>().unwrap_err().to_string();
        assert!(
            error.contains("expected `bilinear` or `bicubic`, found `lanczos`"),
            "{error}"
        );
    }

    #[test]
    fn cubic_weights_at_whole_distances_are_one_and_zero() {
        for (x, weight) in [(0.0, 1.0), (1.0, 0.0), (-1.0, 0.0), (2.0, 0.0)] {
            assert_eq!(Filter::Bicubic.weight(x), weight);
        }
        // 1.5 * 0.125 - 2.5 * 0.25 + 1 = 0.5625, by the formula for |x| < 1.
        assert_eq!(Filter::Bicubic.weight(-0.5), 0.5625);
    }
}
