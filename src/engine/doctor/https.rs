//! HTTPS: who signs in, through which proxy, and whose certificates are trusted.

use std::path::Path;

use super::finding::{Finding, path};
use super::patient::Patient;
use crate::engine::connect::network;
use crate::error::reason;
use crate::mirror::{self, HttpsReport, Road};

/// Looks at it where the remote is reached over HTTPS.
pub(super) fn check(patient: &Patient<'_>) -> Vec<Finding> {
    let Some(joined) = &patient.joined else {
        return Vec::new();
    };
    let Ok(Road::Https { host } | Road::Http { host }) = mirror::road(&joined.remote) else {
        return Vec::new();
    };
    let report = mirror::https_report(&joined.remote, &network(patient.context));
    let mut findings = vec![sign_in(&report, &host), proxy(&report)];
    if let Some((file, name)) = &report.authorities {
        let read = std::fs::read_to_string(file).map_err(|error| reason(&error));
        findings.push(authorities(file, name, read.as_deref().map_err(String::as_str)));
    }
    findings
}

fn sign_in(report: &HttpsReport, host: &str) -> Finding {
    const CHECK: &str = "https.sign_in";
    if report.has_token {
        return Finding::ok(CHECK, "CSYNC_GIT_TOKEN signs in");
    }
    match report.helpers.as_slice() {
        [] => Finding::warning(
            CHECK,
            format!("nothing signs in at {host}: no credential helper is configured and CSYNC_GIT_TOKEN is not set"),
        )
        .mend(if host == "github.com" {
            "gh auth setup-git"
        } else if host == "gitlab.com" {
            "glab auth login"
        } else {
            "git config --global credential.helper 'cache --timeout=86400'"
        }),
        helpers => Finding::ok(
            CHECK,
            format!("Git's credential helper signs in: {}", helpers.join(", ")),
        ),
    }
}

fn proxy(report: &HttpsReport) -> Finding {
    const CHECK: &str = "https.proxy";
    match &report.proxy {
        None => Finding::ok(CHECK, "no proxy is configured"),
        Some((proxy, name)) => Finding::ok(CHECK, format!("through the proxy {proxy}, which {name} names")),
    }
}

/// Whether the file of trusted certificates, which `name` names, holds any. `text`: what stands in it, or why it cannot be read.
fn authorities(file: &Path, name: &str, text: Result<&str, &str>) -> Finding {
    const CHECK: &str = "https.authorities";
    let shown = file.display();
    let mend = if name.contains('.') {
        format!("git config --global --unset-all {name}")
    } else {
        format!("unset {name}")
    };
    match text {
        Err(why) => Finding::error(
            CHECK,
            format!("the certificates in {shown}, which {name} names, cannot be read: {why}"),
        )
        .mend(mend),
        Ok(text)
            if !text.contains("-----BEGIN CERTIFICATE-----")
                && !text.contains("-----BEGIN TRUSTED CERTIFICATE-----") =>
        {
            Finding::error(CHECK, format!("there is no certificate in {shown}, which {name} names"))
                .mend(format!("ls -l {} && {mend}", path(file)))
        }
        Ok(_) => Finding::ok(
            CHECK,
            format!("the certificates in {shown} are trusted, which {name} names"),
        ),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::engine::doctor::Level;

    #[test]
    fn somebody_must_sign_in() {
        let nobody = HttpsReport::default();
        assert_eq!(sign_in(&nobody, "github.com").mend.unwrap(), "gh auth setup-git");
        assert_eq!(sign_in(&nobody, "git.example").level, Level::Warning);
        let helper = HttpsReport {
            helpers: vec!["store".to_owned()],
            ..HttpsReport::default()
        };
        assert_eq!(sign_in(&helper, "git.example").level, Level::Ok);
        let token = HttpsReport {
            has_token: true,
            ..HttpsReport::default()
        };
        assert_eq!(sign_in(&token, "git.example").message, "CSYNC_GIT_TOKEN signs in");
    }

    #[test]
    fn trusted_certificates_must_be_there() {
        let file = Path::new("/etc/ca.pem");
        let good = authorities(file, "SSL_CERT_FILE", Ok("-----BEGIN CERTIFICATE-----\n"));
        assert_eq!(good.level, Level::Ok);
        let gone = authorities(file, "http.sslCAInfo", Err("it does not exist"));
        assert_eq!(gone.mend.unwrap(), "git config --global --unset-all http.sslCAInfo");
        assert_eq!(authorities(file, "GIT_SSL_CAINFO", Ok("nothing")).level, Level::Error);
    }
}
