//! Training steps.

use std::convert::Infallible;

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
use crate::{Ema, Loss, Optimizer, OptimizerConfig, autograd_lock, clip_global_norm};

/// The settings of a training step.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The optimizer.
    pub optimizer: OptimizerConfig,
    /// Which parameters learn, their learning rates and their weight decay.
    pub groups: ParamGroups,
    /// The loss.
    pub loss: Loss,
    /// The mode of the norm layers: batch statistics, running statistics, or frozen.
    pub norms: NormMode,
    /// The maximum L2 norm of all gradients together (gradient clipping).
    pub clip: Option<f64>,
    /// The decay of the exponential moving average of the weights.
    pub ema: Option<f64>,
}

impl Settings {
    /// Creates settings with the cross-entropy, one parameter group, no clipping and no moving
    /// average.
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

/// A network in training, with its optimizer.
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
/// Train a [`Network`] of your own, such as a ResNet with a decoder, with
/// [`step_with`](Self::step_with).
pub struct Trainer<B: AutodiffBackend, N: Trainable<B> = ResNet<B>> {
    /// `None` only during a step. In a box, because the struct of a large network is too large for
    /// the stack of a thread.
    model: Option<Box<N>>,
    optimizer: Optimizer<B::InnerBackend>,
    ema: Option<Ema<B::InnerBackend, N::InnerModule>>,
    settings: Settings,
}

/// A [`Network`] with gradients: every `Network` whose modules derive `Module`.
pub trait Trainable<B: AutodiffBackend>:
    Network<B> + AutodiffModule<B, InnerModule: Network<B::InnerBackend>>
{
}

impl<B: AutodiffBackend, N> Trainable<B> for N where
    N: Network<B> + AutodiffModule<B, InnerModule: Network<B::InnerBackend>>
{
}

impl<B: AutodiffBackend, N: Trainable<B>> Trainer<B, N> {
    /// Creates a trainer for a network.
    pub fn new(model: N, settings: Settings) -> Self {
        let mut rules = settings.groups.rules(&model);
        if settings.norms == NormMode::Frozen {
            groups::freeze_norms(&model, &mut rules);
        }
        let model = groups::apply(model, &rules).with_norm_mode(settings.norms);
        Self {
            optimizer: Optimizer::new(settings.optimizer, rules),
            ema: settings.ema.map(|decay| Ema::new(&model, decay)),
            model: Some(Box::new(model)),
            settings,
        }
    }

    /// Returns the network.
    ///
    /// # Panics
    ///
    /// Panics if an earlier step panicked.
    pub fn model(&self) -> &N {
        self.model.as_deref().expect("the last step has ended")
    }

    /// Returns the moving average of the network, if [`Settings::ema`] is set.
    pub fn average(&self) -> Option<&N::InnerModule> {
        self.ema.as_ref().map(Ema::model)
    }

    /// Returns the trained network.
    ///
    /// # Panics
    ///
    /// Panics if an earlier step panicked.
    pub fn into_model(self) -> N {
        *self.model.expect("the last step has ended")
    }

    /// Takes one step and returns the loss before it.
    ///
    /// Each function in `losses` computes the loss of one micro-batch (gradient accumulation) or of
    /// the whole batch. The loss of the batch is the sum of these losses.
    ///
    /// The functions run with the [`autograd_lock`] held, so they must not take a step of another
    /// trainer or lock it themselves.
    ///
    /// # Shapes
    /// - each loss, output: `[1]`
    ///
    /// # Panics
    ///
    /// Panics if `losses` is empty, or if an earlier step panicked.
    pub fn step_with<F: FnOnce(&N) -> Tensor<B, 1>>(
        &mut self,
        learning_rate: f64,
        losses: impl IntoIterator<Item = F>,
    ) -> Tensor<B::InnerBackend, 1> {
        let losses = losses
            .into_iter()
            .map(|loss| |network: &N| Ok::<_, Infallible>(loss(network)));
        match self.try_step_with(learning_rate, losses) {
            Ok(loss) => loss,
        }
    }

    /// Takes one step with losses that can fail, as [`step_with`](Self::step_with) does.
    ///
    /// # Errors
    ///
    /// Returns the first error of a loss, and leaves the network unchanged.
    ///
    /// # Panics
    ///
    /// Panics if `losses` is empty, or if an earlier step panicked.
    pub fn try_step_with<F: FnOnce(&N) -> Result<Tensor<B, 1>, E>, E>(
        &mut self,
        learning_rate: f64,
        losses: impl IntoIterator<Item = F>,
    ) -> Result<Tensor<B::InnerBackend, 1>, E> {
        let (gradients, loss) = self.gradients_of(losses)?;
        self.update(learning_rate, gradients);
        Ok(loss)
    }

    /// Returns the gradients and the loss, summed over the micro-batches.
    fn gradients_of<F: FnOnce(&N) -> Result<Tensor<B, 1>, E>, E>(
        &self,
        losses: impl IntoIterator<Item = F>,
    ) -> Result<(GradientsParams, Tensor<B::InnerBackend, 1>), E> {
        let _lock = autograd_lock();
        let model = self.model();
        let mut accumulator = GradientsAccumulator::new();
        let mut values = Vec::new();
        for loss in losses {
            let loss = loss(model)?;
            values.push(loss.clone().inner());
            accumulator.accumulate(model, GradientsParams::from_grads(loss.backward(), model));
        }
        Ok((accumulator.grads(), Tensor::cat(values, 0).sum()))
    }

    pub(crate) fn update(&mut self, learning_rate: f64, mut gradients: GradientsParams) {
        let model = *self.model.take().expect("the last step has ended");
        if let Some(max) = self.settings.clip {
            clip_global_norm(&model, &mut gradients, max);
        }
        let model = self.optimizer.step(learning_rate, model, gradients);
        if let Some(ema) = &mut self.ema {
            ema.update(&model);
        }
        self.model = Some(Box::new(model));
    }

    #[cfg(feature = "dense")]
    pub(crate) fn norms(&self) -> NormMode {
        self.settings.norms
    }

    pub(crate) fn loss(&self) -> &Loss {
        &self.settings.loss
    }

    pub(crate) fn optimizer(&self) -> &Optimizer<B::InnerBackend> {
        &self.optimizer
    }

    /// Replaces the network, its moving average and the optimizer state. Returns `None` if the
    /// state belongs to another optimizer.
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
        self.model = Some(Box::new(model));
        if let (Some(ema), Some(average)) = (&mut self.ema, average) {
            ema.set_model(average);
        }
    }
}

impl<B: AutodiffBackend> Trainer<B> {
    /// Returns the minimum batch size for the image size of `batch`.
    pub(crate) fn least_images(&self, batch: &Batch) -> usize {
        let size = batch.images.first().map(Pixels::dimensions);
        let (width, height) = size.unwrap_or((1, 1));
        let size = [height as usize, width as usize];
        let least = least_images(self.model().config(), self.settings.norms, size);
        least.unwrap_or(usize::MAX)
    }

    /// Takes one step and returns the loss before it.
    ///
    /// `parts` is the batch, whole or in micro-batches (gradient accumulation). Loss and gradients
    /// equal those of the whole batch. The [`Loss`] in the [`Settings`] applies label smoothing and
    /// class weights to the targets.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`
    /// - targets: `[batch, classes]`
    /// - output: `[1]`
    ///
    /// # Panics
    ///
    /// Panics if `parts` is empty, or if an earlier step panicked.
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

    /// Returns the gradients and the loss: sums over all images, divided by the mass.
    pub(crate) fn gradients(
        &self,
        parts: MicroBatches<B>,
    ) -> (GradientsParams, Tensor<B::InnerBackend, 1>) {
        let MicroBatches { tensors, mass } = parts;
        let loss = self.settings.loss.kind;
        let losses = tensors.into_iter().map(|(images, targets)| {
            move |model: &ResNet<B>| {
                let share = images.dims()[0] as f64 / mass;
                Ok::<_, Infallible>(loss.forward(model.forward(images), targets) * share)
            }
        });
        match self.gradients_of(losses) {
            Ok(found) => found,
        }
    }
}
