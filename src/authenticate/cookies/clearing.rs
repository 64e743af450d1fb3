//! How is a browser made to forget our cookies, and what others have set under their names?

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

use super::{ALONE, Cookies, Names, field, parts, readable};

impl Cookies {
    /// The `Set-Cookie` values that end a sign-in: they clear the two tokens and what goes with them. Where the hosts of a domain
    /// share them: also those that this host has for itself under the same names, which only a page of
    /// its own can have set, and those from before they were shared.
    pub fn clear(&self) -> Vec<HeaderValue> {
        let mut cleared = self.clear_pair(&self.names, &self.attributes);
        if let Some(former) = &self.former {
            cleared.extend(self.clear_pair(&self.names, ALONE));
            cleared.extend(self.clear_pair(former, ALONE));
        }
        cleared
    }

    /// The same for those that are called so.
    fn clear_pair(&self, names: &Names, attributes: &str) -> Vec<HeaderValue> {
        let csrf = self.csrf_key.as_ref().map(|_| {
            let attributes = readable(attributes);
            clearing(&names.csrf, &attributes)
        });
        let pair = [&names.refresh, &names.access].map(|name| clearing(name, attributes));
        pair.into_iter().chain(csrf).collect()
    }

    /// The `Set-Cookie` values that clear what this browser still sends from before its cookies were
    /// shared by the hosts of a domain.
    pub fn clear_former(&self, headers: &HeaderMap) -> Vec<HeaderValue> {
        let Some(former) = &self.former else {
            return Vec::new();
        };
        let fields = headers.get_all(COOKIE).iter();
        let cookies = fields.flat_map(|field| field.as_bytes().split(|b| *b == b';'));
        let sent: Vec<&[u8]> = cookies.filter_map(parts).map(|(name, _)| name).collect();
        [
            &former.refresh,
            &former.access,
            &former.device,
            &former.csrf,
        ]
        .into_iter()
        .filter(|name| sent.contains(&name.as_bytes()))
        .map(|name| clearing(name, ALONE))
        .collect()
    }

    /// The `Set-Cookie` values that clear what others have set under our names for some of the paths that
    /// lead to this one, and nothing that we have set.
    pub fn clear_along(&self, path: &str) -> Vec<HeaderValue> {
        /// Cookies for paths deeper than this are not looked for: headers have their limits.
        const DEEPEST: usize = 3;
        const LONGEST: usize = 256;
        let ends = path.match_indices('/').map(|(end, _)| end).skip(1);
        let ends: Vec<usize> = ends.chain([path.len()]).take(DEEPEST).collect();
        let parents = ends.into_iter().filter_map(|end| path.get(..end));
        let mut parents: Vec<&str> = parents
            .map(|parent| parent.trim_end_matches('/'))
            .filter(|parent| matches!(parent.len(), 1..=LONGEST) && !parent.contains([';', ' ']))
            .collect();
        parents.dedup();
        let places = parents
            .iter()
            .flat_map(|parent| [format!("Path={parent};"), format!("Path={parent}/;")]);
        let mut cleared = Vec::new();
        for place in places {
            let there = |attributes: &str| attributes.replacen("Path=/;", &place, 1);
            let mut kinds = vec![there(&self.attributes)];
            if self.former.is_some() {
                kinds.push(there(ALONE));
            }
            for attributes in kinds {
                for name in [&self.names.refresh, &self.names.access] {
                    cleared.extend(HeaderValue::try_from(clearing_text(name, &attributes)));
                }
            }
        }
        cleared
    }
}

fn clearing(name: &str, attributes: &str) -> HeaderValue {
    field(clearing_text(name, attributes))
}

fn clearing_text(name: &str, attributes: &str) -> String {
    format!("{name}=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT{attributes}")
}
