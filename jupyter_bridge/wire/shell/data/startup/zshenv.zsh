# Our ZDOTDIR has these files instead of the user's: each reads the user's, as zsh would have, or
# none if it was started with `-f`. `__JB` is `<key>:<folder>:<words>`.
__jb_own=$ZDOTDIR
__jb_theirs() {
  if (( ${+__JB_ZDOTDIR} )); then ZDOTDIR=$__JB_ZDOTDIR; else unset ZDOTDIR; fi
}
__jb_prepare() {
  __jb_key=${__JB%%:*} __jb_dir=${${__JB#*:}%%:*}
  unset __JB __JB_ZDOTDIR __jb_own
  unfunction __jb_theirs __jb_prepare
}
__jb_theirs
if [[ $__JB == *:norc:* ]]; then
  unsetopt rcs
  __jb_prepare
  'builtin' . "$__jb_dir/zsh" && 'builtin' . "$__jb_dir/prompt.zsh"
else
  [[ ! -r ${ZDOTDIR:-$HOME}/.zshenv ]] || . "${ZDOTDIR:-$HOME}/.zshenv"
  (( ! ${+ZDOTDIR} )) || __JB_ZDOTDIR=$ZDOTDIR
  ZDOTDIR=$__jb_own
fi
