//! Available memory.

use core::hint::black_box;

use alloc::vec::Vec;

/// Number of bytes that need no check. A program with less free memory fails anyway.
const ALWAYS: usize = 1 << 30;

/// Returns whether `bytes` can be allocated.
///
/// Callers check first, because Rust aborts the process if an allocation fails, and Linux kills a
/// process that exceeds the memory of the machine.
pub fn fits_in_memory(bytes: usize) -> bool {
    bytes <= ALWAYS || (available().is_none_or(|available| bytes <= available) && reserves(bytes))
}

/// Returns whether the allocator grants `bytes`.
fn reserves(bytes: usize) -> bool {
    let mut probe = Vec::<u8>::new();
    let granted = probe.try_reserve_exact(bytes).is_ok();
    // Without this, the compiler removes the allocation and reports success.
    black_box(&probe);
    granted
}

/// Returns the memory that Linux can provide without swapping, limited by the container's limit.
#[cfg(all(feature = "std", target_os = "linux"))]
fn available() -> Option<usize> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let of_machine = read("/proc/meminfo").and_then(|text| of_meminfo(&text));
    let limits = [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ];
    // Without a limit, the file contains `max`, which does not parse.
    let of_container = limits
        .into_iter()
        .filter_map(|path| read(path)?.trim().parse().ok());
    of_machine.into_iter().chain(of_container).min()
}

#[cfg(not(all(feature = "std", target_os = "linux")))]
fn available() -> Option<usize> {
    None
}

#[cfg(any(all(feature = "std", target_os = "linux"), test))]
fn of_meminfo(text: &str) -> Option<usize> {
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: usize = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_beyond_any_memory_are_rejected() {
        assert!(fits_in_memory(0) && fits_in_memory(ALWAYS));
        for bytes in [1 << 50, 1 << 62, isize::MAX as usize, usize::MAX] {
            assert!(!fits_in_memory(bytes), "{bytes}");
            assert!(!reserves(bytes), "{bytes}");
        }
    }

    #[test]
    fn available_memory_is_parsed() {
        let text = "MemTotal:       24690068 kB\nMemFree: 5 kB\nMemAvailable:   22503700 kB\n";
        assert_eq!(of_meminfo(text), Some(22_503_700 * 1024));
        assert_eq!(of_meminfo("MemTotal: 5 kB\n"), None);
        assert_eq!(of_meminfo("MemAvailable: many\n"), None);
    }
}
