//! The memory of the machine.

/// The maximum of the default limit.
const LARGEST_DEFAULT: u64 = 4 << 30;

/// Returns the default memory limit in bytes: 4 GiB, or half of the machine's memory if that is
/// less. Only Linux reports the machine's memory.
pub fn default_memory_limit() -> u64 {
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok();
    let half = meminfo
        .as_deref()
        .and_then(total_memory)
        .map(|bytes| bytes / 2);
    half.map_or(LARGEST_DEFAULT, |half| half.min(LARGEST_DEFAULT))
}

/// Returns the number of bytes in the line `MemTotal: 16303428 kB`.
fn total_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_the_machine_is_read() {
        let text = "MemFree:  17 kB\nMemTotal:       16303428 kB\nBuffers: 3 kB\n";
        assert_eq!(total_memory(text), Some(16_303_428 << 10));
        assert_eq!(total_memory("MemTotal: many kB\n"), None);
        assert_eq!(total_memory("MemTotal: 18446744073709551615 kB\n"), None);
        assert!((1..=LARGEST_DEFAULT).contains(&default_memory_limit()));
    }
}
