//! Tests of every case of `cases.json` on the default CPU backend.

use burn::tensor::FloatDType;
use resnet_testing::{every_case, suite};

use crate::Cpu;

macro_rules! tests {
    ($($name:ident)*) => {
        $(#[test] fn $name() {
            suite::case::<Cpu>(stringify!($name), &Default::default(), 1e-4);
        })*

        #[test]
        fn every_case_has_a_test() {
            let cases = suite::cases();
            let names: Vec<_> = cases.iter().map(|case| case["name"].as_str().unwrap()).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

every_case!(tests);

#[test]
fn half_precision_errors_are_rounding_errors() {
    // F16 has 11 significant bits, BF16 has 8.
    for (dtype, least, most) in [
        (FloatDType::F16, 1e-5, 5e-3),
        (FloatDType::BF16, 1e-4, 5e-2),
    ] {
        let error = suite::error_in::<Cpu>("resnet18", dtype, &Default::default()).unwrap();
        assert!((least..=most).contains(&error), "{dtype:?}: {error:.1e}");
    }
}
