//! The HTML report as a browser shows it: on a desk, on a phone, in the dark, without script, and in print.
//! Pictures and the print are left in target/tmp, to be looked at.

use super::browser::Browser;
use super::harness::{Fake, Ran, scratch};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A reason that would run, were it not escaped.
const HOSTILE: &str =
    "</p><script>document.title='taken'</script><img src=x onerror=alert(1)> \\\"&amp;";

struct Page {
    browser: Browser,
    path: PathBuf,
    _dir: TempDir,
}

/// A report with something of everything, and a host name and a reason that are an attack.
fn page() -> Page {
    let tree = Fake::debian();
    tree.file("etc/hostname", "<b>image</b>\n");
    let policy = format!(
        "[[waiver]]\ncontrol = \"kernel.swappiness\"\nreason = \"{HOSTILE}\"\nexpires = \"2099-12-31\"\n\
         [[waiver]]\ncontrol = \"kernel.somaxconn\"\nreason = \"ticket 42\"\nexpires = \"2020-01-31\"\n"
    );
    tree.file("etc/redis-harden/policy.toml", &policy);
    let dir = scratch();
    let at = |name: &str| dir.path().join(name);
    let baseline = format!("json={}", at("baseline.json").display());
    tree.run(&["check", "--only", "service.*", "--report", &baseline])
        .exits(1);
    let html = format!("html={}", at("report.html").display());
    let baseline = at("baseline.json");
    let args = [
        "check",
        "--baseline",
        baseline.to_str().expect("UTF-8"),
        "--report",
        &html,
    ];
    tree.run(&args).exits(1);
    let path = at("report.html");
    let mut browser = Browser::start();
    browser.width(1280);
    browser.media("screen", "light");
    browser.open(&path);
    Page {
        browser,
        path,
        _dir: dir,
    }
}

fn picture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

impl Page {
    fn number(&mut self, expression: &str) -> u64 {
        let value = self.browser.eval(expression);
        value
            .as_u64()
            .unwrap_or_else(|| panic!("{expression} is {value}"))
    }

    /// Controls that are not hidden.
    fn shown(&mut self) -> u64 {
        self.number(
            "[...document.querySelectorAll('[data-status]')].filter(c => c.offsetParent).length",
        )
    }

    /// Elements that reach beyond the right edge of a page this wide.
    #[track_caller]
    fn fits(&mut self, width: u32) {
        let beyond = self.browser.eval(&format!(
            "[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > {width} + 0.5).map(e => e.outerHTML.slice(0, 80))"
        ));
        assert_eq!(beyond, serde_json::json!([]), "beyond {width}");
        assert!(self.number("document.documentElement.scrollWidth") <= u64::from(width));
    }

    /// The least contrast of any text with what is behind it.
    fn contrast(&mut self) -> f64 {
        let ratio = self.browser.eval(CONTRAST);
        ratio.as_f64().unwrap_or_else(|| panic!("{ratio}"))
    }
}

/// WCAG 2.1, relative luminance and contrast ratio; of SVG text the fill.
const CONTRAST: &str = r#"(() => {
  const rgb = (text) => text.match(/[\d.]+/g).map(Number);
  const part = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const colour = rgb(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const texts = [...document.querySelectorAll("body *")].filter((e) =>
    e.tagName !== "SCRIPT" && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()));
  return Math.min(...texts.map((e) => {
    const style = getComputedStyle(e);
    const own = e.closest("svg") ? style.fill : style.color;
    const [a, b] = [light(rgb(own)), light(behind(e))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  }));
})()"#;

#[test]
fn the_page_loads_nothing_complains_of_nothing_and_runs_nothing_that_a_host_says() {
    let mut page = page();
    assert_eq!(page.browser.complaints(), Vec::<String>::new());
    assert_eq!(
        page.browser.eval("document.title"),
        "Redis audit of <b>image</b>"
    );
    assert_eq!(page.number("document.scripts.length"), 1);
    assert_eq!(
        page.number("document.querySelectorAll('img, h1 b').length"),
        0
    );
    assert_eq!(
        page.browser
            .eval("document.querySelector('#waivers td').textContent"),
        HOSTILE.replace("\\\"", "\"")
    );
    // The policy of the page itself holds: an inline handler does not run.
    page.browser.eval("document.body.insertAdjacentHTML('beforeend', '<img src=\"data:,\" onerror=\"document.title=1\">')");
    page.browser
        .eval("new Promise(done => setTimeout(done, 100))");
    assert_eq!(
        page.browser.eval("document.title"),
        "Redis audit of <b>image</b>"
    );
    assert!(
        !page.browser.complaints().is_empty(),
        "Chromium says what it refused"
    );
}

#[test]
fn the_filter_shows_what_is_asked_for() {
    let mut page = page();
    let all = page.shown();
    assert!(all > 60, "{all}");
    let choose = |page: &mut Page, script: &str| {
        page.browser.eval(&format!(
            "{{ const form = document.getElementById('filter'); {script}; form.dispatchEvent(new Event('input')); }}"
        ));
    };
    let critical = page.number("document.querySelectorAll('[data-severity=critical]').length");
    choose(
        &mut page,
        "for (const box of form.severity) box.checked = box.value === 'critical'",
    );
    assert_eq!(page.shown(), critical);
    assert_eq!(
        page.browser
            .eval("document.getElementById('shown').textContent"),
        format!("Filtered: {critical} of {all} controls are shown.")
    );
    page.browser
        .eval("document.querySelector('#filter button').click()");
    page.browser
        .eval("new Promise(done => setTimeout(done, 100))");
    assert_eq!(page.shown(), all);
    assert_eq!(
        page.browser.eval("document.getElementById('shown').hidden"),
        true
    );
    choose(&mut page, "form.text.value = 'OVERCOMMIT memory'");
    assert_eq!(page.shown(), 1);
    choose(
        &mut page,
        "form.text.value = ''; form.topic.value = 'kernel'",
    );
    let kernel = page.number("document.querySelectorAll('[data-topic=kernel]').length");
    assert_eq!(page.shown(), kernel);
    choose(
        &mut page,
        "form.topic.value = ''; for (const box of form.status) box.checked = false",
    );
    assert_eq!(page.shown(), 0);
    assert_eq!(page.browser.complaints(), Vec::<String>::new());
}

#[test]
fn all_is_there_without_script() {
    let mut page = page();
    let all = page.shown();
    page.browser.without_script();
    let path = page.path.clone();
    page.browser.open(&path);
    assert_eq!(page.shown(), all);
    assert_eq!(
        page.browser
            .eval("document.getElementById('filter').hidden"),
        true
    );
}

#[test]
fn it_fits_a_desk_and_a_phone_and_is_readable_in_light_and_dark() {
    let mut page = page();
    for scheme in ["light", "dark"] {
        page.browser.media("screen", scheme);
        for width in [1280, 390] {
            page.browser.width(width);
            page.fits(width);
            // WCAG 2.1, success criterion 1.4.3.
            let contrast = page.contrast();
            assert!(contrast >= 4.5, "{contrast} in {scheme} at {width}");
            page.browser
                .screenshot(&picture(&format!("report-{width}-{scheme}.png")));
        }
    }
}

#[test]
fn headings_labels_and_pictures_have_names() {
    let mut page = page();
    let levels = page
        .browser
        .eval("[...document.querySelectorAll('h1,h2,h3')].map(h => +h.tagName[1])");
    let levels: Vec<u64> = serde_json::from_value(levels).expect("numbers");
    assert_eq!(levels.iter().filter(|l| **l == 1).count(), 1);
    assert!(levels.windows(2).all(|w| w[1] <= w[0] + 1), "{levels:?}");
    for (what, wrong) in [
        (
            "controls without a label",
            "[...document.querySelectorAll('input,select')].filter(i => !i.labels.length)",
        ),
        (
            "pictures without a name",
            "[...document.querySelectorAll('svg')].filter(s => !s.getAttribute('aria-label') && s.getAttribute('aria-hidden') !== 'true')",
        ),
        (
            "ids that are not unique",
            "[...document.querySelectorAll('[id]')].filter(e => document.querySelectorAll('#' + CSS.escape(e.id)).length > 1)",
        ),
        (
            "sections without a heading",
            "[...document.querySelectorAll('section')].filter(s => !document.getElementById(s.getAttribute('aria-labelledby')))",
        ),
        (
            "tables without headers",
            "[...document.querySelectorAll('table')].filter(t => !t.querySelector('thead th[scope=col]'))",
        ),
    ] {
        assert_eq!(page.number(&format!("{wrong}.length")), 0, "{what}");
    }
    assert_eq!(page.browser.eval("document.documentElement.lang"), "en");
}

#[test]
fn it_prints_on_a4_whole_and_black_on_white() {
    let mut page = page();
    let pdf = picture("report.pdf");
    page.browser.media("", "dark");
    page.browser.print(&pdf);
    let info = Ran::of(Command::new("pdfinfo").arg(&pdf));
    assert!(info.exits(0).contains("(A4)"), "{info}");
    let text = Ran::of(
        Command::new("pdftotext")
            .args(["-layout"])
            .arg(&pdf)
            .arg("-"),
    );
    let text = text.exits(0);
    let ids = page
        .browser
        .eval("[...document.querySelectorAll('[data-status]')].map(c => c.id)");
    let ids: Vec<String> = serde_json::from_value(ids).expect("texts");
    for id in &ids {
        assert!(text.contains(id.as_str()), "{id} is not printed");
    }
    assert!(
        text.contains("not applicable is not in it."),
        "the last line is not printed"
    );
    assert!(!text.contains("Show all"), "a form is not for paper");
    // 210 mm less two margins of 14 mm, at 96 dots an inch: what is wider is cut off, or all is scaled down.
    page.browser.media("print", "dark");
    page.browser.width(687);
    page.fits(687);
    assert!(page.contrast() >= 4.5);
    assert_eq!(
        page.browser
            .eval("getComputedStyle(document.body).backgroundColor"),
        "rgb(255, 255, 255)"
    );
}
