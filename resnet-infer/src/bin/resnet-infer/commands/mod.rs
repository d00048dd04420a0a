//! One file a command.

pub(crate) mod classify;
pub(crate) mod forward;
pub(crate) mod inspect;
pub(crate) mod models;
pub(crate) mod preprocess;
pub(crate) mod weights;
