# shellcheck shell=bash disable=SC1007,SC1090,SC2016,SC2034,SC2059,SC2128,SC2154,SC2178
__jb_mark() { { \builtin printf "$@" >/dev/tty; } 2>/dev/null; }
__jb_end() {
  __jb_part
  case $PWD in
    *[[:cntrl:]]*) set -- "$1" "$__jb_n${2-}" '' ;;
    *) set -- "$1" "$__jb_n${2-}" "$PWD" ;;
  esac
  __jb_mark '\033]133;D;%s;jb=%s;%s\007' "$@"
}
__jb_c() {
  __jb_n=$1; __jb_f=$2; __jb_o=1
  __jb_hooked
  __jb_unlearn "$2"
  \builtin jobs -n >/dev/tty
  __jb_start
  return "$__jb_s"
}
# Not every user keeps lines with a leading space out of the history.
__jb_unlearn() {
  case ":${HISTCONTROL-}:" in
    *:ignorespace:*|*:ignoreboth:*) ;;
    *)
      # Through a file: a subshell would cost more than all the rest.
      HISTTIMEFORMAT= \builtin history 1 >|"$1.x"
      IFS= \builtin read -r __jb_text <"$1.x"
      case $__jb_text in
        *" . ${1%/*}/"*) \builtin history -d -1; __jb_unlearn "$1" ;;
        *" /bin/sh "*" jb="*) \builtin history -d -1 ;;
      esac ;;
  esac
}
__jb_e() {
  __jb_s=$?
  __jb_o=
  __jb_end "$__jb_s"
  return "$__jb_s"
}
__jb_d() {
  __jb_s=$?
  if [ -n "${__jb_n-}" ]; then
    [ -z "${__jb_o-}" ] || __jb_end "$__jb_s"
    __jb_mark '\033]133;A;jb=%s\007' "$__jb_n"
    __jb_n=
  fi
  return "$__jb_s"
}
# First in PROMPT_COMMAND, a string or (bash 5.1) an array, and again there after a framework took
# it away. A child that inherits PROMPT_COMMAND does not have the variable, and runs nothing.
__jb_hook=__jb_d
__jb_hooked() {
  case "${PROMPT_COMMAND[*]-}" in *__jb_hook*) return ;; esac
  local hook='{ ${__jb_hook-} && :; } 2>/dev/null'
  case "$(\builtin declare -p PROMPT_COMMAND 2>/dev/null)" in
    'declare -a'*)
      if [ "${BASH_VERSINFO[0]}${BASH_VERSINFO[1]}" -ge 51 ]; then
        PROMPT_COMMAND=("$hook" "${PROMPT_COMMAND[@]}")
        return
      fi ;;
  esac
  PROMPT_COMMAND=$hook${PROMPT_COMMAND:+$'\n'$PROMPT_COMMAND}
}
