//! Errors of 16-bit float types on every built-in backend: the figures of the page "Backends".

use burn::tensor::FloatDType;
use burn::tensor::backend::Backend;
use resnet_backend::{Selection, Work, with_backend};
#[cfg(feature = "ndarray")]
use resnet_core::{Arch, Network, ResNet};
use resnet_testing::suite;

const NAMES: [&str; 5] = [
    "resnet18",
    "resnet50",
    "resnext50_32x4d",
    "wide_resnet50_2",
    "resnet50d",
];

struct Error {
    name: &'static str,
    dtype: FloatDType,
}

impl Work for Error {
    type Output = Option<f32>;

    fn run<B: Backend>(self, device: B::Device) -> Option<f32> {
        suite::error_in::<B>(self.name, self.dtype, &device)
    }
}

/// Prints the error of each network and float type, and checks it against the precision of the
/// type.
fn errors(selection: &str, dtypes: &[(FloatDType, f32)]) {
    let selection: Selection = selection.parse().unwrap();
    for &(dtype, most) in dtypes {
        for name in NAMES {
            let error = with_backend(selection, Error { name, dtype }).unwrap();
            let error = error.unwrap_or_else(|| panic!("{selection} lacks {dtype:?}"));
            println!("{selection} {dtype:?} {name}: {error:.1e}");
            assert!(error <= most, "{selection} {dtype:?} {name}: {error:.1e}");
        }
    }
}

#[cfg(feature = "cpu")]
#[test]
fn cpu() {
    errors("cpu", &[(FloatDType::F16, 5e-3), (FloatDType::BF16, 5e-2)]);
}

#[cfg(feature = "tch")]
#[test]
fn tch() {
    errors(
        "tch:cpu",
        &[(FloatDType::F16, 5e-3), (FloatDType::BF16, 5e-2)],
    );
}

#[cfg(feature = "ndarray")]
#[test]
fn ndarray_refuses_16_bit_types() {
    let error = with_backend("ndarray".parse().unwrap(), Refusal(FloatDType::BF16)).unwrap();
    assert_eq!(
        error,
        "`ndarray` does not compute in BF16 on this device: expected another float type, such as F32"
    );
}

#[cfg(feature = "ndarray")]
struct Refusal(FloatDType);

#[cfg(feature = "ndarray")]
impl Work for Refusal {
    type Output = String;

    fn run<B: Backend>(self, device: B::Device) -> String {
        let network: ResNet<B> = Arch::ResNet10t.config().init(&device);
        network.cast(self.0).unwrap_err().to_string()
    }
}
