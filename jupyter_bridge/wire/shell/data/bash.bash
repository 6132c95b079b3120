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
  [ -z "${3-}" ] || __jb_mark '\033]133;E;jb=%s;cmdline_url=%s\007' "$1" "$3"
  [ ! -s "$2.x" ] || __jb_guard "$2.x"
  IFS= \builtin read -r -d '' __jb_text <"$2"
  __jb_hooked
  __jb_unlearn "$2"
  \builtin jobs -n >/dev/tty
  # With `set -x` the `eval` that follows would be traced into the output.
  case $- in
    *x*)
      set +x
      __jb_text='{ __jb_x && : __jb_; } 2>/dev/null'$'\n'$__jb_text ;;
    *) __jb_mark '\033]133;C;jb=%s\007' "$__jb_n" ;;
  esac
  return "$__jb_s"
}
# The traps of the user do not see our own lines, which all have `__jb_` in them.
__jb_guard() {
  local traps='' guard='case "$BASH_COMMAND ${FUNCNAME[*]-}" in *__jb_*|*/jb-*/[0-9]*) ;; *) '
  IFS= \builtin read -r -d '' traps <"$1"
  \builtin eval "set -- $traps"
  while [ $# -ge 4 ]; do
    case $3 in
      "$guard"*) ;;
      *) \builtin trap -- "$guard$3"$'\n;; esac' "$4" ;;
    esac
    shift 4
  done
}
# Not every user keeps lines with a leading space out of the history.
__jb_unlearn() {
  case ":${HISTCONTROL-}:" in
    *:ignorespace:*|*:ignoreboth:*) ;;
    *)
      # Through a file: a subshell would cost more than all the rest.
      HISTTIMEFORMAT= \builtin history 1 >|"$1.x"
      local line=
      IFS= \builtin read -r line <"$1.x"
      case $line in
        *". ${1%/*}/"*) \builtin history -d -1; __jb_unlearn "$1" ;;
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
# Only the first of the prompt's commands sees the status; where ours is not, PS1 says D.
__jb_d() {
  __jb_s=$?
  case ${PROMPT_COMMAND-} in
    "$__jb_first"*) ;;
    *) __jb_hooked_again; __jb_p=1; return "$__jb_s" ;;
  esac
  if [ -n "${__jb_n-}" ]; then
    [ -z "${__jb_o-}" ] || __jb_end "$__jb_s"
    __jb_mark '\033]133;A;jb=%s\007' "$__jb_n"
    __jb_n= __jb_o=
  elif [ -n "${__jb_key-}" ] && [ "${__jb_p-}" = 0 ]; then
    __jb_tell "$__jb_s"
  fi
  [ -z "${__jb_key-}" ] || __jb_mark '\033]133;A;jb=%s\007' "$__jb_key"
  __jb_p=1
  return "$__jb_s"
}
# Whoever may write in /tmp may make a folder of our name there, if ours was cleaned away.
__jb_has_dir() { [ -O "$__jb_dir" ] && [ ! -L "$__jb_dir" ]; }
# E and D of a command that was typed by hand: its text is in the history, if it is kept there.
__jb_tell() {
  local text=
  ! __jb_has_dir || {
    HISTTIMEFORMAT='' \builtin history 1 >|"$__jb_dir/$$.x"
    IFS= \builtin read -r -d '' text <"$__jb_dir/$$.x"
  } 2>/dev/null
  if [ "$text" != "${__jb_last_text-}" ]; then
    __jb_last_text=$text
    text=${text#"${text%%[0-9]*}"}
    text=${text#"${text%%[!0-9]*}"}
    text=${text#"${text%%[! *]*}"}
    \builtin printf -v text %q "${text%$'\n'}"
    __jb_mark '\033]133;E;jb=%s;cmdline=%s\007' "$__jb_key" "${text:0:1000}"
  fi
  case $PWD in
    *[[:cntrl:]]*) __jb_mark '\033]133;D;%s;jb=%s;\007' "$1" "$__jb_key" ;;
    *) __jb_mark '\033]133;D;%s;jb=%s;%s\007' "$1" "$__jb_key" "$PWD" ;;
  esac
}
# First and last in PROMPT_COMMAND, a string or (bash 5.1) an array, and again there after others
# moved them. A child that inherits PROMPT_COMMAND does not have the variables, and runs nothing.
__jb_hook=__jb_d
__jb_first='{ ${__jb_hook-} && : __jb_; } 2>/dev/null'
__jb_final='{ ${__jb_texts_hook-} && : __jb_; } 2>/dev/null'
__jb_hooked() {
  case "${PROMPT_COMMAND[*]-}" in "$__jb_first"*"$__jb_final") return ;; esac
  local declared one others=()
  declared=$(\builtin declare -p PROMPT_COMMAND 2>/dev/null)
  case $declared in
    'declare -'*r*' PROMPT_COMMAND'*) return ;;
    'declare -a'*)
      if [ "${BASH_VERSINFO[0]}${BASH_VERSINFO[1]}" -ge 51 ]; then
        for one in "${PROMPT_COMMAND[@]}"; do
          case $one in "$__jb_first"|"$__jb_final") ;; *) others+=("$one") ;; esac
        done
        PROMPT_COMMAND=("$__jb_first" "${others[@]}" "$__jb_final")
        return
      fi ;;
  esac
  __jb_hooked_again
}
# A list that is being run must not change, a string may.
__jb_hooked_again() {
  local newline=$'\n' rest
  [ -z "${PROMPT_COMMAND[1]+list}" ] || return 0
  rest=${PROMPT_COMMAND-}
  rest=${rest//"$__jb_first"/:}
  rest=${rest//"$__jb_final"/:}
  PROMPT_COMMAND=$__jb_first$newline${rest:+$rest$newline}$__jb_final
}
