//! The settings may be written anew while the server runs: what does not take a restart holds from then on.

use super::{Watch, limits};
use crate::supervise::settings::Settings;

impl Watch<'_> {
    /// Takes the file's times and limits. The rest is for the next supervisor; so is a file that cannot be read.
    pub(super) fn reread(&mut self) {
        let Some(newer) = self.newer() else { return };
        let adopted = self.inputs.settings.adopting(&newer);
        if adopted == self.inputs.settings {
            return;
        }
        tracing::info!("the settings are read again");
        self.machine.limit(limits(&adopted));
        self.inputs.settings = adopted;
    }

    fn newer(&self) -> Option<Settings> {
        match Settings::load(self.inputs.host, self.inputs.settings_file) {
            Ok(newer) => newer,
            Err(e) => {
                tracing::warn!(error = %e, "the settings stay what they were");
                None
            }
        }
    }
}
