#!/bin/sh
# The few endpoints of GitHub's REST API that a repository is looked up and made with, as CGI. In STATE:
#   described/OWNER/NAME   what is answered for a repository, as GitHub says it
#   repositories/          the repositories themselves
#   orgs/NAME              an organisation in which the user may make some
#   log                    every request: method, path and body
#   overtaken              present: another machine makes the repository a moment before this one
#   policy                 the visibility that every new repository gets, whatever was asked for
#   late                   how many more times a new repository is not shown yet
body=$(cat)
echo "$REQUEST_METHOD $PATH_INFO $body" >>"$STATE/log"
answer() { # STATUS JSON
  printf 'Status: %s\r\nContent-Type: application/json; charset=utf-8\r\n\r\n%s\n' "$1" "$2"
  exit
}
not_found() { answer '404 Not Found' '{"message":"Not Found","documentation_url":"https://docs.github.com/rest"}'; }
[ "$HTTP_AUTHORIZATION" = "token $TOKEN" ] ||
  answer '401 Unauthorized' '{"message":"Bad credentials","documentation_url":"https://docs.github.com/rest"}'

make() { # OWNER
  name=$(printf '%s' "$body" | jq -r .name)
  visibility=$(printf '%s' "$body" | jq -r 'if .private then "private" else "public" end')
  [ ! -e "$STATE/policy" ] || visibility=$(cat "$STATE/policy")
  taken=
  [ ! -e "$STATE/described/$1/$name" ] || taken=yes
  [ ! -e "$STATE/overtaken" ] || taken=yes
  if [ ! -e "$STATE/described/$1/$name" ]; then
    repository=$STATE/repositories/$1/$name.git
    git init --quiet --bare --template= --initial-branch=main "$repository"
    git -C "$repository" config http.receivepack true
    mkdir -p "$STATE/described/$1"
    jq -n --arg name "$name" --arg owner "$1" --arg visibility "$visibility" --arg host "$HTTP_HOST" '{
      id: 1, name: $name, full_name: "\($owner)/\($name)", private: ($visibility != "public"),
      owner: {login: $owner, type: "User"}, description: null, fork: false,
      clone_url: "https://\($host)/\($owner)/\($name).git", ssh_url: "git@\($host):\($owner)/\($name).git",
      size: 0, has_issues: false, archived: false, disabled: false, visibility: $visibility, default_branch: "main",
      permissions: {admin: true, maintain: true, push: true, triage: true, pull: true}
    }' >"$STATE/described/$1/$name"
  fi
  [ -z "$taken" ] || answer '422 Unprocessable Entity' '{"message":"Repository creation failed.","errors":[{"resource":"Repository","code":"custom","field":"name","message":"name already exists on this account"}]}'
  answer '201 Created' "$(cat "$STATE/described/$1/$name")"
}

case "$REQUEST_METHOD $PATH_INFO" in
  'GET /user') answer '200 OK' '{"login":"me","id":7,"type":"User"}' ;;
  'GET /repos/'*)
    described=$STATE/described/${PATH_INFO#/repos/}
    [ -f "$described" ] || not_found
    late=$(cat "$STATE/late" 2>/dev/null || echo 0)
    if [ "$late" -gt 0 ]; then
      echo $((late - 1)) >"$STATE/late"
      not_found
    fi
    answer '200 OK' "$(cat "$described")" ;;
  'POST /user/repos') make me ;;
  'POST /orgs/'*/repos)
    owner=${PATH_INFO#/orgs/}
    owner=${owner%/repos}
    [ -e "$STATE/orgs/$owner" ] || not_found
    make "$owner" ;;
esac
not_found
