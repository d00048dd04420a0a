//! Data-parallel training steps over several processes.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use resnet_core::{Network, is_running_stat};

use crate::micro_batches::MicroBatches;
use crate::{Peers, PeersError, Trainer};

/// The result of a data-parallel step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepAmong {
    /// The loss before the update over the images of all processes, or `None` without images.
    pub loss: Option<f64>,
    /// Whether a process requested a stop.
    pub stop: bool,
}

/// The number of values sent with the gradients: the loss divisor, the loss and the stop request.
const BESIDE: usize = 3;

impl<B: AutodiffBackend> Trainer<B> {
    /// Takes one data-parallel step. `parts` are this process's micro-batches of the batch, perhaps
    /// none.
    ///
    /// The update equals the update of one process with the whole batch, except that batch norms
    /// use the statistics of their own share.
    ///
    /// # Errors
    ///
    /// Returns an error if the connection to a process fails; nothing is updated then.
    ///
    /// # Panics
    ///
    /// Panics if an earlier step panicked.
    pub fn step_among(
        &mut self,
        peers: &mut Peers,
        learning_rate: f64,
        parts: impl IntoIterator<Item = (Tensor<B, 4>, Tensor<B, 2>)>,
        stop: bool,
    ) -> Result<StepAmong, PeersError> {
        let parts = MicroBatches::new(self.loss(), parts);
        self.step_batch_among(peers, learning_rate, parts, stop)
    }

    pub(crate) fn step_batch_among(
        &mut self,
        peers: &mut Peers,
        learning_rate: f64,
        parts: MicroBatches<B>,
        stop: bool,
    ) -> Result<StepAmong, PeersError> {
        let (count, mass) = (parts.images() as f32, parts.mass as f32);
        let (gradients, loss) = match parts.tensors.is_empty() {
            true => (GradientsParams::new(), 0.0),
            false => {
                // Averages over this process's images. The common divisor is known only after the
                // sum.
                let mass = f64::from(count);
                let (gradients, loss) = self.gradients(MicroBatches { mass, ..parts });
                (gradients, loss.into_data().iter::<f32>().sum())
            }
        };
        let mut values = vec![mass, count * loss, f32::from(u8::from(stop))];
        self.model().visit(&mut Gather {
            gradients,
            scale: count,
            values: &mut values,
        });
        peers.sum(&mut values)?;
        let [mass, loss, stop] = [values[0], values[1], values[2]];
        let among = StepAmong {
            loss: (mass > 0.0).then(|| f64::from(loss) / f64::from(mass)),
            stop: stop > 0.0,
        };
        if mass > 0.0 {
            let mut scatter = Scatter {
                values: &values[BESIDE..],
                scale: 1.0 / mass,
                gradients: GradientsParams::new(),
            };
            self.model().visit(&mut scatter);
            let gradients = scatter.gradients;
            self.update(learning_rate, gradients);
        }
        Ok(among)
    }

    /// Averages the running statistics of the network and of its moving average over all processes.
    ///
    /// # Errors
    ///
    /// Returns an error if the connection to a process fails.
    ///
    /// # Panics
    ///
    /// Panics if an earlier step panicked.
    pub fn share_statistics(&mut self, peers: &mut Peers) -> Result<(), PeersError> {
        let model = shared(self.model().clone(), peers)?;
        let average = match self.average() {
            Some(average) => Some(shared(average.clone(), peers)?),
            None => None,
        };
        self.replace(model, average);
        Ok(())
    }
}

fn shared<B: Backend, N: Network<B>>(model: N, peers: &mut Peers) -> Result<N, PeersError> {
    let mut values = Vec::new();
    let Ok(()) = model.visit_state(|key, data| -> Result<(), std::convert::Infallible> {
        if is_running_stat(key) {
            values.extend(data.iter::<f32>());
        }
        Ok(())
    });
    peers.sum(&mut values)?;
    let scale = 1.0 / peers.count() as f32;
    let mut values = values.into_iter().map(|value| value * scale);
    let Ok(model) = model.load_state(|key, shape| -> Result<_, std::convert::Infallible> {
        let size = shape.iter().product();
        let new = || TensorData::new(values.by_ref().take(size).collect(), shape.to_vec());
        Ok(is_running_stat(key).then(new))
    });
    Ok(model)
}

/// Collects the gradients of all trainable parameters, times `scale`; zeros for a missing gradient.
struct Gather<'a> {
    gradients: GradientsParams,
    scale: f32,
    values: &'a mut Vec<f32>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Gather<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let value = param.val();
        if !value.is_require_grad() {
            return;
        }
        match self.gradients.remove::<B::InnerBackend, D>(param.id) {
            Some(gradient) => {
                let data = gradient.into_data();
                let scaled = data.iter::<f32>().map(|value| value * self.scale);
                self.values.extend(scaled);
            }
            None => {
                let size = value.shape().num_elements();
                self.values.resize(self.values.len() + size, 0.0);
            }
        }
    }
}

/// Turns the summed values back into gradients, times `scale`.
struct Scatter<'a> {
    values: &'a [f32],
    scale: f32,
    gradients: GradientsParams,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Scatter<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let value = param.val();
        if !value.is_require_grad() {
            return;
        }
        let (own, rest) = self.values.split_at(value.shape().num_elements());
        self.values = rest;
        let own = own.iter().map(|value| value * self.scale).collect();
        let data = TensorData::new(own, value.shape());
        let gradient =
            Tensor::<B::InnerBackend, D>::from_data(data, (&value.device(), value.dtype()));
        self.gradients.register(param.id, gradient);
    }
}
