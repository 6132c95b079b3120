r"""What a shell sources once, per dialect: functions that print the marks, and the prompt hook.

`shell.py` says what the marks are. All names begin with `__jb_`; none is exported.

    __jb_c nonce file   the command begins: hook in place, C, and `$?` as it was before (__jb_s)
    __jb_e              the command returned: D
    __jb_d              the prompt hook: D if the command did not return, then A
    __jb_n, __jb_o      the run's nonce; whether its D is still to come
    __jb_w              a script to be run once before D, where one is needed
    __jb_v              set when all this is there
"""

from __future__ import annotations

from typing import Literal

Dialect = Literal["bash", "zsh", "fish", "sh"]

# What the wrapper compares with `__jb_v`: a shell that an older server prepared reads it anew.
VERSION = "2"
# ... and where it has the farewell, too.
VERSION_FAREWELL = "2f"

# C, at once; but with `set -x` the `.` that follows would be traced into the output, so there C
# comes from inside the file.
_START = r"""
__jb_start() {
  case $- in
    *x*)
      set +x
      __jb_text=$(\command cat "$__jb_f")
      __jb_f=$__jb_f.x
      \command printf '{ __jb_x && :; } 2>/dev/null\n%s' "$__jb_text" >|"$__jb_f"
      __jb_text= ;;
    *) __jb_mark '\033]133;C;jb=%s\007' "$__jb_n" ;;
  esac
}
__jb_part() {
  [ -n "${__jb_w-}" ] || return 0
  /bin/sh "$__jb_w"
  __jb_w=
}
__jb_x() {
  __jb_mark '\033]133;C;jb=%s\007' "$__jb_n"
  set -x
  return "$__jb_s"
}
"""

BASH = (
    r"""
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
"""
    + _START
)

ZSH = (
    r"""
__jb_mark() {
  emulate -L zsh
  { \builtin printf "$@" >/dev/tty } 2>/dev/null
}
__jb_end() {
  emulate -L zsh
  local p=$PWD
  [[ $p == *[[:cntrl:]]* ]] && p=
  __jb_part
  __jb_mark '\033]133;D;%s;jb=%s;%s\007' "$1" "$__jb_n$2" "$p"
}
__jb_c() {
  __jb_n=$1; __jb_f=$2; __jb_o=1; __jb_dir=${2:h}
  __jb_hooked
  [[ -z $__jb_k ]] || __jb_s=$__jb_k
  __jb_k=
  __jb_start
  return "$__jb_s"
}
__jb_hooked() {
  emulate -L zsh
  (( ${precmd_functions[(I)__jb_d]} )) || precmd_functions=(__jb_d $precmd_functions)
  (( ${zshaddhistory_functions[(I)__jb_h]} )) || zshaddhistory_functions+=(__jb_h)
}
# An interrupted loop has 0 here and 2 at the prompt; 130 is what zsh says without a wrapper, and
# __jb_k keeps that for the next run.
__jb_e() {
  __jb_s=$1
  if [ "$2" = 1 ]; then __jb_s=130; __jb_k=130; fi
  __jb_o=
  __jb_end "$__jb_s"
  return "$__jb_s"
}
__jb_d() {
  __jb_s=$?
  {
    if [ -n "${__jb_n-}" ]; then
      [ -z "${__jb_o-}" ] || __jb_end "$__jb_s"
      __jb_mark '\033]133;A;jb=%s\007' "$__jb_n"
      __jb_n=
    else
      __jb_k=
    fi
  } 2>/dev/null
  return 0
}
__jb_h() {
  # A hook that fails would end a shell with `set -e`.
  case $-$1 in
    *e*" . $__jb_dir/"*|*e*" /bin/sh "*" jb="*) return 0 ;;
    *" . $__jb_dir/"*|*" /bin/sh "*" jb="*) return 1 ;;
  esac
  return 0
}
__jb_k=
"""
    + _START
)

# sh has no hook but its prompt. The marks in it vanish when there was no run, and in a child.
SH = (
    r"""
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
"""
    + _START
)

FISH = r"""
function __jb_mark
    builtin printf $argv >/dev/tty 2>/dev/null
end
function __jb_end
    if test -n "$__jb_w"
        /bin/sh $__jb_w
        set -g __jb_w ''
    end
    set -l p $PWD
    string match -qr '[[:cntrl:]]' -- $p; and set p ''
    __jb_mark '\033]133;D;%s;jb=%s;%s\007' $argv[1] "$__jb_n$argv[2]" $p
end
function __jb_e
    set -l s $status
    set -g __jb_o ''
    __jb_end $s
    return $s
end
function __jb_d --on-event fish_postexec
    set -l s $status
    if test -n "$__jb_n" -a -n "$__jb_o"
        set -g __jb_o ''
        __jb_end $s !
    end
    return $s
end
function __jb_a --on-event fish_prompt
    set -l s $status
    if test -n "$__jb_n"
        __jb_mark '\033]133;A;jb=%s\007' $__jb_n
        set -g __jb_n ''
    end
    return $s
end
"""


# Where nobody sees the shell's process end, the shell itself tells its status, as fish always does:
# D with a `!`. A trap that is there goes on being called.
_BYE = r"""
__jb_bye() {
  __jb_s=$?
  # zsh calls this in the subshell of an `if`, too.
  case ${__jb_n:+${ZSH_SUBSHELL-0}} in 0) __jb_end "$__jb_s" '!' ;; esac
  return "$__jb_s"
}
"""
FAREWELL: dict[Dialect, str] = {
    "bash": _BYE
    + r"""
# Called for each run: somebody may have set a trap since.
__jb_trap() {
  \builtin eval "set -- $(\builtin trap -p EXIT)"
  case ${3-} in *__jb_bye*) return 0 ;; esac
  \builtin trap "{ __jb_bye && :; } 2>/dev/null${3:+; $3}" EXIT
}
""",
    "zsh": _BYE
    + r"""
zshexit_functions+=(__jb_bye)
""",
    "sh": _BYE
    + r"""
\command trap >|"$__jb_w.x"
case $(\command cat "$__jb_w.x") in
  *EXIT*) ;;
  *) \command trap '{ __jb_bye && :; } 2>/dev/null' EXIT ;;
esac
""",
    "fish": "",
}


def integration(dialect: Dialect, *, farewell: bool = False) -> str:
    """The script for this dialect; its last line says that all of it was read."""
    text = FISH if dialect == "fish" else {"bash": BASH, "zsh": ZSH, "sh": SH}[dialect]
    version = VERSION_FAREWELL if farewell else VERSION
    said = f"set -g __jb_v {version}\n" if dialect == "fish" else f"__jb_v={version}\n"
    return text + (FAREWELL[dialect] if farewell else "") + said
