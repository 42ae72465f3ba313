//! Runs redis-server as its user, watched and restarted; never as root, never twice on one data directory.
