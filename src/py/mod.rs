//! The extension module `afml_cache._native`: a table of contents.

mod bind;
mod body;
mod code;
mod common;
mod counters;
mod digest;
mod error;
mod function;
mod held;
mod hot;
mod identity;
mod key;
mod look_ahead;
mod method;
mod mode;
mod packages;
mod ranges;
mod runs;
mod slot;
mod statistics;
mod store;
mod sweeps;
mod value;
mod volatile;
mod watch;

use pyo3::prelude::*;

#[pymodule]
mod _native {
    use super::{
        PyResult, common, digest, function, look_ahead, method, mode, ranges, runs, statistics,
        store, sweeps, value,
    };
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add_class::<value::Memory>()?;
        digest::register(module)?;
        mode::register(module)?;
        look_ahead::register(module)?;
        store::register(module)?;
        ranges::register(module)?;
        runs::register(module)?;
        statistics::register(module)?;
        sweeps::register(module)?;
        common::register(module)?;
        function::register(module)?;
        method::register(module)
    }
}
