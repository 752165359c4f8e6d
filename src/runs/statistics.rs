//! stub
/// Moments
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// T
    pub periods: u64,
    /// m
    pub mean: f64,
    /// d
    pub deviation: f64,
    /// s
    pub skewness: f64,
    /// k
    pub kurtosis: f64,
}
impl Moments {
    /// s
    pub fn sharpe(&self) -> Result<f64, &'static str> {
        if self.deviation > 0.0 {
            Ok(self.mean / self.deviation)
        } else {
            Err("constant")
        }
    }
}
/// g
#[derive(Clone, Debug)]
pub struct Grid {
    /// c
    pub count: u64,
    /// t
    pub total: Vec<f64>,
    /// s
    pub sessions: Vec<i64>,
}
/// s
pub fn standardised(_r: &[f32]) -> Option<Vec<f64>> {
    None
}
/// a
pub fn average_correlation(_g: &[Grid]) -> Option<f64> {
    None
}
