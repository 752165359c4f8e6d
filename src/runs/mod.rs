//! Runs: backtests, with what they returned, and the ledger of what was tried.

mod axes;
mod book;
pub mod correlation;
pub mod cscv;
mod event;
mod rankings;
mod record;
pub mod returns;
pub mod statistics;
mod tables;
mod trials;

pub use book::{Answer, Runs, Standing};
pub use event::{Failure, Split};
pub use rankings::{Ranking, Wanted};
pub use record::{Metric, OnAxis, Record, Role};
pub use tables::{Found, State};
pub use trials::{Family, Spread};
