//! What is done to the server: started behind the gate, signalled, and looked at one last time.

use super::Watch;
use super::certificate::Renewal;
use crate::contain::layers::Layer;
use crate::host::{HostError, HostResult};
use crate::supervise::machine::Event;
use crate::supervise::process::{self, Server};
use crate::supervise::settings::generation;
use crate::supervise::{gate, keepsake, lock, strays};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use std::path::{Path, PathBuf};

impl Watch<'_> {
    pub(super) fn spawn(&mut self) {
        self.probe.forget();
        self.vitals.forget();
        self.also = None;
        self.renewal = Renewal::begun(self.inputs.host, &self.inputs.settings);
        self.probe_at = self.now();
        let log = self.inputs.settings.log_file.as_deref();
        self.log_size = log.map_or(0, process::log_size);
        let started = self.read_generation().and_then(|generation| {
            self.generation = generation;
            self.pass_gate()?;
            Server::spawn(&self.inputs.settings, self.inputs.lock)
        });
        match started {
            Ok(server) => {
                tracing::info!(
                    pid = server.pid().as_raw(),
                    restarts = self.machine.restarts(),
                    "the server is started"
                );
                self.layers = self.layers_of(&server);
                self.server = Some(server);
            }
            Err(e) => {
                self.note_what_stands();
                self.last_words = e.to_string();
                (self.ended, self.last_pid) = (None, None);
                tracing::warn!(error = %e, "the server could not be started");
                let why = format!("not started: {}", e.cause);
                self.tell(match e.errno {
                    Some(errno) if may_pass(errno) => Event::NotSpawned(why),
                    _ => Event::NotStartable(why),
                });
            }
        }
    }

    /// Which layers of the sandbox hold; each that does not is worth a line of the log.
    fn layers_of(&self, server: &Server) -> Vec<Layer> {
        let layers = server.layers(self.inputs.host).unwrap_or_else(|e| {
            tracing::warn!(error = %e, "it is not known which layers of the sandbox hold");
            Vec::new()
        });
        for layer in layers.iter().filter(|layer| !layer.holds) {
            tracing::warn!(layer = %layer.name, note = layer.note, "the sandbox lacks a layer");
        }
        layers
    }

    /// What was left is forgotten once a server may write: only its own clean end says anything new.
    pub(super) fn pass_gate(&mut self) -> HostResult<()> {
        let (host, settings) = (self.inputs.host, &self.inputs.settings);
        let left = lock::left(self.inputs.lock)
            .map_err(|e| HostError::new("reading what the last server left", e))?;
        gate::pass(host, settings, left, self.replicas)?;
        for name in gate::sweep(host, &settings.data_dir)? {
            tracing::info!(name, "removed what a save that was cut off left");
        }
        let stood = gate::Stood::of(host, settings, left)?;
        lock::note(host, self.inputs.lock, stood.begun())?;
        self.stood = Some(stood);
        Ok(())
    }

    /// Notes again what was left before a server that has ended without having written.
    pub(super) fn note_what_stands(&mut self) {
        let Some(stood) = self.stood.take() else {
            return;
        };
        let noted = match stood.unwritten(self.inputs.host) {
            Ok(Some(left)) => lock::note(self.inputs.host, self.inputs.lock, left),
            Ok(None) => Ok(()),
            Err(e) => Err(e),
        };
        if let Err(e) = noted {
            // The next start may then be refused, where nothing would be lost.
            tracing::warn!(error = %e, "what stood before the server was not noted");
        }
    }

    /// The next server is alone with the data, and a stop ends all.
    pub(super) fn end_strays(&self) {
        match strays::end(self.inputs.host) {
            Ok(0) => {}
            Ok(count) => tracing::warn!(count, "ended what the server left running"),
            Err(e) => tracing::warn!(error = %e, "what the server left running goes on"),
        }
    }

    pub(super) fn note_what_it_left(&self) {
        let (host, settings) = (self.inputs.host, &self.inputs.settings);
        let noted = lock::left(self.inputs.lock)
            .map_err(|e| HostError::new("reading what was noted at the start", e));
        let left = noted.and_then(|noted| gate::after(host, settings, noted));
        if let Err(e) = left.and_then(|left| lock::note(self.inputs.host, self.inputs.lock, left)) {
            // The next start then cannot tell that another server has saved there.
            tracing::warn!(error = %e, "what the server left was not noted");
        }
    }

    /// Of the settings it is ours that count: who comes back is started on them, whatever the file says by now.
    pub(super) fn read_generation(&self) -> HostResult<String> {
        let read = |path: &Path| {
            self.inputs.host.read(path)?.ok_or_else(|| {
                let doing = format!("reading {}", path.display());
                HostError::refused(doing, "there is no such file (run `redis-harden apply`)")
            })
        };
        let settings = &self.inputs.settings;
        let (conf, acl) = (read(&settings.config)?, read(&settings.acl_file)?);
        Ok(generation(&conf, &acl, settings.render().as_bytes()))
    }

    pub(super) fn signal(&self, signal: Signal) {
        tracing::debug!(%signal, "to the server");
        if let Some(server) = &self.server
            && let Err(e) = server.signal(signal)
        {
            tracing::warn!(error = %e, "the server was not signalled");
        }
    }

    pub(super) fn keep_hang(&self) {
        let Some(server) = &self.server else { return };
        let (inputs, why) = (&self.inputs, self.machine.note());
        let kept = keepsake::of_hang(inputs.host, &inputs.settings, server.pid(), why);
        say_kept(kept, why);
    }

    pub(super) fn keep_crash(&self, exit: &str) {
        let inputs = &self.inputs;
        let kept = keepsake::of_crash(
            inputs.host,
            &inputs.settings,
            exit,
            &self.last_words,
            self.log_size,
        );
        say_kept(kept, exit);
    }
}

fn say_kept(kept: HostResult<PathBuf>, why: &str) {
    match kept {
        Ok(path) => tracing::warn!(why, report = %path.display(), "a report is kept"),
        // It is brought back all the same.
        Err(e) => tracing::warn!(why, error = %e, "no report could be kept"),
    }
}

/// Whether the same start may succeed later: something of the host's ran out.
fn may_pass(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::EAGAIN
            | Errno::ENOMEM
            | Errno::EMFILE
            | Errno::ENFILE
            | Errno::ENOSPC
            | Errno::EIO
            | Errno::EINTR
    )
}
