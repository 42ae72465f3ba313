//! A rogue server on another host: a primary that serves whatever it likes, and a place to carry data off to.

use super::arena::Arena;
use super::judgement::Stop;
use super::outside::THERE;
use super::wire;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// How long one is waited for: a replica tries once a second.
const PATIENCE: Duration = Duration::from_millis(2500);

/// Where nobody else is; a server that may connect somewhere gets the port that it may connect to.
const PORT: u16 = 26_399;

/// Its end of the conversation.
pub struct Rogue {
    listener: TcpListener,
    pub port: u16,
}

impl Rogue {
    pub fn listen(arena: &Arena) -> Result<Rogue, Stop> {
        let allowed = &arena.blueprint.stage.settings.contain.connect;
        let port = allowed.first().copied().unwrap_or(PORT);
        let listener = arena.from_outside(|| wire::listen(THERE.into(), port));
        let listener = listener.map_err(Stop::Trouble)?;
        let listener = listener.map_err(|e| Stop::Trouble(e.to_string()))?;
        Ok(Rogue { listener, port })
    }

    pub fn address() -> String {
        THERE.to_string()
    }

    /// Whether anybody comes.
    pub fn is_visited(&self) -> bool {
        wire::accept(&self.listener, PATIENCE).is_some()
    }

    /// Serves this as a whole data set to the replica that comes. Source: Redis replication.c, `syncWithMaster`.
    pub fn push(&self, payload: &[u8]) -> bool {
        let Some(mut replica) = wire::accept(&self.listener, PATIENCE) else {
            return false;
        };
        for _ in 0..12 {
            let (asked, ended) = wire::answer_once(&mut replica);
            if ended {
                return false;
            }
            let asked = asked.to_ascii_uppercase();
            // `REPLCONF capa psync2` is no PSYNC.
            if asked.contains("\r\nPSYNC\r\n") {
                return send(&mut replica, payload);
            }
            let pongs = asked.matches("PING").count();
            let oks = asked.matches("\r\nREPLCONF\r\n").count();
            let answer = "+PONG\r\n".repeat(pongs) + &"+OK\r\n".repeat(oks);
            if replica.write_all(answer.as_bytes()).is_err() {
                return false;
            }
        }
        false
    }
}

fn send(replica: &mut TcpStream, payload: &[u8]) -> bool {
    let id = "a".repeat(40);
    let head = format!("+FULLRESYNC {id} 1\r\n${}\r\n", payload.len());
    let sent = replica.write_all(&[head.as_bytes(), payload].concat());
    // It writes the file once all of it has come.
    std::thread::sleep(Duration::from_millis(300));
    sent.is_ok()
}
