//! The options of a compilation.

/// The type of the weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    F32,
    /// Weights rounded to 16-bit floats (IEEE). The arithmetic stays in 32 bits.
    F16,
    /// Weights rounded to `bfloat16`. The arithmetic stays in 32 bits.
    BF16,
}

/// The trade between memory and time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemoryMode {
    /// The fastest algorithm of each convolution. Winograd's takes up to four times the memory of
    /// the weights.
    #[default]
    Fast,
    /// No more memory than the weights need.
    Low,
}

/// The options of [`Engine::compile`](crate::Engine::compile).
///
/// ```
/// use resnet_engine::{CompileOptions, MemoryMode, Precision};
///
/// let options = CompileOptions { batch: 8, ..CompileOptions::from(Precision::BF16) };
/// assert_eq!((options.size, options.memory), (None, MemoryMode::Fast));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileOptions {
    /// The type of the weights.
    pub precision: Precision,
    /// Height and width of the images, for which the algorithms are chosen. The engine accepts other
    /// sizes as well. Default: 224 by 224, or 32 by 32 for networks with the stem of CIFAR.
    pub size: Option<[usize; 2]>,
    /// Images per batch, for which the algorithms are chosen. The engine accepts other batches as
    /// well. Default: 1.
    pub batch: usize,
    /// The trade between memory and time.
    pub memory: MemoryMode,
}

impl Default for CompileOptions {
    fn default() -> Self {
        Self {
            precision: Precision::F32,
            size: None,
            batch: 1,
            memory: MemoryMode::Fast,
        }
    }
}

impl From<Precision> for CompileOptions {
    fn from(precision: Precision) -> Self {
        Self {
            precision,
            ..Self::default()
        }
    }
}
