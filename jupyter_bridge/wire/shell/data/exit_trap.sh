# shellcheck shell=sh disable=SC2154,SC3049
\command trap >|"$__jb_w.x"
case $(\command cat "$__jb_w.x") in
  *EXIT*) ;;
  *) \command trap '{ __jb_bye && :; } 2>/dev/null' EXIT ;;
esac
