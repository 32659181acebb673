//! The host keys of the large hosts of Git, so that nobody has to compare fingerprints for them.
//!
//! Each key stands beside the fingerprint that its host publishes, and a test computes the one from the other. Where they are
//! published:
//!
//! - GitHub: <https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/githubs-ssh-key-fingerprints>
//!   (keys and fingerprints; also <https://api.github.com/meta>). The same machines answer at port 443 as `ssh.github.com`:
//!   <https://docs.github.com/en/authentication/troubleshooting-ssh/using-ssh-over-the-https-port>.
//! - GitLab: <https://docs.gitlab.com/user/gitlab_com/#ssh-known_hosts-entries> (keys and fingerprints). `altssh.gitlab.com`
//!   has the same keys: <https://about.gitlab.com/blog/2016/02/18/gitlab-dot-com-now-supports-an-alternate-git-plus-ssh-port/>.
//! - Bitbucket: <https://bitbucket.org/site/ssh> (keys), <https://bitbucket.org/blog/ssh-host-key-changes> (fingerprints).
//! - Codeberg: <https://docs.codeberg.org/security/ssh-fingerprint/> (fingerprints).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A key of a well-known host.
struct BuiltIn {
    /// The names that it is known under, as in a `known_hosts` file.
    hosts: &'static [&'static str],
    /// The fingerprint that the host publishes.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "for people, and for the test that compares the key with it")
    )]
    fingerprint: &'static str,
    /// The key, in base64.
    key: &'static str,
}

/// The names of GitHub.
const GITHUB: &[&str] = &["github.com", "[ssh.github.com]:443"];
/// The names of GitLab.
const GITLAB: &[&str] = &["gitlab.com", "[altssh.gitlab.com]:443"];
/// The name of Bitbucket.
const BITBUCKET: &[&str] = &["bitbucket.org"];
/// The name of Codeberg.
const CODEBERG: &[&str] = &["codeberg.org"];

/// The keys that are good.
const KNOWN: &[BuiltIn] = &[
    BuiltIn {
        hosts: GITHUB,
        fingerprint: "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU",
        key: "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
    },
    BuiltIn {
        hosts: GITHUB,
        fingerprint: "SHA256:p2QAMXNIC1TJYWeIOttrVc98/R1BUFWu3/LiyKgUfQM",
        key: "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEmKSENjQEezOmxkZMy7opKgwFB9nkt5YRrYMjNuG5N87uRgg6CLrbo5wAdT/y6v0mKV0U2w0WZ2YB/++Tpockg=",
    },
    BuiltIn {
        hosts: GITHUB,
        fingerprint: "SHA256:uNiVztksCsDhcc0u9e8BujQXVUpKZIDTMczCvj3tD2s",
        key: "AAAAB3NzaC1yc2EAAAADAQABAAABgQCj7ndNxQowgcQnjshcLrqPEiiphnt+VTTvDP6mHBL9j1aNUkY4Ue1gvwnGLVlOhGeYrnZaMgRK6+PKCUXaDbC7qtbW8gIkhL7aGCsOr/C56SJMy/BCZfxd1nWzAOxSDPgVsmerOBYfNqltV9/hWCqBywINIR+5dIg6JTJ72pcEpEjcYgXkE2YEFXV1JHnsKgbLWNlhScqb2UmyRkQyytRLtL+38TGxkxCflmO+5Z8CSSNY7GidjMIZ7Q4zMjA2n1nGrlTDkzwDCsw+wqFPGQA179cnfGWOWRVruj16z6XyvxvjJwbz0wQZ75XK5tKSb7FNyeIEs4TT4jk+S4dhPeAUC5y+bDYirYgM4GC7uEnztnZyaVWQ7B381AK4Qdrwt51ZqExKbQpTUNn+EjqoTwvqNj4kqx5QUCI0ThS/YkOxJCXmPUWZbhjpCg56i+2aB6CmK2JGhn57K5mj0MNdBXA4/WnwH6XoPWJzK5Nyu2zB3nAZp+S5hpQs+p1vN1/wsjk=",
    },
    BuiltIn {
        hosts: GITLAB,
        fingerprint: "SHA256:eUXGGm1YGsMAS7vkcx6JOJdOGHPem5gQp4taiCfCLB8",
        key: "AAAAC3NzaC1lZDI1NTE5AAAAIAfuCHKVTjquxvt6CM6tdG4SLp1Btn/nOeHHE5UOzRdf",
    },
    BuiltIn {
        hosts: GITLAB,
        fingerprint: "SHA256:HbW3g8zUjNSksFbqTiUWPWg2Bq1x8xdGUrliXFzSnUw",
        key: "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBFSMqzJeV9rUzU4kWitGjeR4PWSa29SPqJ1fVkhtj3Hw9xjLVXVYrU9QlYWrOLXBpQ6KWjbjTDTdDkoohFzgbEY=",
    },
    BuiltIn {
        hosts: GITLAB,
        fingerprint: "SHA256:ROQFvPThGrW4RuWLoL9tq9I9zJ42fK4XywyRtbOz/EQ",
        key: "AAAAB3NzaC1yc2EAAAADAQABAAABAQCsj2bNKTBSpIYDEGk9KxsGh3mySTRgMtXL583qmBpzeQ+jqCMRgBqB98u3z++J1sKlXHWfM9dyhSevkMwSbhoR8XIq/U0tCNyokEi/ueaBMCvbcTHhO7FcwzY92WK4Yt0aGROY5qX2UKSeOvuP4D6TPqKF1onrSzH9bx9XUf2lEdWT/ia1NEKjunUqu1xOB/StKDHMoX4/OKyIzuS0q/T1zOATthvasJFoPrAjkohTyaDUz2LN5JoH839hViyEG82yB+MjcFV5MU3N1l1QL3cVUCh93xSaua1N85qivl+siMkPGbO5xR/En4iEY6K2XPASUEMaieWVNTRCtJ4S8H+9",
    },
    BuiltIn {
        hosts: BITBUCKET,
        fingerprint: "SHA256:ybgmFkzwOSotHTHLJgHO0QN8L0xErw6vd0VhFA9m3SM",
        key: "AAAAC3NzaC1lZDI1NTE5AAAAIIazEu89wgQZ4bqs3d63QSMzYVa0MuJ2e2gKTKqu+UUO",
    },
    BuiltIn {
        hosts: BITBUCKET,
        fingerprint: "SHA256:FC73VB6C4OQLSCrjEayhMp9UMxS97caD/Yyi2bhW/J0",
        key: "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBPIQmuzMBuKdWeF4+a2sjSSpBK0iqitSQ+5BM9KhpexuGt20JpTVM7u5BDZngncgrqDMbWdxMWWOGtZ9UgbqgZE=",
    },
    BuiltIn {
        hosts: BITBUCKET,
        fingerprint: "SHA256:46OSHA1Rmj8E8ERTC6xkNcmGOw9oFxYr0WF6zWW8l1E",
        key: "AAAAB3NzaC1yc2EAAAADAQABAAABgQDQeJzhupRu0u0cdegZIa8e86EG2qOCsIsD1Xw0xSeiPDlCr7kq97NLmMbpKTX6Esc30NuoqEEHCuc7yWtwp8dI76EEEB1VqY9QJq6vk+aySyboD5QF61I/1WeTwu+deCbgKMGbUijeXhtfbxSxm6JwGrXrhBdofTsbKRUsrN1WoNgUa8uqN1Vx6WAJw1JHPhglEGGHea6QICwJOAr/6mrui/oB7pkaWKHj3z7d1IC4KWLtY47elvjbaTlkN04Kc/5LFEirorGYVbt15kAUlqGM65pk6ZBxtaO3+30LVlORZkxOh+LKL/BvbZ/iRNhItLqNyieoQj/uh/7Iv4uyH/cV/0b4WDSd3DptigWq84lJubb9t/DnZlrJazxyDCulTmKdOR7vs9gMTo+uoIrPSb8ScTtvw65+odKAlBj59dhnVp9zd7QUojOpXlL62Aw56U4oO+FALuevvMjiWeavKhJqlR7i5n9srYcrNV7ttmDw7kf/97P5zauIhxcjX+xHv4M=",
    },
    BuiltIn {
        hosts: CODEBERG,
        fingerprint: "SHA256:mIlxA9k46MmM6qdJOdMnAQpzGxF4WIVVL+fj+wZbw0g",
        key: "AAAAC3NzaC1lZDI1NTE5AAAAIIVIC02vnjFyL+I4RHfvIGNtOgJMe769VTF1VR4EB3ZB",
    },
    BuiltIn {
        hosts: CODEBERG,
        fingerprint: "SHA256:T9FYDEHELhVkulEKKwge5aVhVTbqCW0MIRwAfpARs/E",
        key: "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBL2pDxWr18SoiDJCGZ5LmxPygTlPu+cCKSkpqkvCyQzl5xmIMeKNdfdBpfbCGDPoZQghePzFZkKJNR/v9Win3Sc=",
    },
    BuiltIn {
        hosts: CODEBERG,
        fingerprint: "SHA256:6QQmYi4ppFS4/+zSZ5S4IU+4sa6rwvQ4PbhCtPEBekQ",
        key: "AAAAB3NzaC1yc2EAAAADAQABAAABAQC8hZi7K1/2E2uBX8gwPRJAHvRAob+3Sn+y2hxiEhN0buv1igjYFTgFO2qQD8vLfU/HT/P/rqvEeTvaDfY1y/vcvQ8+YuUYyTwE2UaVU5aJv89y6PEZBYycaJCPdGIfZlLMmjilh/Sk8IWSEK6dQr+g686lu5cSWrFW60ixWpHpEVB26eRWin3lKYWSQGMwwKv4LwmW3ouqqs4Z4vsqRFqXJ/eCi3yhpT+nOjljXvZKiYTpYajqUC48IHAxTWugrKe1vXWOPxVXXMQEPsaIRc2hpK+v1LmfB7GnEGvF1UAKnEZbUuiD9PBEeD5a1MZQIzcoPWCrTxipEpuXQ5Tni4mN",
    },
];

/// The keys whose private half is known to have been public.
const REVOKED: &[BuiltIn] = &[
    // GitHub's RSA key until 24 March 2023: <https://github.blog/2023-03-23-we-updated-our-rsa-ssh-host-key/>.
    BuiltIn {
        hosts: GITHUB,
        fingerprint: "SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8",
        key: "AAAAB3NzaC1yc2EAAAABIwAAAQEAq2A7hRGmdnm9tUDbO9IDSwBK6TbQa+PXYPCPy6rbTrTtw7PHkccKrpp0yVhp5HdEIcKr6pLlVDBfOLX9QUsyCOV0wzfjIJNlGEYsdlLJizHhbn2mUjvSAHQqZETYP81eFzLQNnPHt4EVVUh7VfDESU84KezmD5QlWpXLmvU31/yMf+Se8xhHTvKSCZIFImWwoG6mbUoWf9nzpIoaSjB+weqqUUmpaaasXVal72J+UX2B+2RPW3RcT0eOzQgqlJL3RKrTJvdsjE3JEAvGq3lGHSZXy28G3skua2SmVi/w4yCE6gbODqnTWlg7+wC604ydGXA8VJiS5ap43JXiUFFAaQ==",
    },
];

impl BuiltIn {
    /// The key itself.
    fn bytes(&self) -> Vec<u8> {
        STANDARD.decode(self.key).expect("a test decodes every key")
    }
}

/// The keys that csync knows for `name`, which is in lower case and as in a `known_hosts` file: `host`, or `[host]:port`.
pub(super) fn of(name: &str) -> Vec<Vec<u8>> {
    KNOWN
        .iter()
        .filter(|own| own.hosts.contains(&name))
        .map(BuiltIn::bytes)
        .collect()
}

/// Whether the private half of `key` is known to have been public, so that whoever shows it proves nothing.
pub(super) fn is_revoked(key: &[u8]) -> bool {
    REVOKED.iter().any(|own| own.bytes() == key)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::{fingerprint, key_type};
    use super::*;
    use std::process::Command;

    #[test]
    fn each_key_has_the_fingerprint_that_its_host_publishes() {
        for own in KNOWN.iter().chain(REVOKED) {
            assert_eq!(fingerprint(&own.bytes()), own.fingerprint, "{:?}", own.hosts);
        }
    }

    #[test]
    fn ssh_keygen_reads_the_same_fingerprints() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("known_hosts");
        let all = || KNOWN.iter().chain(REVOKED);
        let lines: String = all()
            .map(|own| {
                let key = own.bytes();
                format!("{} {} {}\n", own.hosts.join(","), key_type(&key).unwrap(), own.key)
            })
            .collect();
        std::fs::write(&file, lines).unwrap();
        let output = Command::new("ssh-keygen")
            .args(["-l", "-f"])
            .arg(&file)
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let printed: Vec<_> = printed
            .lines()
            .map(|line| line.split_whitespace().nth(1).unwrap())
            .collect();
        assert_eq!(printed, all().map(|own| own.fingerprint).collect::<Vec<_>>());
    }

    #[test]
    fn hosts_are_known_under_their_names_and_ports_only() {
        for name in [
            "github.com",
            "[ssh.github.com]:443",
            "gitlab.com",
            "[altssh.gitlab.com]:443",
            "bitbucket.org",
            "codeberg.org",
        ] {
            let types: Vec<_> = of(name).iter().map(|key| key_type(key).unwrap().to_owned()).collect();
            assert_eq!(types, ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"], "{name}");
        }
        for name in ["ssh.github.com", "[github.com]:443", "example.com", "notgithub.com", ""] {
            assert!(of(name).is_empty(), "{name}");
        }
        assert!(of("github.com").iter().all(|key| !is_revoked(key)));
    }
}
