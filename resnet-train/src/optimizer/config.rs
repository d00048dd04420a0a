//! The choice of optimizer and its hyperparameters.

use serde::{Deserialize, Serialize};

/// An optimizer and its hyperparameters, with the same meaning as in PyTorch.
///
/// In a config, only `name` is required. SGD defaults to Nesterov momentum 0.9 and weight decay
/// 5e-4, as does a config without an optimizer. AdamW has PyTorch's defaults, LAMB has timm's.
///
/// ```
/// use resnet_train::{Config, OptimizerConfig};
///
/// let optimizer = |text| Config::from_toml(text).map(|config| config.optimizer);
/// assert_eq!(optimizer("[optimizer]\nname = 'adamw'")?, OptimizerConfig::adamw(0.01));
/// assert_eq!(optimizer("[optimizer]\nname = 'lamb'")?, OptimizerConfig::lamb(0.01));
/// assert_eq!(optimizer("[optimizer]\nname = 'sgd'")?, Config::default().optimizer);
/// # Ok::<(), resnet_train::TrainConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "name",
    rename_all = "lowercase",
    rename_all_fields = "kebab-case",
    deny_unknown_fields
)]
pub enum OptimizerConfig {
    /// Stochastic gradient descent. Weight decay is added to the gradient.
    Sgd {
        /// Momentum.
        #[serde(default = "momentum")]
        momentum: f64,
        /// Whether to use Nesterov momentum.
        #[serde(default = "nesterov")]
        nesterov: bool,
        /// Weight decay (L2 penalty).
        #[serde(default = "sgd_decay")]
        weight_decay: f64,
    },
    /// Adam with decoupled weight decay (Loshchilov & Hutter 2017).
    AdamW {
        /// Decay rates of the first and the second moment.
        #[serde(default = "betas")]
        betas: [f64; 2],
        /// Added to the square root of the second moment.
        #[serde(default = "adamw_epsilon")]
        epsilon: f64,
        /// Weight decay: the fraction of a weight that is subtracted at a learning rate of 1.
        #[serde(default = "decay")]
        weight_decay: f64,
    },
    /// Adam with a trust ratio: the update has the norm of the weight (You et al. 2019). timm's
    /// `Lamb`; its clipping is [`Settings::clip`](crate::Settings::clip) here. Entries without
    /// weight decay take the plain Adam step.
    Lamb {
        /// Decay rates of the first and the second moment.
        #[serde(default = "betas")]
        betas: [f64; 2],
        /// Added to the square root of the second moment.
        #[serde(default = "lamb_epsilon")]
        epsilon: f64,
        /// Weight decay: the fraction of a weight that is added to its update.
        #[serde(default = "decay")]
        weight_decay: f64,
    },
}

fn momentum() -> f64 {
    0.9
}

fn nesterov() -> bool {
    true
}

fn sgd_decay() -> f64 {
    5e-4
}

/// The default of AdamW in PyTorch and of LAMB in timm.
fn decay() -> f64 {
    0.01
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

/// SGD with Nesterov momentum 0.9 and weight decay 5e-4.
impl Default for OptimizerConfig {
    fn default() -> Self {
        Self::sgd(sgd_decay())
    }
}

impl OptimizerConfig {
    /// Creates SGD with Nesterov momentum 0.9.
    pub fn sgd(weight_decay: f64) -> Self {
        Self::Sgd {
            momentum: momentum(),
            nesterov: nesterov(),
            weight_decay,
        }
    }

    /// Creates AdamW with PyTorch's defaults: betas 0.9 and 0.999, epsilon 1e-8.
    pub fn adamw(weight_decay: f64) -> Self {
        Self::AdamW {
            betas: betas(),
            epsilon: adamw_epsilon(),
            weight_decay,
        }
    }

    /// Creates LAMB with timm's defaults: betas 0.9 and 0.999, epsilon 1e-6.
    pub fn lamb(weight_decay: f64) -> Self {
        Self::Lamb {
            betas: betas(),
            epsilon: lamb_epsilon(),
            weight_decay,
        }
    }
}
