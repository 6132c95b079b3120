# shellcheck shell=bash disable=SC1090,SC1091
# The ENV file of `bash --posix`, which reads no other: become the bash that was asked for, read
# what it reads, and prepare its prompt. `__JB` is `<key>:<folder>:<words>`.
set +o posix
shopt -u inherit_errexit 2>/dev/null
__jb_given=$__JB
unset __JB ENV
[ -z "${__JB_ENV+x}" ] || { export ENV=$__JB_ENV; unset __JB_ENV; }
[ "${HISTFILE-}" != ~/.sh_history ] || HISTFILE=~/.bash_history
if shopt -q login_shell; then
  case $__jb_given in
    *:noprofile:*) ;;
    *)
      [ ! -r /etc/profile ] || . /etc/profile
      for __jb_file in ~/.bash_profile ~/.bash_login ~/.profile; do
        if [ -r "$__jb_file" ]; then . "$__jb_file"; break; fi
      done ;;
  esac
else
  case $__jb_given in
    *:norc:*) ;;
    *)
      [ ! -r /etc/bash.bashrc ] || . /etc/bash.bashrc
      [ ! -r ~/.bashrc ] || . ~/.bashrc ;;
  esac
fi
__jb_key=${__jb_given%%:*} __jb_dir=${__jb_given#*:}
__jb_dir=${__jb_dir%%:*}
unset __jb_given __jb_file
\builtin . "$__jb_dir/bash" && \builtin . "$__jb_dir/prompt.bash"
