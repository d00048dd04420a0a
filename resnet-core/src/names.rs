//! Conversions between names and networks.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use crate::{Arch, ResNetConfig, ShortcutKind};

/// The error for an unknown architecture name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown architecture `{name}`; nearest: {}", .nearest.join(", "))]
#[non_exhaustive]
pub struct UnknownArch {
    /// The requested name.
    pub name: String,
    /// The three most similar known names.
    pub nearest: Vec<&'static str>,
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Arch {
    type Err = UnknownArch;

    fn from_str(name: &str) -> Result<Self, UnknownArch> {
        let found = Self::ALL.iter().find(|arch| arch.name() == name);
        found.copied().ok_or_else(|| unknown(name))
    }
}

impl ResNetConfig {
    /// Returns the config of a named network.
    ///
    /// Accepts the name of any [`Arch`], and CIFAR networks of any depth and width
    /// (`cifar_resnet8_b`, `cifar_wide_resnet22_8`, `cifar_preact_resnet29`).
    ///
    /// # Errors
    ///
    /// Returns an error that lists the nearest names if no network has the name.
    ///
    /// # Examples
    ///
    /// ```
    /// use resnet_core::ResNetConfig;
    ///
    /// assert_eq!(ResNetConfig::named("cifar_resnet8_b")?.stages.len(), 3);
    /// let error = ResNetConfig::named("resnet50e").unwrap_err();
    /// assert!(error.to_string().starts_with("unknown architecture `resnet50e`; nearest: resnet50"));
    /// # Ok::<(), resnet_core::UnknownArch>(())
    /// ```
    pub fn named(name: &str) -> Result<Self, UnknownArch> {
        match Arch::from_str(name) {
            Ok(arch) => Ok(arch.config()),
            Err(error) => cifar(name).ok_or(error),
        }
    }
}

/// Returns the config of a CIFAR network outside the [`Arch`] table.
fn cifar(name: &str) -> Option<ResNetConfig> {
    if name.contains('+') {
        return None;
    }
    let config = if let Some(rest) = name.strip_prefix("cifar_resnet") {
        match rest.strip_suffix("_b") {
            Some(depth) => ResNetConfig::cifar(depth.parse().ok()?, ShortcutKind::Projection),
            None => ResNetConfig::cifar(rest.parse().ok()?, ShortcutKind::ZeroPad),
        }
    } else if let Some(rest) = name.strip_prefix("cifar_wide_resnet") {
        let (depth, widen) = rest.split_once('_')?;
        ResNetConfig::cifar_wide(depth.parse().ok()?, widen.parse().ok()?)
    } else {
        let depth = name.strip_prefix("cifar_preact_resnet")?;
        ResNetConfig::cifar_pre_activation(depth.parse().ok()?)
    };
    config.ok().filter(|config| config.validate().is_ok())
}

fn unknown(name: &str) -> UnknownArch {
    let mut names: Vec<&str> = Arch::ALL.iter().map(|arch| arch.name()).collect();
    names.sort_by_key(|known| edit_distance(name, known));
    names.truncate(3);
    UnknownArch {
        name: name.to_string(),
        nearest: names,
    }
}

/// Returns the Levenshtein distance.
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_round_trips_and_has_a_valid_config() {
        for arch in Arch::ALL {
            assert_eq!(arch.name().parse(), Ok(*arch));
            assert_eq!(arch.config().validate(), Ok(()), "{arch}");
        }
    }

    #[test]
    fn an_unknown_name_lists_the_nearest_names() {
        let error = "resnext50_32x4".parse::<Arch>().unwrap_err();
        assert_eq!(error.nearest[0], "resnext50_32x4d");
        assert_eq!(edit_distance("kitten", "sitting"), 3);
    }

    #[test]
    fn cifar_networks_of_any_depth_have_names() {
        assert_eq!(
            ResNetConfig::named("cifar_resnet20").unwrap(),
            Arch::CifarResNet20.config()
        );
        assert!(ResNetConfig::named("cifar_resnet8").is_ok());
        assert!(ResNetConfig::named("cifar_wide_resnet22_8").is_ok());
        assert!(ResNetConfig::named("cifar_resnet21").is_err());
        assert!(ResNetConfig::named("cifar_wide_resnet22_99999999999").is_err());
    }
}
