//! The report of a run: metrics, figures and a model card.

mod card;
mod confusion;
mod curves;
mod escape;
mod log;
mod rate;
mod sheet;

pub use card::Card;
pub use confusion::confusion_svg;
pub use curves::curves_svg;
pub use log::{Log, LogError, Row};
pub use rate::rate_svg;
pub use sheet::{Cell, sheet};
