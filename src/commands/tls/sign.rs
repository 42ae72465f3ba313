//! `tls sign`: a certificate for a request of another host's, by the authority that is here.

use super::{Context, Outcome, Trouble, absolute, authority, day, given};
use crate::cli::tls::Sign;
use crate::commands::print;
use crate::pki::{self, Uses};

/// The certificate on standard output; whom it is for on standard error, for whoever signs to see.
pub fn run(context: &Context, args: &Sign) -> Outcome {
    let host = context.host()?;
    let authority = authority(&host, &absolute(&args.at.ca)?)?;
    let shown = args.request.display();
    let text = String::from_utf8(given(&host, &args.request)?)
        .map_err(|_| Trouble(format!("{shown}: it is no PEM")))?;
    let uses = match args.client {
        true => Uses::Client,
        false => Uses::Server,
    };
    let signed = authority
        .sign(uses, &text, args.term.days, host.now())
        .map_err(|why| Trouble(format!("{shown}: {why}")))?;
    let until = pki::until(signed.certificate.as_bytes()).map(day);
    let mut say = context.progress();
    say(&format!(
        "signed for {}, until {}",
        match signed.names.is_empty() {
            true => format!("a client that is called {}", signed.name),
            false => signed.names.join(" "),
        },
        until.unwrap_or_default()
    ));
    print(&signed.certificate)?;
    Ok(0)
}
