//! The statistics of the trial ledger, against papers and against plainer ways to the same figure.
// A test ends with what it can't unwrap; its numbers are small, and meant to be equal.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::float_cmp,
    clippy::unwrap_used
)]

mod correlation;
mod cscv;
mod returns;
mod sharpe;
