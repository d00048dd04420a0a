//! Which optimizer, with which hyperparameters.

use serde::{Deserialize, Serialize};

/// An optimizer with PyTorch's meaning of each number.
///
/// A config may leave out every field but the name. SGD then has what a config without an optimizer has: Nesterov's
/// momentum of 0.9 and a decay of 5e-4. AdamW has PyTorch's defaults, LAMB timm's.
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
    /// Stochastic gradient descent; the decay is added to the gradient.
    Sgd {
        /// Share of the last step in the next.
        #[serde(default = "momentum")]
        momentum: f64,
        /// Nesterov's look ahead.
        #[serde(default = "nesterov")]
        nesterov: bool,
        /// L2 penalty.
        #[serde(default = "sgd_decay")]
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
        #[serde(default = "decay")]
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

/// Of AdamW in PyTorch, and of LAMB in timm.
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

/// SGD with Nesterov's momentum of 0.9 and a decay of 5e-4.
impl Default for OptimizerConfig {
    fn default() -> Self {
        Self::sgd(sgd_decay())
    }
}

impl OptimizerConfig {
    /// SGD with Nesterov's momentum of 0.9.
    pub fn sgd(weight_decay: f64) -> Self {
        Self::Sgd {
            momentum: momentum(),
            nesterov: nesterov(),
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
