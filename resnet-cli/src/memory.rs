//! The memory limit of a run.

use std::fmt::Display;

use anyhow::{Result, ensure};
use clap::Args;
use resnet_core::{ByteSize, ResNetConfig};
use resnet_image::default_memory_limit;

/// The memory limit of the feature maps.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct MemoryFlags {
    /// Memory limit for weights and feature maps of a batch, estimated before the network runs: in bytes,
    /// or with a unit such as `MiB` or `GiB` [default: 4GiB, or half of the machine's memory if
    /// that is less].
    #[arg(long, value_name = "SIZE", value_parser = bytes, help_heading = "Runtime")]
    memory_limit: Option<u64>,
}

impl MemoryFlags {
    /// Returns the limit in bytes.
    pub fn limit(self) -> u64 {
        self.memory_limit.unwrap_or_else(default_memory_limit)
    }

    /// Checks the memory of a batch before the network runs.
    ///
    /// # Errors
    ///
    /// Returns an error if the batch needs more memory than the limit. The message names `file`,
    /// which requires the image size, and `flag`, which reduces it.
    pub fn check(
        self,
        file: impl Display,
        config: &ResNetConfig,
        batch: usize,
        [height, width]: [usize; 2],
        flag: &str,
    ) -> Result<()> {
        let needed = config.inference_bytes(batch, [height, width]);
        let limit = self.limit();
        ensure!(
            needed <= limit,
            "`{file}`: {width}x{height} pixels at batch size {batch} take about {} in this network, expected at \
             most {}; use smaller images ({flag}), a smaller batch, or raise --memory-limit",
            ByteSize(needed),
            ByteSize(limit)
        );
        Ok(())
    }
}

/// Parses a number of bytes: `1073741824`, `512MiB`, `4GiB`, `8GB`.
fn bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1_u64,
        "kib" | "k" => 1 << 10,
        "mib" | "m" => 1 << 20,
        "gib" | "g" => 1 << 30,
        "tib" | "t" => 1 << 40,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => 0,
    };
    let size = number
        .parse()
        .ok()
        .and_then(|number: u64| number.checked_mul(unit));
    let size = size.filter(|&size| size > 0);
    size.ok_or_else(|| {
        "expected a number of bytes above 0, such as 4294967296, 512MiB or 4GiB".into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes("512MiB"), Ok(512 << 20));
        assert_eq!(bytes("4 GiB"), Ok(4 << 30));
        assert_eq!(bytes("100"), Ok(100));
        for wrong in ["", "0", "-1", "4 apples", "99999999999GiB", "GiB"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}
