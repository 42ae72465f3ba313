//! Who attacks: another host, a program of this one without a password, whoever has stolen one.

use super::arena::Arena;
use super::judgement::{Layer, Outcome, Refusal, Stop};
use super::twin::ANSWER;
use super::wire;
use crate::redis::session::{Reply, Session, text};
use crate::redis::timed::Timed;
use crate::redis::{Login, Silence};

/// Who tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Another host.
    Outsiders,
    /// That, and a program of this host, both without a password.
    Strangers,
    /// Those, and whoever has an application's password.
    Intruders,
    /// The same, but for those whose work is a copy of all data.
    IntrudersButCopiers,
    /// Those, and whoever has the admin's: the layers below the ACL must refuse.
    Everybody,
    /// The same, but the admin only where no connection leaves, by the sandbox or by the packet filter: else it may connect.
    EverybodyAlone,
}

/// One who does.
enum Kind<'a> {
    OtherHost,
    Nobody,
    User(&'a str),
}

/// Where it is.
#[derive(Clone, Copy)]
pub enum Ring<'a> {
    Twin(&'a Arena<'a>),
    /// The running server; in our sandbox or not.
    Live {
        contained: bool,
    },
}

/// An attacker with a connection.
pub struct Caller<'a> {
    ring: Ring<'a>,
    session: Session,
}

/// What became of one caller's.
pub type One = Result<String, (String, Stop)>;

/// By one after the other.
pub fn by_each(
    arena: &Arena,
    who: Who,
    attack: fn(&mut Caller) -> Result<String, Stop>,
) -> Outcome {
    fold(kinds(arena, who).into_iter().map(|kind| {
        let made = Caller::enter(arena, &kind).and_then(|mut caller| attack(&mut caller));
        of_one(kind.name(), made)
    }))
}

/// With the caller's name.
pub fn of_one(name: String, made: Result<String, Stop>) -> One {
    match made {
        Ok(words) => Ok(format!("{name}: {words}")),
        Err(stop) => Err((name, stop)),
    }
}

/// One success is enough, and what could not be tried is no refusal.
pub fn fold(made: impl Iterator<Item = One>) -> Outcome {
    let (mut refusals, mut troubles) = (Vec::new(), Vec::new());
    for one in made {
        match one {
            Ok(words) => return Outcome::Succeeded(words),
            Err((who, Stop::Refused(layer, words))) => refusals.push(Refusal { who, layer, words }),
            Err((who, Stop::HungUp(words) | Stop::Trouble(words))) => {
                troubles.push(format!("{who}: {words}"));
            }
        }
    }
    match troubles.is_empty() && !refusals.is_empty() {
        true => Outcome::Refused(refusals),
        false => Outcome::Untried(troubles.join("; ")),
    }
}

fn kinds<'a>(arena: &'a Arena, who: Who) -> Vec<Kind<'a>> {
    let mut kinds = vec![Kind::OtherHost];
    if who != Who::Outsiders {
        kinds.push(Kind::Nobody);
    }
    if !matches!(who, Who::Outsiders | Who::Strangers) {
        let copiers = &arena.blueprint.copiers;
        let left_out = |name: &String| who == Who::IntrudersButCopiers && copiers.contains(name);
        let users = arena.applications().filter(|name| !left_out(name));
        kinds.extend(users.map(|name| Kind::User(name)));
    }
    let blueprint = arena.blueprint;
    let alone = blueprint.held_back || blueprint.stage.settings.contain.connect.is_empty();
    if who == Who::Everybody || who == Who::EverybodyAlone && alone {
        kinds.extend(arena.admin().map(|name| Kind::User(name)));
    }
    kinds
}

impl Kind<'_> {
    fn name(&self) -> String {
        match self {
            Kind::OtherHost => "another host".to_owned(),
            Kind::Nobody => "a client without password".to_owned(),
            Kind::User(name) => format!("user {name}"),
        }
    }
}

impl<'a> Caller<'a> {
    fn enter(arena: &'a Arena, kind: &Kind) -> Result<Caller<'a>, Stop> {
        let session = match kind {
            Kind::OtherHost => from_outside(arena)?,
            Kind::Nobody => open(arena, None)?,
            Kind::User(name) => open(arena, Some(&arena.login(name)))?,
        };
        Ok(Caller::in_ring(Ring::Twin(arena), session))
    }

    pub fn in_ring(ring: Ring<'a>, session: Session) -> Caller<'a> {
        Caller { ring, session }
    }

    /// The twin and what is around it; on the running server there is none.
    pub fn arena(&self) -> Result<&'a Arena<'a>, Stop> {
        match self.ring {
            Ring::Twin(arena) => Ok(arena),
            Ring::Live { .. } => Err(Stop::Trouble("this is for a twin only".to_owned())),
        }
    }

    /// A command and its answer.
    pub fn ask<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result<Reply, Stop> {
        let contained = match self.ring {
            Ring::Twin(arena) => arena.is_contained(),
            Ring::Live { contained } => contained,
        };
        let mut said = self.session.ask(words);
        if let (Err(Silence::Refused(why)), Ring::Twin(arena)) = (&said, self.ring)
            && why.starts_with("CLUSTERDOWN")
        {
            arena.serve_keys().map_err(Stop::Trouble)?;
            said = self.session.ask(words);
        }
        said.map_err(|e| of_system(e.into(), contained))
    }

    /// The same, as text.
    pub fn text<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result<String, Stop> {
        self.ask(words).map(|reply| text(&reply))
    }
}

/// What the system refused to the server shows in the server's words.
fn of_system(stop: Stop, contained: bool) -> Stop {
    let Stop::Trouble(words) = stop else {
        return stop;
    };
    let denied = ["Permission denied", "Operation not permitted"];
    let denied = denied.iter().any(|sign| words.contains(sign));
    match (denied, words.contains("Read-only file system"), contained) {
        (true, _, true) | (_, true, true) => Stop::Refused(Layer::Sandbox, words),
        (true, _, false) => Stop::Refused(Layer::Permissions, words),
        // The twin's ground is read-only, and the host may not be.
        _ => Stop::Trouble(words),
    }
}

fn open(arena: &Arena, login: Option<&Login>) -> Result<Session, Stop> {
    let opened = arena.twin.session(arena.blueprint, login);
    opened.map_err(|e| Stop::Trouble(e.to_string()))
}

/// By its port, where any packet gets there.
fn from_outside(arena: &Arena) -> Result<Session, Stop> {
    let port = arena.blueprint.directives.port;
    if port == 0 {
        let words = "it has no port in clear text";
        return Err(Stop::Refused(Layer::Network, words.to_owned()));
    }
    let addresses = arena.addresses();
    let dialled = arena.from_outside(|| {
        let mut why = String::new();
        for address in addresses {
            match Timed::connect(&address.to_string(), port, wire::NEAR) {
                Ok(stream) => return Ok((stream, address)),
                Err(e) => why = format!("{address}:{port}: {e}"),
            }
        }
        Err(why)
    });
    let dialled = dialled.map_err(Stop::Trouble)?;
    let (stream, address) = dialled.map_err(|why| Stop::Refused(Layer::Network, why))?;
    let mut session = Session::begin(stream, None, ANSWER).map_err(Stop::from)?;
    match session.ask(&["PING"]) {
        Err(Silence::HungUp(_) | Silence::Broken(_)) => Err(greeting(arena, address, port)),
        Err(Silence::Refused(words)) if words.starts_with("DENIED") => {
            Err(Silence::Refused(words).into())
        }
        _ => Ok(session),
    }
}

/// What a server says that ends the connection before it is asked anything.
fn greeting(arena: &Arena, address: std::net::IpAddr, port: u16) -> Stop {
    let heard = arena.from_outside(|| {
        let mut stream = wire::raw(address, port)?;
        Ok::<_, std::io::Error>(wire::answer(&mut stream, 4096))
    });
    match heard {
        Ok(Ok((bytes, _))) => {
            let words = String::from_utf8_lossy(&bytes);
            let words = words.trim().trim_start_matches('-').to_owned();
            match words.is_empty() {
                true => Stop::Trouble("it hangs up without a word".to_owned()),
                false => Silence::Refused(words).into(),
            }
        }
        Ok(Err(e)) => Stop::Refused(Layer::Network, e.to_string()),
        Err(e) => Stop::Trouble(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> One {
        let words = "NOPERM".to_owned();
        Err(("user a".to_owned(), Stop::Refused(Layer::Acl, words)))
    }

    fn silent() -> One {
        Err(("user b".to_owned(), Stop::Trouble("BUSY".to_owned())))
    }

    #[test]
    fn one_success_is_a_success_and_one_trouble_is_no_refusal() {
        let won = || Ok("another host: done".to_owned());
        let outcome = |all: Vec<One>| fold(all.into_iter());
        assert!(matches!(
            outcome(vec![refused(), silent(), won()]),
            Outcome::Succeeded(_)
        ));
        assert!(matches!(
            outcome(vec![refused(), silent()]),
            Outcome::Untried(_)
        ));
        assert!(
            matches!(outcome(vec![refused(), refused()]), Outcome::Refused(all) if all.len() == 2)
        );
        assert!(matches!(outcome(Vec::new()), Outcome::Untried(_)));
    }
}
