//! What do the pages say? Words by key, one file a language.

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::{Table, Value};

use super::PagesError;
use crate::request::{LanguageTag, Reader};

/// The languages that are built in; the first is spoken to whoever reads none of them, and lends its
/// words where another lacks some.
const BUILT_IN: [(&str, &str); 2] = [
    ("en", include_str!("languages/en.toml")),
    ("ja", include_str!("languages/ja.toml")),
];

/// All that are offered.
pub(super) struct Languages {
    tags: Vec<LanguageTag>,
    spoken: Vec<Arc<Language>>,
}

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct Language {
    tag: LanguageTag,
    words: BTreeMap<String, String>,
}

impl Languages {
    /// Those built in, with the words of these files instead of theirs, and further ones. Says what
    /// is missing in a further one.
    pub(super) fn with<'f>(
        files: impl IntoIterator<Item = (&'f str, &'f str)>,
    ) -> Result<(Self, Vec<String>), PagesError> {
        let mut spoken: Vec<Language> = Vec::new();
        for (tag, text) in BUILT_IN {
            spoken.push(Language::read(tag, text)?);
        }
        let mut warnings = Vec::new();
        let Some(english) = spoken.first().cloned() else {
            return Err(PagesError::new("no language is built in"));
        };
        for (file, text) in files {
            let tag = file.strip_suffix(".toml").unwrap_or(file);
            let read = Language::read(tag, text).map_err(|error| error.of(file))?;
            read.check_against(&english)
                .map_err(|error| error.of(file))?;
            match spoken.iter_mut().find(|known| known.tag == read.tag) {
                Some(known) => known.words.extend(read.words),
                None => {
                    let (whole, missing) = read.completed_by(&english);
                    warnings.extend(lacks(file, &missing));
                    spoken.push(whole);
                }
            }
        }
        let tags = spoken.iter().map(|language| language.tag.clone()).collect();
        let spoken = spoken.into_iter().map(Arc::new).collect();
        Ok((Self { tags, spoken }, warnings))
    }

    /// Which of them this reader is spoken to in, as an index.
    pub(super) fn choose(&self, reader: &Reader) -> usize {
        reader.choose(&self.tags).unwrap_or_default()
    }

    /// The one that is called so.
    pub(super) fn known(&self, tag: &str) -> Option<LanguageTag> {
        let tag = LanguageTag::parse(tag)?;
        self.tags.contains(&tag).then_some(tag)
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Language>> {
        self.spoken.iter()
    }
}

fn lacks(file: &str, missing: &[String]) -> Option<String> {
    let missing = (!missing.is_empty()).then(|| missing.join(", "))?;
    Some(format!(
        "pages.folder: {file} lacks {missing}: they are said in English"
    ))
}

impl Language {
    fn read(tag: &str, text: &str) -> Result<Self, PagesError> {
        let tag = LanguageTag::parse(tag).ok_or_else(|| {
            PagesError::new("its name is not the tag of a language, such as de.toml or pt-br.toml")
        })?;
        let table: Table = toml::from_str(text).map_err(|error| {
            let before = text.get(..error.span().unwrap_or_default().start);
            let line = before.unwrap_or_default().matches('\n').count() + 1;
            PagesError::new(format!("line {line}: {}", error.message()))
        })?;
        let mut words = BTreeMap::new();
        flatten("", table, &mut words)?;
        Ok(Self { tag, words })
    }

    /// Refuses keys that this other language does not have, and values to fill in that it does not.
    fn check_against(&self, other: &Self) -> Result<(), PagesError> {
        for (key, words) in &self.words {
            let Some(known) = other.words.get(key) else {
                return Err(PagesError::new(format!("nothing here is called {key}")));
            };
            let strange = blanks(words).find(|blank| !blanks(known).any(|known| known == *blank));
            if let Some(blank) = strange {
                let problem = format!("{key} knows nothing called {{{blank}}}");
                return Err(PagesError::new(problem));
            }
        }
        let direction = self.words.get("language.direction").map(String::as_str);
        if !matches!(direction, None | Some("ltr" | "rtl")) {
            return Err(PagesError::new("language.direction must be ltr or rtl"));
        }
        Ok(())
    }

    /// The same with the other's words where it has none, and the keys of those.
    fn completed_by(mut self, other: &Self) -> (Self, Vec<String>) {
        let missing = |key: &&String| !self.words.contains_key(*key);
        let missing: Vec<String> = other.words.keys().filter(missing).cloned().collect();
        for (key, words) in &other.words {
            let own = self.words.entry(key.clone());
            own.or_insert_with(|| words.clone());
        }
        (self, missing)
    }

    /// The tag, as HTML's `lang` has it.
    pub(super) fn tag(&self) -> &LanguageTag {
        &self.tag
    }

    /// The words called so, as they are.
    pub(super) fn words(&self, key: &str) -> Option<&str> {
        self.words.get(key).map(String::as_str)
    }

    /// What comes after this in the names of words.
    #[cfg(test)]
    pub(super) fn keys_in<'a>(&'a self, start: &'a str) -> impl Iterator<Item = &'a str> {
        self.words
            .keys()
            .filter_map(move |key| key.strip_prefix(start))
    }

    /// The words called so with their blanks filled in; the key itself where there are none, which a
    /// test excludes for ours.
    pub(super) fn say(&self, key: &str, values: &[(&str, &str)]) -> String {
        let mut said = self.words(key).unwrap_or(key).to_owned();
        for (name, value) in values {
            said = said.replace(&format!("{{{name}}}"), value);
        }
        said
    }
}

fn flatten(
    path: &str,
    table: Table,
    words: &mut BTreeMap<String, String>,
) -> Result<(), PagesError> {
    for (key, value) in table {
        let key = match path {
            "" => key,
            path => format!("{path}.{key}"),
        };
        match value {
            Value::String(text) => {
                words.insert(key, text);
            }
            Value::Table(table) => flatten(&key, table, words)?,
            _ => return Err(PagesError::new(format!("{key} is not a text in quotes"))),
        }
    }
    Ok(())
}

/// The names within braces.
fn blanks(words: &str) -> impl Iterator<Item = &str> {
    let ends = words.split('{').skip(1);
    ends.filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn with(file: &str, text: &str) -> Result<(Languages, Vec<String>), PagesError> {
        Languages::with([(file, text)])
    }

    fn language(languages: &Languages, tag: &str) -> Arc<Language> {
        let found = languages.iter().find(|known| known.tag.as_str() == tag);
        Arc::clone(found.unwrap())
    }

    #[test]
    fn no_language_that_is_built_in_lacks_a_word() {
        let (languages, _) = Languages::with([]).unwrap();
        let english = language(&languages, "en");
        let keys = |language: &Language| language.words.keys().cloned().collect::<BTreeSet<_>>();
        for other in languages.iter() {
            assert_eq!(keys(other), keys(&english), "{}", other.tag);
            for (key, words) in &other.words {
                let blanks = |words| super::blanks(words).collect::<BTreeSet<_>>();
                assert!(!words.trim().is_empty(), "{} {key}", other.tag);
                assert_eq!(blanks(words), blanks(&english.words[key]), "{key}");
            }
        }
    }

    #[test]
    fn japanese_is_japanese() {
        let (languages, _) = Languages::with([]).unwrap();
        let (english, japanese) = (language(&languages, "en"), language(&languages, "ja"));
        let same = |(key, words): &(&String, &String)| {
            english.words[*key] == **words && *key != "language.direction"
        };
        assert_eq!(japanese.words.iter().find(same), None);
    }

    #[test]
    fn blanks_are_filled_in() {
        let (languages, _) = Languages::with([]).unwrap();
        let said = language(&languages, "en").say("time.minutes", &[("count", "3")]);
        assert_eq!(said, "3 minutes");
        assert_eq!(language(&languages, "ja").say("time.hour", &[]), "1時間");
    }

    #[test]
    fn a_file_adds_a_language_and_english_fills_its_gaps() {
        let text = "[language]\nname = 'Deutsch'\n[login]\ntitle = 'Anmelden'";
        let (languages, warnings) = with("de.toml", text).unwrap();
        let german = language(&languages, "de");
        assert_eq!(german.say("login.title", &[]), "Anmelden");
        assert_eq!(german.say("login.name", &[]), "Name");
        assert!(warnings[0].starts_with("pages.folder: de.toml lacks account.address, "));
        assert_eq!(languages.known("DE"), Some(german.tag.clone()));
        assert_eq!(languages.known("fr"), None);
    }

    #[test]
    fn a_file_replaces_single_words_of_ours() {
        let (languages, warnings) = with("en.toml", "login.name = 'Staff number'").unwrap();
        let english = language(&languages, "en");
        assert_eq!(english.say("login.name", &[]), "Staff number");
        assert_eq!(english.say("login.submit", &[]), "Sign in");
        assert_eq!(warnings, Vec::<String>::new());
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told() {
        for (file, text, told) in [
            (
                "german.language.toml",
                "",
                "german.language.toml: its name is not",
            ),
            ("de.toml", "a = ", "de.toml: line 1: "),
            ("de.toml", "[login]\n\ntitle = x", "de.toml: line 3: "),
            (
                "de.toml",
                "login.titel = 'x'",
                "de.toml: nothing here is called login.titel",
            ),
            (
                "de.toml",
                "login.title = 1",
                "de.toml: login.title is not a text in quotes",
            ),
            (
                "de.toml",
                "time.hours = '{n} h'",
                "de.toml: time.hours knows nothing called {n}",
            ),
            ("de.toml", "language.direction = 'up'", "must be ltr or rtl"),
        ] {
            let refused = with(file, text).err().unwrap().to_string();
            assert!(refused.contains(told), "{refused}");
        }
    }
}
