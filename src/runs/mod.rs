//! Runs: backtests, with what they returned, and the ledger of what was tried.

mod book;
mod event;
mod rankings;
mod record;
mod statistics;
mod tables;
mod trials;

pub use book::{Answer, Runs, Standing};
pub use event::{Failure, Split};
pub use rankings::{Ranking, Wanted};
pub use record::{Metric, Record, Role, Series};
pub use statistics::Moments;
pub use tables::{Found, State};
pub use trials::{Family, Spread};
