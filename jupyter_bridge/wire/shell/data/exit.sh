# shellcheck shell=sh disable=SC2034,SC2154
# Where nobody sees the shell's process end, the shell itself tells its status, as fish always does:
# D with a `!`. A trap that is there goes on being called.
__jb_bye() {
  __jb_s=$?
  # zsh calls this in the subshell of an `if`, too.
  case ${__jb_n:+${ZSH_SUBSHELL-0}} in 0) __jb_end "$__jb_s" '!' ;; esac
  return "$__jb_s"
}
