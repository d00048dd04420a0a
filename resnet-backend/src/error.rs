use crate::{BackendName, Selection};

/// Why work could not run on a backend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// No backend has this name.
    #[error("unknown backend `{name}`: expected one of {}", known())]
    Unknown {
        /// The name that was asked for.
        name: String,
    },
    /// The program was built without this backend.
    #[error("backend `{name}` is not in this program: build it with `--features {name}`")]
    NotBuilt {
        /// The backend, whose feature has the same name.
        name: BackendName,
    },
    /// The backend has no device of this name.
    #[error("`{name}:{device}`: expected {}", .name.device_names())]
    UnknownDevice {
        /// The backend.
        name: BackendName,
        /// The device that was asked for.
        device: String,
    },
    /// This machine has no such device, or its driver does not show it.
    #[error("backend `{selection}` finds no device: {reason}")]
    NoDevice {
        /// What was asked for.
        selection: Selection,
        /// The driver's words, and what there is instead.
        reason: String,
    },
    /// The device, its driver or its library failed while it was opened or while it worked.
    #[error("backend `{selection}` failed: {reason}")]
    Failed {
        /// What was asked for.
        selection: Selection,
        /// The driver's words.
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
