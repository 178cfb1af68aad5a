//! What is said to reach etcd: members and prefix by the store's address, everything secret by files or the environment.

use super::super::{Result, StoreError};
use std::fmt;
use std::path::{Path, PathBuf};

/// Octets of a file with a secret or certificates.
const FILE_LEN_MAX: u64 = 1 << 20;

/// How etcd is reached.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its members, `HOST:PORT` each; asked in turn, starting anywhere.
    pub members: Vec<String>,
    /// What all keys start with, without a slash at either end; may be empty.
    pub prefix: String,
    /// `None`: without TLS.
    pub tls: Option<Tls>,
    /// `None`: as nobody.
    pub auth: Option<Auth>,
}

/// TLS to the members. It identifies no user: etcd's JSON gateway takes names from tokens alone.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// Certificates (PEM) of who may sign the members'; `None`: whom the system trusts.
    pub ca: Option<PathBuf>,
    /// Our own certificate and its key (PEM), where members ask for one (`--client-cert-auth`).
    pub identity: Option<Identity>,
}

/// A client's certificate.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The certificate, and those between it and its root.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Who we are.
#[derive(Debug, Clone)]
pub enum Auth {
    /// A token that somebody else got.
    Token(Secret),
    /// A user, who logs in, and again when the token is no longer taken.
    Password {
        /// The user's name.
        user: String,
        /// The password.
        password: Secret,
    },
}

/// Something that must not be shown.
#[derive(Clone)]
pub enum Secret {
    /// In a file, read again whenever it is needed: so it can be replaced. White space at its end does not count.
    File(PathBuf),
    /// As it is.
    Text(String),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::File(path) => write!(f, "{}", path.display()),
            Secret::Text(_) => f.write_str("(secret)"),
        }
    }
}

impl Secret {
    pub(super) fn read(&self) -> Result<String> {
        match self {
            Secret::Text(text) => Ok(text.clone()),
            Secret::File(path) => {
                let text = String::from_utf8(read(path)?);
                let text = text.map_err(|_| malformed(path.display(), "it is not UTF-8"))?;
                match text.trim_end() {
                    "" => Err(malformed(path.display(), "it is empty")),
                    secret => Ok(secret.into()),
                }
            }
        }
    }
}

impl Settings {
    /// Takes members, prefix and whether there is TLS from an address, and from the environment (by `variable`) what an address must
    /// not hold:
    ///
    /// ```text
    /// CATCHMENT_ETCD_USER                   the user, with
    ///   CATCHMENT_ETCD_PASSWORD_FILE        a file with the password, or
    ///   CATCHMENT_ETCD_PASSWORD             the password
    /// CATCHMENT_ETCD_TOKEN_FILE             or, instead of a user, a file with a token, or
    ///   CATCHMENT_ETCD_TOKEN                the token
    /// CATCHMENT_ETCD_CA_FILE                who may sign the members' certificates; else whom the system trusts
    /// CATCHMENT_ETCD_CERT_FILE              our own certificate, with
    ///   CATCHMENT_ETCD_KEY_FILE             its key
    /// ```
    pub fn from_environment(
        members: Vec<String>,
        prefix: String,
        tls: bool,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Settings> {
        let variable = |name: &str| variable(&format!("CATCHMENT_ETCD_{name}")).filter(|text| !text.is_empty());
        let secret = |name: &str| match (variable(name), variable(&format!("{name}_FILE"))) {
            (Some(_), Some(_)) => Err(contradiction(name, &format!("{name}_FILE"), "leave one of them out")),
            (Some(text), None) => Ok(Some(Secret::Text(text))),
            (None, file) => Ok(file.map(|path| Secret::File(path.into()))),
        };
        let auth = match (variable("USER"), secret("PASSWORD")?, secret("TOKEN")?) {
            (None, None, None) => None,
            (None, None, Some(token)) => Some(Auth::Token(token)),
            (Some(user), Some(password), None) => Some(Auth::Password { user, password }),
            (Some(_), None, None) => return Err(missing("USER", "PASSWORD_FILE")),
            (None, Some(_), _) => return Err(missing("PASSWORD", "USER")),
            (Some(_), _, Some(_)) => return Err(contradiction("USER", "TOKEN", "a token says who it is for")),
        };
        let identity = match (variable("CERT_FILE"), variable("KEY_FILE")) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some(Identity { certificate: certificate.into(), key: key.into() }),
            (Some(_), None) => return Err(missing("CERT_FILE", "KEY_FILE")),
            (None, Some(_)) => return Err(missing("KEY_FILE", "CERT_FILE")),
        };
        let ca = variable("CA_FILE").map(PathBuf::from);
        if let (false, Some(name)) =
            (tls, [(ca.is_some(), "CA_FILE"), (identity.is_some(), "CERT_FILE")].iter().find(|(set, _)| *set))
        {
            let why = "it is set, and the address asks for no TLS: write etcds://";
            return Err(malformed(format!("CATCHMENT_ETCD_{}", name.1), why));
        }
        Ok(Settings { members, prefix, tls: tls.then_some(Tls { ca, identity }), auth })
    }
}

fn missing(name: &str, other: &str) -> StoreError {
    malformed(format!("CATCHMENT_ETCD_{name}"), format!("it is set and CATCHMENT_ETCD_{other} is not: set both"))
}

fn contradiction(name: &str, other: &str, remedy: &str) -> StoreError {
    malformed(format!("CATCHMENT_ETCD_{name}"), format!("CATCHMENT_ETCD_{other} is set too: {remedy}"))
}

pub(super) fn malformed(what: impl fmt::Display, why: impl fmt::Display) -> StoreError {
    StoreError::Malformed { what: what.to_string(), why: why.to_string() }
}

/// Reads a small file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|e| malformed(path.display(), e))?;
    file.take(FILE_LEN_MAX + 1).read_to_end(&mut bytes).map_err(|e| malformed(path.display(), e))?;
    match bytes.len() as u64 {
        0..=FILE_LEN_MAX => Ok(bytes),
        has => Err(StoreError::TooLarge { what: path.display().to_string(), has, max: FILE_LEN_MAX }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Result<Settings> {
        let variable = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).into());
        Settings::from_environment(vec!["localhost:2379".into()], "dns".into(), true, variable)
    }

    #[test]
    fn the_environment_says_who_we_are() {
        assert!(from(&[]).unwrap().auth.is_none());
        assert!(from(&[("CATCHMENT_ETCD_USER", "")]).unwrap().auth.is_none());
        let by_file =
            from(&[("CATCHMENT_ETCD_USER", "node"), ("CATCHMENT_ETCD_PASSWORD_FILE", "/run/secret")]).unwrap();
        let Some(Auth::Password { user, password: Secret::File(path) }) = by_file.auth else { panic!("{by_file:?}") };
        assert_eq!((user.as_str(), path.to_str()), ("node", Some("/run/secret")));
        let by_token = from(&[("CATCHMENT_ETCD_TOKEN", "hush.1")]).unwrap();
        assert!(matches!(&by_token.auth, Some(Auth::Token(Secret::Text(token))) if token == "hush.1"));
        assert!(!format!("{by_token:?}").contains("hush"), "secrets are not shown");
        let tls = from(&[
            ("CATCHMENT_ETCD_CA_FILE", "ca.pem"),
            ("CATCHMENT_ETCD_CERT_FILE", "us.pem"),
            ("CATCHMENT_ETCD_KEY_FILE", "us.key"),
        ]);
        let tls = tls.unwrap().tls.unwrap();
        assert_eq!(tls.ca.as_deref(), Some(Path::new("ca.pem")));
        assert_eq!(tls.identity.unwrap().key, Path::new("us.key"));
    }

    #[test]
    fn what_contradicts_or_is_half_is_refused_by_name() {
        for (variables, says) in [
            (&["USER"][..], "CATCHMENT_ETCD_USER: it is set and CATCHMENT_ETCD_PASSWORD_FILE is not: set both"),
            (&["PASSWORD"], "CATCHMENT_ETCD_PASSWORD: it is set and CATCHMENT_ETCD_USER is not: set both"),
            (
                &["USER", "PASSWORD", "PASSWORD_FILE"],
                "CATCHMENT_ETCD_PASSWORD: CATCHMENT_ETCD_PASSWORD_FILE is set too: leave one of them out",
            ),
            (
                &["USER", "PASSWORD", "TOKEN"],
                "CATCHMENT_ETCD_USER: CATCHMENT_ETCD_TOKEN is set too: a token says who it is for",
            ),
            (&["CERT_FILE"], "CATCHMENT_ETCD_CERT_FILE: it is set and CATCHMENT_ETCD_KEY_FILE is not: set both"),
            (&["KEY_FILE"], "CATCHMENT_ETCD_KEY_FILE: it is set and CATCHMENT_ETCD_CERT_FILE is not: set both"),
        ] {
            let names: Vec<String> = variables.iter().map(|name| format!("CATCHMENT_ETCD_{name}")).collect();
            let variables: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
            assert_eq!(from(&variables).unwrap_err().to_string(), says);
        }
    }

    #[test]
    fn certificates_without_tls_are_a_mistake() {
        let variable = |name: &str| (name == "CATCHMENT_ETCD_CA_FILE").then(|| "ca.pem".to_owned());
        let refused = Settings::from_environment(vec!["localhost".into()], String::new(), false, variable).unwrap_err();
        let says = "CATCHMENT_ETCD_CA_FILE: it is set, and the address asks for no TLS: write etcds://";
        assert_eq!(refused.to_string(), says);
    }

    #[test]
    fn secrets_in_files() {
        let path = std::env::temp_dir().join(format!("catchment-etcd-secret-{}", std::process::id()));
        for (content, secret) in [("hush\n", Ok("hush")), (" \n", Err("it is empty"))] {
            std::fs::write(&path, content).unwrap();
            match (Secret::File(path.clone()).read(), secret) {
                (Ok(read), Ok(secret)) => assert_eq!(read, secret),
                (Err(e), Err(why)) => assert!(e.to_string().ends_with(why), "{e}"),
                (read, _) => panic!("{content:?} gives {read:?}"),
            }
        }
        std::fs::remove_file(&path).unwrap();
        assert!(Secret::File(path).read().unwrap_err().to_string().contains("No such file"));
    }
}
