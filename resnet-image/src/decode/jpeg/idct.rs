//! libjpeg's accurate integer inverse DCT, `jpeg_idct_islow`.

const CONST_BITS: u32 = 13;
const PASS1_BITS: u32 = 2;

/// Returns the index in the block of a coefficient in zigzag order. Returns `None` after the last
/// one.
pub(super) fn natural(at: usize) -> Option<usize> {
    #[rustfmt::skip]
    const ZIGZAG: [u8; 64] = [
        0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5,
        12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
        35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
        58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
    ];
    ZIGZAG.get(at).map(|&place| place.into())
}

/// Writes the samples of a block to `out`, with rows `stride` apart.
pub(super) fn inverse(block: &[i32; 64], out: &mut [u8], stride: usize) {
    let mut columns = [0; 64];
    for x in 0..8 {
        let column = std::array::from_fn(|y| block[8 * y + x]);
        for (y, value) in transform(column, CONST_BITS - PASS1_BITS)
            .into_iter()
            .enumerate()
        {
            columns[8 * y + x] = value;
        }
    }
    for (y, row) in columns.as_chunks().0.iter().enumerate() {
        let samples = transform(*row, CONST_BITS + PASS1_BITS + 3);
        for (out, sample) in out[y * stride..].iter_mut().zip(samples) {
            *out = (sample + 128).clamp(0, 255) as u8;
        }
    }
}

/// Computes the transform of eight values by Loeffler, Ligtenberg and Moschytz, scaled down by
/// `shift` bits.
fn transform([a, b, c, d, e, f, g, h]: [i32; 8], shift: u32) -> [i32; 8] {
    let times = |value: i32, factor: i32| value.wrapping_mul(factor);
    let add = |left: i32, right: i32| left.wrapping_add(right);
    let sub = |left: i32, right: i32| left.wrapping_sub(right);

    let z1 = times(add(c, g), 4433);
    let low = sub(z1, times(g, 15137));
    let high = add(z1, times(c, 6270));
    let (sum, difference) = (
        add(a, e).wrapping_shl(CONST_BITS),
        sub(a, e).wrapping_shl(CONST_BITS),
    );
    let even = [
        add(sum, high),
        add(difference, low),
        sub(difference, low),
        sub(sum, high),
    ];

    let z5 = times(add(add(h, d), add(f, b)), 9633);
    let z1 = times(add(h, b), -7373);
    let z2 = times(add(f, d), -20995);
    let z3 = add(times(add(h, d), -16069), z5);
    let z4 = add(times(add(f, b), -3196), z5);
    let odd = [
        add(add(times(b, 12299), z1), z4),
        add(add(times(d, 25172), z2), z3),
        add(add(times(f, 16819), z2), z4),
        add(add(times(h, 2446), z1), z3),
    ];

    let scale = |value: i32| add(value, 1 << (shift - 1)) >> shift;
    std::array::from_fn(|i| match i {
        0..4 => scale(add(even[i], odd[i])),
        _ => scale(sub(even[7 - i], odd[7 - i])),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dc_coefficient_alone_fills_the_block() {
        let mut block = [0; 64];
        block[0] = 8 * 50;
        let mut out = [0; 64];
        inverse(&block, &mut out, 8);
        assert_eq!(out, [178; 64]);
    }

    /// Compares with the floating-point definition of the transform.
    #[test]
    fn samples_match_the_inverse_cosine_transform() {
        let block: [i32; 64] =
            std::array::from_fn(|i| (i as i32 * 37 % 83 - 41) * (64 - i as i32) / 16);
        let mut out = [0; 64];
        inverse(&block, &mut out, 8);
        for (place, &found) in out.iter().enumerate() {
            let (x, y) = (place % 8, place / 8);
            let wave = |at: usize, frequency: usize| {
                let scale = if frequency == 0 { 0.5f64.sqrt() } else { 1.0 };
                let angle = (2 * at + 1) as f64 * frequency as f64 * std::f64::consts::PI / 16.0;
                scale * angle.cos() / 2.0
            };
            let sum: f64 = (0..64)
                .map(|i| f64::from(block[i]) * wave(x, i % 8) * wave(y, i / 8))
                .sum();
            let expected = (sum + 128.0).clamp(0.0, 255.0);
            assert!(
                (expected - f64::from(found)).abs() <= 1.0,
                "{place}: {expected} {found}"
            );
        }
    }
}
