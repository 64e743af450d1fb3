//! Do hashes that other software made fit their passwords, and is every other text harmless?

use proptest::prelude::*;

use super::made_by_others::{MADE_BY_ASPNET, MADE_BY_OTHERS, PASSWORD};
use super::{HashPolicy, PasswordHash, Pepper, Scheme, Unsupported};
use crate::identity::Secret;

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn all() -> impl Iterator<Item = (Scheme, &'static str, &'static str)> {
    let others = MADE_BY_OTHERS.iter().map(|(s, text)| (*s, *text, PASSWORD));
    let aspnet = MADE_BY_ASPNET.iter();
    others.chain(aspnet.map(|(s, text)| (*s, *text, "my password")))
}

#[test]
fn a_hash_that_other_software_made_fits_its_password_and_no_other() {
    for (scheme, text, password) in all() {
        let hash = PasswordHash::imported(text).unwrap();
        assert_eq!(hash.scheme(None), Some(scheme), "{text}");
        assert_eq!(hash.as_stored(), text);
        assert!(hash.fits(&secret(password), None), "{text}");
        for wrong in ["pässword 2", "", "pässword 1\0x"] {
            assert!(!hash.fits(&secret(wrong), None), "{wrong:?} fits {text}");
        }
    }
}

#[test]
fn every_scheme_has_a_hash_that_other_software_made() {
    for scheme in Scheme::ALL {
        let made = all().any(|(known, ..)| known == scheme);
        assert!(made || scheme == Scheme::Wrapped, "{scheme:?}");
    }
}

#[test]
fn a_hash_that_was_cut_off_is_no_hash() {
    for (scheme, text, _) in all() {
        if scheme == Scheme::WerkzeugPlain {
            continue;
        }
        for missing in 1..=3 {
            let Some(cut) = text.get(..text.len() - missing) else {
                continue;
            };
            // Of these the length does not tell whether it is whole, and padding may be left out.
            let any_length = matches!(scheme, Scheme::Argon2id | Scheme::Argon2i | Scheme::Argon2d)
                || matches!(scheme, Scheme::Ssha | Scheme::Ssha256 | Scheme::Ssha512)
                || scheme == Scheme::AspNetV3
                || text.len() - missing >= text.trim_end_matches('=').len();
            let read = PasswordHash::imported(cut);
            assert!(any_length || read.is_err(), "{cut}");
        }
        let half = text.get(..text.len() * 3 / 5).unwrap();
        let fits = PasswordHash::from_stored(half.to_owned()).fits(&secret(PASSWORD), None);
        assert!(!fits, "{half}");
    }
}

#[test]
fn a_weak_hash_is_kept_inside_argon2_and_still_fits() {
    let policy = HashPolicy::default();
    let mut weak = 0;
    for (scheme, text, password) in all() {
        let hash = PasswordHash::imported(text).unwrap();
        let needs_it = hash.needs_wrapping();
        let wrapped = hash.clone().wrapped(&policy, &[7; 16]);
        assert_eq!(wrapped != hash, needs_it, "{scheme:?}");
        if !needs_it {
            continue;
        }
        weak += 1;
        assert!(!wrapped.needs_wrapping());
        assert!(wrapped.as_stored().contains("$argon2id$v=19$"));
        let secret_part = text.rsplit(['$', '}']).next().unwrap();
        assert!(!wrapped.as_stored().contains(secret_part), "{scheme:?}");
        let kept = PasswordHash::imported(wrapped.as_stored()).unwrap();
        let plain = scheme == Scheme::WerkzeugPlain;
        let kept_as = if plain {
            Scheme::Argon2id
        } else {
            Scheme::Wrapped
        };
        assert_eq!(kept.scheme(None), Some(kept_as));
        assert!(kept.fits(&secret(password), None), "{scheme:?}");
        assert!(!kept.fits(&secret("pässword 2"), None), "{scheme:?}");
    }
    assert_eq!(weak, 43);
}

fn pepper(id: u8, key: u8) -> Pepper {
    Pepper::new([id; 8], Secret::new([key; 32]))
}

fn peppered(pepper: &Pepper) -> HashPolicy {
    HashPolicy {
        pepper: Some(pepper.clone()),
        ..HashPolicy::default()
    }
}

#[test]
fn a_peppered_hash_names_its_pepper_and_fits_with_no_other() {
    let known = pepper(1, 2);
    let hash = PasswordHash::of(&secret(PASSWORD), &peppered(&known), &[7; 16]);
    // argon2-cffi 25.1, with a context whose secret is 32 twos.
    let reference = "$argon2id$v=19$m=19456,t=2,p=1,keyid=AQEBAQEBAQE$BwcHBwcHBwcHBwcHBwcHBw$F6p21Y9reqh2MTASO3UIKSQoVeFF510p5cBiL5Q4lFQ";
    assert_eq!(hash.as_stored(), reference);
    let other_key = pepper(1, 3);
    for (pepper, scheme, fits) in [
        (Some(&known), Some(Scheme::Argon2id), true),
        (Some(&other_key), Some(Scheme::Argon2id), false),
        (Some(&pepper(3, 2)), None, false),
        (None, None, false),
    ] {
        assert_eq!(hash.scheme(pepper), scheme);
        assert_eq!(hash.fits(&secret(PASSWORD), pepper), fits);
        assert!(!hash.fits(&secret("pässword 2"), pepper));
    }
    let text = hash.as_stored();
    let refusal = Unsupported::Malformed(Scheme::Argon2id);
    assert_eq!(PasswordHash::imported(text), Err(refusal));
    // Without its name, it is a hash that was made without.
    let bare = PasswordHash::from_stored(text.replace(",keyid=AQEBAQEBAQE", ""));
    assert!(!bare.fits(&secret(PASSWORD), Some(&known)));
    let shown = format!("{known:?}");
    assert!(!shown.contains("2, 2"), "{shown}");
}

#[test]
fn a_pepper_that_is_put_in_or_taken_out_outdates_a_hash() {
    let (none, known, other) = (HashPolicy::default(), pepper(1, 2), pepper(3, 4));
    let (known, other) = (peppered(&known), peppered(&other));
    let policies = [&none, &known, &other];
    for (made, policy) in policies.iter().enumerate() {
        let hash = PasswordHash::of(&secret(PASSWORD), policy, &[7; 16]);
        for (asked, policy) in policies.iter().enumerate() {
            assert_eq!(hash.is_outdated(policy), made != asked, "{made} {asked}");
        }
        let pepper = policy.pepper.as_ref();
        assert!(hash.fits(&secret(PASSWORD), pepper));
        let nobody = PasswordHash::nobody(policy, &[7; 16], &[8; 32]);
        assert!(nobody.scheme(pepper).is_some());
    }
}

#[test]
fn a_weak_hash_is_peppered_where_it_is_kept_inside_argon2() {
    let known = pepper(1, 2);
    for text in ["5f4dcc3b5aa765d61d8327deb882cf99", "plain$$password"] {
        let weak = PasswordHash::imported(text).unwrap();
        let wrapped = weak.wrapped(&peppered(&known), &[7; 16]);
        assert!(
            wrapped.as_stored().contains(",keyid=AQEBAQEBAQE$"),
            "{text}"
        );
        assert!(wrapped.fits(&secret("password"), Some(&known)), "{text}");
        assert!(!wrapped.fits(&secret("passwort"), Some(&known)), "{text}");
        assert!(!wrapped.fits(&secret("password"), None), "{text}");
        assert_eq!(wrapped.scheme(Some(&pepper(3, 2))), None, "{text}");
    }
}

#[test]
fn bcrypt_looks_at_72_bytes_as_it_did_in_the_old_software() {
    // PHP 8.2: password_hash(str_repeat("x", 72) . "tail", PASSWORD_BCRYPT, ["cost" => 4])
    let text = "$2y$04$KrSyq2cXlg6YcreuRCX2webIKsArVtdohlsoKtnurxYGMBdL54sFO";
    let hash = PasswordHash::imported(text).unwrap();
    let x = |n| "x".repeat(n);
    assert!(hash.fits(&secret(&(x(72) + "tail")), None));
    assert!(hash.fits(&secret(&x(72)), None));
    assert!(!hash.fits(&secret(&x(71)), None));
    // bcrypt over a digest looks at all of it.
    let text = "bcrypt_sha256$$2b$12$1OacW1mRl6EtI/hydjz8yeHnZR/5Qzr5vi5UgyIna5Ox9tVw5T6lW";
    let hash = PasswordHash::imported(text).unwrap();
    assert!(!hash.fits(&secret(&x(72)), None));
}

use Unsupported::{Malformed, Refused, TooCostly, Unknown, Unusable};

const DES: Unsupported = Refused("DES crypt looks at the first 8 characters only");
const X2: Unsupported = Refused("$2x$ marks hashes of a bcrypt that confused passwords");

const NOT_TAKEN_OVER: &[(&str, Unsupported)] = &[
    ("hunter2", Unknown),
    // mkpasswd -m yescrypt begins so
    ("$y$j9T$oYLy.6UfFmHBuUeR8jFIw1$xxxx", Unknown),
    ("{MD5}7goPoJ33weEME8J5KhxfSg==", Unknown),
    ("{CRYPT}{CRYPT}$1$a$b", Unknown),
    ("{", Unknown),
    ("$", Unknown),
    // Django: make_password(None)
    ("!rHflh4kIqYcqsAz7Kz0jFOqtoCP2eaOymxfXR2jX", Unusable),
    ("*", Unusable),
    ("", Unusable),
    // mkpasswd -m descrypt; and the same behind LDAP's label
    ("UKAHzX8yvgMAo", DES),
    ("{crypt}UKAHzX8yvgMAo", DES),
    ("_J9..K0AyUubSdTZ0zTU", DES),
    (
        "$2x$06$uCtcLMJNr9X/DaPKD0yuieb5Fl1/HSGIymBFzQ4ycTTiNf/0Ia39m",
        X2,
    ),
    (
        "$2$06$uCtcLMJNr9X/DaPKD0yuieb5Fl1/HSGIymBFzQ4ycTTiNf/0Ia39m",
        Malformed(Scheme::Bcrypt),
    ),
    (
        "$2b$03$uCtcLMJNr9X/DaPKD0yuieb5Fl1/HSGIymBFzQ4ycTTiNf/0Ia39m",
        Malformed(Scheme::Bcrypt),
    ),
    (
        "$2b$16$uCtcLMJNr9X/DaPKD0yuieb5Fl1/HSGIymBFzQ4ycTTiNf/0Ia39m",
        TooCostly(Scheme::Bcrypt),
    ),
    (
        "$2b$99$uCtcLMJNr9X/DaPKD0yuieb5Fl1/HSGIymBFzQ4ycTTiNf/0Ia39m",
        TooCostly(Scheme::Bcrypt),
    ),
    (
        "$argon2id$v=19$m=1048577,t=1,p=1$aI1RKoXwXiullLJ2LsUYow$2wCM69YGriuKcgKlj18usLzUQjKxH9DhChhqhZvLJ9E",
        TooCostly(Scheme::Argon2id),
    ),
    (
        "$argon2id$v=19$m=1048576,t=5,p=1$aI1RKoXwXiullLJ2LsUYow$2wCM69YGriuKcgKlj18usLzUQjKxH9DhChhqhZvLJ9E",
        TooCostly(Scheme::Argon2id),
    ),
    (
        "$argon2id$v=19$m=1024,t=21,p=1$aI1RKoXwXiullLJ2LsUYow$2wCM69YGriuKcgKlj18usLzUQjKxH9DhChhqhZvLJ9E",
        TooCostly(Scheme::Argon2id),
    ),
    (
        "$argon2id$v=19$m=1024,t=1,p=1$aI1R$2wCM69YGriuKcgKlj18usLzUQjKxH9DhChhqhZvLJ9E",
        Malformed(Scheme::Argon2id),
    ),
    (
        "scrypt:1048576:16:1$salt$",
        Malformed(Scheme::WerkzeugScrypt),
    ),
    ("scrypt:1000:8:1$salt$00", Malformed(Scheme::WerkzeugScrypt)),
    (
        "$scrypt$ln=24,r=8,p=1$LAVAaM15DwEAwHjvPcfYuw$roBnb9h7AHwT08E/HYCotPEGigadxitKMvxbTYbHixo",
        TooCostly(Scheme::PasslibScrypt),
    ),
    (
        "$scrypt$ln=4000000000,r=8,p=1$LAVAaM15DwEAwHjvPcfYuw$roBnb9h7AHwT08E/HYCotPEGigadxitKMvxbTYbHixo",
        TooCostly(Scheme::PasslibScrypt),
    ),
    (
        "pbkdf2:sha1:5000001$eDdQIEHE$090a3457f7ddb703c9e784b47f5dd50c089bca00",
        TooCostly(Scheme::WerkzeugPbkdf2),
    ),
    (
        "pbkdf2:sha1:0$eDdQIEHE$090a3457f7ddb703c9e784b47f5dd50c089bca00",
        Malformed(Scheme::WerkzeugPbkdf2),
    ),
    (
        "pbkdf2:md5:1000$eDdQIEHE$090a3457f7ddb703c9e784b47f5dd50c",
        Malformed(Scheme::WerkzeugPbkdf2),
    ),
    (
        "AQAAAAEH////AAAAEAABAgMEBQYHCAkKCwwNDg+yWU7rLgUwPZb1Itsmra7cbxw2EFpwpVFIEtP+JIuUEw==",
        TooCostly(Scheme::AspNetV3),
    ),
    (
        "$6$rounds=1000001$saltstring$OipLZoHo2UDZ4aWMuL4jTW5qCngryORjKDbp09WiuvWKvzKfzjq7x0SMS8ab48MESfG0vw8ZDv5QcGHw2sb0l1",
        TooCostly(Scheme::Sha512Crypt),
    ),
    (
        "$P$W6nm3ZDzvfAu0kDycknhKKWKLU8VQR.",
        TooCostly(Scheme::Phpass),
    ),
    (
        "$P$!6nm3ZDzvfAu0kDycknhKKWKLU8VQR.",
        Malformed(Scheme::Phpass),
    ),
    (
        "sha256$$30c63b7a670a984a157c8c48bff5a32dcc01520b718c2c9e06647f98b0cfe827",
        Malformed(Scheme::WerkzeugHmacSha256),
    ),
    (
        "$wrap$bcrypt$1$$argon2id$v=19$m=1024,t=1,p=1$aI1RKoXwXiullLJ2LsUYow$2wCM69YGriuKcgKlj18usLzUQjKxH9DhChhqhZvLJ9E",
        Malformed(Scheme::Wrapped),
    ),
    ("$wrap$md5$1$", Malformed(Scheme::Wrapped)),
];

#[test]
fn what_is_not_taken_over_is_named_with_the_reason() {
    let long = "0".repeat(4096);
    let long = (long.as_str(), Unknown);
    for (text, reason) in NOT_TAKEN_OVER.iter().copied().chain([long]) {
        assert_eq!(PasswordHash::imported(text), Err(reason), "{text}");
        let stored = PasswordHash::from_stored(text.to_owned());
        assert!(!stored.fits(&secret(text), None), "{text}");
        assert_eq!(stored.scheme(None), None, "{text}");
    }
}

/// Texts that begin like hashes and go on in any way.
fn texts() -> impl Strategy<Value = String> {
    let begun = prop::sample::select(all().map(|(_, text, _)| text).collect::<Vec<_>>());
    let anything = "[ -~é]{0,80}".prop_map(String::from);
    let altered = (
        begun,
        any::<prop::sample::Index>(),
        "[0-9a-z$:,=./{}]{0,12}",
        0..4usize,
    );
    let altered = altered.prop_map(|(text, at, put, gone)| {
        let characters: Vec<char> = text.chars().collect();
        let at = at.index(characters.len());
        let (before, after) = characters.split_at(at);
        let after = after.iter().skip(gone);
        before
            .iter()
            .copied()
            .chain(put.chars())
            .chain(after.copied())
            .collect()
    });
    prop_oneof![1 => anything, 4 => altered]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn reading_any_text_never_panics(text in texts()) {
        let read = PasswordHash::imported(&text);
        let stored = PasswordHash::from_stored(text);
        prop_assert_eq!(stored.scheme(None).is_some(), read.is_ok());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn checking_any_password_never_panics(
        at in any::<prop::sample::Index>(),
        password in ".{0,300}",
    ) {
        let cheap: Vec<_> = MADE_BY_OTHERS
            .iter()
            .filter(|(scheme, _)| matches!(
                scheme,
                Scheme::Md5Crypt | Scheme::Apr1 | Scheme::Phpass | Scheme::Sha512Crypt
                    | Scheme::Argon2i | Scheme::SaltedMd5 | Scheme::Ssha | Scheme::Sha256Crypt
            ))
            .collect();
        let (_, text) = cheap[at.index(cheap.len())];
        let hash = PasswordHash::imported(text).unwrap();
        prop_assert_eq!(hash.fits(&secret(&password), None), password == PASSWORD);
    }
}
