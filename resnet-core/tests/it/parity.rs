//! Every case of `cases.json`, on the default CPU backend.

use crate::Cpu;
use crate::suite::{self, every_case};

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
