//! What the commands of this workspace share. It is theirs, and changes with them: no promise is made about it.

mod data;
mod download;
mod evaluate;
mod flags;
mod memory;
mod messages;
mod network;
mod threads;

pub use data::{DataFlags, tell, tell_skipped};
pub use download::fetch;
pub use evaluate::{Evaluate, evaluate};
pub use flags::{Device, ModelOptions, Network, Normalization, RecipeFlags, Runtime, positive};
pub use memory::Memory;
pub use messages::{Outcome, cell, error, json, note, printable, status};
pub use network::{Classes, Resolved, filled, guess, load, open, with_classes};
pub use threads::start_threads;
