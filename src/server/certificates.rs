//! The certificate that TLS listeners show: read, checked, and read again when its files change.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

use crate::config::TlsSettings;

/// Why a certificate and its key cannot be used. Nothing here quotes the files.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// One of the files cannot be read.
    #[error("{option}: {file} cannot be read")]
    Unreadable {
        /// Which option names it.
        option: &'static str,
        /// Which file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// One of the files does not hold what it should.
    #[error(
        "{option}: there is no {what} in {file}: it must be in PEM, between BEGIN and END lines"
    )]
    Empty {
        /// Which option names it.
        option: &'static str,
        /// What was looked for.
        what: &'static str,
        /// Which file.
        file: PathBuf,
    },
    /// The two do not belong together.
    #[error("server.tls.key: the key in {0} does not fit the certificate in server.tls.cert")]
    Mismatch(PathBuf),
    /// The TLS library refuses them.
    #[error("server.tls: the certificate or its key cannot be used")]
    Unusable(#[from] rustls::Error),
}

/// The certificate in use.
pub(super) struct Certificates {
    current: ArcSwap<ServerConfig>,
    /// Where it came from, and what the files looked like when they were last read.
    seen: Mutex<(TlsSettings, Stamps)>,
}

/// A certificate that was read and is not yet in use.
pub(super) struct Certificate {
    config: ServerConfig,
    seen: (TlsSettings, Stamps),
}

/// What tells one version of the two files from the next, without reading them.
type Stamps = [Option<Stamp>; 2];

/// Device, file, length, and when name or contents last changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp(u64, u64, u64, [i64; 4]);

impl Certificates {
    /// Reads both files.
    pub(super) fn load(settings: TlsSettings) -> Result<Self, CertificateError> {
        let Certificate { config, seen } = Self::read(settings)?;
        Ok(Self {
            current: ArcSwap::from_pointee(config),
            seen: Mutex::new(seen),
        })
    }

    /// What new connections are served with.
    pub(super) fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }

    /// Reads the files that these settings name, for [`Self::show`].
    pub(super) fn read(settings: TlsSettings) -> Result<Certificate, CertificateError> {
        let stamps = stamps(&settings);
        Ok(Certificate {
            config: read(&settings)?,
            seen: (settings, stamps),
        })
    }

    /// From now on, new connections are served with this one.
    pub(super) fn show(&self, certificate: Certificate) {
        let Certificate { config, seen: read } = certificate;
        let mut seen = self.seen();
        *seen = read;
        self.current.store(Arc::new(config));
    }

    /// Reads the files again if they changed since they were last read. `true`: they were read. On an
    /// error, the old certificate stays.
    pub(super) fn renew(&self) -> Result<bool, CertificateError> {
        let settings = {
            let mut seen = self.seen();
            let (settings, before) = &mut *seen;
            let now = stamps(settings);
            if *before == now {
                return Ok(false);
            }
            // A file that is wrong is told of once, not each time it is looked at.
            *before = now;
            settings.clone()
        };
        let Certificate { config, seen: read } = Self::read(settings)?;
        let mut seen = self.seen();
        // A reload may have named other files meanwhile: they are the ones to show.
        if seen.0 != read.0 {
            return Ok(false);
        }
        *seen = read;
        self.current.store(Arc::new(config));
        Ok(true)
    }

    fn seen(&self) -> MutexGuard<'_, (TlsSettings, Stamps)> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a server with these settings could start.
///
/// # Errors
/// When either file cannot be used.
pub fn check(settings: &TlsSettings) -> Result<(), CertificateError> {
    read(settings).map(drop)
}

fn read(settings: &TlsSettings) -> Result<ServerConfig, CertificateError> {
    let chain = chain(&settings.cert)?;
    let key = key(&settings.key)?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => CertificateError::Mismatch(settings.key.clone()),
            other => CertificateError::Unusable(other),
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    Ok(config)
}

fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let option = "server.tls.cert";
    let text = contents(option, file)?;
    let chain: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&text).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) | Err(_) => Err(CertificateError::Empty {
            option,
            what: "certificate",
            file: file.to_owned(),
        }),
    }
}

fn key(file: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let option = "server.tls.key";
    let text = zeroize::Zeroizing::new(contents(option, file)?);
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| CertificateError::Empty {
        option,
        what: "private key",
        file: file.to_owned(),
    })
}

fn contents(option: &'static str, file: &Path) -> Result<Vec<u8>, CertificateError> {
    fs::read(file).map_err(|source| CertificateError::Unreadable {
        option,
        file: file.to_owned(),
        source,
    })
}

fn stamps(settings: &TlsSettings) -> Stamps {
    [&settings.cert, &settings.key].map(|file| {
        let metadata = fs::metadata(file).ok()?;
        let changed = [
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime(),
            metadata.ctime_nsec(),
        ];
        Some(Stamp(
            metadata.dev(),
            metadata.ino(),
            metadata.len(),
            changed,
        ))
    })
}
