//! The optimizer state of each entry of the state dict, as plain tensors that can be saved and
//! checked.

use burn::optim::record::AdaptorRecordV1;
use burn::optim::{AdamW, AdamWState, AdaptiveMomentumState, SimpleOptimizer};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use crate::lamb::{Lamb, LambState};
use crate::sgd::{Sgd, SgdState};

/// The optimizer state of one entry.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    /// Steps that the entry has taken.
    pub(crate) steps: usize,
    /// One tensor for each of [`Remembers::NAMES`], each with the shape of the entry.
    pub(crate) tensors: Vec<TensorData>,
}

/// An optimizer whose state can be converted to plain tensors and back.
pub(crate) trait Remembers<B: Backend>: SimpleOptimizer<B> {
    /// PyTorch's names of the tensors.
    const NAMES: &'static [&'static str];

    /// Splits a state into its step count and its tensors.
    fn apart<const D: usize>(state: Self::State<D>) -> (usize, Vec<Tensor<B, D>>);

    /// Builds a state from its parts. Returns `None` if the number of tensors is wrong.
    fn together<const D: usize>(steps: usize, tensors: Vec<Tensor<B, D>>)
    -> Option<Self::State<D>>;
}

/// The first and the second moment.
const ADAM: &[&str] = &["exp_avg", SQUARES];

/// The second moment, which has no negative values.
pub(crate) const SQUARES: &str = "exp_avg_sq";

impl<B: Backend> Remembers<B> for Sgd {
    const NAMES: &'static [&'static str] = &["momentum_buffer"];

    fn apart<const D: usize>(state: SgdState<B, D>) -> (usize, Vec<Tensor<B, D>>) {
        (state.step, vec![state.velocity])
    }

    fn together<const D: usize>(step: usize, tensors: Vec<Tensor<B, D>>) -> Option<SgdState<B, D>> {
        let [velocity] = tensors.try_into().ok()?;
        Some(SgdState { step, velocity })
    }
}

impl<B: Backend> Remembers<B> for AdamW {
    const NAMES: &'static [&'static str] = ADAM;

    fn apart<const D: usize>(state: AdamWState<B, D>) -> (usize, Vec<Tensor<B, D>>) {
        let state = state.momentum;
        (state.time, vec![state.moment_1, state.moment_2])
    }

    fn together<const D: usize>(
        steps: usize,
        tensors: Vec<Tensor<B, D>>,
    ) -> Option<AdamWState<B, D>> {
        let [mean, square] = tensors.try_into().ok()?;
        let momentum = AdaptiveMomentumState::new(steps, mean, square);
        Some(AdamWState::new(momentum))
    }
}

impl<B: Backend> Remembers<B> for Lamb {
    const NAMES: &'static [&'static str] = ADAM;

    fn apart<const D: usize>(state: LambState<B, D>) -> (usize, Vec<Tensor<B, D>>) {
        (state.step, vec![state.mean, state.square])
    }

    fn together<const D: usize>(
        step: usize,
        tensors: Vec<Tensor<B, D>>,
    ) -> Option<LambState<B, D>> {
        let [mean, square] = tensors.try_into().ok()?;
        Some(LambState { step, mean, square })
    }
}

impl Memory {
    pub(crate) fn of<O: Remembers<B>, B: Backend>(state: AdaptorRecordV1<O, B>) -> Self {
        use AdaptorRecordV1 as R;
        match state {
            R::Rank0(state) => Self::apart::<O, B, 0>(state),
            R::Rank1(state) => Self::apart::<O, B, 1>(state),
            R::Rank2(state) => Self::apart::<O, B, 2>(state),
            R::Rank3(state) => Self::apart::<O, B, 3>(state),
            R::Rank4(state) => Self::apart::<O, B, 4>(state),
            R::Rank5(state) => Self::apart::<O, B, 5>(state),
            R::Rank6(state) => Self::apart::<O, B, 6>(state),
            R::Rank7(state) => Self::apart::<O, B, 7>(state),
            R::Rank8(state) => Self::apart::<O, B, 8>(state),
        }
    }

    fn apart<O: Remembers<B>, B: Backend, const D: usize>(state: O::State<D>) -> Self {
        let (steps, tensors) = O::apart(state);
        let data = |tensor: Tensor<B, D>| tensor.into_data().convert::<f32>();
        Self {
            steps,
            tensors: tensors.into_iter().map(data).collect(),
        }
    }

    /// Converts to the optimizer's state. Returns `None` if the tensors do not fit.
    pub(crate) fn together<O: Remembers<B>, B: Backend>(
        self,
        device: &B::Device,
    ) -> Option<AdaptorRecordV1<O, B>> {
        use AdaptorRecordV1 as R;
        let rank = self.tensors.first()?.shape.len();
        Some(match rank {
            1 => R::Rank1(self.state::<O, B, 1>(device)?),
            2 => R::Rank2(self.state::<O, B, 2>(device)?),
            3 => R::Rank3(self.state::<O, B, 3>(device)?),
            4 => R::Rank4(self.state::<O, B, 4>(device)?),
            _ => return None,
        })
    }

    fn state<O: Remembers<B>, B: Backend, const D: usize>(
        self,
        device: &B::Device,
    ) -> Option<O::State<D>> {
        if self.tensors.iter().any(|data| data.shape.len() != D) {
            return None;
        }
        let tensors = self.tensors.into_iter();
        let tensors = tensors.map(|data| Tensor::from_data(data, device));
        O::together(self.steps, tensors.collect())
    }
}
