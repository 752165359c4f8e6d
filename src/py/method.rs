//! A cached function bound to an instance: `obj.f`.

use super::function::PyFunction;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// Adds what this file has to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyMethod>()
}

/// What of a function takes the arguments of a call, and so the instance before them.
const OF_A_CALL: [&str; 7] = [
    "cache_key",
    "is_cached",
    "refresh",
    "explain",
    "invalidate",
    "check_call_in_cache",
    "call",
];

/// A cached function with its first argument; it has all that the function has.
#[pyclass(frozen, name = "Method", module = "afml_cache._native")]
pub struct PyMethod {
    function: Py<PyFunction>,
    instance: Py<PyAny>,
}

impl PyMethod {
    /// Binds a function to an instance.
    pub fn new(function: Py<PyFunction>, instance: Py<PyAny>) -> Self {
        Self { function, instance }
    }
}

#[pymethods]
impl PyMethod {
    #[pyo3(signature = (*args, **kwargs))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let instance = [self.instance.bind(py).clone()];
        let args = PyTuple::new(
            py,
            instance.into_iter().chain(args.iter()).collect::<Vec<_>>(),
        )?;
        self.function.bind(py).get().call(py, &args, kwargs)
    }

    fn __getattr__<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let found = self.function.bind(py).getattr(name)?;
        if OF_A_CALL.contains(&name) {
            return py
                .import("functools")?
                .getattr("partial")?
                .call1((found, &self.instance));
        }
        Ok(found)
    }

    /// Store a value as the result of a call, without computing it; says whether it is in.
    #[pyo3(signature = (value, /, *args, **kwargs))]
    fn put<'py>(
        &self,
        py: Python<'py>,
        value: Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let before = [value, self.instance.bind(py).clone()];
        let args = before.into_iter().chain(args.iter());
        let args = PyTuple::new(py, args.collect::<Vec<_>>())?;
        self.function.bind(py).call_method("put", args, kwargs)
    }

    /// The function.
    #[getter(__func__)]
    fn function(&self, py: Python<'_>) -> Py<PyFunction> {
        self.function.clone_ref(py)
    }

    /// The instance.
    #[getter(__self__)]
    fn instance(&self, py: Python<'_>) -> Py<PyAny> {
        self.instance.clone_ref(py)
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| {
            self.function.is(&other.get().function) && self.instance.is(&other.get().instance)
        })
    }

    fn __hash__(&self) -> usize {
        self.function.as_ptr().addr() ^ self.instance.as_ptr().addr().rotate_left(17)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!(
            "<bound {} of {}>",
            self.function.bind(py).repr()?,
            self.instance.bind(py).repr()?
        ))
    }

    fn __reduce__<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyAny>, (Py<PyAny>, Bound<'py, PyAny>))> {
        let get = py.import("builtins")?.getattr("getattr")?;
        Ok((
            get,
            (
                self.instance.clone_ref(py),
                self.function.bind(py).getattr("__name__")?,
            ),
        ))
    }
}
