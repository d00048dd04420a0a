//! What a machine can give to a network.

/// The most that is taken unless more is asked for.
const MOST: u64 = 4 << 30;

/// Returns 4 GiB, or half of the machine's memory where that is less.
pub(crate) fn default_limit() -> u64 {
    machine().map_or(MOST, |bytes| MOST.min(bytes / 2))
}

/// The memory of the machine, where the system tells it in a file.
fn machine() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// A number of bytes for people.
pub(crate) fn readable(bytes: u64) -> String {
    let gib = bytes as f64 / f64::from(1 << 30);
    match gib {
        gib if gib >= 1e6 => "over 1000000 GiB".into(),
        gib if gib >= 0.1 => format!("{gib:.1} GiB"),
        gib => format!("{:.1} MiB", gib * 1024.0),
    }
}
