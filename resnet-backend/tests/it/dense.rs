//! Detectors and segmentation networks on LibTorch and on GPUs. `resnet-dense` tests them on the CPU
//! backends.

use burn::tensor::backend::Backend;
use resnet_backend::Work;
use resnet_testing::dense;

use crate::parity::on;

struct Case {
    name: &'static str,
    tolerance: f64,
}

impl Work for Case {
    type Output = ();

    fn run<B: Backend>(self, device: B::Device) {
        dense::run::<B>(self.name, &device, self.tolerance);
    }
}

#[cfg(feature = "tch")]
mod tch {
    use super::*;

    macro_rules! tests {
        ($($name:ident)*) => { $(
            #[test]
            fn $name() {
                on("tch:cpu", Case { name: stringify!($name), tolerance: 1e-4 });
            }
        )* };
    }
    resnet_testing::every_dense_case!(tests);
}

#[cfg(any(feature = "graphics", feature = "cuda", feature = "rocm"))]
macro_rules! gpu_tests {
    ($($name:ident)*) => { $(
        #[test]
        fn $name() {
            let device = crate::parity::device();
            on(&device, Case { name: stringify!($name), tolerance: 1e-3 });
        }
    )* };
}

#[cfg(any(feature = "graphics", feature = "cuda", feature = "rocm"))]
mod gpu {
    use super::*;

    gpu_tests! { deeplabv3_resnet50 }
}

/// A software renderer takes an hour to autotune the products of 1000 proposals.
#[cfg(any(feature = "graphics", feature = "cuda", feature = "rocm"))]
mod real_gpu {
    use super::*;

    gpu_tests! { maskrcnn }
}
