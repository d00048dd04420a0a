//! Compiled networks.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use resnet_core::ResNetConfig;
use resnet_kernels::conv::{Algorithm, Conv};

use crate::graph::{Graph, LayerSpec, Op};
use crate::layers::{ConvLayer, Layer, Reader, StateDict};
use crate::plan::dims_of_values;
use crate::{CompileError, CompileOptions, MemoryMode, Session};

/// A compiled network: the steps of a [`ResNetConfig`] and its packed weights.
///
/// An engine is `Send` and `Sync`, and a clone shares the weights. Each thread runs its own
/// [`Session`].
///
/// ```
/// use resnet_core::Arch;
/// use resnet_engine::{Batch, Engine, Outputs, Precision};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let state_dict = |_: &str, shape: &[usize]| Ok::<_, std::io::Error>(vec![0.5; shape.iter().product()]);
/// let engine = Engine::compile(&Arch::TestResNet.config(), state_dict, Precision::F32)?;
/// let mut session = engine.session();
/// let pixels = vec![0.0; 2 * 3 * 64 * 64];
/// let images = Batch::channels_first(&pixels, [2, 3, 64, 64]);
/// let results = session.run(images, Outputs { c2: true, ..Outputs::LOGITS })?;
/// assert_eq!(results.logits().unwrap().len(), 2 * engine.config().num_classes);
/// assert_eq!(results.map(2).unwrap().dims()[0], 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    config: ResNetConfig,
    graph: Graph,
    layers: Vec<Layer>,
}

impl Engine {
    /// Compiles a network. Reads one tensor after the other and keeps only packed weights.
    ///
    /// Batch norms that follow a convolution are folded into it.
    ///
    /// # Errors
    ///
    /// Returns an error if the config is invalid, a tensor is missing or has a wrong size, or the
    /// network does not fit into memory.
    pub fn compile<S: StateDict>(
        config: &ResNetConfig,
        mut state: S,
        options: impl Into<CompileOptions>,
    ) -> Result<Self, CompileError<S::Error>> {
        config.validate()?;
        let options = options.into();
        let graph = Graph::new(config);
        let expected = Expected::new(config, &graph, &options);
        let mut reader = Reader {
            state: &mut state,
            epsilon: config.norm_eps,
            precision: options.precision,
        };
        let mut layers = Vec::with_capacity(graph.layers.len());
        for (index, spec) in graph.layers.iter().enumerate() {
            layers.push(reader.layer(spec, |_| expected.conv(index))?);
        }
        Ok(Self(Arc::new(Inner {
            config: config.clone(),
            graph,
            layers,
        })))
    }

    /// Creates a session, which has the memory of one run.
    pub fn session(&self) -> Session {
        Session::new(self.clone())
    }

    /// Returns the config.
    pub fn config(&self) -> &ResNetConfig {
        &self.0.config
    }

    /// Returns the size of the packed weights in bytes.
    pub fn weight_bytes(&self) -> usize {
        self.0.layers.iter().map(Layer::bytes).sum()
    }

    pub(crate) fn graph(&self) -> &Graph {
        &self.0.graph
    }

    pub(crate) fn layers(&self) -> &[Layer] {
        &self.0.layers
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("config", self.config())
            .field("weight_bytes", &self.weight_bytes())
            .finish_non_exhaustive()
    }
}

/// Chooses the algorithms for the expected images.
struct Expected {
    /// The convolution of each layer that is one.
    convs: Vec<Option<Conv>>,
}

impl Expected {
    fn new(config: &ResNetConfig, graph: &Graph, options: &CompileOptions) -> Self {
        let mut convs = Vec::new();
        convs.resize_with(graph.layers.len(), || None);
        let [height, width] = options.size;
        let fits = options.batch > 0 && config.check_input(options.size).is_ok();
        let input = [options.batch, config.in_channels, height, width];
        let dims = fits.then(|| dims_of_values(graph, input));
        for node in &graph.nodes {
            let Op::Conv { layer, .. } = node.op else {
                continue;
            };
            let LayerSpec::Conv { conv: plan, .. } = graph.layers[layer] else {
                continue;
            };
            let expected = dims.as_ref().and_then(|dims| {
                let geometry = ConvLayer::geometry(plan, dims[node.input])?;
                Some(match options.memory {
                    MemoryMode::Fast => Conv::fastest(geometry),
                    MemoryMode::Low => Conv::direct(geometry),
                })
            });
            // Without a size, any input serves to pack the weights.
            let any = || {
                let side = plan.dilation * (plan.kernel - 1) + 1;
                let geometry = ConvLayer::geometry(plan, [1, plan.channels[0], side, side])?;
                Some(Conv::with_algorithm(geometry, Algorithm::Direct))
            };
            convs[layer] = expected.or_else(any);
        }
        Self { convs }
    }

    fn conv(&self, layer: usize) -> Option<Conv> {
        self.convs[layer].clone()
    }
}
