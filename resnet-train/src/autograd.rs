//! A lock for autograd graphs.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks the autograd graphs of this process.
///
/// In Burn 0.21, `backward` in one thread may free parts of a graph that another thread builds.
/// Gradients are then missing or wrong, without an error
/// ([tracel-ai/burn#5573](https://github.com/tracel-ai/burn/issues/5573)).
///
/// [`Trainer`](crate::Trainer) and [`linear_probe`](crate::linear_probe) hold this lock from the
/// forward to the backward pass, so they can run in several threads. Hold it as well if your own
/// code calls `backward` while other threads train. Release it before you call `Trainer::step`,
/// which would wait forever.
///
/// ```
/// use burn::backend::{Autodiff, Flex};
/// use burn::tensor::Tensor;
///
/// let gradients = {
///     let _lock = resnet_train::autograd_lock();
///     let x = Tensor::<Autodiff<Flex>, 1>::from_floats([3.0], &Default::default()).require_grad();
///     let gradients = (x.clone() * x.clone()).sum().backward();
///     x.grad(&gradients).unwrap()
/// };
/// assert_eq!(gradients.into_scalar(), 6.0);
/// ```
pub fn autograd_lock() -> MutexGuard<'static, ()> {
    static GRAPHS: Mutex<()> = Mutex::new(());
    // A panic in another thread does not affect the next graph.
    GRAPHS.lock().unwrap_or_else(PoisonError::into_inner)
}
