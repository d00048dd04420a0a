//! The cache of packed weights. An entry lives as long as its weight tensor.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use burn_backend::Bytes;
use burn_flex::FlexTensor;
use resnet_kernels::conv::{Algorithm, Conv, PackedWeights};

use crate::layout;

/// The identity of a weight tensor and the algorithm that reads its packed weights.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    data: usize,
    start: usize,
    shape: Vec<usize>,
    strides: Vec<isize>,
    groups: usize,
    algorithm: Algorithm,
}

/// Packed weights with a weak reference to the memory of their tensor.
///
/// The weak reference keeps the allocator from reusing the address. It also keeps Flex from
/// modifying the tensor in place, because Flex does so only without other references, including
/// weak ones. So the tensor at this address still has the packed values.
struct Entry {
    data: Weak<Bytes>,
    packed: Arc<PackedWeights>,
}

static PACKED: Mutex<Option<HashMap<Key, Entry>>> = Mutex::new(None);

/// Returns the packed weights of a tensor. The first call packs them.
///
/// Returns `None` if the algorithm does not support the values.
pub(super) fn packed(weight: &FlexTensor, conv: &Conv) -> Option<Arc<PackedWeights>> {
    let data = weight.data_arc();
    let place = weight.layout();
    let key = Key {
        data: Arc::as_ptr(&data) as usize,
        start: place.start_offset(),
        shape: place.shape().to_vec(),
        strides: place.strides().to_vec(),
        groups: conv.geometry().groups,
        algorithm: conv.algorithm(),
    };
    let lock = || PACKED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(entry) = lock().get_or_insert_default().get(&key) {
        return Some(entry.packed.clone());
    }
    let packed = Arc::new(conv.pack(layout::values(&weight.to_contiguous()))?);
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
