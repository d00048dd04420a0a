//! Tests that the shared comparisons fail instead of comparing nothing.

use std::panic::catch_unwind;

use resnet_testing::{assert_close, floats, pairs, relative_error};

#[test]
fn lists_of_different_lengths_are_not_paired() {
    assert_eq!(pairs([1, 2], ["a", "b"]), [(1, "a"), (2, "b")]);
    assert!(catch_unwind(|| pairs([1, 2], [3])).is_err());
    assert!(catch_unwind(|| pairs([1], [3, 4])).is_err());
    assert!(catch_unwind(|| pairs([0; 0], [0; 0])).is_err());
}

#[test]
fn values_are_close_within_the_tolerance() {
    assert_close("near", &[1.0, 10.0], &[1.0, 10.1], 0.02);
    assert_eq!(relative_error(&[1.0, 9.0], &[1.0, 10.0]), 0.1);
    assert!(catch_unwind(|| assert_close("far", &[1.0, 10.0], &[1.0, 10.3], 0.02)).is_err());
    assert!(catch_unwind(|| assert_close("short", &[1.0], &[1.0, 10.3], 0.02)).is_err());
    assert!(catch_unwind(|| assert_close("NaN", &[f32::NAN], &[1.0], 0.02)).is_err());
    assert!(catch_unwind(|| relative_error(&[f32::NAN], &[1.0])).is_err());
}

#[test]
fn floats_are_whole() {
    assert_eq!(floats(&[0, 0, 128, 63, 0, 0, 0, 64]), [1.0, 2.0]);
    assert!(catch_unwind(|| floats(&[0, 0, 128, 63, 0])).is_err());
}
