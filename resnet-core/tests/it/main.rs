//! Tests of the networks against PyTorch.

mod options;
mod parity;
mod records;
mod state_dicts;
mod training;

/// The default CPU backend.
type Cpu = burn::backend::Flex;
