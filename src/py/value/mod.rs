//! Values: to a digest, to a payload, and back. One file a library.

mod apart;
mod arrow;
mod cells;
mod digest;
mod draft;
mod library;
mod load;
mod numpy;
mod pandas;
mod pickled;
mod polars;
mod python;
mod records;
mod sink;
mod tag;

pub use apart::refused;
pub use digest::DigestSink;
pub use draft::{DraftSink, Drafted, Forbidden};
pub use library::{Class, Pandas, class_of};
pub use load::{Memory, load, load_from, load_unwritable};
pub use python::digest_scalar;
pub use sink::{Failure, Packages, Unhandled, Walk};

use pyo3::prelude::*;
use sink::Sink;

/// Walks one value into a sink.
fn walk<'py, S: Sink<'py>>(sink: &mut S, value: &Bound<'py, PyAny>) -> Walk<()> {
    sink.value(value)
}

/// Runs something that may end in a panic of a library; `None` where it does.
fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).ok()
}

/// Walks one value into a sink; a value that a library panics over is not handled.
fn walk_guarded<'py, S: Sink<'py>>(sink: &mut S, value: &Bound<'py, PyAny>) -> Walk<()> {
    guarded(|| walk(sink, value))
        .unwrap_or_else(|| Err(Failure::unhandled("a value that its library panics over")))
}

/// Finds out what a value is, and walks it as that; a sink with a stack of its own may only enter it.
fn step<'py, S: Sink<'py>>(sink: &mut S, value: &Bound<'py, PyAny>) -> Walk<()> {
    if python::walk_builtin(sink, value)? {
        return Ok(());
    }
    let Some(class) = class_of(value) else {
        return sink.other(value);
    };
    match class {
        Class::NumpyArray => {
            sink.met(Packages::NUMPY);
            sink.composite(value, |sink| {
                sink.manners(value)?;
                numpy::walk_array(sink, value)
            })
        }
        // A digest takes it apart like other values that Rust does not know.
        Class::NumpyMasked if S::CANONICAL => sink.other(value),
        Class::NumpyMasked => sink.composite(value, |sink| numpy::walk_masked(sink, value)),
        Class::NumpyScalar | Class::NumpyDtype => {
            sink.met(Packages::NUMPY);
            sink.composite(value, |sink| numpy::walk_numpy(sink, value, class))
        }
        Class::Pandas(class) => {
            sink.met(Packages::PANDAS);
            if class.may_have_times() {
                sink.met_times(value);
            }
            sink.composite(value, |sink| pandas::walk_pandas(sink, value, class))
        }
        Class::Arrow(class) => {
            sink.met(Packages::PYARROW);
            sink.met_times(value);
            sink.composite(value, |sink| arrow::walk_arrow(sink, value, class))
        }
        Class::PolarsFrame | Class::PolarsSeries => {
            sink.met(Packages::POLARS);
            sink.met_times(value);
            sink.composite(value, |sink| polars::walk_polars(sink, value, class))
        }
        _ => python::walk_standard(sink, value, class),
    }
}
