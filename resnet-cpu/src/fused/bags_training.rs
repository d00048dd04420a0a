//! Weighted sums of rows with gradients.

use std::sync::Arc;

use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};
use burn_tensor::{DType, Tensor, TensorPrimitive};
use resnet_fused::{Bags, EmbeddingBag};

use super::bags::sums;
use crate::Cpu;

pub(super) fn register() {
    let training = EmbeddingBag {
        supports: |dtype| dtype == DType::F32,
        forward,
    };
    training.register();
}

fn forward(rows: Tensor<Autodiff<Cpu>, 2>, bags: Bags) -> Tensor<Autodiff<Cpu>, 2> {
    let [count, _] = rows.dims();
    let rows = rows.into_primitive().tensor();
    let output = sums(rows.primitive.clone(), &bags);
    let step = Step.prepare::<NoCheckpointing>([rows.node]).compute_bound();
    let output = match step.stateful() {
        OpsKind::Tracked(step) => step.finish((Arc::new(bags), count), output),
        OpsKind::UnTracked(step) => step.finish(output),
    };
    Tensor::from_primitive(TensorPrimitive::Float(output))
}

#[derive(Debug)]
struct Step;

impl Backward<Cpu, 1> for Step {
    /// The bags, and the number of rows.
    type State = (Arc<Bags>, usize);

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let grad = gradients.consume::<Cpu>(&ops.node);
        let (bags, rows) = ops.state;
        if let [Some(parent)] = ops.parents {
            let gradient = sums(grad, &bags.transpose(rows));
            gradients.register::<Cpu>(parent.id, gradient);
        }
    }
}
