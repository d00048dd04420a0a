//! The choice between integers and floats by time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result};
use resnet_cli::batch;
use resnet_engine::{Engine, Outputs};

use super::calibrate::Examples;

/// Number of alternating measurements; the fastest counts.
const ROUNDS: usize = 15;

/// Returns the layers that are slower with integers on this machine.
pub(super) fn slower(
    float: &Engine,
    int8: &Engine,
    examples: &Examples,
) -> Result<BTreeSet<String>> {
    let image = batch(examples.iter().next().context("no example images")?);
    let mut sessions = [float.session(), int8.session()];
    let mut times: [BTreeMap<String, Duration>; 2] = Default::default();
    for _ in 0..ROUNDS {
        for (session, times) in sessions.iter_mut().zip(&mut times) {
            for step in session.profile(image, Outputs::LOGITS)? {
                let time = times.entry(step.name).or_insert(step.time);
                *time = step.time.min(*time);
            }
        }
    }
    let [float, int8] = times;
    let slower = int8.into_iter().filter(|(key, time)| {
        let of_float = float.get(key);
        of_float.is_some_and(|of_float| time > of_float)
    });
    Ok(slower.map(|(key, _)| key).collect())
}
