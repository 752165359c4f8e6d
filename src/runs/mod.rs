//! Runs of backtests: what a run's returns say, and how much was tried before it.

pub mod correlation;
pub mod cscv;
pub mod returns;
pub mod statistics;
