# shellcheck shell=sh disable=SC2016,SC2034,SC2154
# What a server without a bridge starts as a terminal: it makes a folder, fills it with the scripts
# of its shell, and becomes that shell. `$1` is the key; the shell's words follow, or none for
# $SHELL, else bash, else sh. `__jb_names` are the shells that tell their prompt. Nothing is said
# before the mark.
__jb_key=$1
shift
__jb_umask=$(umask) __jb_path=$PATH
umask 077
PATH=$PATH:/usr/bin:/bin
__jb_dir=${TMPDIR:-/tmp}/jb-$__jb_key
# A path that no shell would have to quote.
case $__jb_dir in [!/]* | *[!A-Za-z0-9_/.-]*) __jb_dir=/tmp/jb-$__jb_key ;; esac
if [ $# = 0 ]; then
  for __jb_shell in "${SHELL:-bash}" bash sh; do
    __jb_shell=$(command -v "$__jb_shell") || continue
    case " $__jb_names " in *" ${__jb_shell##*/} "*) break ;; esac
  done
  set -- "${__jb_shell:-sh}" -l
  case $1 in */busybox) set -- "$1" sh -l ;; esac
fi
__jb_program=$(readlink -f "$(command -v "$1")" 2>/dev/null) || __jb_program=$1
__jb_program=${__jb_program##*/}
if ! mkdir -m 700 "$__jb_dir" 2>/dev/null; then
  printf '\033]133;N;jb=%s;%s\007' "$__jb_key" "$__jb_dir"
  umask "$__jb_umask"
  PATH=$__jb_path
  exec "$@"
fi
__jb_file() { printf '%s\n' "$2" >"$__jb_dir/$1"; }
# The folder is removed when the shell has ended, whatever became of the connection.
__jb_watch='trap "" HUP INT QUIT TERM TSTP
while kill -0 "$1"; do sleep 1; done
rm -rf "$2"'
__jb_begin() {
  __jb_file "$$.line" "$2"
  (
    __jb_setsid=$(command -v setsid)
    ${__jb_setsid:+"$__jb_setsid"} /bin/sh -c "$__jb_watch" jb $$ "$__jb_dir" &
  ) </dev/null >/dev/null 2>&1
  printf '\033]133;S;jb=%s;%s;%s;%s\007' "$__jb_key" "$1" $$ "$__jb_dir"
  umask "$__jb_umask"
  PATH=$__jb_path
}
