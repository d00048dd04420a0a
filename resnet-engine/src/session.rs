//! The runs of a network.

mod int8_step;
#[cfg(feature = "std")]
mod profile;
mod step;

#[cfg(feature = "std")]
pub use profile::StepTime;

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;

use aligned_vec::AVec;
use resnet_kernels::int8::dequantize;
use resnet_kernels::layout::{Map, transpose};
use resnet_kernels::sizes::Dims;
use resnet_kernels::{fits_in_memory, parallel};

use crate::graph::{INPUT, ValueType};
use crate::plan::{Keep, Plan, Step};
use crate::{Batch, Engine, FeatureMap, Outputs, Results, RunError};

/// The memory of one run at a time.
///
/// The first run plans the places of all feature maps in one buffer. As long as the size of the
/// batch and the outputs stay the same, later runs allocate nothing.
pub struct Session {
    engine: Engine,
    planned: Option<Planned>,
    arena: AVec<u8>,
    keep: Keep,
}

/// A plan with its input size and outputs.
#[derive(Debug)]
struct Planned {
    dims: Dims,
    outputs: Outputs,
    plan: Plan,
}

impl Session {
    pub(crate) fn new(engine: Engine) -> Self {
        Self {
            engine,
            planned: None,
            arena: AVec::new(0),
            keep: Keep::Outputs,
        }
    }

    /// Creates a session that can [`observe`](Self::observe) all values.
    pub(crate) fn observer(engine: Engine) -> Self {
        Self {
            keep: Keep::Steps,
            ..Self::new(engine)
        }
    }

    /// Returns the engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Returns the size of the buffer of feature maps in bytes.
    pub fn arena_bytes(&self) -> usize {
        self.arena.capacity()
    }

    /// Computes the outputs of a batch of normalized images.
    ///
    /// # Errors
    ///
    /// Returns an error if the network does not accept the images, has no such output, or the
    /// feature maps do not fit into memory.
    pub fn run(&mut self, batch: Batch<'_>, outputs: Outputs) -> Result<Results<'_>, RunError> {
        self.run_steps(batch, outputs, |_, _, _| {})?;
        let plan = self.planned.as_ref().map(|planned| &planned.plan);
        Ok(results(
            &self.engine,
            plan.expect("`run_steps` keeps its plan"),
            outputs,
            &self.arena,
        ))
    }

    /// Runs a batch and calls `see` with the name, the sizes and the floats of each value,
    /// `[batch, height, width, channels]`.
    pub(crate) fn observe(
        &mut self,
        batch: Batch<'_>,
        outputs: Outputs,
        mut see: impl FnMut(&str, Dims, &[f32]) + Send,
    ) -> Result<(), RunError> {
        debug_assert_eq!(self.keep, Keep::Steps);
        let engine = self.engine.clone();
        let graph = engine.graph();
        let input = match batch.values {
            Map::ChannelsLast(values) => Cow::Borrowed(values),
            Map::ChannelsFirst(values) => {
                let [n, c, h, w] = batch.dims;
                Cow::Owned(transpose(values, n, c, h * w))
            }
        };
        see(&graph.names[INPUT], batch.dims, &input);
        let mut floats = Vec::new();
        self.run_steps(batch, outputs, |plan, step, arena| {
            let output = graph.nodes[step.node].output;
            let (name, dims) = (&graph.names[output], plan.dims[output]);
            if name.is_empty() {
                return;
            }
            let place = &arena[plan.places[output].clone()];
            match graph.types[output] {
                ValueType::F32 => see(name, dims, bytemuck::cast_slice(place)),
                ValueType::U8(quantization) => {
                    floats.resize(dims.iter().product(), 0.0);
                    dequantize(&place[..floats.len()], quantization, &mut floats);
                    see(name, dims, &floats);
                }
            }
        })
    }

    /// Computes the outputs and calls `done` after each step.
    pub(crate) fn run_steps(
        &mut self,
        batch: Batch<'_>,
        outputs: Outputs,
        done: impl FnMut(&Plan, &Step, &[u8]) + Send,
    ) -> Result<(), RunError> {
        let config = self.engine.config();
        batch.check(config.in_channels)?;
        let dims = batch.dims;
        let known = |planned: &Planned| (planned.dims, planned.outputs) == (dims, outputs);
        let plan = match self.planned.take().filter(known) {
            Some(planned) => planned.plan,
            None => {
                let [_, _, height, width] = dims;
                config.check_input([height, width])?;
                self.plan(dims, outputs)?
            }
        };
        if self.arena.len() < plan.length {
            // No more memory than the plan needs, and not beside the old buffer.
            self.arena = AVec::new(0);
            self.arena.resize(plan.length, 0);
        }
        let (engine, arena) = (&self.engine, &mut self.arena[..]);
        parallel::in_pool(|| step::run(engine, &plan, batch, arena, done));
        self.planned = Some(Planned {
            dims,
            outputs,
            plan,
        });
        Ok(())
    }

    fn plan(&self, dims: Dims, outputs: Outputs) -> Result<Plan, RunError> {
        let plan = Plan::new(
            self.engine.graph(),
            self.engine.layers(),
            dims,
            outputs,
            self.keep,
        )?;
        match fits_in_memory(plan.length) {
            true => Ok(plan),
            false => Err(RunError::Memory {
                batch: dims[0],
                height: dims[2],
                width: dims[3],
            }),
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("engine", &self.engine)
            .field("arena_bytes", &self.arena_bytes())
            .finish_non_exhaustive()
    }
}

fn results<'a>(engine: &Engine, plan: &Plan, outputs: Outputs, arena: &'a [u8]) -> Results<'a> {
    let graph = engine.graph();
    let values = |value: usize| bytemuck::cast_slice(&arena[plan.places[value].clone()]);
    let mut maps = [None; 5];
    let requested = outputs.maps().into_iter().zip(&graph.maps);
    for (map, (requested, value)) in maps.iter_mut().zip(requested) {
        *map = requested.then(|| FeatureMap {
            values: values(*value),
            dims: plan.dims[*value],
        });
    }
    Results {
        logits: graph.logits.filter(|_| outputs.logits).map(values),
        embedding: outputs.embedding.then(|| values(graph.embedding)),
        maps,
    }
}
