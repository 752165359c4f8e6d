//! The time-range cache: which bars of a series are known, and in which files they lie.
//!
//! Time is a position on the axis of its series, an `i64`: an instant for bars within a day, a date
//! for daily bars and longer ones. Every interval is half-open.

mod catalog;
mod change;
mod coverage;
mod interval;
pub mod parquet;
mod rows;
mod series;

pub use catalog::Catalog;
pub use change::{Change, File};
pub use coverage::{Coverage, NEVER, Piece, Reason, State};
pub use interval::{Interval, Intervals};
pub use series::{Name, Segment, Series};
