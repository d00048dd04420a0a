//! Optimizers with a learning rate and a weight decay per parameter.

mod config;

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::record::AdaptorRecordV1;
use burn::optim::{AdamW, AdamWConfig, GradientsParams, SimpleOptimizer};
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};

pub use config::OptimizerConfig;

use crate::Rule;
use crate::lamb::Lamb;
use crate::memory::{Memory, Remembers};
use crate::sgd::Sgd;

/// An optimizer and its state. The [`Rule`] of each tensor sets its learning rate and weight decay.
pub struct Optimizer<B: Backend> {
    rules: Vec<Rule>,
    kind: Kind<B>,
}

enum Kind<B: Backend> {
    Sgd(Steps<Sgd, B>),
    AdamW(Steps<AdamW, B>),
    Lamb(Steps<Lamb, B>),
}

/// An optimizer with weight decay, one without, and the state of each entry.
struct Steps<O: SimpleOptimizer<B>, B: Backend> {
    decaying: O,
    plain: O,
    states: Vec<Option<AdaptorRecordV1<O, B>>>,
}

impl<B: Backend> Optimizer<B> {
    /// Creates an optimizer without state.
    pub fn new(config: OptimizerConfig, rules: Vec<Rule>) -> Self {
        let kind = match config {
            OptimizerConfig::Sgd {
                momentum,
                nesterov,
                weight_decay,
            } => {
                let sgd = |weight_decay: f64| Sgd {
                    momentum,
                    nesterov,
                    weight_decay,
                };
                Kind::Sgd(Steps::new(sgd, weight_decay, rules.len()))
            }
            OptimizerConfig::AdamW {
                betas,
                epsilon,
                weight_decay,
            } => {
                let adamw = |decay: f64| {
                    AdamWConfig::new()
                        .with_beta_1(betas[0] as f32)
                        .with_beta_2(betas[1] as f32)
                        .with_epsilon(epsilon as f32)
                        .with_weight_decay(decay as f32)
                        .build()
                };
                Kind::AdamW(Steps::new(adamw, weight_decay, rules.len()))
            }
            OptimizerConfig::Lamb {
                betas,
                epsilon,
                weight_decay,
            } => {
                let lamb = |weight_decay: f64| Lamb {
                    betas,
                    epsilon,
                    weight_decay,
                };
                Kind::Lamb(Steps::new(lamb, weight_decay, rules.len()))
            }
        };
        Self { rules, kind }
    }

    /// Updates every entry that has a gradient.
    pub fn step<A: AutodiffBackend<InnerBackend = B>, N: Module<A>>(
        &mut self,
        learning_rate: f64,
        model: N,
        gradients: GradientsParams,
    ) -> N {
        match &mut self.kind {
            Kind::Sgd(steps) => steps.step(learning_rate, &self.rules, model, gradients),
            Kind::AdamW(steps) => steps.step(learning_rate, &self.rules, model, gradients),
            Kind::Lamb(steps) => steps.step(learning_rate, &self.rules, model, gradients),
        }
    }
}

impl<B: Backend> Optimizer<B> {
    pub(crate) fn name(&self) -> &'static str {
        match self.kind {
            Kind::Sgd(_) => "sgd",
            Kind::AdamW(_) => "adamw",
            Kind::Lamb(_) => "lamb",
        }
    }

    pub(crate) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Returns PyTorch's names of the state tensors of an entry.
    pub(crate) fn names(&self) -> &'static [&'static str] {
        match self.kind {
            Kind::Sgd(_) => <Sgd as Remembers<B>>::NAMES,
            Kind::AdamW(_) => <AdamW as Remembers<B>>::NAMES,
            Kind::Lamb(_) => <Lamb as Remembers<B>>::NAMES,
        }
    }

    /// Returns the minimum and the maximum of the entries' step counts, or `None` without state.
    pub(crate) fn steps(&self) -> Option<[u64; 2]> {
        let memories = self.memories();
        let steps = memories.iter().flatten();
        let steps: Vec<u64> = steps.map(|memory| memory.steps as u64).collect();
        Some([*steps.iter().min()?, *steps.iter().max()?])
    }

    /// Returns the state of each entry, in the order of the state dict.
    pub(crate) fn memories(&self) -> Vec<Option<Memory>> {
        match &self.kind {
            Kind::Sgd(steps) => steps.memories(),
            Kind::AdamW(steps) => steps.memories(),
            Kind::Lamb(steps) => steps.memories(),
        }
    }

    /// Restores the state that [`memories`](Self::memories) returned. Returns `None` if it belongs
    /// to another kind of optimizer.
    pub(crate) fn remember(
        &mut self,
        memories: Vec<Option<Memory>>,
        device: &B::Device,
    ) -> Option<()> {
        match &mut self.kind {
            Kind::Sgd(steps) => steps.remember(memories, device),
            Kind::AdamW(steps) => steps.remember(memories, device),
            Kind::Lamb(steps) => steps.remember(memories, device),
        }
    }
}

impl<O: Remembers<B>, B: Backend> Steps<O, B> {
    fn memories(&self) -> Vec<Option<Memory>> {
        let states = self.states.iter().cloned();
        states.map(|state| state.map(Memory::of)).collect()
    }

    fn remember(&mut self, memories: Vec<Option<Memory>>, device: &B::Device) -> Option<()> {
        let state = |memory: Option<Memory>| match memory {
            Some(memory) => memory.together(device).map(Some),
            None => Some(None),
        };
        let states: Vec<_> = memories.into_iter().map(state).collect::<Option<_>>()?;
        (states.len() == self.states.len()).then(|| self.states = states)
    }
}

impl<O: SimpleOptimizer<B>, B: Backend> Steps<O, B> {
    fn new(with_decay: impl Fn(f64) -> O, decay: f64, entries: usize) -> Self {
        Self {
            decaying: with_decay(decay),
            plain: with_decay(0.0),
            states: (0..entries).map(|_| None).collect(),
        }
    }

    fn step<A: AutodiffBackend<InnerBackend = B>, N: Module<A>>(
        &mut self,
        learning_rate: f64,
        rules: &[Rule],
        model: N,
        gradients: GradientsParams,
    ) -> N {
        let mut update = Update {
            steps: self,
            rules,
            learning_rate,
            gradients,
            entry: 0,
        };
        model.map(&mut update)
    }
}

struct Update<'a, O: SimpleOptimizer<B>, B: Backend> {
    steps: &'a mut Steps<O, B>,
    rules: &'a [Rule],
    learning_rate: f64,
    gradients: GradientsParams,
    entry: usize,
}

impl<A: AutodiffBackend, O: SimpleOptimizer<A::InnerBackend>> ModuleMapper<A>
    for Update<'_, O, A::InnerBackend>
{
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<A, D>>) -> Param<Tensor<A, D>> {
        let entry = self.entry;
        self.entry += 1;
        let rule = &self.rules[entry];
        let gradient = self.gradients.remove::<A::InnerBackend, D>(param.id);
        let Some(gradient) = gradient.filter(|_| rule.learns) else {
            return param;
        };
        let optimizer = match rule.decays {
            true => &self.steps.decaying,
            false => &self.steps.plain,
        };
        let state = self.steps.states[entry].take();
        let (id, tensor, mapper) = param.consume();
        let (tensor, state) = optimizer.step(
            self.learning_rate * rule.rate,
            tensor.inner(),
            gradient,
            state.map(AdaptorRecordV1::into_state),
        );
        self.steps.states[entry] = state.map(AdaptorRecordV1::from_state);
        let tensor = Tensor::from_inner(tensor).require_grad();
        Param::from_mapped_value(id, tensor, mapper)
    }
}
