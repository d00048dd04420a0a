//! From gradients to new parameters.

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::record::AdaptorRecordV1;
use burn::optim::{AdamW, AdamWConfig, GradientsParams, Sgd, SgdConfig, SimpleOptimizer};
use burn::record::{BinBytesRecorder, FullPrecisionSettings, Recorder};
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use resnet_core::ResNet;
use serde::{Deserialize, Serialize};

use crate::Rule;
use crate::lamb::Lamb;

/// An optimiser with PyTorch's meaning of each number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "name",
    rename_all = "lowercase",
    rename_all_fields = "kebab-case",
    deny_unknown_fields
)]
pub enum OptimizerConfig {
    /// Stochastic gradient descent; the decay is added to the gradient.
    Sgd {
        /// Share of the last step in the next.
        momentum: f64,
        /// Nesterov's look ahead.
        nesterov: bool,
        /// L2 penalty.
        weight_decay: f64,
    },
    /// Adam with decoupled decay (Loshchilov & Hutter 2017).
    AdamW {
        /// Decay of the mean of gradients and of that of their squares.
        #[serde(default = "betas")]
        betas: [f64; 2],
        /// Added to the root of the second.
        #[serde(default = "adamw_epsilon")]
        epsilon: f64,
        /// Share of a weight that is taken off at a learning rate of 1.
        weight_decay: f64,
    },
    /// Adam whose step has the length of the weight that it changes (You et al. 2019): timm's `Lamb`, whose clipping is
    /// [`Settings::clip`](crate::Settings::clip) here. Entries without decay take Adam's step.
    Lamb {
        /// Decay of the mean of gradients and of that of their squares.
        #[serde(default = "betas")]
        betas: [f64; 2],
        /// Added to the root of the second.
        #[serde(default = "lamb_epsilon")]
        epsilon: f64,
        /// Share of a weight that is added to the step.
        weight_decay: f64,
    },
}

fn betas() -> [f64; 2] {
    [0.9, 0.999]
}

fn adamw_epsilon() -> f64 {
    1e-8
}

fn lamb_epsilon() -> f64 {
    1e-6
}

impl OptimizerConfig {
    /// SGD with Nesterov's momentum of 0.9.
    pub fn sgd(weight_decay: f64) -> Self {
        Self::Sgd {
            momentum: 0.9,
            nesterov: true,
            weight_decay,
        }
    }

    /// PyTorch's defaults: betas 0.9 and 0.999, epsilon 1e-8.
    pub fn adamw(weight_decay: f64) -> Self {
        Self::AdamW {
            betas: betas(),
            epsilon: adamw_epsilon(),
            weight_decay,
        }
    }

    /// timm's defaults: betas 0.9 and 0.999, epsilon 1e-6.
    pub fn lamb(weight_decay: f64) -> Self {
        Self::Lamb {
            betas: betas(),
            epsilon: lamb_epsilon(),
            weight_decay,
        }
    }
}

/// An optimiser at work: Burn's step for each tensor, with a rate and a decay for each by its [`Rule`].
pub struct Optimizer<B: Backend> {
    rules: Vec<Rule>,
    kind: Kind<B>,
}

enum Kind<B: Backend> {
    Sgd(Steps<Sgd<B>, B>),
    AdamW(Steps<AdamW, B>),
    Lamb(Steps<Lamb, B>),
}

/// One optimiser for the entries that decay and one for those that do not, and what they remember of each entry.
struct Steps<O: SimpleOptimizer<B>, B: Backend> {
    decaying: O,
    plain: O,
    states: Vec<Option<AdaptorRecordV1<O, B>>>,
}

impl<B: Backend> Optimizer<B> {
    /// An optimiser that remembers nothing yet.
    pub fn new(config: OptimizerConfig, rules: Vec<Rule>) -> Self {
        let kind = match config {
            OptimizerConfig::Sgd {
                momentum,
                nesterov,
                weight_decay,
            } => {
                // Burn's default dampening is 0.1; PyTorch's is 0.
                let momentum = MomentumConfig::new()
                    .with_momentum(momentum)
                    .with_dampening(0.0)
                    .with_nesterov(nesterov);
                let sgd = |decay: f64| {
                    let decay = (decay > 0.0).then(|| WeightDecayConfig::new(decay as f32));
                    SgdConfig::new()
                        .with_momentum((momentum.momentum > 0.0).then(|| momentum.clone()))
                        .with_weight_decay(decay)
                        .build()
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

    /// One step of every entry that has a gradient.
    pub fn step<A: AutodiffBackend<InnerBackend = B>>(
        &mut self,
        learning_rate: f64,
        model: ResNet<A>,
        gradients: GradientsParams,
    ) -> ResNet<A> {
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

    /// What it remembers of each entry.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, String> {
        match &self.kind {
            Kind::Sgd(steps) => steps.to_bytes(),
            Kind::AdamW(steps) => steps.to_bytes(),
            Kind::Lamb(steps) => steps.to_bytes(),
        }
    }

    /// Remembers what `bytes` say, which [`to_bytes`](Self::to_bytes) of such an optimiser wrote.
    pub(crate) fn load_bytes(&mut self, bytes: &[u8], device: &B::Device) -> Result<(), String> {
        match &mut self.kind {
            Kind::Sgd(steps) => steps.load_bytes(bytes, device),
            Kind::AdamW(steps) => steps.load_bytes(bytes, device),
            Kind::Lamb(steps) => steps.load_bytes(bytes, device),
        }
    }
}

/// Burn's binary form of records.
type Bytes = BinBytesRecorder<FullPrecisionSettings>;

impl<O: SimpleOptimizer<B>, B: Backend> Steps<O, B> {
    fn to_bytes(&self) -> Result<Vec<u8>, String> {
        let record = Recorder::<B>::record(&Bytes::default(), self.states.clone(), ());
        record.map_err(|error| error.to_string())
    }

    fn load_bytes(&mut self, bytes: &[u8], device: &B::Device) -> Result<(), String> {
        let states: Vec<Option<AdaptorRecordV1<O, B>>> =
            Recorder::<B>::load(&Bytes::default(), bytes.to_vec(), device)
                .map_err(|error| error.to_string())?;
        if states.len() != self.states.len() {
            return Err(format!(
                "an optimiser of {} entries in place of {}",
                states.len(),
                self.states.len()
            ));
        }
        self.states = states;
        Ok(())
    }

    fn new(with_decay: impl Fn(f64) -> O, decay: f64, entries: usize) -> Self {
        Self {
            decaying: with_decay(decay),
            plain: with_decay(0.0),
            states: (0..entries).map(|_| None).collect(),
        }
    }

    fn step<A: AutodiffBackend<InnerBackend = B>>(
        &mut self,
        learning_rate: f64,
        rules: &[Rule],
        model: ResNet<A>,
        gradients: GradientsParams,
    ) -> ResNet<A> {
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
