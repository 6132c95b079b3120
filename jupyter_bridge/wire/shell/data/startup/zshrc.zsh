# From here on ZDOTDIR is the user's. When the user's file is read, the prompt is prepared.
__jb_theirs
__jb_prepare
[[ ! -r ${ZDOTDIR:-$HOME}/.zshrc ]] || . "${ZDOTDIR:-$HOME}/.zshrc"
'builtin' . "$__jb_dir/zsh" && 'builtin' . "$__jb_dir/prompt.zsh"
