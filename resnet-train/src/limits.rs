//! The largest numbers that a run takes, in flags and in configs.

/// Passes over the images.
pub const EPOCHS: u64 = 1_000_000;
/// Images of a step.
pub const BATCH: u64 = 65_536;
/// Micro-batches that a batch is run in.
pub const ACCUMULATE: u64 = BATCH;
/// Threads that prepare images.
pub const WORKERS: u64 = 256;
/// Processes that train together.
pub const RANKS: u64 = 1024;
/// Seconds to wait for other processes: a day.
pub const PATIENCE: u64 = 86_400;
/// Images of each class to train from.
pub const IMAGES_PER_CLASS: u64 = 100_000_000;
/// Steps between saved states.
pub const STEPS: u64 = 1_000_000_000;
/// Steps of a search for a learning rate, or of a benchmark.
pub const SEARCH: u64 = 1_000_000;
/// Pictures on a sheet.
pub const PICTURES: u64 = 1024;
/// Pixels of a side of an image in training.
pub const SIDE: u32 = 4096;
/// The least of them.
pub const LEAST_SIDE: u32 = 8;
/// The seed: the largest that a config can hold.
pub const SEED: u64 = i64::MAX as u64;
