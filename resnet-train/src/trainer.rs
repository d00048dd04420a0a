//! Steps of training.

use burn::module::AutodiffModule;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;
use resnet_core::{Network, NormMode, ResNet};
use resnet_data::Batch;
use resnet_image::Pixels;

use crate::groups::{self, ParamGroups};
use crate::least::least_images;
use crate::memory::Memory;
use crate::micro_batches::MicroBatches;
use crate::{Ema, Loss, Optimizer, OptimizerConfig, clip_global_norm};

/// What a step of training does.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// From gradients to new parameters.
    pub optimizer: OptimizerConfig,
    /// Which parameters learn, how fast, and which of them decay.
    pub groups: ParamGroups,
    /// What is minimized.
    pub loss: Loss,
    /// Whether batch norms use the batch's statistics.
    pub norms: NormMode,
    /// The largest L2 norm of all gradients together.
    pub clip: Option<f64>,
    /// The decay of a moving average of the network.
    pub ema: Option<f64>,
}

impl Settings {
    /// Every parameter learns alike from a cross-entropy; nothing else.
    pub fn new(optimizer: OptimizerConfig) -> Self {
        Self {
            optimizer,
            groups: ParamGroups::default(),
            loss: Loss::default(),
            norms: NormMode::Train,
            clip: None,
            ema: None,
        }
    }
}

/// A network that is being trained.
///
/// ```
/// use burn::backend::Autodiff;
/// use resnet_cpu::Cpu;
/// use burn::tensor::Tensor;
/// use resnet_core::Arch;
/// use resnet_train::{OptimizerConfig, Settings, Trainer, targets};
///
/// type B = Autodiff<Cpu>;
/// let device = Default::default();
/// let model = Arch::CifarResNet20.config().init::<B>(&device);
/// let mut trainer = Trainer::new(model, Settings::new(OptimizerConfig::sgd(5e-4)));
/// let x = Tensor::ones([2, 3, 32, 32], &device);
/// let y = Tensor::from_data(targets(&[&[3], &[7]], 10), &device);
/// let first = trainer.step(0.1, [(x.clone(), y.clone())]).into_scalar();
/// let second = trainer.step(0.1, [(x, y)]).into_scalar();
/// assert!(second < first);
/// ```
///
/// A network of your own, a [`Network`] such as a ResNet with a decoder, trains by [`step_with`](Self::step_with).
pub struct Trainer<B: AutodiffBackend, N: Trainable<B> = ResNet<B>> {
    /// Gone only while it takes a step.
    model: Option<N>,
    optimizer: Optimizer<B::InnerBackend>,
    ema: Option<Ema<B::InnerBackend, N::InnerModule>>,
    settings: Settings,
}

/// A [`Network`] with gradients: every one whose modules derive `Module`.
pub trait Trainable<B: AutodiffBackend>:
    Network<B> + AutodiffModule<B, InnerModule: Network<B::InnerBackend>>
{
}

impl<B: AutodiffBackend, N> Trainable<B> for N where
    N: Network<B> + AutodiffModule<B, InnerModule: Network<B::InnerBackend>>
{
}

impl<B: AutodiffBackend, N: Trainable<B>> Trainer<B, N> {
    /// Nothing is trained yet.
    pub fn new(model: N, settings: Settings) -> Self {
        let mut rules = settings.groups.rules(&model);
        if settings.norms == NormMode::Frozen {
            groups::freeze_norms(&model, &mut rules);
        }
        let model = groups::apply(model, &rules).with_norm_mode(settings.norms);
        Self {
            optimizer: Optimizer::new(settings.optimizer, rules),
            ema: settings.ema.map(|decay| Ema::new(&model, decay)),
            model: Some(model),
            settings,
        }
    }

    /// The network as it stands.
    ///
    /// # Panics
    ///
    /// If a step panicked before.
    pub fn model(&self) -> &N {
        self.model.as_ref().expect("the last step has ended")
    }

    /// Its moving average, where one is kept.
    pub fn average(&self) -> Option<&N::InnerModule> {
        self.ema.as_ref().map(Ema::model)
    }

    /// Returns the network, trained.
    ///
    /// # Panics
    ///
    /// If a step panicked before.
    pub fn into_model(self) -> N {
        self.model.expect("the last step has ended")
    }

    /// Takes one step from the losses of a batch, given whole or in parts (gradient accumulation), and returns the loss
    /// before it: the sum over the parts, each of which gives its share of the loss of the batch.
    ///
    /// # Shapes
    /// - each loss, output: `[1]`
    ///
    /// # Panics
    ///
    /// If there is no part, or a step panicked before.
    pub fn step_with<F: FnOnce(&N) -> Tensor<B, 1>>(
        &mut self,
        learning_rate: f64,
        losses: impl IntoIterator<Item = F>,
    ) -> Tensor<B::InnerBackend, 1> {
        let (gradients, loss) = self.gradients_of(losses);
        self.update(learning_rate, gradients);
        loss
    }

    /// Gradients and loss of the parts together.
    fn gradients_of<F: FnOnce(&N) -> Tensor<B, 1>>(
        &self,
        losses: impl IntoIterator<Item = F>,
    ) -> (GradientsParams, Tensor<B::InnerBackend, 1>) {
        let model = self.model();
        let mut accumulator = GradientsAccumulator::new();
        let mut values = Vec::new();
        for loss in losses {
            let loss = loss(model);
            values.push(loss.clone().inner());
            accumulator.accumulate(model, GradientsParams::from_grads(loss.backward(), model));
        }
        (accumulator.grads(), Tensor::cat(values, 0).sum())
    }

    pub(crate) fn update(&mut self, learning_rate: f64, mut gradients: GradientsParams) {
        let model = self.model.take().expect("the last step has ended");
        if let Some(max) = self.settings.clip {
            clip_global_norm(&model, &mut gradients, max);
        }
        let model = self.optimizer.step(learning_rate, model, gradients);
        if let Some(ema) = &mut self.ema {
            ema.update(&model);
        }
        self.model = Some(model);
    }

    /// What is minimized.
    pub(crate) fn loss(&self) -> &Loss {
        &self.settings.loss
    }

    pub(crate) fn optimizer(&self) -> &Optimizer<B::InnerBackend> {
        &self.optimizer
    }

    /// Takes over other values: of the network, its average, and what the optimizer remembers. Returns `None` where that is
    /// of another optimizer.
    pub(crate) fn restore(
        &mut self,
        model: N,
        average: Option<N::InnerModule>,
        memories: Vec<Option<Memory>>,
    ) -> Option<()> {
        let device = model.devices().into_iter().next().unwrap_or_default();
        self.optimizer.remember(memories, &device)?;
        self.replace(model, average);
        Some(())
    }

    pub(crate) fn replace(&mut self, model: N, average: Option<N::InnerModule>) {
        self.model = Some(model);
        if let (Some(ema), Some(average)) = (&mut self.ema, average) {
            ema.set_model(average);
        }
    }
}

impl<B: AutodiffBackend> Trainer<B> {
    /// The fewest images of the size of a batch's that a step can take.
    pub(crate) fn least_images(&self, batch: &Batch) -> usize {
        let size = batch.images.first().map(Pixels::dimensions);
        let (width, height) = size.unwrap_or((1, 1));
        let size = [height as usize, width as usize];
        let least = least_images(self.model().config(), self.settings.norms, size);
        least.unwrap_or(usize::MAX)
    }

    /// Takes one step from a batch, given whole or in parts (gradient accumulation), and returns the loss before it. Loss
    /// and gradient are those of the whole batch. The loss of the [`Settings`] smooths and weights the targets.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`
    /// - targets: `[batch, classes]`
    /// - output: `[1]`
    ///
    /// # Panics
    ///
    /// If there is no part, or a step panicked before.
    pub fn step(
        &mut self,
        learning_rate: f64,
        parts: impl IntoIterator<Item = (Tensor<B, 4>, Tensor<B, 2>)>,
    ) -> Tensor<B::InnerBackend, 1> {
        let parts = MicroBatches::new(self.loss(), parts);
        self.step_batch(learning_rate, parts)
    }

    pub(crate) fn step_batch(
        &mut self,
        learning_rate: f64,
        parts: MicroBatches<B>,
    ) -> Tensor<B::InnerBackend, 1> {
        let (gradients, loss) = self.gradients(parts);
        self.update(learning_rate, gradients);
        loss
    }

    /// Gradients and loss of the parts together: their sums over all images, divided by the mass.
    pub(crate) fn gradients(
        &self,
        parts: MicroBatches<B>,
    ) -> (GradientsParams, Tensor<B::InnerBackend, 1>) {
        let MicroBatches { tensors, mass } = parts;
        let loss = self.settings.loss.kind;
        self.gradients_of(tensors.into_iter().map(|(images, targets)| {
            move |model: &ResNet<B>| {
                let share = images.dims()[0] as f64 / mass;
                loss.forward(model.forward(images), targets) * share
            }
        }))
    }
}
