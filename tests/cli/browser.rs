//! A headless Chromium, driven by its devtools over a pair of pipes: what a reader's browser makes of a page.

use nix::sys::stat::Mode;
use serde_json::{Value, json};
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A browser with one page.
pub struct Browser {
    child: Child,
    to: File,
    from: BufReader<File>,
    session: Option<String>,
    sent: u64,
    events: Vec<Value>,
    _dir: TempDir,
}

impl Browser {
    /// Starts it; it ends with the test, and after a minute at the latest.
    pub fn start() -> Browser {
        let dir = super::harness::scratch();
        let pipe = |name: &str| -> PathBuf {
            let path = dir.path().join(name);
            nix::unistd::mkfifo(&path, Mode::from_bits_truncate(0o600)).expect("our own");
            path
        };
        let (to, from) = (pipe("to"), pipe("from"));
        // Source: chrome/common, --remote-debugging-pipe: descriptor 3 is read, 4 is written.
        let mut command = Command::new("sh");
        command.args(["-c", "exec timeout 60 chromium \"$@\" 3<to 4>from", "sh"]);
        command.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--no-first-run",
            "--remote-debugging-pipe",
        ]);
        command.arg(format!(
            "--user-data-dir={}",
            dir.path().join("profile").display()
        ));
        command
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().expect("sh");
        let to = OpenOptions::new()
            .write(true)
            .open(to)
            .expect("the browser reads it");
        let from = BufReader::new(File::open(from).expect("the browser writes it"));
        let mut browser = Browser {
            child,
            to,
            from,
            session: None,
            sent: 0,
            events: Vec::new(),
            _dir: dir,
        };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attached = browser.call(
            "Target.attachToTarget",
            json!({"targetId": at(&target, "/targetId"), "flatten": true}),
        );
        browser.session = at(&attached, "/sessionId").as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Opens a file and waits until it is loaded.
    pub fn open(&mut self, path: &Path) {
        self.events.clear();
        let url = format!("file://{}", path.display());
        let answer = self.call("Page.navigate", json!({"url": url}));
        assert!(answer.get("errorText").is_none(), "{answer}");
        while !self
            .events
            .iter()
            .any(|e| at(e, "/method") == "Page.loadEventFired")
        {
            let event = self.receive();
            self.events.push(event);
        }
    }

    /// The value of an expression in the page.
    #[track_caller]
    pub fn eval(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", asked);
        assert!(
            answer.get("exceptionDetails").is_none(),
            "{expression}: {answer}"
        );
        at(&answer, "/result/value").clone()
    }

    /// A viewport of this width, as a phone's or a desk's.
    pub fn width(&mut self, width: u32) {
        let metrics =
            json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600});
        self.call("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// `screen` or `print`, in the `light` or `dark` scheme.
    pub fn media(&mut self, media: &str, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        let media = json!({"media": media, "features": features});
        self.call("Emulation.setEmulatedMedia", media);
    }

    /// No script of a page runs from here on.
    pub fn without_script(&mut self) {
        self.call(
            "Emulation.setScriptExecutionDisabled",
            json!({"value": true}),
        );
    }

    /// Errors and warnings of the console, and whatever the page asked the network for.
    pub fn complaints(&self) -> Vec<String> {
        let is_complaint = |event: &&Value| match at(event, "/method").as_str() {
            Some("Runtime.exceptionThrown" | "Log.entryAdded" | "Runtime.consoleAPICalled") => true,
            Some("Network.requestWillBeSent") => {
                let url = at(event, "/params/request/url")
                    .as_str()
                    .unwrap_or_default();
                !url.starts_with("data:") && at(event, "/params/type") != "Document"
            }
            _ => false,
        };
        self.events
            .iter()
            .filter(is_complaint)
            .map(Value::to_string)
            .collect()
    }

    /// The whole page as a picture.
    pub fn screenshot(&mut self, path: &Path) {
        let asked = json!({"format": "png", "captureBeyondViewport": true});
        let answer = self.call("Page.captureScreenshot", asked);
        save(path, at(&answer, "/data"));
    }

    /// The page as it is printed.
    pub fn print(&mut self, path: &Path) {
        let asked = json!({"preferCSSPageSize": true, "printBackground": true});
        let answer = self.call("Page.printToPDF", asked);
        save(path, at(&answer, "/data"));
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.sent += 1;
        let (id, session) = (self.sent, &self.session);
        let message = match session {
            Some(session) => {
                json!({"id": id, "method": method, "params": params, "sessionId": session})
            }
            None => json!({"id": id, "method": method, "params": params}),
        };
        let sent = write!(self.to, "{message}\0");
        sent.unwrap_or_else(|e| {
            panic!("chromium does not listen ({e}): is it installed? tests/install-deps")
        });
        loop {
            let message = self.receive();
            if at(&message, "/id") == self.sent {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return at(&message, "/result").clone();
            }
            self.events.push(message);
        }
    }

    fn receive(&mut self) -> Value {
        let mut text = Vec::new();
        let read = self.from.read_until(0, &mut text).expect("a pipe");
        assert!(
            read > 0,
            "chromium has gone: is it installed? tests/install-deps"
        );
        text.pop();
        serde_json::from_slice(&text).expect("JSON")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It has gone already where the test failed on that.
        let _ = write!(self.to, "{}\0", json!({"id": 0, "method": "Browser.close"}));
        let _ = self.child.wait();
    }
}

/// From base64, by the tool that every Debian has.
fn save(path: &Path, base64: &Value) {
    let encoded = path.with_extension("base64");
    fs::write(&encoded, base64.as_str().expect("base64")).expect("our own");
    let decoded = Command::new("base64")
        .arg("-d")
        .arg(&encoded)
        .output()
        .expect("coreutils");
    assert!(decoded.status.success());
    fs::write(path, decoded.stdout).expect("our own");
    fs::remove_file(encoded).expect("our own");
}

/// What is at a JSON pointer, or null.
fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}
