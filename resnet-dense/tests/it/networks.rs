//! Whole networks, with intermediate values. `resnet-backend` runs the same suite on other backends.

macro_rules! on_cpu {
    ($($name:ident)*) => { $(
        #[test]
        fn $name() {
            resnet_testing::dense::run::<resnet_cpu::Cpu>(stringify!($name), &Default::default(), 1e-4);
        }
    )* };
}

macro_rules! on_flex {
    ($($name:ident)*) => { $(
        #[test]
        fn $name() {
            resnet_testing::dense::run::<burn::backend::Flex>(stringify!($name), &Default::default(), 1e-4);
        }
    )* };
}

mod cpu {
    resnet_testing::every_dense_case!(on_cpu);
}

mod flex {
    resnet_testing::every_dense_case!(on_flex);
}
