//! Signing in over HTTPS, as the person's Git would: helpers, tokens, a prompt; authorities, proxies, redirections. What is
//! common to all roads is told in `roads`.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::conflicts::Person;
use crate::machines::Machine;
use crate::servers::https::{ALICE, TOKEN};
use crate::servers::{At, ConnectProxy, FaultProxy, Https, Instead, certificates, write_script};

/// Each story as a test with each of these transports.
macro_rules! by {
    ($($name:ident: $transport:literal => [$($story:ident),* $(,)?];)*) => {$(
        mod $name {
            $(#[test] fn $story() { super::$story($transport); })*
        }
    )*};
}

by! {
    libgit2: "libgit2" => [
        helpers_are_asked_as_git_asks_them, a_helper_that_is_wrong_is_told_and_nobody_is_asked_twice,
        a_person_is_asked_and_may_have_it_remembered, p18_a_redirection_elsewhere_gets_nothing,
        p18_a_redirection_after_signing_in_gets_nothing,
        a_redirection_on_the_same_host_is_followed, p18_a_token_is_not_sent_without_encryption,
        certificates_are_judged_and_never_waved_through, p18_a_token_is_not_shown_to_a_server_without_a_certificate,
        p18_a_token_that_a_server_repeats_is_not_told, an_authority_may_be_named_in_many_ways,
        a_proxy_leads_to_the_server, a_proxy_may_want_a_password, what_the_server_answers_is_told,
        whoever_may_only_read_is_told_so, a_repository_with_other_branches_is_left_alone,
        a_push_whose_answer_was_lost_is_not_sent_again,
    ];
    git: "git" => [
        certificates_are_judged_and_never_waved_through, an_authority_may_be_named_in_many_ways,
        p18_a_token_is_not_shown_to_a_server_without_a_certificate, p18_a_token_that_a_server_repeats_is_not_told,
        helpers_are_asked_as_git_asks_them, a_helper_that_is_wrong_is_told_and_nobody_is_asked_twice,
        p18_a_redirection_elsewhere_gets_nothing, p18_a_redirection_after_signing_in_gets_nothing,
        a_redirection_on_the_same_host_is_followed, p18_a_token_is_not_sent_without_encryption,
        a_proxy_leads_to_the_server, a_proxy_may_want_a_password, what_the_server_answers_is_told,
        whoever_may_only_read_is_told_so, a_repository_with_other_branches_is_left_alone,
        a_push_whose_answer_was_lost_is_not_sent_again,
    ];
}

/// A server, and machines that know its authority and nothing else.
struct World {
    server: Https,
    folder: TempDir,
    transport: &'static str,
}

impl World {
    fn new(transport: &'static str) -> Self {
        let server = Https::start();
        server.bare("vault.git");
        Self {
            server,
            folder: tempfile::tempdir().unwrap(),
            transport,
        }
    }

    fn url(&self) -> String {
        self.server.url(None, "vault.git")
    }

    /// A machine that cannot sign in yet.
    fn machine(&self, name: &str) -> Machine {
        let mut machine = Machine::new(name, self.folder.path().join(name));
        machine.set("CSYNC_TRANSPORT", self.transport);
        machine.set("CSYNC_MAX_RETRIES", "0");
        machine.set("GIT_SSL_CAINFO", self.server.ca());
        machine.set("GIT_CONFIG_NOSYSTEM", "1");
        machine
    }

    /// The same with a token.
    fn with_token(&self, name: &str) -> Machine {
        let mut machine = self.machine(name);
        machine.set("CSYNC_GIT_USERNAME", TOKEN.0);
        machine.set("CSYNC_GIT_TOKEN", TOKEN.1);
        machine
    }
}

/// Sets a Git setting of the machine's person.
fn configure(machine: &Machine, key: &str, value: &str) {
    crate::machines::git(
        Path::new("/"),
        &[
            "config",
            "--file",
            machine.home.join(".gitconfig").to_str().unwrap(),
            "--add",
            key,
            value,
        ],
    );
}

/// A helper that writes down what it is asked, and answers with `user` and `password`; its log.
fn helper(machine: &Machine, (user, password): (&str, &str)) -> PathBuf {
    let log = machine.home.join("helper.log");
    let program = machine.home.join("helper");
    write_script(
        &program,
        &format!(
            "#!/bin/sh\necho \"$1\" >>'{log}'\ncat >>'{log}'\nenv >>'{log}.env'\n\
             [ \"$1\" = get ] && printf 'username={user}\\npassword={password}\\n'\nexit 0\n",
            log = log.display()
        ),
    );
    configure(machine, "credential.helper", program.to_str().unwrap());
    log
}

#[track_caller]
fn init(machine: &Machine, url: &str) -> crate::machines::Run {
    machine.csync(&["init", url, "--device", &machine.name, "--no-passphrase"])
}

fn words(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path)
        .unwrap_or_default()
        .lines()
        .filter(|line| ["get", "store", "erase"].contains(line))
        .map(str::to_owned)
        .collect()
}

fn helpers_are_asked_as_git_asks_them(transport: &'static str) {
    let world = World::new(transport);
    let mut ana = world.machine("ana");
    // One that knows nothing, and one that is set for this host alone.
    configure(&ana, "credential.helper", "!true");
    let log = helper(&ana, ALICE);
    ana.set("CSYNC_PASSPHRASE", "canary-passphrase");
    init(&ana, &world.url()).ok();
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(said.contains("protocol=https\n"), "{said}");
    assert!(
        said.contains(&format!("host=localhost:{}\n", world.server.port())),
        "{said}"
    );
    assert!(!said.contains("path="), "the helper is for the host: {said}");
    assert_eq!(words(&log).first().map(String::as_str), Some("get"));
    assert!(
        words(&log).contains(&"store".to_owned()),
        "what was good is kept: {said}"
    );
    let environment = std::fs::read_to_string(log.with_extension("log.env")).unwrap();
    assert!(!environment.contains("canary-passphrase"), "{environment}");
    // A run that fetches and pushes asks once for each conversation at most.
    ana.write("CLAUDE.md", "x\n");
    ana.sync();
}

fn a_helper_that_is_wrong_is_told_and_nobody_is_asked_twice(transport: &'static str) {
    let world = World::new(transport);
    let ana = world.machine("ana");
    let log = helper(&ana, ("alice", "canary-wrong"));
    let run = init(&ana, &world.url()).fails(16);
    assert_eq!(words(&log), ["get", "erase"]);
    assert!(run.stderr.contains("did not accept the sign-in"), "{}", run.stderr);
    assert!(!run.stderr.contains("canary-wrong"), "{}", run.stderr);
    assert_eq!(
        world
            .server
            .requests()
            .iter()
            .filter(|request| !request.user.is_empty())
            .count(),
        1
    );
}

fn a_person_is_asked_and_may_have_it_remembered(transport: &'static str) {
    let world = World::new(transport);
    let ana = world.machine("ana");
    let kept = ana.home.join("kept");
    configure(&ana, "credential.helper", &format!("store --file {}", kept.display()));
    let url = world.url();
    let person = Person::runs(&ana, &["init", &url, "--device", "ana", "--no-passphrase"], &[]);
    person.waits_for("User name", 1);
    person.presses("alice");
    person.presses("Enter");
    person.waits_for("Password or token", 1);
    person.presses(ALICE.1);
    person.presses("Enter");
    person.waits_for("Remember it", 1);
    person.presses("y");
    person.presses("Enter");
    let screen = person.waits_for("[exit ", 1);
    assert!(screen.contains("[exit 0]"), "{screen}");
    assert!(!screen.contains(ALICE.1), "{screen}");
    assert_eq!(screen.matches("User name").count(), 1, "{screen}");
    assert!(std::fs::read_to_string(&kept).unwrap().contains("alice:secret@"));
    // From now on the helper knows.
    ana.sync();
}

fn p18_a_redirection_elsewhere_gets_nothing(transport: &'static str) {
    let (world, other) = (World::new(transport), Https::start());
    other.bare("vault.git");
    let ana = world.with_token("ana");
    let url = world.server.url(None, &format!("elsewhere/{}/vault.git", other.port()));
    let run = init(&ana, &url).fails(16);
    assert!(
        transport == "git" || run.stderr.contains("another host"),
        "{}",
        run.stderr
    );
    let seen = other.requests();
    assert!(!seen.is_empty(), "the other server was reached");
    assert!(seen.iter().all(|request| request.user.is_empty()), "{seen:?}");
}

fn p18_a_redirection_after_signing_in_gets_nothing(transport: &'static str) {
    let (world, other) = (World::new(transport), Https::start());
    other.bare("vault.git");
    let ana = world.with_token("ana");
    let url = world.server.url(None, &format!("signed-in/{}/vault.git", other.port()));
    let run = init(&ana, &url).fails(16);
    assert!(
        transport == "git" || run.stderr.contains("another host"),
        "{}",
        run.stderr
    );
    assert!(
        world.server.requests().iter().any(|request| !request.user.is_empty()),
        "nobody signed in"
    );
    let seen = other.requests();
    assert!(seen.iter().all(|request| request.user.is_empty()), "{seen:?}");
}

fn a_redirection_on_the_same_host_is_followed(transport: &'static str) {
    let world = World::new(transport);
    let ana = world.with_token("ana");
    init(&ana, &world.server.url(None, "redirect/vault.git")).ok();
    ana.write("CLAUDE.md", "x\n");
    ana.sync();
}

fn p18_a_token_is_not_sent_without_encryption(transport: &'static str) {
    let world = World::new(transport);
    let ana = world.with_token("ana");
    // What listens here takes no TLS, and keeps all that it is told.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let mut told = String::new();
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut bytes = [0; 4096];
            let Ok(length) = client.read(&mut bytes) else { continue };
            let request = String::from_utf8_lossy(&bytes[..length]).into_owned();
            if request.starts_with("END") {
                return told;
            }
            told += &request;
            let _ = client.write_all(
                b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\
                  Connection: close\r\n\r\n",
            );
        }
        told
    });
    let run = init(&ana, &format!("http://127.0.0.1:{port}/vault.git")).fails(16);
    assert!(
        transport == "git" || run.stderr.contains("encryption"),
        "{}",
        run.stderr
    );
    use std::io::Write as _;
    std::net::TcpStream::connect(("127.0.0.1", port))
        .unwrap()
        .write_all(b"END")
        .unwrap();
    let told = server.join().unwrap();
    assert!(told.contains("/vault.git/info/refs"), "{told}");
    assert!(!told.contains("Authorization"), "{told}");
}

fn certificates_are_judged_and_never_waved_through(transport: &'static str) {
    let world = World::new(transport);
    let mut ana = world.with_token("ana");
    // Whatever the person's Git is told.
    configure(&ana, "http.sslVerify", "false");
    ana.set("GIT_SSL_NO_VERIFY", "1");
    ana.set("GIT_SSL_CAINFO", "");
    let run = init(&ana, &world.url()).fails(16);
    assert!(
        run.stderr.contains("could not prove that it is the right host"),
        "{}",
        run.stderr
    );
    assert!(
        transport == "git" || run.stderr.contains("`authority` that this machine does not trust"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("http.sslCAInfo"), "{}", run.stderr);
    assert!(world.server.requests().is_empty());
    // Trusted, and for another host.
    let mut bob = world.with_token("bob");
    bob.set("GIT_SSL_CAINFO", world.server.ca());
    let url = world.url().replace("localhost", "127.0.0.2");
    let run = init(&bob, &url);
    assert_eq!(run.code, 16, "{}", run.stderr);
    assert!(world.server.requests().is_empty());
}

fn p18_a_token_is_not_shown_to_a_server_without_a_certificate(transport: &'static str) {
    let world = World::new(transport);
    let mut ana = world.with_token("ana");
    // Whatever the person's Git is told, and however exactly.
    configure(&ana, "http.sslVerify", "false");
    configure(&ana, &format!("http.{}.sslVerify", world.server.url(None, "")), "false");
    configure(&ana, &format!("http.{}.sslVerify", world.url()), "false");
    ana.set("GIT_SSL_NO_VERIFY", "1");
    // The authority of somebody else.
    ana.set("GIT_SSL_CAINFO", certificates::another_authority(world.folder.path()));
    let run = init(&ana, &world.url()).fails(16);
    assert!(
        run.stderr.contains("could not prove that it is the right host"),
        "{}",
        run.stderr
    );
    assert!(world.server.requests().is_empty());
}

fn p18_a_token_that_a_server_repeats_is_not_told(transport: &'static str) {
    let world = World::new(transport);
    let hook = world.server.bare("vault.git").join("hooks/pre-receive");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    write_script(&hook, &format!("#!/bin/sh\necho 'unwanted: {}' >&2\nexit 1\n", TOKEN.1));
    let mut ana = world.with_token("ana");
    ana.set("CSYNC_LOG", "trace");
    let run = ana.csync(&["-vvv", "init", &world.url(), "--device", "ana", "--no-passphrase"]);
    assert_ne!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("unwanted: …"), "{}", run.stderr);
    assert!(!run.stderr.contains(TOKEN.1), "{}", run.stderr);
}

fn an_authority_may_be_named_in_many_ways(transport: &'static str) {
    let world = World::new(transport);
    let ca = world.server.ca();
    let ca = ca.to_str().unwrap();
    let authority = format!("http.https://localhost:{}.sslCAInfo", world.server.port());
    for (number, (variable, setting)) in [
        (Some("GIT_SSL_CAINFO"), None),
        (Some("SSL_CERT_FILE"), None),
        (None, Some("http.sslCAInfo")),
        (None, Some(authority.as_str())),
    ]
    .into_iter()
    .enumerate()
    {
        let mut ana = world.with_token(&format!("machine-{number}"));
        ana.set("GIT_SSL_CAINFO", "");
        if let Some(variable) = variable {
            ana.set(variable, ca);
        }
        if let Some(setting) = setting {
            configure(&ana, setting, ca);
        }
        let url = world.server.url(None, &format!("{number}.git"));
        world.server.bare(&format!("{number}.git"));
        let run = init(&ana, &url);
        assert_eq!(run.code, 0, "{variable:?} {setting:?}: {}", run.stderr);
    }
    // Of a folder, what `openssl rehash` has named, as OpenSSL does. (Git may have been built with another library.)
    if transport == "git" {
        return;
    }
    let folder = world.folder.path().join("authorities");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(ca, folder.join("leaf.pem")).unwrap();
    let mut carol = world.with_token("carol");
    carol.set("GIT_SSL_CAINFO", "");
    carol.set("GIT_SSL_CAPATH", &folder);
    init(&carol, &world.url()).fails(16);
    let hash = std::process::Command::new("openssl")
        .args(["x509", "-noout", "-hash", "-in", ca])
        .output()
        .unwrap();
    let hash = String::from_utf8(hash.stdout).unwrap();
    std::fs::copy(ca, folder.join(format!("{}.0", hash.trim()))).unwrap();
    init(&carol, &world.url()).ok();
    let mut bob = world.with_token("bob");
    bob.set("GIT_SSL_CAINFO", "/nonexistent/ca.pem");
    let run = init(&bob, &world.url()).fails(16);
    let told = match transport {
        "git" => "Problem with the SSL CA cert",
        _ => "/nonexistent/ca.pem",
    };
    assert!(run.stderr.contains(told), "{}", run.stderr);
}

fn a_proxy_leads_to_the_server(transport: &'static str) {
    let (world, proxy) = (World::new(transport), ConnectProxy::start());
    let mut ana = world.with_token("ana");
    ana.set("https_proxy", proxy.url());
    // With the limits that every connection has.
    ana.set("CSYNC_CONNECT_TIMEOUT", "5");
    ana.set("CSYNC_IDLE_TIMEOUT", "5");
    init(&ana, &world.url()).ok();
    ana.write("CLAUDE.md", "x\n".repeat(100_000));
    ana.sync();
    let opened = proxy.connections();
    assert!(opened > 0);
    // Not for this host.
    ana.set("no_proxy", "localhost");
    ana.sync();
    assert_eq!(proxy.connections(), opened);
    // Git's own setting counts more, and may be for one host.
    ana.set("no_proxy", "");
    configure(&ana, "http.proxy", "http://127.0.0.1:1");
    assert_eq!(ana.csync(&["sync"]).code, 16);
    configure(&ana, "http.https://localhost.proxy", "");
    let port = world.server.port();
    configure(&ana, &format!("http.https://localhost:{port}.proxy"), &proxy.url());
    ana.sync();
    assert!(proxy.connections() > opened);
}

fn a_proxy_may_want_a_password(transport: &'static str) {
    let (world, proxy) = (World::new(transport), ConnectProxy::with_password());
    let mut ana = world.with_token("ana");
    ana.set("https_proxy", proxy.url_with_password());
    init(&ana, &world.url()).ok();
    assert!(proxy.connections() > 0);
    ana.set(
        "https_proxy",
        proxy.url_with_password().replace(":door@", ":canary-door@"),
    );
    let run = ana.csync(&["sync", "-vvv"]).fails(16);
    assert!(!run.stderr.contains("canary-door"), "{}", run.stderr);
    let told = run.stderr.to_lowercase();
    assert!(told.contains("proxy") || told.contains("tunnel"), "{}", run.stderr);
}

fn what_the_server_answers_is_told(transport: &'static str) {
    let world = World::new(transport);
    let mut ana = world.with_token("ana");
    // What is asked again is another story.
    ana.set("CSYNC_MAX_RETRIES", "0");
    init(&ana, &world.url()).ok();
    for (status, told) in [
        (400, "400"),
        (401, "did not accept the sign-in"),
        (403, "403"),
        (404, "there is no repository at"),
        (429, "cannot talk to"),
        (500, "cannot talk to"),
        (502, "cannot talk to"),
        (503, "cannot talk to"),
    ] {
        // Git signs in where it is asked to, even in the middle of a conversation.
        if (transport, status) == ("git", 401) {
            continue;
        }
        world.server.next(At::Any, 1, Instead::Status(status));
        let run = ana.csync(&["pull"]).fails(16);
        // A server that will be back is a state, and no error.
        let said = run.stdout + &run.stderr;
        assert!(said.contains(told), "{status}: {said}");
        assert!(
            said.contains("hint: ") || status == 429 || status >= 500,
            "{status}: {said}"
        );
        assert!(!said.contains(TOKEN.1), "{status}: {said}");
    }
    world.server.next(At::Any, 1, Instead::Closed);
    // Git asks once more where a connection that it used before was closed.
    assert!(ana.csync(&["pull"]).code == 16 || transport == "git");
    ana.csync(&["pull"]).ok();
    // Nobody there.
    let closed = FaultProxy::start(world.server.port());
    closed.set(crate::servers::Fault::Refuse);
    let run = init(
        &world.with_token("bob"),
        &world.server.url_through(closed.port(), None, "vault.git"),
    )
    .fails(16);
    assert!(run.stderr.contains("cannot talk to"), "{}", run.stderr);
    let nowhere = "https://nowhere.invalid/vault.git";
    let run = init(&world.with_token("eve"), nowhere).fails(16);
    assert!(run.stderr.contains(nowhere), "{}", run.stderr);
}

fn whoever_may_only_read_is_told_so(transport: &'static str) {
    let world = World::new(transport);
    let ana = world.with_token("ana");
    init(&ana, &world.url()).ok();
    let mut bob = world.machine("bob");
    bob.set("CSYNC_GIT_USERNAME", crate::servers::https::BOB.0);
    bob.set("CSYNC_GIT_TOKEN", crate::servers::https::BOB.1);
    let identity = ana.identity();
    let run = bob.csync(&[
        "init",
        &world.url(),
        "--device",
        "bob",
        "--identity",
        identity.to_str().unwrap(),
    ]);
    bob.write("CLAUDE.md", "x\n");
    let run = if run.code == 0 { bob.csync(&["sync"]) } else { run }.fails(16);
    assert!(
        run.stderr.contains("refused the push") || run.stderr.contains("read"),
        "{}",
        run.stderr
    );
    assert!(!run.stderr.contains("did not accept the sign-in"), "{}", run.stderr);
}

fn a_repository_with_other_branches_is_left_alone(transport: &'static str) {
    let world = World::new(transport);
    let repository = world.server.bare("vault.git");
    let tree = crate::machines::git(&repository, &["hash-object", "-t", "tree", "-w", "/dev/null"]);
    let commit = crate::machines::git(
        &repository,
        &[
            "-c",
            "user.name=x",
            "-c",
            "user.email=x",
            "commit-tree",
            "-m",
            "x",
            tree.trim(),
        ],
    );
    crate::machines::git(&repository, &["update-ref", "refs/heads/master", commit.trim()]);
    let before = crate::machines::git(&repository, &["for-each-ref"]);
    let run = init(&world.with_token("ana"), &world.url());
    assert_ne!(run.code, 0);
    assert!(run.stderr.contains("the branch `master`"), "{}", run.stderr);
    assert_eq!(crate::machines::git(&repository, &["for-each-ref"]), before);
}

fn a_push_whose_answer_was_lost_is_not_sent_again(transport: &'static str) {
    let world = World::new(transport);
    let ana = world.with_token("ana");
    init(&ana, &world.url()).ok();
    ana.write("CLAUDE.md", "x\n");
    for instead in [Instead::DoneStatus(502), Instead::DoneClosed, Instead::DoneHalf] {
        ana.write("CLAUDE.md", format!("{instead:?}\n"));
        let repository = world.server.bare("vault.git");
        let count = || crate::machines::git(&repository, &["rev-list", "--count", "main"]);
        let before: usize = count().trim().parse().unwrap();
        world.server.next(At::Push, 1, instead);
        let run = ana.csync(&["push"]);
        assert_ne!(run.code, 0, "{instead:?} is not known to be taken");
        ana.csync(&["push"]).ok();
        assert_eq!(count().trim().parse(), Ok(before + 1), "{instead:?}");
    }
}
