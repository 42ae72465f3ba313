//! Redis itself: what we ask a running server, and what we render for one. The only user of the crate `redis`.

pub mod acl;
pub mod config;
pub mod effective;
mod line;
pub mod live;
pub mod rdb;
pub mod refusals;
pub mod rehearsal;
pub mod remote;
pub mod sentinel;
pub mod served;
pub mod session;
pub mod takeover;
pub mod timed;
pub mod users;

use effective::words;
use line::{Line, Stream};
use redis::{ConnectionLike, RedisResult, Value};
use refusals::Refusal;
use remote::Handshake;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;
use timed::Timed;
use users::User;

/// A local server answers in well under a millisecond; one that needs longer is busy or hung, and that is an answer too.
const PATIENCE: Duration = Duration::from_millis(1000);

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A unix socket.
    Socket(PathBuf),
    /// A host name or address, and a port.
    Tcp(String, u16),
}

/// A user and password of Redis.
#[derive(Clone)]
pub struct Login {
    pub user: String,
    pub password: String,
}

/// What a running server says of itself.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// `CONFIG GET *`.
    pub directives: BTreeMap<String, String>,
    /// Why some or all are missing: CONFIG is refused, has another name, or tells a part, as managed services have it.
    pub unconfigured: Option<Silence>,
    /// `INFO everything`, all sections in one.
    pub info: BTreeMap<String, String>,
    /// Why some of it are missing: managed services tell a part.
    pub uninformed: Option<Silence>,
    /// `ACL LIST`.
    pub users: Answer<Vec<User>>,
    /// `MODULE LIST`: the name of each module, and its file; one that is built in has none.
    pub modules: Answer<Vec<(String, String)>>,
    /// `ACL LOG`, the newest entries.
    pub refusals: Answer<Vec<Refusal>>,
    /// `CLUSTER INFO`; nothing where the server is no part of a cluster.
    pub cluster: Answer<BTreeMap<String, String>>,
    /// The addresses of the clients that are the user `default`, where that was asked; a unix socket's is its path.
    pub of_default: Answer<Vec<String>>,
    /// How it spoke TLS, where it is elsewhere and was asked by TLS.
    pub handshake: Option<Handshake>,
    /// The process that listens where it was asked, by the kernel's word.
    pub listener: Option<i32>,
}

/// What was asked, or why it was not told.
#[derive(Clone, Debug)]
pub struct Answer<T>(pub Result<T, String>);

impl<T: Default> Default for Answer<T> {
    fn default() -> Answer<T> {
        Answer(Ok(T::default()))
    }
}

/// Why a server told nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Silence {
    /// Nothing listens there.
    Nobody,
    /// It answered, and refused: `NOAUTH`, `WRONGPASS`, `NOPERM`, `LOADING`.
    Refused(String),
    /// It ended the connection instead of an answer, as one that expects TLS does.
    HungUp(String),
    /// It could not be reached, or did not answer in time.
    Broken(String),
}

/// Asks a server of this host for its configuration and state, as `login` or as a client that sends no password.
/// One that keeps its configuration to itself has told nothing that could be worked by.
pub fn ask(endpoint: &Endpoint, login: Option<&Login>) -> Result<Told, Silence> {
    let mut line = connect(endpoint, login)?;
    let listener = line.listener();
    let told = interview(&mut line)?;
    match told.unconfigured {
        Some(why) => Err(why),
        None => Ok(Told { listener, ..told }),
    }
}

/// A value may be any bytes: one that is no UTF-8 must not keep the others from us.
type Pairs = Vec<(String, Vec<u8>)>;

/// Asks any server: what it refuses to tell is missing, with the reason.
pub fn interview(connection: &mut dyn ConnectionLike) -> Result<Told, Silence> {
    type Tables = Vec<BTreeMap<String, Value>>;
    type Replies = (
        RedisResult<Pairs>,
        RedisResult<String>,
        RedisResult<Vec<String>>,
        RedisResult<Tables>,
        RedisResult<String>,
    );
    let mut questions = redis::pipe();
    for question in [
        ["CONFIG", "GET", "*"].as_slice(),
        &["INFO", "everything"],
        &["ACL", "LIST"],
        &["MODULE", "LIST"],
        &["CLUSTER", "INFO"],
    ] {
        let (command, arguments) = question.split_first().unwrap_or((&"PING", &[]));
        questions.cmd(command).arg(arguments);
    }
    let replies: Replies = questions
        .ignore_errors()
        .query(connection)
        .map_err(silence)?;
    let (directives, info, users, modules, cluster) = replies;
    // Last, and apart: clients write it, in words of up to 512 MB, and one answer without end takes the connection with it.
    let mut log = redis::cmd("ACL");
    let refusals: RedisResult<Tables> = log.arg("LOG").arg(refusals::MOST).query(connection);
    let info = fields(&info.map_err(silence)?);
    let (directives, unconfigured) = match directives {
        Ok(directives) if !is_whole(&directives) => (directives, Some(Silence::in_part())),
        Ok(directives) => (directives, None),
        Err(e) => (Pairs::new(), Some(silence(e))),
    };
    Ok(Told {
        directives: (directives.into_iter())
            .map(|(name, value)| (name, words::text(&value)))
            .collect(),
        unconfigured,
        uninformed: (!is_whole_info(&info)).then(Silence::in_part),
        users: answer(users.map(|lines| User::parse_all(&lines.join("\n")))),
        modules: answer(modules.map(|all| all.iter().map(module).collect())),
        refusals: log_of(refusals.map(|all| all.iter().map(Refusal::of).collect())),
        cluster: match info.get("cluster_enabled").map(String::as_str) {
            Some("1") => answer(cluster.map(|text| fields(&text))),
            _ => Answer::default(),
        },
        info,
        of_default: Answer::default(),
        handshake: None,
        listener: None,
    })
}

/// The addresses of the clients that are the user `default`. Source: Redis networking.c catClientInfoString.
pub fn clients_of_default(
    endpoint: &Endpoint,
    login: Option<&Login>,
) -> Result<Vec<String>, Silence> {
    let mut line = connect(endpoint, login)?;
    let mut ask = redis::cmd("CLIENT");
    ask.arg("LIST");
    let list: String = ask.query(&mut line).map_err(silence)?;
    let field = |line: &str, name: &str| {
        let mut fields = line.split(' ').filter_map(|f| f.split_once('='));
        fields.find(|(n, _)| *n == name).map(|(_, v)| v.to_owned())
    };
    let lines = list.lines();
    let those = lines.filter(|l| field(l, "user").as_deref() == Some("default"));
    let address = |line: &str| {
        let whole = field(line, "addr").unwrap_or_default();
        let host = whole
            .rsplit_once(':')
            .map_or(whole.as_str(), |(host, _)| host);
        host.trim_matches(['[', ']']).to_owned()
    };
    Ok(those.map(address).collect())
}

/// Whether what every server has is among them. Of a directive that is missed otherwise, only the version is the reason.
fn is_whole(directives: &Pairs) -> bool {
    let has = |name: &&str| directives.iter().any(|(there, _)| there == name);
    ["port", "dir", "maxmemory"].iter().all(has)
}

/// The same of INFO.
fn is_whole_info(info: &BTreeMap<String, String>) -> bool {
    let all = ["role", "connected_clients", "rdb_last_bgsave_status"];
    all.iter().all(|name| info.contains_key(*name))
}

fn answer<T>(reply: RedisResult<T>) -> Answer<T> {
    Answer(reply.map_err(|e| silence(e).to_string()))
}

/// What clients were refused. One who may not do a thing can say it at such length that nobody can read of it.
fn log_of(reply: RedisResult<Vec<Refusal>>) -> Answer<Vec<Refusal>> {
    Answer(reply.map_err(|e| match silence(e) {
        Silence::Refused(why) => why,
        other => format!("{other} (a client may have filled it with long words: `redis-harden cli ACL LOG RESET` empties it)"),
    }))
}

/// A module's name and file; servers before 7.0 do not tell the latter.
fn module(fields: &BTreeMap<String, Value>) -> (String, String) {
    let text = |name: &str| {
        let value = fields.get(name).cloned();
        value.and_then(|v| redis::from_redis_value(v).ok())
    };
    let name: String = text("name").unwrap_or_default();
    (name, text("path").unwrap_or_else(|| "?".to_owned()))
}

/// Whether an authenticated `PING` is answered with `PONG`.
pub fn ping(endpoint: &Endpoint, login: Option<&Login>) -> Result<(), Silence> {
    ping_on(&mut connect(endpoint, login)?)
}

fn ping_on(connection: &mut dyn ConnectionLike) -> Result<(), Silence> {
    let reply: Value = redis::cmd("PING").query(connection).map_err(silence)?;
    match reply {
        Value::SimpleString(text) if text == "PONG" => Ok(()),
        other => Err(Silence::Broken(format!("PING was answered with {other:?}"))),
    }
}

/// What a client that sends no password is answered to a harmless question that needs a permission.
pub fn anonymous(endpoint: &Endpoint) -> Result<bool, Silence> {
    lets_in(ping(endpoint, None))
}

/// By what a PING without password was answered.
fn lets_in(answer: Result<(), Silence>) -> Result<bool, Silence> {
    match answer {
        Ok(()) => Ok(true),
        // It was let in, and may do something else.
        Err(Silence::Refused(text)) if text.starts_with("NOPERM") => Ok(true),
        Err(Silence::Refused(text)) if text.contains("NOAUTH") || text.contains("DENIED") => {
            Ok(false)
        }
        Err(other) => Err(other),
    }
}

/// A connection to a server of this host, with an end to every wait and to every answer: it may be anybody's who has its directory.
fn connect(endpoint: &Endpoint, login: Option<&Login>) -> Result<Line, Silence> {
    let stream = match endpoint {
        Endpoint::Socket(path) => Timed::connect_to_socket(path, PATIENCE),
        Endpoint::Tcp(host, port) => Timed::connect(host, *port, PATIENCE),
    };
    let stream = stream.map_err(|e| match e.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::NotFound => Silence::Nobody,
        _ => Silence::Broken(e.to_string()),
    })?;
    let mut line = Line::new(Stream::Plain(stream), PATIENCE);
    log_in(&mut line, login)?;
    Ok(line)
}

/// The default user is named by silence, as servers before 6.0 want it.
fn log_in(line: &mut Line, login: Option<&Login>) -> Result<(), Silence> {
    let Some(login) = login else {
        return Ok(());
    };
    let mut auth = redis::cmd("AUTH");
    if login.user != "default" {
        auth.arg(&login.user);
    }
    let answer = auth.arg(&login.password).query::<()>(line);
    answer.map_err(|e| match silence(e) {
        Silence::Refused(why) => Silence::Refused(format!("authentication failed: {why}")),
        other => other,
    })
}

fn silence(error: redis::RedisError) -> Silence {
    if error.is_connection_refusal()
        || error.kind() == redis::ErrorKind::Io && error.to_string().contains("No such file")
    {
        return Silence::Nobody;
    }
    match error.code() {
        Some(code) => Silence::Refused(
            format!("{code} {}", error.detail().unwrap_or_default())
                .trim()
                .to_owned(),
        ),
        None if error.kind() == redis::ErrorKind::AuthenticationFailed => {
            Silence::Refused(error.to_string())
        }
        None if error.is_connection_dropped() => Silence::HungUp(error.to_string()),
        None => Silence::Broken(error.to_string()),
    }
}

impl Silence {
    fn in_part() -> Silence {
        Silence::Refused("the server tells a part of it only".to_owned())
    }
}

/// The `name:value` lines of `INFO`.
pub fn fields(info: &str) -> BTreeMap<String, String> {
    info.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.trim_end().split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

impl std::fmt::Display for Silence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Silence::Nobody => f.write_str("nothing listens there"),
            Silence::Refused(why) | Silence::HungUp(why) | Silence::Broken(why) => f.write_str(why),
        }
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Endpoint::Socket(path) => write!(f, "{}", path.display()),
            Endpoint::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Endpoint::Tcp(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_is_read_line_by_line() {
        let info = "# Server\r\nredis_version:7.0.15\r\nconfig_file:/etc/redis/a:b.conf\r\n";
        let fields = fields(info);
        assert_eq!(
            fields.get("redis_version").map(String::as_str),
            Some("7.0.15")
        );
        assert_eq!(
            fields.get("config_file").map(String::as_str),
            Some("/etc/redis/a:b.conf")
        );
    }
}
