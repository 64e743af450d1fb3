//! Which hashes did other software make of a password? Test vectors, each with the command that made it.

use super::Scheme;

/// What all of them were made of.
pub(super) const PASSWORD: &str = "pässword 1";

/// Hashes of [`PASSWORD`], with what made them. `passlib.x` is `passlib.hash.x.hash(password)`.
pub(super) const MADE_BY_OTHERS: &[(Scheme, &str)] = &[
    // werkzeug 3.1.9: generate_password_hash(password)
    (
        Scheme::WerkzeugScrypt,
        "scrypt:32768:8:1$EDsxQAI801ebwct1$b0b7588ff9522d9f7f4da3c67e2a857c97c0b239ca94de876272205cbee88a41a2028f6c43e2312490b62dfbf5efca22b56947265858cad5fb85442153533bb2",
    ),
    // … (password, "scrypt:16384:8:2")
    (
        Scheme::WerkzeugScrypt,
        "scrypt:16384:8:2$2L4k2YCA8pZD30Vd$1ea3d0bb665b60c432f085956e7ec59fadd28562cac900573b4108f05b49b69c1a7e9fac0ada51f1747445594c798e4d86e3b2b4c205e09d4afd260abc7c0c49",
    ),
    // … (password, "pbkdf2:sha256:60000")
    (
        Scheme::WerkzeugPbkdf2,
        "pbkdf2:sha256:60000$nNeuJZPSC2FP10pD$9fb991ffe629a987c40390f99072c24f1db11b4b23c9d6fe47b142bfc7618def",
    ),
    // … (password, "pbkdf2:sha1:1000", 8)
    (
        Scheme::WerkzeugPbkdf2,
        "pbkdf2:sha1:1000$eDdQIEHE$090a3457f7ddb703c9e784b47f5dd50c089bca00",
    ),
    // … (password, "pbkdf2:sha512:3000")
    (
        Scheme::WerkzeugPbkdf2,
        "pbkdf2:sha512:3000$No8p1lxdQiknmxhJ$09aaefdab9dfcf09de45999fa21d6d8cd64a8922ee48d88fc2a071cf061918f13fd866ed16a1a7af589f568d42114648e72f14090b96fd5a2e6f404e66bded6f",
    ),
    // werkzeug 1.0.1: generate_password_hash(password, "plain"), "md5", "sha1", "sha256", "sha512"
    (Scheme::WerkzeugPlain, "plain$$pässword 1"),
    (
        Scheme::SaltedMd5,
        "md5$nwYFYDfz$e236d854725559ed7056a89c8e3f05ba",
    ),
    (
        Scheme::SaltedSha1,
        "sha1$oK3MgqLS$a49a3388477f541e45edc9f9026db9b0dc94f7d1",
    ),
    (
        Scheme::WerkzeugHmacSha256,
        "sha256$qhGJ3KAi$30c63b7a670a984a157c8c48bff5a32dcc01520b718c2c9e06647f98b0cfe827",
    ),
    (
        Scheme::WerkzeugHmacSha512,
        "sha512$l6ZMHtpw$d5734adfa0f5fee81450cfb4a3f6a707b7fdf7a13b63116cd511caa80ca1cc89a22baa3898b0e0f3aec575e70a3d41fe10000d63c058545442f363094b87d188",
    ),
    // django 5.2.19: make_password(password, hasher="pbkdf2_sha256"), "pbkdf2_sha1", "argon2",
    // "bcrypt_sha256", "bcrypt", "scrypt", "md5"
    (
        Scheme::DjangoPbkdf2,
        "pbkdf2_sha256$1000000$FiKWHVGrHIsXlfFMJ7oG8T$vDWOC5T9sHdWxCGMmvhnpMyB80GToQTuvlONE8t+7DE=",
    ),
    (
        Scheme::DjangoPbkdf2,
        "pbkdf2_sha1$1000000$DhmzjxEbBCUr6CPcQzzqPM$UIdbk8iJwG9U5vd2SFOAUq6ZdT8=",
    ),
    (
        Scheme::Argon2id,
        "argon2$argon2id$v=19$m=102400,t=2,p=8$a3JDYjZGcUhyeXM5Q3Z3d09vWDZlWg$jitzVs6VF80UQmiOTvX1+HNqtNcfr6gIzj/5YQ4WdCs",
    ),
    (
        Scheme::DjangoBcryptSha256,
        "bcrypt_sha256$$2b$12$1OacW1mRl6EtI/hydjz8yeHnZR/5Qzr5vi5UgyIna5Ox9tVw5T6lW",
    ),
    (
        Scheme::Bcrypt,
        "bcrypt$$2b$12$Iyk.MZEjSOLltN0/5n5jKOhd5Qh.i/W5HhbA0wKdy/lCaYMOXS3A2",
    ),
    (
        Scheme::DjangoScrypt,
        "scrypt$16384$cuS2Hh2OFBLeLafnpLI7Ek$8$5$/yPZf0ijl4wh3oN/t/5AT+Y05qNsQ5fu6+nsG0PGQs3PA/Bfba/nOyPCJNOA/BMNAFrYCiOV1XJ3pgP9HdZ2hA==",
    ),
    (
        Scheme::SaltedMd5,
        "md5$2KDFebN8E5ZGm0hAKAPuOf$ff1492c134393944c1619923ec5253ad",
    ),
    // passlib 1.7.4: passlib.django_salted_sha1, passlib.hex_md5; and old Django's form of the latter
    (
        Scheme::SaltedSha1,
        "sha1$p5Usa2h11tEq$b9a29e08d10d4ed322977623f547e01973802370",
    ),
    (Scheme::Md5, "ee0a0fa09df7c1e10c13c2792a1c5fba"),
    (Scheme::Md5, "md5$$ee0a0fa09df7c1e10c13c2792a1c5fba"),
    // passlib.pbkdf2_sha256, passlib.pbkdf2_sha1, passlib.pbkdf2_sha512, passlib.scrypt
    (
        Scheme::PasslibPbkdf2,
        "$pbkdf2-sha256$29000$4LxXas2Z834PQej9HwNAiA$utytRYSubyuMJ7HbVaw6P8yEbCARVNf6CcBHPc8ackc",
    ),
    (
        Scheme::PasslibPbkdf2,
        "$pbkdf2$131000$sxbi/F9L6R3D2PufkzIGYA$qdRGo9MTPplKmAm61zUK4bwoUGM",
    ),
    (
        Scheme::PasslibPbkdf2,
        "$pbkdf2-sha512$25000$19rbW0spRUhpTSlF6J1Tag$MgsFEm2g9a5WfmiU/mgihG/hQY9KXS7aUjZyp4mThWYGNizA1rNi44ydv0L.HqClMN8.ISlYw2SfnSsXp.Lw1g",
    ),
    (
        Scheme::PasslibScrypt,
        "$scrypt$ln=16,r=8,p=1$LAVAaM15DwEAwHjvPcfYuw$roBnb9h7AHwT08E/HYCotPEGigadxitKMvxbTYbHixo",
    ),
    // passlib.argon2, and .using(type="I", memory_cost=1024, rounds=3, parallelism=2), (type="D", …)
    (
        Scheme::Argon2id,
        "$argon2id$v=19$m=65536,t=3,p=4$aI1RKoXwXiullLJ2LsUYow$2wCM69YGriuKcgKlj18usLzUQjKxH9DhChhqhZvLJ9E",
    ),
    (
        Scheme::Argon2i,
        "$argon2i$v=19$m=1024,t=3,p=2$ZgwBgLA2ZkyplRKiNIbQmg$esmmaQb4Bp0GD+ZTuEBI0ko8/so8WRiJmMHd29YFYhk",
    ),
    (
        Scheme::Argon2d,
        "$argon2d$v=19$m=1024,t=3,p=1$ipHS2nuPcQ6h9L53bg3hHA$1iyDWHzaomGGZGSfo9d3/ithJki9jK0hsulCmx5CeHs",
    ),
    // passlib.bcrypt with rounds=6, passlib.phpass with rounds=10
    (
        Scheme::Bcrypt,
        "$2b$06$uCtcLMJNr9X/DaPKD0yuieb5Fl1/HSGIymBFzQ4ycTTiNf/0Ia39m",
    ),
    (Scheme::Phpass, "$P$86nm3ZDzvfAu0kDycknhKKWKLU8VQR."),
    // passlib.phpass with ident="H", rounds=8; passlib.argon2 with memory_cost=4096, rounds=3,
    // parallelism=1, with the label that OpenLDAP puts before it
    (Scheme::Phpass, "$H$6Lf5revttQjAS8hItKVyQc8baYXnbt1"),
    (
        Scheme::Argon2id,
        "{ARGON2}$argon2id$v=19$m=4096,t=3,p=1$nVMqxdh7b20txbg3xhgjJA$kudoz8m3ZM+bOQXUBvab/rJAMyg0mBa4x5/U0TGYTTA",
    ),
    // passlib.sha256_crypt and passlib.sha512_crypt with rounds=5000, passlib.md5_crypt
    (
        Scheme::Sha256Crypt,
        "$5$SIl8J.Tumvyni3.e$CqzvP5Uuw4PG6VrQguy2En8DDXqsJCWZIhTOVc2NBu0",
    ),
    (
        Scheme::Sha512Crypt,
        "{CRYPT}$6$fLGO6Ckbqv.fj.0h$ynjQRbq7BZraX7I.IPhGHF0MgBc8vXmcIy0qJ0LuL9ZLdsvNEQQJOVWkxqehfDQ4m8GXYA9JCG5jxhXNT8bEr/",
    ),
    (Scheme::Md5Crypt, "$1$pnWQYvpW$ohHrKRr3YoU4AyV81z/Y4."),
    // passlib.ldap_salted_sha1, passlib.ldap_salted_sha256, passlib.ldap_salted_sha512
    (Scheme::Ssha, "{SSHA}DA/OpVMqRsim8nV4hZHz3X1VD+Occw7B"),
    (
        Scheme::Ssha256,
        "{SSHA256}UE8rbXHFQBBVY2k3PRXoGqEc4CNq/8FbPo4tm0KBkbKB8F6rtZbyvg==",
    ),
    (
        Scheme::Ssha512,
        "{ssha512}tgmmrpynN1nzGSsrbkcgQQuYpWrBn7KLYih+NOxTl0XbIfjiFxV5JUwHLE2bHGzH/VuncpbNnmTAlhmyL+0zIoVwTonROqf0",
    ),
    // htpasswd of apache2-utils 2.4: htpasswd -nb -m, -B, -s, -2, -5
    (Scheme::Apr1, "$apr1$RpgXAV7F$V6MloCZEXgDcYSpmQpJy5/"),
    (
        Scheme::Bcrypt,
        "$2y$05$1e9N5H1SGXcWZZgZEnqH0edLBzb/0qW3muIWyf.FfnO7/OyCqZ.Ru",
    ),
    (Scheme::Sha1, "{SHA}wBFJYYjnh5eS5Eft5JORpd7Gkko="),
    (
        Scheme::Sha256Crypt,
        "$5$Q5s0NxrhYNyUSwyI$jrkiv/srpbPnLUdeX2gxovtAREiYVanM6OYgdqI9b9A",
    ),
    (
        Scheme::Sha512Crypt,
        "$6$YcVL9B70QaKI662x$MZnrMhwDDVfkLxjNLRJpLwIXNWpGW9Kxn2wXXTtMvslxSxL60h/s/kziZaq5jl2KpIrzjUCqai9jZqVJsj/hr/",
    ),
    // mkpasswd of whois 5.5: mkpasswd -m sha512crypt -R 10000, -m md5crypt, -m bcrypt-a -R 5
    (
        Scheme::Sha512Crypt,
        "$6$rounds=10000$saltstring$OipLZoHo2UDZ4aWMuL4jTW5qCngryORjKDbp09WiuvWKvzKfzjq7x0SMS8ab48MESfG0vw8ZDv5QcGHw2sb0l1",
    ),
    (Scheme::Md5Crypt, "$1$AY5Hjp3Q$gq72n1.BlfiwJHAw81CkW."),
    (
        Scheme::Bcrypt,
        "$2a$05$SqkcfwNPlaDndyuoziRaEu8mOC4YIcQznxRArjeomrU2BPGLu6JSu",
    ),
    // PHP 8.2: password_hash($p, PASSWORD_ARGON2ID); and as WordPress 6.8 does it:
    // "$wp" . password_hash(base64_encode(hash_hmac("sha384", $p, "wp-sha384", true)), PASSWORD_BCRYPT)
    (
        Scheme::Argon2id,
        "$argon2id$v=19$m=65536,t=4,p=1$M0FkSXJ0OVRlMWlBbEJ5YQ$1oSb+5vvqdG1TFV3sYQUGy911hymDjTb9sOrHyopfoM",
    ),
    (
        Scheme::WordpressBcrypt,
        "$wp$2y$06$FkOWpOf5qIuTWBY24oib8urZfk7iyGQbNTI1.Tu7Eg3wTgR.1Cayi",
    ),
];

/// Hashes of `my password` by ASP.NET Core's PasswordHasher, in its two formats.
pub(super) const MADE_BY_ASPNET: &[(Scheme, &str)] = &[
    (
        Scheme::AspNetV2,
        "AAABAgMEBQYHCAkKCwwNDg+ukCEMDf0yyQ29NYubggHIVY0sdEUfdyeM+E1LtH1uJg==",
    ),
    (
        Scheme::AspNetV3,
        "AQAAAAEAACcQAAAAEAABAgMEBQYHCAkKCwwNDg+yWU7rLgUwPZb1Itsmra7cbxw2EFpwpVFIEtP+JIuUEw==",
    ),
    (
        Scheme::AspNetV3,
        "AQAAAAAAAAD6AAAAEAhftMyfTJylOlZT+eEotFXd1elee8ih5WsjXaR3PA9M",
    ),
];
