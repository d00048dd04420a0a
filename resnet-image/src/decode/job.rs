//! The limits of one decoding job, and the memory that it reserves.

use super::DecodeError;
use super::budget::{Refusal, Share};
use crate::channels::Channels;

/// What the decoder of a format is told, and the memory that it has reserved.
pub(super) struct Job {
    pub(super) channels: Channels,
    max_pixels: u64,
    share: Share,
    /// What of the share is taken.
    taken: u64,
    /// What was asked for in vain, while other decoders held their memory.
    pub(super) postponed: Option<u64>,
    /// Whether another job has reserved the memory.
    is_paid: bool,
}

impl Job {
    /// A job whose file takes `taken` bytes of the share.
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

    /// A job for a part of an image, whose memory the job for the whole image has reserved.
    pub(super) fn for_part(&self) -> Self {
        Self {
            is_paid: true,
            ..Self::new(self.channels, self.max_pixels, Share::default(), 0)
        }
    }

    /// Refuses more pixels than are allowed.
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

    /// Reserves `working` bytes for each pixel, besides those of the result and `fixed` bytes in all.
    ///
    /// To be called once, before anything of the size of the image is allocated.
    pub(super) fn reserve(
        &mut self,
        (width, height): (u32, u32),
        working: u64,
        fixed: u64,
    ) -> Result<(), DecodeError> {
        /// Tables, buffers of rows, and what else does not grow with the image.
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
