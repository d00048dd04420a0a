#![doc = include_str!("../README.md")]

use std::fmt;
use std::str::FromStr;

use burn::tensor::backend::Backend;

#[cfg(feature = "ndarray")]
use burn::backend::NdArray;
#[cfg(feature = "cpu")]
// Named so that Flex is built with the threads and SIMD that `burn` does not pass on without its defaults.
use burn_flex::Flex;

#[cfg(not(any(feature = "cpu", feature = "ndarray")))]
compile_error!("no backend: enable at least one of the features `cpu`, `ndarray`");

/// A backend by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BackendName {
    /// Burn's Flex: pure Rust, every core.
    Cpu,
    /// Burn's NdArray: pure Rust, slower.
    NdArray,
}

/// Why work could not run on a backend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// No backend has this name.
    #[error("unknown backend `{name}`: expected one of {}", known())]
    Unknown {
        /// The name that was asked for.
        name: String,
    },
    /// The program was built without this backend.
    #[error("backend `{name}` is not in this program: build it with `--features {name}`")]
    NotBuilt {
        /// The backend, whose feature has the same name.
        name: BackendName,
    },
}

/// Work that runs on any backend.
pub trait Work {
    /// What it gives.
    type Output;

    /// Does the work on `device` of backend `B`.
    fn run<B: Backend>(self, device: B::Device) -> Self::Output;
}

/// Does the work on the named backend's default device.
///
/// # Errors
///
/// [`BackendError::NotBuilt`] if the program was built without the backend.
pub fn run<W: Work>(backend: BackendName, work: W) -> Result<W::Output, BackendError> {
    match backend {
        #[cfg(feature = "cpu")]
        BackendName::Cpu => Ok(work.run::<Flex>(Default::default())),
        #[cfg(feature = "ndarray")]
        BackendName::NdArray => Ok(work.run::<NdArray>(Default::default())),
        #[allow(
            unreachable_patterns,
            reason = "reached where a backend is not built in"
        )]
        name => Err(BackendError::NotBuilt { name }),
    }
}

impl BackendName {
    /// Every backend there is, built in or not.
    pub const ALL: &[Self] = &[Self::Cpu, Self::NdArray];

    /// The name, which is also the cargo feature.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::NdArray => "ndarray",
        }
    }

    /// Whether this program was built with it.
    pub fn is_built(self) -> bool {
        match self {
            Self::Cpu => cfg!(feature = "cpu"),
            Self::NdArray => cfg!(feature = "ndarray"),
        }
    }
}

/// The first backend of [`BackendName::ALL`] that this program was built with: the fastest comes first.
impl Default for BackendName {
    fn default() -> Self {
        Self::ALL
            .iter()
            .copied()
            .find(|name| name.is_built())
            .unwrap_or(Self::Cpu)
    }
}

impl fmt::Display for BackendName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for BackendName {
    type Err = BackendError;

    fn from_str(name: &str) -> Result<Self, BackendError> {
        let found = Self::ALL.iter().copied().find(|known| known.name() == name);
        found.ok_or_else(|| BackendError::Unknown { name: name.into() })
    }
}

fn known() -> String {
    let names: Vec<_> = BackendName::ALL
        .iter()
        .map(|name| format!("`{name}`"))
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Name;

    impl Work for Name {
        type Output = String;

        fn run<B: Backend>(self, device: B::Device) -> String {
            B::name(&device)
        }
    }

    #[test]
    fn a_backend_that_is_not_built_in_names_its_feature() {
        for name in BackendName::ALL {
            match run(*name, Name) {
                Ok(_) => assert!(name.is_built()),
                Err(error) => {
                    assert!(!name.is_built());
                    let text = format!(
                        "backend `{name}` is not in this program: build it with `--features {name}`"
                    );
                    assert_eq!(error.to_string(), text);
                }
            }
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = "gpu".parse::<BackendName>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown backend `gpu`: expected one of `cpu`, `ndarray`"
        );
    }
}
