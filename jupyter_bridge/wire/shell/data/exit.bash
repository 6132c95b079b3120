# shellcheck shell=bash disable=SC2154,SC2064
# Called for each run: somebody may have set a trap since.
__jb_trap() {
  \builtin eval "set -- $(\builtin trap -p EXIT)"
  case ${3-} in *__jb_bye*) return 0 ;; esac
  \builtin trap "{ __jb_bye && :; } 2>/dev/null${3:+; $3}" EXIT
}
