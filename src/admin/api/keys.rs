//! What the API does about keys.

use http::StatusCode;
use serde::Serialize;

use super::Answer;
use super::operation::{Call, refused};
use crate::admin::KeyFacts;
use crate::endpoints::body::{Fields, invalid};
use crate::reply::{self, Problem};
use crate::session::KeyPurpose;
use crate::store::keys::KeysChanged;

#[derive(Serialize)]
struct Keys {
    keys: Vec<KeyFacts>,
}

/// What was done about keys.
#[derive(Serialize)]
struct KeysMade<'k> {
    made: Vec<KeyMade<'k>>,
}

#[derive(Serialize)]
struct KeyMade<'k> {
    purpose: &'static str,
    kid: &'k str,
    algorithm: &'static str,
    signs_from: String,
}

impl Call {
    /// Which there are.
    pub(super) async fn keys(&self) -> Answer {
        let keys = self.administrator.keys(&self.keys).await;
        let keys = keys.map_err(refused)?;
        Ok(reply::json(StatusCode::OK, &Keys { keys }))
    }

    /// Makes new ones.
    pub(super) async fn rotate_keys(&self, mut fields: Fields) -> Answer {
        fields.only(&["purposes", "now"])?;
        let purposes = match fields.texts("purposes")? {
            Some(names) => {
                let purposes = names.iter().map(|name| purpose(name));
                purposes.collect::<Result<Vec<_>, _>>()?
            }
            None => KeyPurpose::REPLACED.to_vec(),
        };
        let at_once = fields.given_flag("now")?.unwrap_or_default();
        let administrator = &self.administrator;
        let rotated = administrator.rotate_keys(&purposes, at_once, &self.keys);
        Ok(made(&rotated.await.map_err(refused)?))
    }

    /// Takes one away.
    pub(super) async fn revoke_key(&self, kid: &str, purpose: Option<KeyPurpose>) -> Answer {
        let revoked = self.administrator.revoke_key(kid, purpose, &self.keys);
        Ok(made(&revoked.await.map_err(refused)?))
    }
}

pub(super) fn purpose(name: &str) -> Result<KeyPurpose, Box<Problem>> {
    KeyPurpose::parse(name).ok_or_else(|| {
        let known = KeyPurpose::ALL.map(KeyPurpose::as_str).join(", ");
        invalid(format!("A purpose is one of {known}."))
    })
}

fn made(changed: &KeysChanged) -> reply::Reply {
    let made = changed.made.iter().map(|key| KeyMade {
        purpose: key.purpose.as_str(),
        kid: &key.kid,
        algorithm: key.algorithm.as_str(),
        signs_from: key.signs_from.to_string(),
    });
    let made = made.collect();
    reply::json(StatusCode::OK, &KeysMade { made })
}
