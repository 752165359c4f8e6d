//! Runs: backtests, with what they returned, and the ledger of what was tried.

mod answers;
mod asking;
mod axes;
mod book;
mod catching_up;
pub mod correlation;
pub mod cscv;
mod event;
mod families;
mod frame;
mod marked;
mod rankings;
mod record;
mod recording;
pub mod returns;
mod rows;
mod schema;
mod selecting;
pub mod statistics;
mod sums;
mod tables;
mod trials;

pub use answers::Answer;
pub use asking::Standing;
pub use axes::OnAxis;
pub use book::Runs;
pub use event::{Failure, Split};
pub use families::Family;
pub use rankings::Ranking;
pub use record::{AnswerAt, AnswerFile, Metric, Record, Role};
pub use rows::{Found, State};
pub use selecting::Wanted;
pub use trials::Spread;
