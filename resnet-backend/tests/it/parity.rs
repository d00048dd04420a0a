//! The cases of `cases.json` and a training step, on each backend.

use burn::tensor::backend::Backend;
use resnet_backend::{Selection, Work, with_backend};
use resnet_testing::{every_case, suite};

struct Case {
    name: &'static str,
    tolerance: f32,
}

impl Work for Case {
    type Output = ();

    fn run<B: Backend>(self, device: B::Device) {
        suite::case::<B>(self.name, &device, self.tolerance);
    }
}

struct Training {
    tolerance: f64,
}

impl Work for Training {
    type Output = ();

    fn run<B: Backend>(self, device: B::Device) {
        suite::training::<B>(&device, self.tolerance);
    }
}

struct State;

impl Work for State {
    type Output = ();

    fn run<B: Backend>(self, device: B::Device) {
        suite::state::<B>(&device);
    }
}

pub(crate) fn on<T>(selection: &str, work: impl Work<Output = T>) -> T {
    let selection: Selection = selection.parse().unwrap();
    with_backend(selection, work).unwrap_or_else(|error| panic!("{error}"))
}

/// Returns the GPU to test on.
#[cfg(any(feature = "graphics", feature = "cuda", feature = "rocm"))]
pub(crate) fn device() -> String {
    std::env::var("RESNET_TEST_GPU").unwrap_or_else(|_| "wgpu:cpu".into())
}

fn case(selection: &str, name: &'static str, tolerance: f32) {
    on(selection, Case { name, tolerance });
}

/// Passes a subset of small cases to a macro. It covers every option, because software renderers and
/// burn-ndarray take minutes for all cases.
macro_rules! covering_cases {
    ($tests:ident) => {
        $tests! {
            resnext50_32x4d_64px ecaresnet26t_64px resnetrs50_64px resnetaa50_64px
            resnetblur50_64px resnet50_gn_64px resnet18_odd resnet50_os16 resnet18d_os8
            cifar_resnet20 cifar_wide_resnet16_4 cifar_preact_resnet164
        }
    };
}

#[cfg(feature = "cpu")]
mod cpu {
    use super::*;

    macro_rules! tests {
        ($($name:ident)*) => { $(#[test] fn $name() { case("cpu", stringify!($name), 1e-4); })* };
    }
    every_case!(tests);

    #[test]
    fn training() {
        let tolerance = 1e-4;
        on("cpu", Training { tolerance });
    }

    #[test]
    fn state() {
        on("cpu", State);
    }
}

#[cfg(feature = "ndarray")]
mod ndarray {
    use super::*;

    macro_rules! tests {
        ($($name:ident)*) => { $(#[test] fn $name() { case("ndarray", stringify!($name), 1e-4); })* };
    }

    mod covering {
        use super::*;
        covering_cases!(tests);
    }

    /// These take minutes, so CI skips them.
    mod all {
        use super::*;
        every_case!(tests);
    }

    #[test]
    fn training() {
        let tolerance = 1e-4;
        on("ndarray", Training { tolerance });
    }

    #[test]
    fn state() {
        on("ndarray", State);
    }
}

#[cfg(feature = "tch")]
mod tch {
    use super::*;

    macro_rules! tests {
        ($($name:ident)*) => { $(#[test] fn $name() { case("tch:cpu", stringify!($name), 1e-4); })* };
    }
    every_case!(tests);

    #[test]
    fn training() {
        let tolerance = 1e-4;
        on("tch:cpu", Training { tolerance });
    }

    #[test]
    fn state() {
        on("tch:cpu", State);
    }
}

#[cfg(any(feature = "graphics", feature = "cuda", feature = "rocm"))]
mod gpu {
    use super::*;

    macro_rules! tests {
        ($($name:ident)*) => { $(#[test] fn $name() { case(&device(), stringify!($name), 1e-3); })* };
    }
    covering_cases!(tests);

    #[test]
    fn training() {
        let tolerance = 1e-3;
        on(&device(), Training { tolerance });
    }

    #[test]
    fn state() {
        on(&device(), State);
    }
}

mod covering {
    use std::collections::BTreeSet;

    use resnet_core::ResNetConfig;

    use super::*;

    macro_rules! names {
        ($($name:ident)*) => { const NAMES: &[&str] = &[$(stringify!($name)),*]; };
    }
    covering_cases!(names);

    /// Returns the options of a network as separate texts.
    fn options(config: &ResNetConfig) -> BTreeSet<String> {
        let kind = |option: &dyn std::fmt::Debug| {
            let text = format!("{option:?}");
            text.split([' ', '{', '('])
                .next()
                .unwrap_or_default()
                .to_string()
        };
        let mut options = BTreeSet::from([
            format!("stem {}", kind(&config.stem)),
            format!("stem pool {}", kind(&config.stem_pool)),
            format!("shortcut {}", kind(&config.shortcut)),
            format!("attention {}", kind(&config.attention)),
            format!("norm {}", kind(&config.norm)),
            format!("activation {}", kind(&config.activation)),
            format!("anti-alias {}", kind(&config.anti_alias)),
            format!("output stride {}", config.output_stride),
            format!("groups {}", config.cardinality > 1),
        ]);
        options.extend(
            config
                .stages
                .iter()
                .map(|stage| format!("block {}", kind(&stage.block))),
        );
        options
    }

    #[test]
    fn the_cases_cover_every_option_that_all_cases_have() {
        let cases = suite::cases();
        let covered = |filter: &dyn Fn(&str) -> bool| -> BTreeSet<String> {
            let cases = cases
                .iter()
                .filter(|case| filter(case["name"].as_str().unwrap()));
            cases
                .flat_map(|case| options(&suite::config_of(case)))
                .collect()
        };
        assert_eq!(covered(&|name| NAMES.contains(&name)), covered(&|_| true));
    }
}
