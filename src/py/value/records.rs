//! Dataclass instances and named tuples, by the names of their classes and fields.

use super::draft::DraftSink;
use super::load::Loader;
use super::sink::{Sink, Walk};
use super::{tag, walk};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// An instance in parts; `afml_cache._records` knows whose instances can be put together again.
pub struct Record<'py> {
    /// Kind, module, qualified name and field names: one object for all instances of a class.
    form: Bound<'py, PyTuple>,
    /// The names of the values, likewise.
    names: Bound<'py, PyTuple>,
    values: Bound<'py, PyTuple>,
}

/// The parts of an instance; none where it is of another kind.
pub fn take_apart<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Record<'py>>> {
    let py = value.py();
    let parts = py
        .import(intern!(py, "afml_cache._records"))?
        .call_method1(intern!(py, "take_apart"), (value,))?;
    if parts.is_none() {
        return Ok(None);
    }
    let (form, names, values) = parts.extract()?;
    Ok(Some(Record {
        form,
        names,
        values,
    }))
}

impl Record<'_> {
    /// Writes the parts.
    pub fn walk(&self, sink: &mut DraftSink) -> Walk<()> {
        sink.tag(tag::RECORD);
        walk(sink, self.form.as_any())?;
        walk(sink, self.names.as_any())?;
        sink.u64(self.values.len() as u64);
        for (name, value) in self.names.iter().zip(&self.values) {
            walk(sink, &value).map_err(|failure| failure.within(|| format!(".{name}")))?;
        }
        Ok(())
    }
}

/// Loads what `Record` wrote; the seal of the payload was checked.
pub fn load<'py>(loader: &mut Loader<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
    let py = loader.py;
    let (form, names) = (loader.value()?, loader.value()?);
    let values = (0..loader.count()?)
        .map(|_| loader.value())
        .collect::<PyResult<Vec<_>>>()?;
    py.import(intern!(py, "afml_cache._records"))?.call_method1(
        intern!(py, "put_together"),
        (form, names, PyTuple::new(py, values)?),
    )
}
