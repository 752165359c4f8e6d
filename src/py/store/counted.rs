//! What functions did in all processes, as Python sees it.

use super::{PyStore, at_exit};
use crate::py::counters::info;
use crate::py::error::raise;
use pyo3::prelude::*;
use pyo3::types::PyDict;

impl PyStore {
    /// A `CacheInfo` for one function, or a dictionary of them.
    pub fn totals_of<'py>(
        &self,
        py: Python<'py>,
        function: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let name: Option<String> = py
            .import("afml_cache.entries")?
            .call_method1("function_name", (function,))?
            .extract()?;
        let store = self.open(py).map_err(raise)?;
        let open = at_exit::opened();
        let counted = py.detach(|| store.counted(&open, name.as_deref()));
        let counted = counted.map_err(raise)?;
        if let Some(name) = name {
            return info(py, &counted.get(&name).copied().unwrap_or_default());
        }
        let all = PyDict::new(py);
        for (name, counts) in &counted {
            all.set_item(name, info(py, counts)?)?;
        }
        Ok(all.into_any())
    }
}
