//! The time of each step of a run.

use std::time::{Duration, Instant};

use super::Session;
use crate::graph::{Node, Op, Value};
use crate::layers::Layer;
use crate::{Batch, Outputs, RunError};

/// The time of a step, with its work.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StepTime {
    /// Key of the layer, such as `layer1.0.conv1`, or the name of an operation without parameters.
    pub name: String,
    /// The algorithm of a convolution, such as `Winograd4` or `Int8`.
    pub algorithm: Option<String>,
    /// Batch, channels, height and width of the output.
    pub output: [usize; 4],
    /// Multiply-accumulate operations of a direct convolution.
    pub macs: u64,
    /// Bytes of the input, the residual, the output, and the packed weights.
    pub bytes: u64,
    /// The time.
    pub time: Duration,
}

impl Session {
    /// Runs a batch like [`run`](Self::run) and returns the time of each step.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`run`](Self::run).
    pub fn profile(
        &mut self,
        batch: Batch<'_>,
        outputs: Outputs,
    ) -> Result<Vec<StepTime>, RunError> {
        // The first run plans the memory.
        self.run_steps(batch, outputs, |_, _, _| {})?;
        let mut times = Vec::new();
        let mut start = Instant::now();
        self.run_steps(batch, outputs, |_, _, _| {
            times.push(start.elapsed());
            start = Instant::now();
        })?;
        let planned = self.planned.as_ref().expect("`run_steps` keeps its plan");
        let steps = planned.plan.steps.iter().zip(times);
        let steps = steps.map(|(step, time)| self.step_time(step.node, &planned.plan.dims, time));
        Ok(steps.collect())
    }

    fn step_time(&self, node: usize, dims: &[[usize; 4]], time: Duration) -> StepTime {
        let Node { op, input, output } = &self.engine.graph().nodes[node];
        let layer = |layer: usize| &self.engine.layers()[layer];
        let spec = |layer: usize| self.engine.graph().layers[layer].key().to_string();
        let elements = |value: Value| dims[value].iter().product::<usize>();
        let (name, parameters, macs, algorithm) = match op {
            Op::Conv { layer: index, .. } => {
                let (plan, algorithm) = match layer(*index) {
                    Layer::Conv(conv) => (conv.plan, format!("{:?}", conv.algorithm)),
                    Layer::Int8(conv) => (conv.plan, String::from("Int8")),
                    _ => unreachable!("the layer is a convolution"),
                };
                let taps = plan.kernel * plan.kernel * plan.channels[0] / plan.groups;
                let macs = elements(*output) * taps;
                (spec(*index), layer(*index).bytes(), macs, Some(algorithm))
            }
            Op::Linear { layer: index, .. } => {
                let macs = elements(*input) * dims[*output][1];
                (spec(*index), layer(*index).bytes(), macs, None)
            }
            Op::Norm { layer: index, .. } | Op::ChannelConv { layer: index } => {
                (spec(*index), layer(*index).bytes(), 0, None)
            }
            Op::Quantize => ("quantize".into(), 0, 0, None),
            Op::Dequantize => ("dequantize".into(), 0, 0, None),
            Op::AddRelu { .. } => ("add relu".into(), 0, 0, None),
            Op::Silu => ("silu".into(), 0, 0, None),
            Op::Gate { .. } => ("gate".into(), 0, 0, None),
            Op::Pool(pool) => (format!("{pool:?}"), 0, 0, None),
            Op::ZeroPad { .. } => ("zero pad".into(), 0, 0, None),
            Op::GlobalPool(pool) => (format!("global {pool:?}"), 0, 0, None),
        };
        let bytes = |value: Value| elements(value) * self.engine.graph().types[value].bytes();
        let values: usize = op.inputs(*input).map(bytes).sum();
        let bytes = values + bytes(*output) + parameters;
        StepTime {
            name,
            algorithm,
            output: dims[*output],
            macs: macs as u64,
            bytes: bytes as u64,
            time,
        }
    }
}
