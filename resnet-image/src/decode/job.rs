//! The limits and the memory reservation of one decoding job.

use super::DecodeError;
use super::budget::{Refusal, Share};
use crate::channels::Channels;

/// The settings of a decoder and the memory that it has reserved.
pub(super) struct Job {
    pub(super) channels: Channels,
    max_pixels: u64,
    share: Share,
    /// The bytes of the share in use.
    taken: u64,
    /// The bytes of a request that failed because other decoders held the memory.
    pub(super) postponed: Option<u64>,
    /// Whether another job has reserved the memory.
    is_paid: bool,
}

impl Job {
    /// Creates a job whose file uses `taken` bytes of the share.
    pub(super) fn new(channels: Channels, max_pixels: u64, share: Share, taken: u64) -> Self {
        Self {
            channels,
            max_pixels,
            share,
            taken,
            postponed: None,
            is_paid: false,
        }
    }

    /// Creates a job for a part of an image. The job of the whole image has reserved its memory.
    pub(super) fn for_part(&self) -> Self {
        Self {
            is_paid: true,
            ..Self::new(self.channels, self.max_pixels, Share::default(), 0)
        }
    }

    /// Returns an error if the image has more pixels than allowed.
    pub(super) fn check(&self, width: u32, height: u32) -> Result<(), DecodeError> {
        if u64::from(width) * u64::from(height) > self.max_pixels {
            return Err(DecodeError::TooManyPixels {
                width,
                height,
                max_pixels: self.max_pixels,
            });
        }
        Ok(())
    }

    /// Reserves the memory of the result, `working` bytes per pixel, and `fixed` bytes in total.
    ///
    /// Call this once, before any allocation of the size of the image.
    pub(super) fn reserve(
        &mut self,
        (width, height): (u32, u32),
        working: u64,
        fixed: u64,
    ) -> Result<(), DecodeError> {
        /// Tables, row buffers, and everything else that does not grow with the image.
        const OVERHEAD: u64 = 1 << 19;
        if self.is_paid {
            return Ok(());
        }
        let pixels = u64::from(width) * u64::from(height);
        let bytes = pixels
            .saturating_mul(working + self.channels.count() as u64)
            .saturating_add(fixed)
            .saturating_add(OVERHEAD);
        let missing = self
            .taken
            .saturating_add(bytes)
            .saturating_sub(self.share.bytes());
        self.share.reserve(missing).map_err(|refusal| {
            if refusal == Refusal::NotNow {
                self.postponed = Some(bytes);
            }
            DecodeError::memory(self.taken, bytes, refusal)
        })?;
        self.taken = self.taken.saturating_add(bytes);
        Ok(())
    }
}
