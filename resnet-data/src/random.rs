//! Random numbers that depend on nothing but the seed and the place they are for.

use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;

pub(crate) type Random = Pcg64Mcg;

/// What random numbers are for; each has its own.
#[derive(Clone, Copy)]
pub(crate) enum For {
    Split = 1,
    Order,
    Sample,
    Mix,
    Shape,
    Transform,
}

/// The numbers for one place: an epoch, a sample of it.
pub(crate) fn random(seed: u64, what: For, place: [u64; 2]) -> Random {
    let words = [seed, what as u64, place[0], place[1]];
    Random::seed_from_u64(
        words
            .into_iter()
            .fold(0, |hash, word| mix(hash ^ mix(word))),
    )
}

/// The finaliser of SplitMix64 (Steele et al. 2014): every bit of the input changes half of the output's.
fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
