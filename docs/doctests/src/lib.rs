//! Doctests of `README.md` and the book. They are a separate package because a published package
//! must not read files outside its folder.

#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../../README.md")]
    struct Readme;

    #[doc = include_str!("../../src/backends.md")]
    struct Backends;

    #[doc = include_str!("../../src/detection.md")]
    struct Detection;

    #[doc = include_str!("../../src/segmentation.md")]
    struct Segmentation;

    #[doc = include_str!("../../src/quick-start.md")]
    struct QuickStart;

    #[doc = include_str!("../../src/weights.md")]
    struct Weights;
}
