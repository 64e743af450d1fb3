//! How does a page become HTML? From a template of ours, or from a file that replaces it.

use std::sync::Arc;

use minijinja::value::Kwargs;
use minijinja::{Environment, Error, ErrorKind, Value};

use super::PagesError;
use super::languages::{Language, Languages};

/// Our templates. A file of the same name replaces one.
pub(super) const TEMPLATES: [(&str, &str); 8] = [
    ("layout.html", include_str!("templates/layout.html")),
    ("account.html", include_str!("templates/account.html")),
    ("login.html", include_str!("templates/login.html")),
    ("logout.html", include_str!("templates/logout.html")),
    ("signed_out.html", include_str!("templates/signed_out.html")),
    ("resend.html", include_str!("templates/resend.html")),
    ("problem.html", include_str!("templates/problem.html")),
    ("framed.html", include_str!("templates/framed.html")),
];

/// One set of templates for each language.
pub(super) struct Templates(Vec<Environment<'static>>);

impl Templates {
    /// Our templates, with the sources that `instead` gives in place of theirs. `globals` are known
    /// in all of them.
    pub(super) fn new<'s>(
        languages: &Languages,
        instead: impl Fn(&str) -> Option<&'s str>,
        globals: &[(&'static str, Value)],
    ) -> Result<Self, PagesError> {
        let sources = TEMPLATES.map(|(name, own)| (name, instead(name).unwrap_or(own).to_owned()));
        let environments = languages.iter().map(|language| {
            let mut environment = speaking(language);
            for (name, source) in &sources {
                let added = environment.add_template_owned(*name, source.clone());
                added.map_err(|error| PagesError::template(name, &error))?;
            }
            for (name, value) in globals {
                environment.add_global(*name, value.clone());
            }
            Ok(environment)
        });
        Ok(Self(environments.collect::<Result<_, PagesError>>()?))
    }

    /// The page in the language of this index.
    pub(super) fn render(
        &self,
        language: usize,
        name: &str,
        values: &Value,
    ) -> Result<String, Error> {
        let missing = || Error::new(ErrorKind::TemplateNotFound, "no such language");
        let environment = self.0.get(language).ok_or_else(missing)?;
        let html = environment.get_template(name)?.render(values)?;
        // A slash needs no escape. What somebody typed cannot look like one: its & is escaped.
        Ok(html.replace("&#x2f;", "/"))
    }

    /// Renders one page in every language, to see whether it can be.
    pub(super) fn try_out(&self, name: &str, values: &Value) -> Result<(), PagesError> {
        for language in 0..self.0.len() {
            let tried = self.render(language, name, values);
            tried.map_err(|error| PagesError::template(name, &error))?;
        }
        Ok(())
    }
}

/// Templates say `say("login.title")`, and `say("time.hours", count=3)`.
fn speaking(language: &Arc<Language>) -> Environment<'static> {
    let mut environment = Environment::new();
    let words = |key: &str| format!("no words are called {key}");
    let spoken = Arc::clone(language);
    environment.add_function("say", move |key: &str, values: Kwargs| {
        if spoken.words(key).is_none() {
            return Err(Error::new(ErrorKind::InvalidOperation, words(key)));
        }
        let mut given = Vec::new();
        for name in values.args() {
            given.push((name, values.get::<Value>(name)?.to_string()));
        }
        let given: Vec<(&str, &str)> = given
            .iter()
            .map(|(name, value)| (*name, &**value))
            .collect();
        Ok(spoken.say(key, &given))
    });
    environment.add_global("lang", language.tag().as_str());
    environment.add_global("direction", language.say("language.direction", &[]));
    environment
}
