//! What is asked of an instance's configuration.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What is asked of it. Nothing is there where all is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    /// A file, or none, that is not the one that its unit names.
    OtherFile,
    /// Directives that the running server has otherwise than its file, and the policy not as it has them.
    RunningDrift,
    /// Directives that the file has otherwise than the running server and the policy.
    FileDrift,
    /// Directives that the policy has otherwise than the file and the running server.
    PolicyDrift,
    /// Lines with a directive that the version does not know, in the files or rendered from the policy.
    Unknown,
    /// Lines with a comment behind the value.
    InlineComments,
    /// Other lines that the server would not start on.
    Faults,
    /// Directives that a later line gives another value.
    Overridden,
    /// Lines with a password that can be read.
    Passwords,
}

impl Question {
    /// Whether only a running server answers it.
    pub fn is_of_a_running_system(self) -> bool {
        matches!(
            self,
            Question::OtherFile
                | Question::RunningDrift
                | Question::FileDrift
                | Question::PolicyDrift
        )
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Question::OtherFile => "file other than its unit's",
            Question::RunningDrift => "directives changed while it ran",
            Question::FileDrift => "directives changed in its file",
            Question::PolicyDrift => "directives changed in the policy",
            Question::Unknown => "unknown directives",
            Question::InlineComments => "comments behind values",
            Question::Faults => "lines that it would not start on",
            Question::Overridden => "lines without effect",
            Question::Passwords => "readable passwords",
        })
    }
}
