//! Drivers, one module for each kind of device: list the devices of the machine and open one.

pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
#[cfg(any(
    feature = "graphics",
    feature = "cuda",
    feature = "rocm",
    feature = "tch"
))]
mod fallible;
#[cfg(feature = "graphics")]
pub(crate) mod graphics;
#[cfg(feature = "rocm")]
pub(crate) mod rocm;
#[cfg(feature = "tch")]
pub(crate) mod tch;
