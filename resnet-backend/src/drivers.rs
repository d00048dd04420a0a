//! Drivers: one module for each kind of device, which lists the devices of the machine and opens one.

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
