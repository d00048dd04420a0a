/// Whether the data has its end marker, without which Pillow refuses a JPEG as truncated.
///
/// The decoder fills what is missing with grey and reports nothing
/// (<https://github.com/etemesi254/zune-image>, non-strict mode).
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    const END_OF_IMAGE: u8 = 0xD9;
    let mut rest = bytes.get(2..).unwrap_or_default();
    while let Some(at) = rest.iter().position(|&byte| byte == 0xFF) {
        let Some(&marker) = rest.get(at + 1) else {
            return false;
        };
        let skip = match marker {
            END_OF_IMAGE => return true,
            // A second 0xFF is filling: the marker follows it.
            0xFF => 1,
            // A stuffed zero, TEM and restarts stand alone.
            0x00 | 0x01 | 0xD0..=0xD8 => 2,
            _ => match rest.get(at + 2..at + 4) {
                Some(&[high, low]) => 2 + usize::from(u16::from_be_bytes([high, low])),
                _ => return false,
            },
        };
        rest = rest.get(at + skip..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_marker_inside_a_segment_or_stuffed_does_not_count() {
        let head = [0xFF, 0xD8, 0xFF, 0xE1, 0, 4, 0xFF, 0xD9];
        assert!(!is_whole(&head));
        let scan = [0xFF, 0xDA, 0, 2, 7, 0xFF, 0, 0xD9, 0xFF, 0xD0, 1];
        assert!(!is_whole(&[&head[..], &scan].concat()));
        assert!(is_whole(&[&head[..], &scan, &[0xFF, 0xFF, 0xD9]].concat()));
        assert!(!is_whole(&[0xFF, 0xD8, 0xFF, 0xE0]));
    }
}
