//! The report of a run: metrics, figures and a model card.

mod card;
mod confusion;
mod curves;
#[cfg(feature = "dense")]
mod dense_log;
mod escape;
mod log;
mod rate;
mod sheet;

pub use card::Card;
pub use confusion::confusion_svg;
pub use curves::curves_svg;
#[cfg(feature = "dense")]
pub use curves::dense_curves_svg;
#[cfg(feature = "dense")]
pub use dense_log::{DenseLog, DenseRow};
pub use escape::markdown;
pub use log::{Log, LogError, Row};
pub use rate::rate_svg;
pub use sheet::{Cell, fitted, sheet, sheet_of};
