//! The runs of a network.

#[cfg(feature = "std")]
mod profile;
mod step;

#[cfg(feature = "std")]
pub use profile::StepTime;

use core::fmt;

use aligned_vec::AVec;
use resnet_kernels::sizes::Dims;
use resnet_kernels::{fits_in_memory, parallel};

use crate::plan::Plan;
use crate::{Batch, Engine, FeatureMap, Outputs, Results, RunError};

/// The memory of one run at a time.
///
/// The first run plans the places of all feature maps in one buffer. As long as the size of the
/// batch and the outputs stay the same, later runs allocate nothing.
pub struct Session {
    engine: Engine,
    planned: Option<Planned>,
    arena: AVec<f32>,
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
        }
    }

    /// Returns the engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Returns the size of the buffer of feature maps in bytes.
    pub fn arena_bytes(&self) -> usize {
        self.arena.capacity() * size_of::<f32>()
    }

    /// Computes the outputs of a batch of normalized images.
    ///
    /// # Errors
    ///
    /// Returns an error if the network does not accept the images, has no such output, or the
    /// feature maps do not fit into memory.
    pub fn run(&mut self, batch: Batch<'_>, outputs: Outputs) -> Result<Results<'_>, RunError> {
        self.run_steps(batch, outputs, || {})?;
        let plan = self.planned.as_ref().map(|planned| &planned.plan);
        Ok(results(
            &self.engine,
            plan.expect("`run_steps` keeps its plan"),
            outputs,
            &self.arena,
        ))
    }

    /// Computes the outputs and calls `done` after each step.
    fn run_steps(
        &mut self,
        batch: Batch<'_>,
        outputs: Outputs,
        done: impl FnMut() + Send,
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
            self.arena.resize(plan.length, 0.0);
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
        let plan = Plan::new(self.engine.graph(), self.engine.layers(), dims, outputs)?;
        let bytes = plan.length.saturating_mul(size_of::<f32>());
        match fits_in_memory(bytes) {
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

fn results<'a>(engine: &Engine, plan: &Plan, outputs: Outputs, arena: &'a [f32]) -> Results<'a> {
    let graph = engine.graph();
    let values = |value: usize| &arena[plan.places[value].clone()];
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
