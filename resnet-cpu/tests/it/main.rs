//! Tests of every kernel against Flex.

mod conv;
mod elementwise;
mod extremes;
mod fused;
mod nan;
mod norm;
mod pool;
mod reference;
mod small;

use std::sync::{Mutex, MutexGuard, PoisonError};

use burn_backend::ops::FloatTensorOps;
use burn_backend::{Bytes, DType, FloatDType, Shape, Slice, TensorData};
use burn_flex::{Flex, FlexTensor, Layout};

/// Locks the autograd graphs of this program. In Burn 0.21, `backward` in one thread may free parts
/// of a graph that another thread builds (tracel-ai/burn#5573).
fn autograd_lock() -> MutexGuard<'static, ()> {
    static GRAPHS: Mutex<()> = Mutex::new(());
    GRAPHS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns a tensor of pseudo-random values between -1 and 1.
fn tensor(shape: impl Into<Vec<usize>>, seed: u64) -> FlexTensor {
    let shape = shape.into();
    let count = shape.iter().product::<usize>();
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let values = (0..count).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    });
    FlexTensor::from_data(TensorData::new(values.collect::<Vec<f32>>(), shape))
}

/// Returns the same values in channels-last layout.
fn channels_last(x: &FlexTensor) -> FlexTensor {
    let shape = x.layout().shape().to_vec();
    let [n, c, h, w]: [usize; 4] = shape.clone().try_into().unwrap();
    let from: &[f32] = x.as_slice().unwrap();
    let mut values = vec![0.0; from.len()];
    for (index, value) in from.iter().enumerate() {
        let (rest, x) = (index / w, index % w);
        let (rest, y) = (rest / h, rest % h);
        values[(((rest / c) * h + y) * w + x) * c + rest % c] = *value;
    }
    let strides = [h * w * c, 1, w * c, c].map(|stride| stride as isize);
    let layout = Layout::new(Shape::from(vec![n, c, h, w]), strides.to_vec(), 0);
    FlexTensor::new(Bytes::from_elems(values), layout, DType::F32)
}

/// Returns the same values in four memory layouts: contiguous, channels-last, with rows and columns
/// swapped, and as a slice of a larger tensor.
fn forms(x: &FlexTensor) -> [FlexTensor; 4] {
    let turn = |x| Flex::float_swap_dims(x, 2, 3);
    let shape = x.layout().shape().to_vec();
    let [n, c, h, w]: [usize; 4] = shape.try_into().unwrap();
    let places = [1..1 + n, 2..2 + c, 1..1 + h, 3..3 + w].map(Slice::from);
    let larger =
        Flex::float_slice_assign(tensor([n + 2, c + 3, h + 1, w + 4], 9), &places, x.clone());
    [
        x.clone(),
        channels_last(x),
        turn(turn(x.clone()).to_contiguous()),
        Flex::float_slice(larger, &places),
    ]
}

fn values(x: FlexTensor) -> Vec<f32> {
    x.into_data().to_vec().unwrap()
}

/// Returns the largest difference, relative to the largest value.
fn difference(found: FlexTensor, expected: FlexTensor) -> f32 {
    assert_eq!(found.layout().shape(), expected.layout().shape());
    let (found, expected) = (values(found), values(expected));
    let largest = expected
        .iter()
        .fold(0.0_f32, |most, value| most.max(value.abs()));
    let pairs = found.iter().zip(&expected);
    pairs.fold(0.0, |most: f32, (a, b)| most.max((a - b).abs())) / largest.max(1e-6)
}

/// Sums of products in double precision, and the sums of the magnitudes of the products.
///
/// Rounding errors are relative to the sum of magnitudes, even if the sum itself is small.
struct Sums {
    values: Vec<f64>,
    magnitudes: Vec<f64>,
}

impl Sums {
    fn of(
        given: impl IntoIterator<Item = FlexTensor>,
        run: impl Fn(&[FlexTensor]) -> FlexTensor,
    ) -> Self {
        let double = |x: FlexTensor| Flex::float_cast(x, FloatDType::F64);
        let given = given.into_iter().map(double).collect::<Vec<_>>();
        let magnitudes = given.iter().cloned().map(Flex::float_abs);
        let magnitudes = run(&magnitudes.collect::<Vec<_>>());
        let [values, magnitudes] =
            [run(&given), magnitudes].map(|sums| sums.into_data().to_vec().unwrap());
        Self { values, magnitudes }
    }

    /// Returns the largest error, relative to its sum of magnitudes.
    fn error(&self, found: FlexTensor) -> f64 {
        let found = values(found);
        assert_eq!(found.len(), self.values.len());
        let errors = found.iter().zip(&self.values).zip(&self.magnitudes);
        let share = |((found, value), magnitude): ((&f32, &f64), &f64)| {
            (f64::from(*found) - value).abs() / magnitude.max(1e-30)
        };
        errors.map(share).fold(0.0, |most: f64, share| {
            if share.is_nan() {
                f64::INFINITY
            } else {
                most.max(share)
            }
        })
    }
}

/// Runs all of these tests again with narrower vectors.
#[test]
fn narrower_vectors() {
    const LIMIT: &str = "RESNET_CPU_SIMD";
    // In the process that this test starts.
    if let Ok(limit) = std::env::var(LIMIT) {
        return assert_eq!(resnet_cpu::simd(), limit);
    }
    let narrower: &[&str] = match resnet_cpu::simd() {
        "avx512" => &["avx2", "none"],
        "none" => &[],
        _ => &["none"],
    };
    for limit in narrower {
        let tests = std::process::Command::new(std::env::current_exe().unwrap())
            .env(LIMIT, limit)
            .output()
            .unwrap();
        let report = String::from_utf8_lossy(&tests.stdout);
        assert!(tests.status.success(), "{limit}:\n{report}");
        assert!(
            report.contains("test narrower_vectors ... ok"),
            "{limit}:\n{report}"
        );
    }
}

/// If the system refuses some threads, the granted ones do the work.
#[cfg(target_os = "linux")]
#[test]
#[cfg_attr(asan, ignore = "a sanitizer needs all of the address space")]
fn fewer_threads() {
    // Leaves address space for the stacks of only some threads.
    let script = "ulimit -v 1500000; exec \"$0\" \"$@\"";
    let tests = std::process::Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .arg("large_arithmetic_is_exact")
        .env("RAYON_NUM_THREADS", "1000000")
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&tests.stdout);
    assert!(tests.status.success(), "{report}");
    assert!(report.contains("1 passed"), "{report}");
}
