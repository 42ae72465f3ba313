//! A server elsewhere: asked by TLS or in clear text, with an end to every wait. An error says what to try next.

mod offer;
pub mod tls;
mod witness;
mod words;

use super::line::{Line, Stream};
use super::timed::Timed;
use super::{Endpoint, Login, Silence, Told, interview, lets_in, log_in, ping_on};
pub use offer::{retired_version, weak_suite};
use rustls::Error;
use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};
use tls::Refusal;
pub use tls::{Client, Handshake, Takes};
pub use witness::Shown;
pub use words::of_io;

/// For a connection and its handshake, and for each answer: another continent needs a second.
const PATIENCE: Duration = Duration::from_secs(5);

/// For all that is asked of one server, however many connections that takes.
const WHOLE: Duration = Duration::from_secs(15);

/// For a look at what else may be there.
const CURIOSITY: Duration = Duration::from_secs(1);

/// Where and as whom to ask.
pub struct Server {
    pub host: String,
    pub port: u16,
    pub login: Option<Login>,
    /// None where it is asked in clear text.
    pub tls: Option<Client>,
    /// When it has been asked enough.
    until: Instant,
}

/// Whether its CONFIG says how TLS is spoken: it does not where it is refused, nor where something else speaks TLS before it.
fn tells_of_tls(told: &Told) -> bool {
    let port = told.directives.get("tls-port");
    port.is_some_and(|port| port != "0")
}

impl Server {
    /// Who is to be asked from now on.
    pub fn new(host: String, port: u16, login: Option<Login>, tls: Option<Client>) -> Server {
        Server {
            host,
            port,
            login,
            tls,
            until: Instant::now() + WHOLE,
        }
    }

    /// For the next connection, or the next answer; a connection without time left ends at once.
    fn patience(&self) -> Duration {
        let left = self.until.saturating_duration_since(Instant::now());
        PATIENCE.min(left).max(Duration::from_millis(1))
    }

    pub fn endpoint(&self) -> Endpoint {
        Endpoint::Tcp(self.host.clone(), self.port)
    }

    /// What it tells, and how it spoke TLS.
    pub fn told(&self) -> Result<Told, String> {
        let mut line = self.open()?;
        let told = log_in(&mut line, self.login.as_ref())
            .and_then(|()| interview(&mut line))
            .map_err(|why| self.explain(why, line.handshake()))?;
        let handshake = line.handshake().cloned().map(|seen| Handshake {
            takes: (!tells_of_tls(&told)).then(|| self.takes(&seen.name)),
            ..seen
        });
        Ok(Told { handshake, ..told })
    }

    /// Two connections more, of which a server may log that no agreement was found.
    fn takes(&self, name: &str) -> Takes {
        let stream = || Timed::connect(&self.host, self.port, self.patience());
        let words = |e: io::Error| e.to_string();
        Takes {
            version: stream()
                .and_then(|s| offer::retired_version(s, name))
                .map_err(words),
            suite: stream()
                .and_then(|s| offer::weak_suite(s, name))
                .map_err(words),
        }
    }

    /// Whether a client that sends no password is served.
    pub fn anonymous(&self) -> Result<bool, String> {
        let mut line = self.open()?;
        lets_in(ping_on(&mut line)).map_err(|why| self.explain(why, line.handshake()))
    }

    fn open(&self) -> Result<Line, String> {
        let stream =
            Timed::connect(&self.host, self.port, self.patience()).map_err(|e| match e.kind() {
                ErrorKind::ConnectionRefused => Silence::Nobody.to_string(),
                ErrorKind::TimedOut => format!("connecting to it: {e}"),
                _ => e.to_string(),
            })?;
        let stream = match &self.tls {
            None => Stream::Plain(stream),
            Some(client) => {
                let begun = client.begin(&self.host, stream);
                let (tls, handshake) = begun.map_err(|refusal| self.explain_refusal(refusal))?;
                Stream::Tls(Box::new(tls), Box::new(handshake))
            }
        };
        Ok(Line::new(stream, self.patience()))
    }

    /// Why a connection that was there told nothing.
    fn explain(&self, why: Silence, handshake: Option<&Handshake>) -> String {
        let cut = matches!(why, Silence::HungUp(_) | Silence::Broken(_));
        let why = why.to_string();
        match handshake {
            _ if why.starts_with("NOAUTH") => format!(
                "{why}\n  = give the password by --password-file FILE, or the environment's REDISCLI_AUTH"
            ),
            _ if !cut => why,
            None if self.speaks_tls() => {
                format!("it speaks TLS\n  = try rediss://{}", self.endpoint())
            }
            None => why,
            // By TLS 1.3 a client learns that its certificate is missed only after the handshake.
            Some(seen) if seen.asks => self.explain_asking(&why),
            Some(_) => why,
        }
    }

    fn explain_refusal(&self, refusal: Refusal) -> String {
        if let Some(Error::InvalidCertificate(why)) = words::inner(&refusal.error) {
            let remedy = words::remedy(why, &refusal.shown.certificates);
            let why = words::of_certificate(why);
            return format!("its certificate is refused: {why}\n  = {remedy}");
        }
        let why = words::of_io(refusal.error).to_string();
        if refusal.asks {
            return self.explain_asking(&why);
        }
        match refusal.shown.certificates.is_empty() && self.speaks_plain() {
            true => format!(
                "it answers in clear text, not in TLS\n  = try redis://{}, where nobody can listen on the way",
                self.endpoint()
            ),
            false => format!("the TLS handshake: {why}"),
        }
    }

    /// Why one that asked for a certificate ended the connection.
    fn explain_asking(&self, why: &str) -> String {
        match self.tls.as_ref().is_some_and(Client::has_certificate) {
            true => format!(
                "it asks for a client certificate, and got that of --cert: {why}\n  = it takes those by an authority in its tls-ca-cert-file that are for clients"
            ),
            false => format!(
                "it asks for a client certificate, and got none: {why}\n  = give one by --cert FILE and --key FILE"
            ),
        }
    }

    fn speaks_tls(&self) -> bool {
        let stream = Timed::connect(&self.host, self.port, CURIOSITY);
        stream.is_ok_and(
            |stream| match Client::onlooker().begin(&self.host, stream) {
                Ok(_) => true,
                Err(refusal) => !refusal.shown.certificates.is_empty(),
            },
        )
    }

    /// Whether it answers anything at all to a PING in clear text. No password is sent.
    fn speaks_plain(&self) -> bool {
        let stream = Timed::connect(&self.host, self.port, CURIOSITY);
        stream.is_ok_and(|stream| {
            let mut line = Line::new(Stream::Plain(stream), CURIOSITY);
            matches!(ping_on(&mut line), Ok(()) | Err(Silence::Refused(_)))
        })
    }
}
