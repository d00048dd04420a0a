//! The examples of `README.md` and of the book, as tests. No package reads beyond its folder, so they are not with the
//! crates that they show.

#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../../README.md")]
    struct Readme;

    #[doc = include_str!("../../src/backends.md")]
    struct Backends;

    #[doc = include_str!("../../src/quick-start.md")]
    struct QuickStart;

    #[doc = include_str!("../../src/weights.md")]
    struct Weights;
}
