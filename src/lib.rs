//! `afml-cache`: results of expensive functions, kept by content.
//!
//! The core knows no Python: `digest` and `format` do no I/O, `store` keeps entries on disk. The
//! glue in `py` is compiled with the feature `python`, which only maturin turns on.

pub mod clock;
pub mod digest;
pub mod error;
pub mod format;
pub mod process;
pub mod ranges;
pub mod runs;
pub mod store;
pub mod sweeps;

#[cfg(feature = "python")]
mod py;
