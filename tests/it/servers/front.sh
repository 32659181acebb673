#!/bin/sh
# Stands before `git http-backend`. A test lays answers into FAULTS, each a file WHAT.NUMBER: the next request of that
# kind takes one away, and is answered with it instead. Its first line says how, the rest is a CGI answer:
#   instead   the request is read and not carried out
#   after     the request is carried out, and its own answer is thrown away
#   half      the request is carried out, and half of its own answer is sent: less than was promised
case $REQUEST_METHOD:$PATH_INFO in
  *:*/info/refs) what=refs ;;
  POST:*/git-upload-pack) what=fetch ;;
  POST:*/git-receive-pack) what=push ;;
  *) what=other ;;
esac
# Before a long push, git asks with four bytes whether it may: that is no push.
[ "$what:$CONTENT_LENGTH" != push:4 ] || what=other

for answer in "$FAULTS/$what".* "$FAULTS/any".*; do
  [ -e "$answer" ] || continue
  # Of two requests at once, one gets it.
  mine=$FAULTS/taken.$$
  mv "$answer" "$mine" 2>/dev/null || continue
  { read -r how; cat >"$mine.head"; } <"$mine"
  case $how in
    instead) cat >/dev/null ;;
    after) "$BACKEND" >/dev/null ;;
    half)
      "$BACKEND" >"$mine.whole"
      head=$(sed '/^\r*$/q' "$mine.whole" | wc -c)
      body=$(($(wc -c <"$mine.whole") - head))
      printf 'Content-Length: %d\r\n' "$body"
      head -c $((head + body / 2)) "$mine.whole"
      exit ;;
  esac
  cat "$mine.head"
  exit
done

# Bob may read.
case $REMOTE_USER:$what:$QUERY_STRING:$PATH_INFO in
  bob:*service=git-receive-pack* | bob:*/git-receive-pack)
    cat >/dev/null
    printf 'Status: 403 Forbidden\r\nContent-Type: text/plain\r\n\r\nWrite access to repository not granted.\n'
    exit ;;
esac
exec "$BACKEND"
