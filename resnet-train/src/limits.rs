//! Upper limits of flags and config fields.

/// Maximum number of epochs.
pub const EPOCHS: u64 = 1_000_000;
/// Maximum batch size.
pub const BATCH: u64 = 65_536;
/// Maximum number of micro-batches per batch (gradient accumulation).
pub const ACCUMULATE: u64 = BATCH;
/// Maximum number of data loading threads.
pub const WORKERS: u64 = 256;
/// Maximum world size.
pub const RANKS: u64 = 1024;
/// Maximum rendezvous timeout in seconds: one day.
pub const PATIENCE: u64 = 86_400;
/// Maximum number of training images per class.
pub const IMAGES_PER_CLASS: u64 = 100_000_000;
/// Maximum number of steps between two training states.
pub const STEPS: u64 = 1_000_000_000;
/// Maximum number of steps of a learning rate search or a benchmark.
pub const SEARCH: u64 = 1_000_000;
/// Maximum number of images on a sheet.
pub const PICTURES: u64 = 1024;
/// Maximum side of a training image in pixels.
pub const SIDE: u32 = 4096;
/// Minimum side of a training image in pixels.
pub const LEAST_SIDE: u32 = 8;
/// Maximum seed: TOML integers are signed 64-bit numbers.
pub const SEED: u64 = i64::MAX as u64;
