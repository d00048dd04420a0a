//! Errors of running work on a backend.

use crate::{BackendName, Selection};

/// An error of running work on a backend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// There is no backend with this name.
    #[error("unknown backend `{name}`: expected one of {}", known())]
    Unknown {
        /// The requested name.
        name: String,
    },
    /// The program was built without the backend.
    #[error("backend `{name}` is not built in: build the program with `--features {name}`")]
    NotBuilt {
        /// The backend. Its cargo feature has the same name.
        name: BackendName,
    },
    /// The backend has no device of this name.
    #[error("`{name}:{device}`: expected {}", .name.device_names())]
    UnknownDevice {
        /// The backend.
        name: BackendName,
        /// The requested device.
        device: String,
    },
    /// The machine has no such device, or its driver does not report it.
    #[error("backend `{selection}` finds no device: {reason}")]
    NoDevice {
        /// The requested backend and device.
        selection: Selection,
        /// The driver's message, and the available devices.
        reason: String,
    },
    /// The device, its driver or its library failed at the start or during the work.
    #[error("backend `{selection}` failed: {reason}")]
    Failed {
        /// The requested backend and device.
        selection: Selection,
        /// The driver's message.
        reason: String,
    },
}

fn known() -> String {
    let names: Vec<_> = BackendName::ALL
        .iter()
        .map(|name| format!("`{name}`"))
        .collect();
    names.join(", ")
}
