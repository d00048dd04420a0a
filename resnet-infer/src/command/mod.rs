//! What the commands of this workspace share. It is theirs, and changes with them: no promise is made about it.

mod download;
mod evaluate;
mod flags;
mod messages;
mod network;
mod threads;

pub use download::fetch;
pub use evaluate::{Evaluate, evaluate};
pub use flags::{Device, Network, RecipeFlags, Runtime, positive};
pub use messages::{Outcome, error, note, printable, status};
pub use network::{Classes, Resolved, guess, open, with_classes};
pub use threads::start_threads;
