//! `redis-harden`: audits and applies the kernel and OS prerequisites of Redis, and runs a hardened redis-server.
//!
//! The story reads: `policy` and `facts` give `controls` what to want, `audit` judges it, `plan` orders what is
//! wrong, `journal` writes it so that it can be undone, `report` prints it.

pub mod audit;
pub mod cli;
pub mod commands;
pub mod contain;
pub mod control;
pub mod controls;
pub mod cve;
pub mod entrypoint;
pub mod facts;
pub mod host;
pub mod journal;
pub mod pki;
pub mod plan;
pub mod policy;
pub mod prove;
pub mod redis;
pub mod render;
pub mod report;
pub mod rotation;
pub mod rule;
pub mod setting;
pub mod supervise;
pub mod value;
