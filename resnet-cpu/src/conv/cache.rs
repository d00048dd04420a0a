//! The cache of packed weights. An entry lives as long as its weight tensor.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use burn_backend::Bytes;
use burn_flex::FlexTensor;

use super::geometry::Geometry;
use super::packed::{Packed, Panels, Weights};
use super::winograd::{Side, Transformed};
use crate::simd::vectors;

/// The identity of a weight tensor and the kernel that reads its packed weights.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    data: usize,
    start: usize,
    shape: Vec<usize>,
    strides: Vec<isize>,
    groups: usize,
    winograd: Option<Side>,
}

/// Packed weights with a weak reference to the memory of their tensor.
///
/// The weak reference keeps the allocator from reusing the address. It also keeps Flex from
/// modifying the tensor in place, because Flex does so only without other references, including
/// weak ones. So the tensor at this address still has the packed values.
struct Entry {
    data: Weak<Bytes>,
    prepared: Prepared,
}

/// Weights in the layout of a kernel.
#[derive(Clone)]
pub(super) enum Prepared {
    Direct(Arc<Packed>),
    Winograd(Arc<Transformed>),
}

static PREPARED: Mutex<Option<HashMap<Key, Entry>>> = Mutex::new(None);

/// Returns the packed weights of a tensor. The first call packs them.
///
/// `winograd` requests transformed weights. Weights with a NaN or a magnitude above
/// [`LARGEST`](super::winograd::LARGEST) are packed for the direct kernel instead. Returns `None`
/// if no kernel supports the groups.
pub(super) fn prepared(
    weight: &FlexTensor,
    geometry: &Geometry,
    winograd: Option<Side>,
) -> Option<Prepared> {
    let data = weight.data_arc();
    let layout = weight.layout();
    let key = Key {
        data: Arc::as_ptr(&data) as usize,
        start: layout.start_offset(),
        shape: layout.shape().to_vec(),
        strides: layout.strides().to_vec(),
        groups: geometry.groups,
        winograd,
    };
    let lock = || PREPARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(entry) = lock().get_or_insert_default().get(&key) {
        return Some(entry.prepared.clone());
    }
    let contiguous = weight.to_contiguous();
    let values = contiguous.storage();
    let transformed = match winograd {
        Some(side) => Transformed::new(side, values, geometry),
        None => None,
    };
    let prepared = match transformed {
        Some(transformed) => Prepared::Winograd(Arc::new(transformed)),
        None => {
            let panels = Panels::new(geometry, vectors())?;
            let weights = Weights::new(values, geometry);
            Prepared::Direct(Arc::new(Packed::new(&weights, geometry, panels)))
        }
    };
    let mut cache = lock();
    let cache = cache.get_or_insert_default();
    cache.retain(|_, entry| entry.data.strong_count() > 0);
    let entry = Entry {
        data: Arc::downgrade(&data),
        prepared: prepared.clone(),
    };
    cache.insert(key, entry);
    Some(prepared)
}
