# shellcheck shell=sh disable=SC2034,SC2154,SC2059,SC2016,SC3028
# sh has no hook but its prompt. The marks in it vanish when there was no run, and in a child.
__jb_mark() { { \command printf "$@" >/dev/tty; } 2>/dev/null; }
__jb_end() {
  __jb_part
  case $PWD in
    *[[:cntrl:]]*) set -- "$1" "$__jb_n${2-}" '' ;;
    *) set -- "$1" "$__jb_n${2-}" "$PWD" ;;
  esac
  __jb_mark '\033]133;D;%s;jb=%s;%s\007' "$@"
}
__jb_c() {
  __jb_n=$1; __jb_f=$2
  [ -z "${3-}" ] || __jb_mark '\033]133;E;jb=%s;cmdline_url=%s\007' "$1" "$3"
  case ${PS1-} in
    *__jb_n*) ;;
    *) PS1=$__jb_ps1${PS1-} ;;
  esac
  __jb_start
  return "$__jb_s"
}
__jb_e() {
  __jb_s=$?
  __jb_end "$__jb_s"
  return "$__jb_s"
}
__jb_d() { :; }
__jb_esc=$(\command printf '\033]133')
__jb_bel=$(\command printf '\007')
__jb_ps1='${__jb_n:+$__jb_esc;D;$?;jb=$__jb_n;$PWD$__jb_bel$__jb_esc;A;jb=$__jb_n$__jb_bel}'
