//! Where reports go: one to standard output, any number to files.

use super::{Trouble, print};
use crate::cli::ReportTo;
use crate::host::Host;
use crate::report::text::Style;
use crate::report::{self, Format, Report};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What is written where.
pub struct Outputs {
    printed: Format,
    files: Vec<(Format, PathBuf)>,
}

impl Outputs {
    /// Two reports in one place would leave none.
    pub fn of(format: Option<Format>, reports: &[ReportTo]) -> Result<Outputs, Trouble> {
        let to_stdout = reports.iter().filter(|to| to.path.is_none());
        let mut printed = format.into_iter().chain(to_stdout.map(|to| to.format));
        let first = printed.next().unwrap_or(Format::Text);
        if let Some(second) = printed.next() {
            return Err(Trouble(format!(
                "{} and {} cannot both go to standard output: give one of them a file",
                first.word(),
                second.word()
            )));
        }
        let mut seen = BTreeSet::new();
        let mut files = Vec::new();
        for to in reports {
            let Some(path) = &to.path else { continue };
            let path = super::absolute(path)?;
            if !seen.insert(path.clone()) {
                let shown = path.display();
                return Err(Trouble(format!("two reports cannot both be {shown}")));
            }
            files.push((to.format, path));
        }
        Ok(Outputs {
            printed: first,
            files,
        })
    }

    /// All of them are tried, whichever fails.
    pub fn write(&self, report: Report, style: Style) -> Result<(), Trouble> {
        let mut troubles = Vec::new();
        let mut attempt = |result: Result<(), Trouble>| {
            if let Err(Trouble(text)) = result {
                troubles.push(text);
            }
        };
        attempt(self.print(report, style));
        for (format, path) in &self.files {
            attempt(save(report, *format, path, style));
        }
        match troubles.is_empty() {
            true => Ok(()),
            false => Err(Trouble(troubles.join("\nredis-harden: "))),
        }
    }

    fn print(&self, report: Report, style: Style) -> Result<(), Trouble> {
        print(&report.render(self.printed, style)?)
    }
}

fn save(report: Report, format: Format, path: &Path, style: Style) -> Result<(), Trouble> {
    let style = Style {
        colour: false,
        ..style
    };
    let content = report.render(format, style)?;
    report::save(&Host::live()?, path, format, &content)
        .map_err(|e| Trouble(format!("the {} report: {e}", format.word())))
}
