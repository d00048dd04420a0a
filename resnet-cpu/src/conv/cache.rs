//! Packed weights, kept while the tensor that they were made of lives.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use burn_backend::Bytes;
use burn_flex::FlexTensor;

use super::geometry::Geometry;
use super::packed::{Packed, Panels, Weights};
use crate::simd::vectors;

/// What they were made of.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    data: usize,
    start: usize,
    shape: Vec<usize>,
    strides: Vec<isize>,
    groups: usize,
}

/// A weak reference keeps the address from being given to another tensor, and Flex from changing the values in place: it
/// changes only what has no other reference, weak ones included. So a tensor at the address has the values that were packed.
struct Entry {
    data: Weak<Bytes>,
    packed: Arc<Packed>,
}

static PACKED: Mutex<Option<HashMap<Key, Entry>>> = Mutex::new(None);

pub(super) fn packed(weight: &FlexTensor, geometry: &Geometry) -> Option<Arc<Packed>> {
    let data = weight.data_arc();
    let layout = weight.layout();
    let key = Key {
        data: Arc::as_ptr(&data) as usize,
        start: layout.start_offset(),
        shape: layout.shape().to_vec(),
        strides: layout.strides().to_vec(),
        groups: geometry.groups,
    };
    let lock = || PACKED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(entry) = lock().get_or_insert_default().get(&key) {
        return Some(entry.packed.clone());
    }
    let panels = Panels::new(geometry, vectors())?;
    let contiguous = weight.to_contiguous();
    let weights = Weights::new(contiguous.storage(), geometry);
    let packed = Arc::new(Packed::new(weights, geometry, panels));
    let mut cache = lock();
    let cache = cache.get_or_insert_default();
    cache.retain(|_, entry| entry.data.strong_count() > 0);
    let entry = Entry {
        data: Arc::downgrade(&data),
        packed: packed.clone(),
    };
    cache.insert(key, entry);
    Some(packed)
}
