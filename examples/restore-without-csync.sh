#!/bin/sh
# Restores every file of a csync vault without csync, by git, age, zstd and jq alone.
#
#   restore-without-csync.sh REPOSITORY KEY FOLDER
#
# REPOSITORY  the vault: a path or an address that `git clone` takes
# KEY         a device's identity file, or the vault key file itself, or the word `passphrase` to be asked for it
# FOLDER      where the files go; made when it is missing, and must be empty
#
# It follows docs/format.md, section 10, and uses the newest state of the vault. It checks what age authenticates and each
# file's size. It does not check the seals: for that, use csync. Give it only a vault whose host you trust, or compare.
set -eu
umask 077
LC_ALL=C
export LC_ALL

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

[ $# -eq 3 ] || fail "usage: restore-without-csync.sh REPOSITORY KEY FOLDER"
for tool in git age zstd jq; do
    command -v "$tool" >/dev/null || fail "$tool is not installed"
done
repository=$1
key=$2
out=$3
[ "$key" = passphrase ] || [ -f "$key" ] || fail "there is no file '$key'"
mkdir -p -- "$out"
[ -z "$(ls -A -- "$out")" ] || fail "the folder '$out' is not empty"

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
trap 'exit 130' INT TERM

git clone --quiet --bare -- "$repository" "$work/vault.git"
vault() { git --git-dir="$work/vault.git" "$@"; }
tip=$(vault rev-parse --verify --quiet 'refs/heads/main^{commit}') || fail "the repository has no branch main"

# blob PATH TO: writes what stands at PATH in the vault's tree.
blob() { vault cat-file blob "$tip:$1" >"$2" || fail "the vault lacks $1"; }
# open PATH TO: the same, decrypted.
open() {
    blob "$1" "$work/blob"
    age -d -i "$work/key" -o "$2" "$work/blob" || fail "$1 cannot be decrypted"
}

blob vault.json "$work/vault.json"
jq -e '.format == 1 and ((.needs // []) | length == 0)' "$work/vault.json" >/dev/null ||
    fail "the vault is in a format that this script does not know"

# The vault key file: given, or in the first wrap that the key opens.
if [ "$key" != passphrase ] && head -n 1 -- "$key" | grep -q '^# csync vault key, format 1$'; then
    cp -- "$key" "$work/key"
else
    vault ls-tree --name-only "$tip" keys/ >"$work/wraps"
    while IFS= read -r wrap <&3; do
        blob "$wrap" "$work/wrap"
        if [ "$key" = passphrase ]; then
            head -n 2 "$work/wrap" | grep -aq '^-> scrypt ' || continue
            age -d -o "$work/opened" "$work/wrap" || continue
        else
            age -d -i "$key" -o "$work/opened" "$work/wrap" 2>/dev/null || continue
        fi
        mv -- "$work/opened" "$work/key"
        break
    done 3<"$work/wraps"
    [ -f "$work/key" ] || fail "this key opens none of the vault's wraps"
fi
head -n 1 "$work/key" | grep -q '^# csync vault key, format 1$' || fail "what the key opens is no vault key"

vault ls-tree -r --name-only "$tip" files/ | grep -E '^files/.+/[0-9a-f]{32}\.age$' |
    grep -Ev '/[0-9a-f]{32}/[^/]*$' >"$work/heads" || true
files=0
while IFS= read -r head <&3; do
    open "$head" "$work/head"
    head -n 1 "$work/head" >"$work/line"
    jq -e '(.needs // []) | length == 0' "$work/line" >/dev/null || fail "$head needs a later format"
    path=$(jq -r '.path' "$work/line")

    # A path leads nowhere but below FOLDER, whoever wrote it.
    case "/$path/" in
    *//* | */./* | */../* | *\\* | *[[:cntrl:]]*) fail "$head has a path that is not safe" ;;
    esac
    target=$out/$path
    mkdir -p -- "$(dirname -- "$target")"
    [ ! -e "$target" ] || fail "two files are called '$path'"

    # The file's dictionary, where it has one. Frames that were made without it take it too.
    set --
    dictionary=$(jq -r '.dictionary // empty' "$work/line")
    if [ -n "$dictionary" ]; then
        open "dicts/$dictionary.age" "$work/packed"
        tail -n +2 "$work/packed" | zstd -dcq >"$work/dictionary"
        set -- -D "$work/dictionary"
    fi

    jq -r '(.segments // [])[][0]' "$work/line" >"$work/segments"
    if [ -s "$work/segments" ]; then
        : >"$target"
        while IFS= read -r segment <&4; do
            open "${head%.age}/$segment.age" "$work/packed"
            zstd -dcq "$@" "$work/packed" >>"$target" || fail "$head: segment $segment cannot be unpacked"
        done 4<"$work/segments"
    else
        tail -n +2 "$work/head" >"$work/packed"
        zstd -dcq "$@" "$work/packed" >"$target" || fail "$head cannot be unpacked"
    fi
    [ "$(wc -c <"$target")" -eq "$(jq -r '.size' "$work/line")" ] || fail "'$path' has not the size that it should have"

    chmod "$(printf '%o' "$(jq -r '.mode' "$work/line")")" "$target"
    # To the second, and only where touch knows this form.
    touch -d "@$(jq -r '.modified / 1000000000 | floor' "$work/line")" "$target" 2>/dev/null || true
    files=$((files + 1))
done 3<"$work/heads"
printf 'restored %d files to %s\n' "$files" "$out" >&2
