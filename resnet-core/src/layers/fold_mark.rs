//! A mark for modules with folded norms, so that records of other networks are rejected.

use core::fmt;
use core::marker::PhantomData;

use burn::module::{
    AutodiffModule, Content, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper,
    ModuleVisitor,
};
use burn::record::{PrecisionSettings, Record};
use burn::tensor::backend::{AutodiffBackend, Backend};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

/// A module field that records whether the norms of the module are [folded](super::fold).
///
/// Burn loads a record that lacks norms or biases without an error, and the outputs are wrong. Make
/// this field the first of your module to prevent that:
///
/// - Recorders return an error for a module with folded norms.
/// - `load_record` panics if only one of record and module has folded norms.
///
/// `ResNet` and `ConvNormAct` have this field.
///
/// ```
/// use burn::backend::Flex;
/// use burn::module::Module;
/// use burn::nn::conv::Conv2d;
/// use burn::tensor::backend::Backend;
/// use resnet_core::NormKind;
/// use resnet_core::layers::{ConvPlan, FoldMark, Norm, fold};
///
/// #[derive(Module, Debug)]
/// struct Layer<B: Backend> {
///     folded: FoldMark<B>,
///     conv: Conv2d<B>,
///     norm: Option<Norm<B>>,
/// }
///
/// impl<B: Backend> Layer<B> {
///     fn fuse(&mut self) {
///         fold(&mut self.conv, &mut self.norm);
///         self.folded = FoldMark::new(self.norm.is_none());
///     }
/// }
///
/// let device = Default::default();
/// let mut layer = Layer::<Flex> {
///     folded: FoldMark::new(false),
///     conv: ConvPlan::new(3, 8, 3).init(&device),
///     norm: Some(NormKind::Batch.init(8, 1e-5, &device)),
/// };
/// layer.fuse();
/// assert!(layer.folded.is_folded());
/// ```
#[derive(Clone, Debug)]
pub struct FoldMark<B: Backend> {
    folded: bool,
    backend: PhantomData<B>,
}

impl<B: Backend> FoldMark<B> {
    /// Creates a mark.
    pub const fn new(folded: bool) -> Self {
        Self {
            folded,
            backend: PhantomData,
        }
    }

    /// Returns whether the norms are folded.
    pub const fn is_folded(&self) -> bool {
        self.folded
    }
}

impl<B: Backend> Module<B> for FoldMark<B> {
    type Record = FoldRecord;

    fn num_params(&self) -> usize {
        0
    }

    fn visit<V: ModuleVisitor<B>>(&self, _: &mut V) {}

    fn map<M: ModuleMapper<B>>(self, _: &mut M) -> Self {
        self
    }

    fn into_record(self) -> FoldRecord {
        FoldRecord {
            folded: self.folded,
        }
    }

    fn load_record(self, record: FoldRecord) -> Self {
        match (self.folded, record.folded) {
            (false, true) => panic!("{UNEXPECTED}"),
            (true, false) => panic!(
                "expected the record of a fused network, found one that is not fused; load the record before `fuse()`"
            ),
            _ => self,
        }
    }

    fn to_device(self, _: &B::Device) -> Self {
        self
    }

    fn fork(self, _: &B::Device) -> Self {
        self
    }

    fn collect_devices(&self, devices: alloc::vec::Vec<B::Device>) -> alloc::vec::Vec<B::Device> {
        devices
    }
}

impl<B: AutodiffBackend> AutodiffModule<B> for FoldMark<B> {
    type InnerModule = FoldMark<B::InnerBackend>;

    fn valid(&self) -> Self::InnerModule {
        FoldMark::new(self.folded)
    }

    fn from_inner(module: Self::InnerModule) -> Self {
        Self::new(module.folded)
    }
}

impl<B: Backend> fmt::Display for FoldMark<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.folded.fmt(f)
    }
}

impl<B: Backend> ModuleDisplayDefault for FoldMark<B> {
    fn content(&self, content: Content) -> Option<Content> {
        content.add_formatted(self).optional()
    }
}

impl<B: Backend> ModuleDisplay for FoldMark<B> {}

const UNEXPECTED: &str = "expected the record of a network that is not fused, found a fused one; make the record before \
                          `fuse()`";

/// The record of a [`FoldMark`]. Serialization and deserialization fail if norms are folded.
#[derive(Clone, Debug)]
pub struct FoldRecord {
    folded: bool,
}

impl Serialize for FoldRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.folded {
            true => Err(ser::Error::custom(UNEXPECTED)),
            false => serializer.serialize_bool(false),
        }
    }
}

impl<'de> Deserialize<'de> for FoldRecord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match bool::deserialize(deserializer)? {
            true => Err(de::Error::custom(UNEXPECTED)),
            false => Ok(Self { folded: false }),
        }
    }
}

impl<B: Backend> Record<B> for FoldRecord {
    type Item<S: PrecisionSettings> = Self;

    fn into_item<S: PrecisionSettings>(self) -> Self {
        self
    }

    fn from_item<S: PrecisionSettings>(item: Self, _: &B::Device) -> Self {
        item
    }
}
