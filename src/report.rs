//! What a run says: one writer a format. The format never changes a verdict.

pub mod json;
pub mod text;

use crate::audit::{Judged, Summary};
use crate::facts::Facts;
use crate::policy::Policies;

/// All that a report is made of.
#[derive(Clone, Copy)]
pub struct Report<'a> {
    pub facts: &'a Facts,
    pub policies: &'a Policies,
    pub judged: &'a [Judged],
    /// Where it was judged: `/`, or the offline tree.
    pub root: &'a std::path::Path,
    /// Why only files were judged, where that is so.
    pub files_only: Option<&'a str>,
}

impl Report<'_> {
    /// Counts and score.
    pub fn summary(&self) -> Summary {
        Summary::of(self.judged)
    }
}
