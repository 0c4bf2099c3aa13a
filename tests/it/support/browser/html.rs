//! As much of HTML as links and forms need.

use std::collections::BTreeMap;

/// A tag with its attributes, and the text up to the next tag.
#[derive(Clone, Debug)]
pub struct Tag {
    pub name: String,
    pub attributes: BTreeMap<String, String>,
    pub text: String,
}

impl Tag {
    fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

#[derive(Clone, Debug, Default)]
pub struct Form {
    pub id: String,
    pub method: String,
    pub action: String,
    pub fields: Vec<(String, String)>,
    /// The named buttons, each with its value and its text.
    pub buttons: Vec<(String, String, String)>,
}

impl Form {
    /// A form that is posted without anything in it.
    pub fn post(action: &str) -> Self {
        Self { method: "POST".to_owned(), action: action.to_owned(), ..Self::default() }
    }

    /// Fills a field in, which must be there.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        let field = self.fields.iter_mut().find(|(own, _)| own == name);
        value.clone_into(&mut field.unwrap_or_else(|| panic!("the form has no field {name}")).1);
        self
    }

    /// Presses the button with this text (or value, where the text is in markup of its own), so
    /// that its name and value are sent too.
    #[must_use]
    pub fn press(mut self, text: &str) -> Self {
        let button = self.buttons.iter().find(|(_, value, own)| own == text || value == text);
        let (name, value, _) =
            button.unwrap_or_else(|| panic!("no button {text:?} in {:?}", self.buttons)).clone();
        self.fields.push((name, value));
        self
    }
}

pub fn forms(html: &str) -> Vec<Form> {
    let mut found: Vec<Form> = Vec::new();
    let mut inside = false;
    for tag in tags(html) {
        if tag.name == "form" {
            let method = tag.attribute("method").to_ascii_uppercase();
            let method = if method.is_empty() { "GET".to_owned() } else { method };
            let (id, action) = (tag.attribute("id").to_owned(), tag.attribute("action").to_owned());
            found.push(Form { id, method, action, fields: Vec::new(), buttons: Vec::new() });
            inside = true;
            continue;
        }
        inside &= tag.name != "/form";
        // A control belongs to the form that it names, or to the one around it.
        let form = match tag.attributes.get("form") {
            Some(id) => found.iter_mut().find(|form| form.id == *id),
            None => found.last_mut().filter(|_| inside),
        };
        let (name, value) = (tag.attribute("name").to_owned(), tag.attribute("value").to_owned());
        let Some(form) = form.filter(|_| !name.is_empty()) else { continue };
        match (tag.name.as_str(), tag.attribute("type")) {
            ("input", "submit") => form.buttons.push((name, value.clone(), value)),
            ("input", "checkbox" | "radio") if !tag.attributes.contains_key("checked") => {}
            ("input", _) => form.fields.push((name, value)),
            ("button", _) => form.buttons.push((name, value, tag.text)),
            _ => {}
        }
    }
    found
}

/// The address and text of every link.
pub fn links(html: &str) -> Vec<(String, String)> {
    let anchors = tags(html).into_iter().filter(|tag| tag.name == "a");
    anchors.map(|tag| (tag.attribute("href").to_owned(), tag.text)).collect()
}

/// Whether a script of the page submits its form, as the pages of `response_mode=form_post` do.
pub fn submits_itself(html: &str) -> bool {
    html.contains(".submit()")
}

pub fn tags(html: &str) -> Vec<Tag> {
    let mut found = Vec::new();
    for piece in html.split('<').skip(1) {
        let Some((inside, text)) = split_tag(piece) else { continue };
        let (name, rest) = inside.split_once(char::is_whitespace).unwrap_or((inside, ""));
        let name = name.trim_end_matches('/').to_ascii_lowercase();
        found.push(Tag { name, attributes: attributes(rest), text: unescape(text.trim()) });
    }
    found
}

/// The text before the first `>` that is not in quotes, and the text after it.
fn split_tag(piece: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    for (at, c) in piece.char_indices() {
        match (c, quote) {
            ('>', None) => return Some((&piece[..at], &piece[at + 1..])),
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            _ => {}
        }
    }
    None
}

fn attributes(mut rest: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        let end =
            rest.find(|c: char| c.is_whitespace() || c == '=' || c == '/').unwrap_or(rest.len());
        if end == 0 {
            return found;
        }
        let name = rest[..end].to_ascii_lowercase();
        rest = rest[end..].trim_start();
        let mut value = "";
        if let Some(after) = rest.strip_prefix('=') {
            let after = after.trim_start();
            (value, rest) = match after.chars().next() {
                Some(quote @ ('"' | '\'')) => {
                    after[1..].split_once(quote).unwrap_or((&after[1..], ""))
                }
                _ => after.split_at(after.find(char::is_whitespace).unwrap_or(after.len())),
            };
        }
        found.insert(name, unescape(value));
    }
}

fn unescape(text: &str) -> String {
    let mut plain = text.to_owned();
    for (entity, character) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        ("&#x2F;", "/"),
        ("&amp;", "&"),
    ] {
        plain = plain.replace(entity, character);
    }
    plain
}

#[test]
fn forms_are_read_as_a_browser_reads_them() {
    let html = r#"<form method=post action="/a?b=1&amp;c=&quot;>&quot;">
        <input name="x" value='"1"' />
        <input type="checkbox" name="off"><input name=y>
        <button name="ok" value="1"> Go on </button></form>
        <input name="outside">
        <form id="other"></form><button name="elsewhere" form="other">Elsewhere</button>
        <a class="x" href="/next?a=1&amp;b=2">Next</a>"#;
    let [form, other] = &forms(html)[..] else { panic!() };
    assert_eq!(other.clone().press("Elsewhere").fields, [("elsewhere".to_owned(), String::new())]);
    assert_eq!((form.method.as_str(), form.action.as_str()), ("POST", "/a?b=1&c=\">\""));
    let form = form.clone().with("y", "2").press("Go on");
    let expected = [("x", "\"1\""), ("y", "2"), ("ok", "1")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(form.fields, expected);
    assert_eq!(links(html), [("/next?a=1&b=2".to_owned(), "Next".to_owned())]);
}
