//! What a server answers when it is asked for its configuration and state. Whatever it says, and wherever it stops, what is kept of
//! it is in proportion to that; nothing counts as told whole without what every server has.

use redis::{ConnectionLike, Parser, RedisResult, Value};
use redis_harden::redis::{Told, fields, interview};
use std::io::Cursor;

/// A byte that is no text is shown by four.
const MOST: usize = 4;

pub fn holds(input: &[u8]) {
    match interview(&mut Server(Cursor::new(input))) {
        Err(silence) => assert!(silence.to_string().len() <= 1024 + MOST * input.len()),
        Ok(told) => heard(&told, input),
    }
    if let Ok(text) = std::str::from_utf8(input) {
        read_back(text);
    }
}

fn heard(told: &Told, input: &[u8]) {
    let pairs = told.directives.iter().chain(&told.info);
    let kept: usize = pairs.map(|(name, value)| name.len() + value.len()).sum();
    assert!(
        kept <= MOST * input.len(),
        "{kept} bytes of {}",
        input.len()
    );
    let whole = |name: &&str| told.directives.contains_key(*name);
    assert!(told.unconfigured.is_some() || ["port", "dir", "maxmemory"].iter().all(whole));
    if let Ok(users) = &told.users.0 {
        assert!(users.len() <= input.len());
    }
}

/// INFO's lines.
fn read_back(text: &str) {
    let read = fields(text);
    assert!(read.len() <= text.lines().count());
    let written: String = read
        .iter()
        .map(|(name, value)| format!("{name}:{value}\r\n"))
        .collect();
    assert_eq!(fields(&written), read);
}

/// Has said all that it says already, and then hangs up.
struct Server<'a>(Cursor<&'a [u8]>);

impl ConnectionLike for Server<'_> {
    fn req_packed_command(&mut self, _: &[u8]) -> RedisResult<Value> {
        Parser::new().parse_value(&mut self.0)
    }

    fn req_packed_commands(
        &mut self,
        _: &[u8],
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        let mut parser = Parser::new();
        let replies: RedisResult<Vec<Value>> = (0..offset + count)
            .map(|_| parser.parse_value(&mut self.0))
            .collect();
        Ok(replies?.split_off(offset))
    }

    fn get_db(&self) -> i64 {
        0
    }

    fn check_connection(&mut self) -> bool {
        true
    }

    fn is_open(&self) -> bool {
        true
    }
}
