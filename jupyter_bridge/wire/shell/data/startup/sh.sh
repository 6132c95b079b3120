# shellcheck shell=sh disable=SC1090,SC1091,SC2034,SC2154,SC3028
# The ENV file of an interactive sh: read what it would have read, and prepare its prompt. `__JB` is
# `<key>:<folder>:<words>`, with `login` if it is a login shell, and the name of the program.
__jb_given=$__JB
unset __JB ENV
[ -z "${__JB_ENV+x}" ] || { ENV=$__JB_ENV; export ENV; unset __JB_ENV; }
case $__jb_given in
  *:login:*)
    [ ! -r /etc/profile ] || . /etc/profile
    [ ! -r "$HOME/.profile" ] || . "$HOME/.profile" ;;
esac
__jb_key=${__jb_given%%:*} __jb_dir=${__jb_given#*:}
__jb_dir=${__jb_dir%%:*}
if [ -r "${ENV-}" ]; then
  . "$ENV"
elif [ -z "${ENV-}" ] && [ -r "$HOME/.mkshrc" ]; then
  case $__jb_given in *:mksh:*) . "$HOME/.mkshrc" ;; esac
fi
. "$__jb_dir/sh" && . "$__jb_dir/prompt.sh"
unset __jb_given
