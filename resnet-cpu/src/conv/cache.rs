//! Packed weights, kept while the tensor that they were made of lives.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use burn_backend::Bytes;
use burn_flex::FlexTensor;

use super::geometry::Geometry;
use super::packed::{Packed, Panels, Weights};
use super::winograd::{Side, Transformed};
use crate::simd::vectors;

/// What they were made of, and for what.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    data: usize,
    start: usize,
    shape: Vec<usize>,
    strides: Vec<isize>,
    groups: usize,
    winograd: Option<Side>,
}

/// A weak reference keeps the address from being given to another tensor, and Flex from changing the values in place: it
/// changes only what has no other reference, weak ones included. So a tensor at the address has the values that were packed.
struct Entry {
    data: Weak<Bytes>,
    prepared: Prepared,
}

/// As the kernels read them.
#[derive(Clone)]
pub(super) enum Prepared {
    Direct(Arc<Packed>),
    Winograd(Arc<Transformed>),
}

static PREPARED: Mutex<Option<HashMap<Key, Entry>>> = Mutex::new(None);

/// For sums of products, or for Winograd's algorithm if the weights allow it.
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
