//! Which controls are asked for: `--only` and `--skip`.

use super::ids;
use crate::control::Control;
use crate::policy::{Pattern, selection};

/// Which controls are asked for.
#[derive(Debug, Default)]
pub struct Selection {
    only: Vec<Pattern>,
    skip: Vec<Pattern>,
}

impl Selection {
    /// From `--only` and `--skip`. A glob that no control matches is an error: it asserts nothing.
    pub fn new(
        only: &[String],
        skip: &[String],
        controls: &[&'static Control],
    ) -> Result<Selection, String> {
        let ids = ids(controls);
        let compile = |globs: &[String], flag: &str| -> Result<Vec<Pattern>, String> {
            globs
                .iter()
                .map(|glob| selection(glob, &ids).map_err(|e| format!("{flag}: {e}")))
                .collect()
        };
        let selection = Selection {
            only: compile(only, "--only")?,
            skip: compile(skip, "--skip")?,
        };
        match ids.iter().any(|id| selection.has(id)) {
            true => Ok(selection),
            false => Err("--only and --skip together leave no control to judge".into()),
        }
    }

    /// One control, or those of a glob, as `explain` is asked for them.
    pub fn named(glob: &str, controls: &[&'static Control]) -> Result<Selection, String> {
        let only = vec![selection(glob, &ids(controls)).map_err(|e| e.to_string())?];
        Ok(Selection {
            only,
            skip: Vec::new(),
        })
    }

    /// Whether the control is asked for.
    pub fn has(&self, id: &str) -> bool {
        let any = |globs: &[Pattern]| globs.iter().any(|g| g.fits(id));
        (self.only.is_empty() || any(&self.only)) && !any(&self.skip)
    }
}
