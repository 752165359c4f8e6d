//! The one error of the core: what kind, about which thing, and the cause beneath.

use std::fmt;

/// What went wrong, as far as a caller may want to tell it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The operating system refused: disk full, no permission, no such file.
    Io,
    /// The index is held by somebody else for longer than we wait.
    Locked,
    /// The index itself cannot be read as a database.
    DamagedIndex,
    /// A payload fails its own checks.
    Corrupt,
    /// A payload whose authentication does not match: altered, moved or made by somebody else.
    Forged,
    /// A payload sealed with a secret that is not ours.
    ForeignSecret,
    /// A result that is larger than the store may be.
    TooLarge,
    /// A folder that must not be trusted.
    Refused,
    /// Written by a newer version of this library.
    Newer,
    /// A setting or argument that cannot be right.
    Invalid,
}

/// An error of the core.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    context: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What every fallible function of the core returns.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error with no cause beneath it.
    pub fn new(kind: Kind, context: impl Into<String>) -> Self {
        Self {
            kind,
            context: context.into(),
            source: None,
        }
    }

    /// An error that keeps its cause.
    pub fn caused(
        kind: Kind,
        context: impl Into<String>,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self {
            kind,
            context: context.into(),
            source: Some(Box::new(source)),
        }
    }

    /// What kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The same error, told from further out.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        self.context = format!("{outer}: {}", self.context);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)?;
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
