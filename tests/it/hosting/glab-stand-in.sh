#!/bin/sh
# Stands in for `glab`, which Debian 12 has no package of: takes the arguments that csync gives it, and prints what glab prints
# (its `api` command with `--include`: the status, the head and the answer; with a failure, its reason on standard error).
# In STATE: described/GROUP%2FNAME is what GitLab says of a project; groups/NAME a group's number; overtaken: another machine
# makes the project a moment before this one; glab.log: what it was called with.
STATE=@STATE@
printf '%s\n' "$GITLAB_HOST $*" >>"$STATE/glab.log"
case "$1 $2 $3" in 'config get git_protocol') echo https; exit ;; esac
[ "$1" = api ] || exit 2
shift
method=GET endpoint='' fields=''
while [ $# -gt 0 ]; do
  case $1 in
    --include) ;;
    --hostname) shift ;;
    --method) shift; method=$1 ;;
    --field | --raw-field) shift; fields="$fields$1
" ;;
    *) endpoint=$1 ;;
  esac
  shift
done
field() { printf '%s' "$fields" | sed -n "s/^$1=//p"; }
answer() { # STATUS JSON REASON
  printf 'HTTP/2.0 %s\nContent-Type: application/json\r\nServer: nginx\r\n\r\n%s' "$1" "$2"
  case $1 in 2*) exit 0 ;; esac
  echo "glab: $3" >&2
  exit 1
}
[ "$GITLAB_TOKEN" = @TOKEN@ ] ||
  answer '401 Unauthorized' '{"message":"401 Unauthorized"}' '401 Unauthorized (HTTP 401)'
case "$method $endpoint" in
  'GET user') answer '200 OK' '{"id":7,"username":"me","state":"active"}' ;;
  'GET projects/'*)
    described=$STATE/described/${endpoint#projects/}
    [ -f "$described" ] && answer '200 OK' "$(cat "$described")"
    answer '404 Not Found' '{"message":"404 Project Not Found"}' '404 Project Not Found (HTTP 404)' ;;
  'GET namespaces/'*)
    group=${endpoint#namespaces/}
    [ -f "$STATE/groups/$group" ] || answer '404 Not Found' '{"message":"404 Namespace Not Found"}' '404 Namespace Not Found (HTTP 404)'
    full=$(printf '%s' "$group" | sed 's/%2F/\//g')
    answer '200 OK' "{\"id\":$(cat "$STATE/groups/$group"),\"kind\":\"group\",\"full_path\":\"$full\"}" ;;
  'POST projects')
    owner=me
    number=$(field namespace_id)
    [ -z "$number" ] || owner=$(cd "$STATE/groups" && grep -lx "$number" -- *)
    path=$owner/$(field path)
    path=$(printf '%s' "$path" | sed 's/%2F/\//g')
    described=$STATE/described/$(printf '%s' "$path" | sed 's/\//%2F/g')
    git init --quiet --bare --template= --initial-branch=main "$STATE/repositories/$path.git"
    git -C "$STATE/repositories/$path.git" config http.receivepack true
    jq -n --arg path "$path" --arg visibility "$(field visibility)" --arg host "$GITLAB_HOST" '{
      id: 1, path_with_namespace: $path, visibility: $visibility, archived: false, empty_repo: true,
      http_url_to_repo: "https://\($host)/\($path).git", ssh_url_to_repo: "git@\($host):\($path).git",
      permissions: {project_access: {access_level: 50, notification_level: 3}, group_access: null}
    }' >"$described"
    [ ! -e "$STATE/overtaken" ] || answer '400 Bad Request' '{"message":{"name":["has already been taken"],"path":["has already been taken"]}}' 'map[message:map[name:[has already been taken] path:[has already been taken]]]+'
    answer '201 Created' "$(cat "$described")" ;;
esac
answer '404 Not Found' '{"error":"404 Not Found"}' 'HTTP 404'
