//! Random numbers that depend only on the seed, the purpose and the place, such as an epoch and a
//! sample.

use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;

pub(crate) type Random = Pcg64Mcg;

/// The purpose of random numbers. Each purpose has its own stream.
#[derive(Clone, Copy)]
pub(crate) enum For {
    Split = 1,
    Order,
    Sample,
    Mix,
    Shape,
    Transform,
    #[cfg(feature = "annotations")]
    Scene,
    #[cfg(feature = "annotations")]
    Object,
}

/// Creates a random generator for one purpose and one place. For example, the place can be a sample
/// within an epoch.
pub(crate) fn random(seed: u64, what: For, place: [u64; 2]) -> Random {
    let words = [seed, what as u64, place[0], place[1]];
    Random::seed_from_u64(
        words
            .into_iter()
            .fold(0, |hash, word| mix(hash ^ mix(word))),
    )
}

/// The finalizer of SplitMix64 (Steele et al. 2014): on average, an input bit flips half of the
/// output bits.
fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
